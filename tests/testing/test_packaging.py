"""What a user of the kit sees: its names, what importing it costs, and its messages in a plain pytest run."""

import subprocess
import sys
from pathlib import Path

import pytest

from aura_actors import testing

LIGHT = ["Probe", "run_actor", "failing", "crash", "ManualClock", "nothing_left_running"]
HEAVY = ["aura_actors.runtime", "aura_actors.config", "aura_actors.actors", "quart", "hypercorn", "structlog"]

USERS_TEST = """
import trio
from aura_actors.kernel.actor import Actor
from aura_actors.testing import Probe, nothing_left_running, run_actor


class Echo(Actor[str]):
    def __init__(self, out):
        self.out = out

    async def handle(self, message):
        self.out.tell(message.upper())


async def test_it_speaks_up(autojump_clock):
    ear = Probe("ear")
    async with nothing_left_running(), run_actor(lambda: Echo(ear.ref)) as echo:
        echo.ref.tell("hello")
        assert await ear.receive(str, within=60) == "HELLO"


async def test_it_forgets_a_task(autojump_clock, nursery):
    async with nothing_left_running(within_seconds=0.02):
        nursery.start_soon(trio.sleep, 3600, name="the forgotten one")
"""


def test_every_public_name_is_there() -> None:
    for name in testing.__all__:
        assert getattr(testing, name) is not None
    with pytest.raises(AttributeError):
        _ = testing.nothing_of_that_name


def test_the_kit_for_actors_loads_neither_runtime_nor_server() -> None:
    code = (
        f"import sys; from aura_actors.testing import {', '.join(LIGHT)}; "
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "[]"


def test_a_users_tests_run_under_plain_pytest_and_show_what_was_left(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\ntrio_mode = true\n")
    (tmp_path / "test_echo.py").write_text(USERS_TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "StillRunning: still there after the block: task the forgotten one in a nursery of " in done.stdout
    assert "FAILED test_echo.py::test_it_forgets_a_task" in done.stdout
