"""The shim, compiled once for each test process."""

import os
import sys
from pathlib import Path

import pytest

from tests.effort import effort
from tests.kill_points.run import Program, build


@pytest.fixture(scope="session")
def shim_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the shim is compiled to."""
    return tmp_path_factory.mktemp("shim")


@pytest.fixture
def library(shim_folder: Path, program: Program) -> Path:
    """The shim. Skips where there is no compiler, and where the C library has no such calls to stand before."""
    if not sys.platform.startswith("linux"):
        pytest.skip("system calls are caught on Linux only")
    made = shim_folder / "kill_points.so"
    return made if made.exists() else build(shim_folder, program("cc", "gcc"))


@pytest.fixture
def sample() -> int | None:
    """How many points of each scenario are tried: all of them with AURA_KILL_POINTS=all."""
    return None if os.environ.get("AURA_KILL_POINTS") == "all" else effort("AURA_KILL_POINTS", desk=4, ci=8)
