"""The data directory: made on first start, private, and owned by one running daemon at a time.

Owns the lock and the names of the files in it. Blocking.
"""

import fcntl
import os
from pathlib import Path

import psutil

from aura_actors.cleaners.layout import DATABASE
from aura_actors.errors import AlreadyServed, InvalidValue


class DataDir:
    """A directory that this process has claimed. The claim ends with `release`, or with the process."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @property
    def journal(self) -> Path:
        """The journal of leases."""
        return self.path / "journal.db"

    @property
    def schedule(self) -> Path:
        """The state of the cleanup tasks."""
        return self.path / "cleanup.db"

    @property
    def quarantine(self) -> Path:
        """The journal of what cleanup moves."""
        return self.path / "quarantine.db"

    @property
    def application(self) -> Path:
        """The application's database, in the default layout."""
        return self.path / DATABASE

    @property
    def kinds(self) -> Path:
        """What was learned of kinds of jobs."""
        return self.path / "kinds.db"

    def release(self) -> None:
        """Give the claim up."""
        os.close(self._lock)


def claim(path: Path) -> DataDir:
    """Make the directory if need be, and claim it.

    Raises `AlreadyServed` where another daemon has it, `InvalidValue` where it cannot be used.
    """
    path = path.expanduser()
    try:
        path = path.absolute()
        _demand_text(path)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The folder itself is locked: a lock file could be removed, and a second daemon would make its own.
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidValue(f"the data directory {path} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (path / "pid").write_text(f"{os.getpid()}\n", encoding="ascii")
    except BlockingIOError:
        os.close(lock)
        advice = "give another one (data_dir, --data-dir)"
        raise AlreadyServed(
            f"the data directory {path} is in use by another daemon{_holder(path)}; {advice}"
        ) from None
    except OSError as error:
        os.close(lock)
        raise InvalidValue(f"the data directory {path} cannot be used: {error.strerror}") from error
    return DataDir(path, lock)


def _demand_text(path: Path) -> None:
    """Its name goes to other processes, into databases and reports, which take nothing but text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise InvalidValue(
            f"the data directory {shown} cannot be used: its name is not UTF-8; give --data-dir"
        ) from None


def _holder(path: Path) -> str:
    try:
        pid = (path / "pid").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
    return f" (pid {pid})" if pid.isdigit() else ""


def boot_id() -> str:
    """What names this run of the machine: monotonic time is comparable within it and not beyond."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        # Stamps of the boot wander by a second or two with the wall clock; two boots are further apart.
        return f"boot at minute {round(psutil.boot_time() / 60)}"
