"""A real daemon for `top`, and the command as a process of its own."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.client.run.conftest import Daemon
from tests.tty import Tty

TOP: Final = (sys.executable, "-m", "aura_actors", "top")
ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"
_HOME = "\x1b[H"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One for all tests of a file that leave it running."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon"))
    daemon.start()
    with daemon.client:
        yield daemon
    daemon.kill()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Daemon]:
    """One of the test's own."""
    daemon = Daemon(tmp_path)
    daemon.start()
    with daemon.client:
        yield daemon
    daemon.kill()


def pictures(tty: Tty) -> list[list[str]]:
    """Every whole picture that was drawn so far, as lines without control codes."""
    *_, drawn = tty.read().rpartition(ENTERED)
    return [_CONTROL.sub("", each).replace("\r", "").split("\n") for each in drawn.split(_HOME)[1:]]
