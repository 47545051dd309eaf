"""What others hold of an actor: its name and the ways to reach it. Stays valid across restarts.

Owns the three verbs tell, send and ask; knows nothing about who runs the actor.
"""

from collections.abc import Callable
from typing import Generic, TypeVar, cast

import trio

from aura_actors.errors import AskTimeout, MailboxFull, NotStarted
from aura_actors.kernel.envelope import Envelope, ReplySlot
from aura_actors.kernel.mailbox import Mailbox, MailboxStatistics, Verdict
from aura_actors.kernel.monitor import Monitors, Watcher
from aura_actors.kernel.request import Request

M = TypeVar("M")
R = TypeVar("R")

RETRY_SECONDS = 0.05
"""Hint given with `NotStarted`: about the time a first restart takes. Without it the actor has stopped for good."""


class Ref(Generic[M]):
    """A reference to an actor whose mailbox takes messages of type `M`."""

    def __init__(
        self,
        name: str,
        mailbox: Mailbox,
        *,
        expect: Callable[[ReplySlot], bool],
        forget: Callable[[ReplySlot], None],
        monitors: Monitors,
    ) -> None:
        self.name = name
        self._mailbox = mailbox
        self._expect = expect
        self._forget = forget
        self._monitors = monitors

    def __repr__(self) -> str:
        return f"<Ref {self.name}>"

    def tell(self, message: M, *, control: bool = False) -> Verdict:
        """Hand over a message without waiting. The verdict says what became of it; nothing is raised.

        What nobody took in is a dead letter as well.
        """
        return self._told(message, self._mailbox.put_nowait(Envelope(message), control=control))

    async def send(self, message: M) -> Verdict:
        """Hand over a message, waiting for room where the mailbox lets senders wait."""
        return self._told(message, await self._mailbox.put(Envelope(message)))

    def _told(self, message: M, verdict: Verdict) -> Verdict:
        if verdict in (Verdict.FULL, Verdict.STOPPED):
            self._mailbox.undelivered(message, verdict)
        return verdict

    async def ask(self, request: Request[R], *, within: float) -> R:
        """Ask and wait at most `within` seconds for the reply.

        Raises what the actor raised as its answer (an `AuraError`), `MailboxFull`, `NotStarted` (nobody began the
        question, ask again), `Lost` (the actor crashed while at it) or `AskTimeout`. A question whose asker
        is gone is skipped when its turn comes.
        """
        slot = ReplySlot()
        try:
            with trio.fail_after(within) as patience:
                if self._mailbox.discarded:
                    raise NotStarted(f"{self.name} has stopped")
                if self._mailbox.closed:
                    raise NotStarted(f"{self.name} is stopping", retry_after_seconds=RETRY_SECONDS)
                if not self._expect(slot):
                    raise NotStarted(f"{self.name} is not running", retry_after_seconds=RETRY_SECONDS)
                slot.entering = patience
                verdict = await self._mailbox.put(Envelope(request, slot))
                slot.entering = None
                if verdict is Verdict.FULL:
                    raise MailboxFull(f"{self.name} has too much waiting", retry_after_seconds=RETRY_SECONDS)
                if verdict is Verdict.STOPPED:
                    raise NotStarted(f"{self.name} has stopped")
                return cast("R", await slot.wait())
        except trio.TooSlowError:
            if slot.error is not None:  # the actor ended while the question waited for room
                raise slot.error from None
            raise AskTimeout(f"{self.name} did not answer within {within:g} s") from None
        finally:
            slot.abandon()
            self._forget(slot)
            del slot  # an error in it holds this frame

    def monitor(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher(down)` whenever an incarnation ends, and now if none runs any more.

        Call what is returned to end that. The watcher is called on the loop, must not wait and must not raise;
        within an actor use `Context.monitor`.
        """
        return self._monitors.add(watcher)

    def statistics(self) -> MailboxStatistics:
        """What waits for the actor now."""
        return self._mailbox.statistics()
