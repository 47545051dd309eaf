"""The shim, compiled once for each test process, and the processes that have it loaded, one for each module."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.effort import effort
from tests.kill_points.run import Driver, Program, build


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, program: Program) -> Path:
    """The shim. Skips where there is no compiler, and where the C library has no such calls to stand before."""
    if not sys.platform.startswith("linux"):
        pytest.skip("system calls are caught on Linux only")
    return build(tmp_path_factory.mktemp("shim"), program("cc", "gcc"))


@pytest.fixture(scope="module")
def driver(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The process that tries the points of a module's scenarios."""
    with contextlib.closing(Driver(library, tmp_path_factory.mktemp("driver"))) as started:
        yield started


@pytest.fixture(scope="module")
def traced(library: Path, program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The same under strace. Skips where there is none."""
    folder, strace = tmp_path_factory.mktemp("driver"), program("strace", "strace")
    with contextlib.closing(Driver(library, folder, strace)) as started:
        yield started


@pytest.fixture
def sample() -> int | None:
    """How many points of each scenario are tried: all of them with AURA_KILL_POINTS=all."""
    return None if os.environ.get("AURA_KILL_POINTS") == "all" else effort("AURA_KILL_POINTS", desk=4, ci=8)
