"""What every test runs under: no example is timed or kept, and a skip for want of a program is a failure in CI."""

import contextlib
import gc
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from aura_actors.collectors.cgroup_find import find_groups
from tests.certificates import Issuer
from tests.tty import Tty

# In CI the examples are the same in every run; at a desk each run tries others, and prints how to repeat a failure.
settings.register_profile("aura", deadline=None, database=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("aura")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: nothing looks for garbage in it, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def issue(program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    """`issue()` is a new certificate for loopback and its key."""
    return Issuer(program("openssl", "openssl"), tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def ttys() -> Iterator[Callable[..., Tty]]:
    """Starts programs on terminals of their own: `ttys("cat", TERM="xterm")`."""
    opened: list[Tty] = []

    def opener(*arguments: str, **environ: str) -> Tty:
        opened.append(Tty(list(arguments), **environ))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


class MemoryGroup:
    """A real control group with a memory limit, v1 or v2, whichever this machine has."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unified = (path / "memory.max").exists()

    def limit(self, limit_bytes: int | None) -> None:
        name, none = ("memory.max", "max") if self.unified else ("memory.limit_in_bytes", "-1")
        (self.path / name).write_text(none if limit_bytes is None else str(limit_bytes))

    def enter(self, pid: int) -> None:
        (self.path / "cgroup.procs").write_text(str(pid))


@pytest.fixture
def memory_group() -> Iterator[MemoryGroup]:
    """A new group below one that we may write to; skips where the machine has none for us."""
    try:
        chain = find_groups("", Path("/proc/self/cgroup").read_text()).memory
    except OSError:
        pytest.skip("no control groups: /proc/self/cgroup cannot be read")
    reason = "no memory controller is mounted"
    for directory in chain.directories:
        path = Path(directory) / f"aura-test-{os.getpid()}"
        try:
            path.mkdir()
        except OSError as error:
            reason = f"no group can be made below {directory}: {error.strerror}"
            continue
        try:
            group = MemoryGroup(path)
            group.limit(None)
        except OSError as error:
            reason = f"groups below {directory} have no memory limit to write: {error.strerror}"
            path.rmdir()
            continue
        try:
            yield group
        finally:
            _remove(path)
        return
    pytest.skip(reason)


def _remove(group: Path) -> None:
    """A process that was killed leaves its group when the kernel has taken it apart, some milliseconds later."""
    for _ in range(500):
        for process in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (group.parent / "cgroup.procs").write_text(process)
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.01)  # of the kernel's own time: there is nothing to wait on
        else:
            return
    group.rmdir()
