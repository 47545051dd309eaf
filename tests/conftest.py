"""What every test runs under: no example is timed or kept, and a skip for want of a program is a failure in CI."""

import os
import shutil
from collections.abc import Callable

import pytest
from hypothesis import settings

# In CI the examples are the same in every run; at a desk each run tries others, and prints how to repeat a failure.
settings.register_profile("aura", deadline=None, database=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("aura")


@pytest.fixture
def program() -> Callable[[str, str], str]:
    """Find a program that a test needs, or skip and say which Debian package has it."""

    def find(name: str, package: str) -> str:
        path = shutil.which(name)
        if path is not None:
            return path
        reason = f"{name} is not installed (Debian package {package})"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}; CI installs it")
        pytest.skip(reason)

    return find
