"""Which process a lease ends with: this one, unless the program says otherwise or the daemon does not believe it.

Owns that choice and its memory. A daemon believes a process id on loopback and on its unix socket, and only from
its own PID namespace: elsewhere ids mean other processes.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeVar

import msgspec

from aura_actors.errors import InvalidValue
from aura_actors.wire.admission import AcquireBody, SlotBody

Pid = int | Literal["own"] | None
"""`own`: this process, where the daemon believes it. None: no process."""
POINTER: Final = "/pid"

Body = TypeVar("Body", bound=AcquireBody | SlotBody)
T = TypeVar("T")


class Process:
    """What is told to one daemon. `is_told` is False where it is known to be another machine."""

    def __init__(self, *, is_told: bool) -> None:
        self._is_told = is_told
        self._was_believed = False

    async def named(self, body: Body, pid: Pid, ask: Callable[[Body], Awaitable[T]]) -> T:
        """Ask with that process in the body. Raises InvalidValue for one that was given and is not believed.

        Our own is left out where it is not believed: from then on, or, where it had been before, this time alone: a
        daemon that is busy may not find out in time whose connection it is.
        """
        if isinstance(pid, int) and pid < 1:
            raise InvalidValue(f"expected the id of a process, got {pid}", path="pid")
        if pid != "own":
            return await ask(msgspec.structs.replace(body, pid=pid))
        if not self._is_told:
            return await ask(body)
        try:
            answer = await ask(msgspec.structs.replace(body, pid=os.getpid()))
        except InvalidValue as error:
            if error.path != POINTER:
                raise
            self._is_told = self._was_believed
            return await ask(body)
        self._is_told = self._was_believed = True
        return answer
