"""A child process that answers: one request, one reply, in frames on its pipes.

Owns the process: it is started, asked, and always ended and reaped, even when it hangs. Refuses to know what the
bytes mean, when to ask and whether to start another. A frame is a length of four bytes, big-endian, and content.
"""

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

import trio

LENGTH_BYTES = 4
LOGGED_LINES_AT_MOST = 20
LOGGED_CHARACTERS_AT_MOST = 300


class WorkerEnded(Exception):
    """The process is not there any more, or says what is no frame; the text says how it ended."""


class Worker:
    """A running child process. After an `ask` that did not return, only `end` makes sense."""

    def __init__(self, process: trio.Process, max_frame_bytes: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._requests, self._replies, self._errors = process.stdin, process.stdout, process.stderr
        self._max_frame_bytes = max_frame_bytes
        self._received = bytearray()

    @classmethod
    async def start(
        cls, command: Sequence[str], *, environment: Mapping[str, str], max_frame_bytes: int
    ) -> "Worker":
        """Start `command`. Raises `OSError` where that is not possible."""
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        return cls(process, max_frame_bytes)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def ask(self, request: bytes) -> bytes:
        """Send a frame and wait for the one that answers it. Raises `WorkerEnded`; the deadline is the caller's."""
        try:
            await self._requests.send_all(len(request).to_bytes(LENGTH_BYTES, "big") + request)
        except trio.BrokenResourceError:
            raise WorkerEnded(await self._how_it_ended()) from None
        length = int.from_bytes(await self._receive(LENGTH_BYTES), "big")
        if length > self._max_frame_bytes:
            raise WorkerEnded(f"it announced a frame of {length} bytes")
        return await self._receive(length)

    async def _receive(self, size: int) -> bytes:
        while len(self._received) < size:
            chunk = await self._replies.receive_some()
            if not chunk:
                raise WorkerEnded(await self._how_it_ended())
            self._received += chunk
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    async def _how_it_ended(self) -> str:
        with trio.move_on_after(1):
            await self._process.wait()
        code = self._process.returncode
        if code is None:
            return "it closed its pipes"
        return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with status {code}"

    async def listen(self, report: Callable[[str], None]) -> None:
        """Hand on what it prints as an error, line by line and bounded, until it ends; the rest is drained."""
        left, line = LOGGED_LINES_AT_MOST, b""
        async with self._errors:
            while chunk := await self._errors.receive_some():
                *lines, line = (line + chunk).split(b"\n")
                line = line[:LOGGED_CHARACTERS_AT_MOST]
                for each in lines[:left]:
                    report(each[:LOGGED_CHARACTERS_AT_MOST].decode(errors="replace"))
                left -= len(lines[:left])

    async def end(self, patience_seconds: float) -> bool:
        """End the process: close its requests, then SIGTERM, then SIGKILL, each after `patience_seconds`.

        False if it is still there: it hangs in the kernel, and can be ended once more later.
        """
        with trio.CancelScope(shield=True):
            await self._requests.aclose()
            for number in (None, signal.SIGTERM, signal.SIGKILL):
                if number is not None:
                    self._process.send_signal(number)
                with trio.move_on_after(patience_seconds):
                    await self._process.wait()
                    await self._replies.aclose()
                    return True
        return False
