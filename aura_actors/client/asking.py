"""Asking a daemon for a lease over HTTP, until there is one or the time is up, and leaving nothing behind.

Owns patience: which answers and which silences are asked again, for how long; and the clean-up after a caller that
is cancelled. The same job id, owner and needs get the same lease, so that asking again after an answer was lost is
safe. A slot at a provider has no id of its own: one whose grant crosses a cancellation ends by its time.
"""

import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, Generic, TypeVar

import anyio
import httpx2
import msgspec

from aura_actors.client.answers import decoded
from aura_actors.client.calls import ANSWER_SECONDS, Calls
from aura_actors.client.tasks import Tasks, Work
from aura_actors.errors import AuraError, Draining, Refused, Unavailable, Unreachable
from aura_actors.wire import admission as wire

POLL_SECONDS: Final = 30.0
"""The longest that one request waits; asking again keeps the place."""
SLOT_POLL_SECONDS: Final = 3600.0
"""For a slot no place is kept from one request to the next."""
LOST_SECONDS: Final = 5.0
"""How long a question whose answer was lost is asked again, where nobody wanted to wait."""
AGAIN_SECONDS: Final = (0.05, 2.0)
"""The first pause and the longest one, after a question that got no answer."""
AT_ONCE_SECONDS: Final = 1.0
"""For the answer of a daemon that admits nothing: it holds no question."""
GRACE_SECONDS: Final = 1.0
"""Since a question was asked, for an answer that comes at once, though its caller is cancelled."""
OVERDUE_SECONDS: Final = 3.0
"""Beyond the wait that a caller named, for the daemon to say how it ended: if it hangs, nobody waits longer."""
LEAVE_SECONDS: Final = 5.0
"""For the daemon to take back what a cancelled caller may have got."""

Body = TypeVar("Body", bound=wire.AcquireBody | wire.SlotBody)
Grant = TypeVar("Grant", bound=wire.Lease | wire.Slot)


class Patience:
    """How often one question is asked. `wait_seconds` may be infinite."""

    def __init__(self, wait_seconds: float) -> None:
        self._waits = wait_seconds > 0
        self._ends_at = anyio.current_time() + wait_seconds
        self._believed_until = -math.inf
        self._pause = AGAIN_SECONDS[0]

    def left(self) -> float:
        """Seconds that the daemon may be asked to wait."""
        return max(0.0, self._ends_at - anyio.current_time())

    def within(self, asked_seconds: float) -> float:
        """Seconds that the answer may take to a question which the daemon was asked to hold for so long."""
        patient = asked_seconds + ANSWER_SECONDS
        return min(patient, self.left() + OVERDUE_SECONDS) if self._waits else patient

    def answered(self) -> None:
        """The daemon is there, and admits."""
        self._pause, self._believed_until = AGAIN_SECONDS[0], -math.inf

    async def again(self, error: Unavailable) -> bool:
        """Whether to ask again after this; returns when it is time to.

        A daemon that ends tells those who wait that it is draining: that is believed if it is said again at once.
        A question that was held before it was answered so was ended by another restart.
        """
        now, drains = anyio.current_time(), isinstance(error, Draining)
        if isinstance(error, Refused) or (drains and now < self._believed_until):
            return False
        self._believed_until = now + self._pause + AT_ONCE_SECONDS if drains else -math.inf
        if not self._waits and isinstance(error, Unreachable) and error.sent:
            self._waits, self._ends_at = True, anyio.current_time() + LOST_SECONDS
        if not self._waits or self.left() <= self._pause:
            return False
        await anyio.sleep(self._pause)
        self._pause = min(2 * self._pause, AGAIN_SECONDS[1])
        return True


class Asking(Generic[Body, Grant]):
    """Where leases of one kind are asked for: jobs, or slots at one provider.

    `give_back` is how a grant is released.
    """

    def __init__(
        self,
        calls: Calls,
        path: str,
        kind: type[Grant],
        give_back: Callable[[Grant], Awaitable[None]],
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._calls = calls
        self._path = path
        self._kind = kind
        self._give_back = give_back
        self._poll_seconds = poll_seconds

    async def take(self, tasks: Tasks, body: Body, wait_seconds: float) -> Grant:
        """Ask, and wait for it. Raises what `Aura.reserve` does; whoever is cancelled leaves nothing behind."""
        work = tasks.begin(lambda: self._until_granted(body, wait_seconds))
        try:
            return await work.wait()
        except anyio.get_cancelled_exc_class():
            undoing = tasks.begin(lambda: self._undo(work, body, wait_seconds))
            with anyio.CancelScope(shield=True):
                await undoing.ended()
            raise

    async def _until_granted(self, body: Body, wait_seconds: float) -> Grant:
        patience = Patience(wait_seconds)
        while True:
            seconds, asked_at = min(patience.left(), self._poll_seconds), anyio.current_time()
            try:
                answer = await self._ask(body, seconds, patience.within(seconds))
            except Unavailable as error:
                if not await patience.again(error):
                    raise
                self._calls.absence.goes_on(error, asked_at)
                continue
            patience.answered()
            if answer.status_code != HTTPStatus.ACCEPTED:
                return decoded(answer.content, self._kind)
            if patience.left() <= 0:
                await self._leave(answer, wait_seconds)

    async def _ask(self, body: Body, wait_seconds: float, within: float) -> httpx2.Response:
        asked = msgspec.structs.replace(body, wait_seconds=wait_seconds)
        return await self._calls.ask("POST", self._path, body=asked, within=within, waits=wait_seconds > 0)

    async def _leave(self, answer: httpx2.Response, wait_seconds: float) -> None:
        place = decoded(answer.content, wire.Ticket)
        await self._give_up(place)
        raise Refused(
            f"there was no room within {wait_seconds:g} s",
            reasons=tuple(place.reasons),
            retry_after_seconds=place.retry_after_seconds,
        )

    async def _give_up(self, place: wire.Ticket) -> None:
        secret = {"Aura-Ticket": place.ticket}
        try:
            await self._calls.ask("DELETE", f"{self._path}/{place.job_id}", secret=secret, within=OVERDUE_SECONDS)
        except AuraError:  # it is not there any more, or runs out: nobody waits in it
            return

    async def _undo(self, work: Work[Grant], body: Body, wait_seconds: float) -> None:
        """Let an answer come that comes at once; cut off what waits, and look whether it was granted after all."""
        can_ask_again = isinstance(body, wire.AcquireBody)
        if wait_seconds == 0 or not can_ask_again:
            with anyio.move_on_after(work.begun_at + GRACE_SECONDS - anyio.current_time()):
                await work.ended()
        work.cut_off()
        await work.ended()
        with anyio.move_on_after(LEAVE_SECONDS):
            if work.outcomes:
                await self._give_back(work.outcomes[0])
            elif work.is_torn and can_ask_again:
                await self._forsake(body)

    async def _forsake(self, body: Body) -> None:
        """The same question again has the same answer, this time with its secret."""
        answer = await self._ask(body, 0, ANSWER_SECONDS)
        if answer.status_code == HTTPStatus.ACCEPTED:
            await self._give_up(decoded(answer.content, wire.Ticket))
        else:
            await self._give_back(decoded(answer.content, self._kind))
