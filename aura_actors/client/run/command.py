"""The process that will be the command: forked first, so that a lease can name it, and held until it may begin.

If it may not, or whoever holds it dies, it ends without a word. Owns fork, hold, exec and what exec answered.
"""

import errno
import os
import resource
import shutil
import struct
from collections.abc import Callable, Sequence
from typing import NoReturn

_ERRNO = struct.Struct("i")
_SHELL = "/bin/sh"


def missing(command: str) -> OSError | None:
    """Why this cannot be executed, as far as that can be seen beforehand: nobody shall wait for a slip."""
    if shutil.which(command) is not None:
        return None
    folders = [""] if "/" in command else os.get_exec_path()
    if any(os.path.exists(os.path.join(folder, command)) for folder in folders):  # noqa: PTH110, PTH118  # False where nobody may look
        return PermissionError(errno.EACCES, os.strerror(errno.EACCES), command)
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command)


class Held:
    """A child that waits. Make it before any thread; `prepare` runs in it just before it becomes the command.

    `alone`: it leads a process group of its own.
    """

    def __init__(self, command: Sequence[str], prepare: Callable[[], None], *, alone: bool) -> None:
        hold, self._go = os.pipe()
        self._answer, answer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._go)
            os.close(self._answer)
            _become(command, prepare, hold, answer, alone=alone)
        os.close(hold)
        os.close(answer)
        if alone:
            os.setpgid(self.pid, self.pid)

    def limit_data(self, limit_bytes: int) -> int:
        """What it, and every process that it starts, may allocate at most, each on its own; what holds then.

        A limit that is lower already stays. Raises OSError.
        """
        soft, hard = resource.prlimit(self.pid, resource.RLIMIT_DATA)
        holds = _lower(soft, limit_bytes)
        resource.prlimit(self.pid, resource.RLIMIT_DATA, (holds, _lower(hard, limit_bytes)))
        return holds

    def begin(self) -> OSError | None:
        """Let it become the command; why it could not. Call once."""
        try:
            os.write(self._go, b"!")
        except BrokenPipeError:  # it was killed while it waited
            return None
        os.close(self._go)
        answer = os.read(self._answer, _ERRNO.size)
        os.close(self._answer)
        if not answer:
            return None
        number: int = _ERRNO.unpack(answer)[0]
        return OSError(number, os.strerror(number))


def _lower(limit: int, other: int) -> int:
    return other if limit == resource.RLIM_INFINITY else min(limit, other)


def _become(
    command: Sequence[str], prepare: Callable[[], None], hold: int, answer: int, *, alone: bool
) -> NoReturn:
    try:
        if alone:
            os.setpgid(0, 0)
        if not os.read(hold, 1):
            os._exit(0)
        prepare()
        _execute(command)
    except OSError as error:
        os.write(answer, _ERRNO.pack(error.errno or errno.EIO))
    finally:
        os._exit(126)


def _execute(command: Sequence[str]) -> NoReturn:
    try:
        os.execvp(command[0], [*command])  # noqa: S606  # it is what was asked for
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # A script without `#!`: a shell would run it.
    os.execv(_SHELL, [_SHELL, shutil.which(command[0]) or command[0], *command[1:]])  # noqa: S606  # the same
