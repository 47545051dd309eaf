"""What an author writes: an actor, which handles one message at a time, or those that wait together as one.

Owns the contract between an actor and the cell that runs it. State that must survive a restart belongs in
a store; everything an actor keeps in itself is gone with the incarnation.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import trio

from aura_actors.errors import AuraError
from aura_actors.kernel.envelope import Envelope, Lifetime
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.mailbox import Mailbox, Verdict
from aura_actors.kernel.monitor import Down
from aura_actors.kernel.ref import Ref

M = TypeVar("M")


class Context(Generic[M]):
    """What an incarnation may use: its own reference, a nursery as long-lived as itself, timers and monitors.

    What these send goes into the control lane, is never lost there, and is void once the incarnation is over.
    """

    def __init__(self, ref: Ref[M], nursery: trio.Nursery, mailbox: Mailbox) -> None:
        self.ref = ref
        self.nursery = nursery
        self._mailbox = mailbox
        self._lifetime = Lifetime()
        self._demonitors: set[Callable[[], None]] = set()

    def end(self) -> None:
        """The incarnation is over: what it sent to itself and still waits is not for the next one."""
        self._lifetime.over = True
        for demonitor in self._demonitors:
            demonitor()

    def every(self, seconds: float, message: M, *, immediately: bool = False) -> None:
        """Put `message` into the control lane every `seconds`.

        A tick that still waits is not doubled, and ticks that a slow handler missed are not made up for.
        """
        self.nursery.start_soon(self._tick, seconds, message, immediately)

    async def _tick(self, seconds: float, message: M, immediately: bool) -> None:
        tick: Envelope | None = None
        due = trio.current_time() + (0 if immediately else seconds)
        while True:
            await trio.sleep_until(due)
            if tick is None or tick.taken:
                tick = self._envelope(message)
                await self._mailbox.put(tick, control=True)
            due += seconds
            if due <= (now := trio.current_time()):
                due = now + seconds

    def after(self, seconds: float, message: M) -> Callable[[], None]:
        """Put `message` into the control lane once, in `seconds`; call what is returned to take it back."""
        scope = trio.CancelScope()

        async def wait() -> None:
            with scope:
                await trio.sleep(seconds)
                await self._mailbox.put(self._envelope(message), control=True)

        self.nursery.start_soon(wait)
        return scope.cancel

    def follow(self, cell: Latest[Any], message: M) -> None:
        """Put `message` into the control lane whenever `cell` has a newer value than when it was handled last."""
        self.nursery.start_soon(self._follow, cell, message)

    async def _follow(self, cell: Latest[Any], message: M) -> None:
        version = 0
        news: Envelope | None = None
        while True:
            await cell.wait_newer(version)
            version = cell.version
            if news is None or news.taken:
                news = self._envelope(message)
                await self._mailbox.put(news, control=True)

    def monitor(self, ref: Ref[Any], message: Callable[[Down], M]) -> Callable[[], None]:
        """Put `message(down)` into the control lane whenever an incarnation of the actor behind `ref` ends.

        At once, if it has ended and none has followed yet. Lasts as long as this incarnation, or until what is
        returned is called.
        """

        def watcher(down: Down) -> None:
            try:
                envelope = self._envelope(message(down))
            except Exception as error:  # noqa: BLE001  (ours, and not to be raised into whoever ended)
                self.nursery.start_soon(_fail, error)
                return
            if self._mailbox.put_nowait(envelope, control=True) is Verdict.FULL:
                self.nursery.start_soon(partial(self._mailbox.put, envelope, control=True))

        demonitor = ref.monitor(watcher)
        self._demonitors.add(demonitor)

        def end() -> None:
            self._demonitors.discard(demonitor)
            demonitor()

        return end

    def _envelope(self, message: M) -> Envelope:
        return Envelope(message, within=self._lifetime)


async def _fail(error: Exception) -> None:
    raise error


class Actor(ABC, Generic[M]):
    """Base of every actor. `M` is the union of its messages: the type of its mailbox."""

    async def open(self, context: Context[M]) -> None:
        """Get ready. Runs before the actor counts as started; an exception fails the start."""

    @abstractmethod
    async def handle(self, message: M) -> object:
        """Deal with one message; the return value answers a request.

        An `AuraError` raised here answers the asker and the actor lives. Anything else is a crash.
        """

    def joins(self, message: M) -> int:
        """How many of a step's 64 places `message` takes, where it may be dealt with together with others.

        0, as by default: it is a step of its own.
        """
        return 0

    async def handle_together(self, messages: Sequence[M]) -> Sequence[object]:
        """Deal with messages that join, in order; for each its reply, or the `AuraError` that answers it.

        A crash here is the end of them all.
        """
        replies: list[object] = []
        for message in messages:
            try:
                replies.append(await self.handle(message))
            except AuraError as refusal:
                replies.append(refusal)
        return replies

    async def close(self) -> None:
        """Let go of what `open` took. Runs shielded from cancellation, for the cell's `close_seconds` at most."""
