"""What is launched is to a test what a child of its own would be: its environment, words, signals and status."""

import os
import subprocess
from pathlib import Path

import pytest

from aura_actors import __version__
from tests.launcher import launch


def test_it_says_what_it_says_and_ends_with_its_status() -> None:
    done, wrong = launch(["--version"], {**os.environ}), launch(["nonsense"], {**os.environ})
    assert (done.communicate(timeout=20), done.returncode) == ((f"{__version__}\n", ""), 0)
    out, err = wrong.communicate(timeout=20)
    assert (out, "nonsense" in err, wrong.returncode) == ("", True, 2)


def test_its_environment_is_the_one_that_was_given_and_no_other() -> None:
    shown = launch(["config", "show"], {"AURA_HTTP__PORT": "4711"}), launch(["config", "show"], {})
    (out, _), (other, _) = (each.communicate(timeout=20) for each in shown)
    assert ("port = 4711" in out, "port = 4711" in other) == (True, False)


def test_one_that_runs_hears_signals_and_one_that_has_ended_gets_none(tmp_path: Path) -> None:
    running = launch(["serve", "--port", "0", "--data-dir", str(tmp_path)], {**os.environ})
    assert running.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(timeout=0.01)
    running.kill()
    assert running.wait(timeout=20) == -9
    running.terminate()
    running.communicate()
    with pytest.raises(ProcessLookupError):
        os.kill(running.pid, 0)
