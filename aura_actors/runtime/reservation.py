"""Leases of the program that embeds the runtime, each for the time of a block.

Owns the scoped use: taken, perhaps after a wait, at the start of a block, kept alive while it runs, given back on
every way out. What may be granted is admission's to say, as for everybody else.

Admission lives in the program's own loop: one that the program holds up renews nothing, and the first thing that
admission does afterwards is to look at its clock. So these leases ask for the longest time that is configured
(`[admission] max_lease_ttl`, 5 minutes) and are renewed at a third of it: the loop may stand still for two thirds,
200 s, at any moment, and no lease ends. It costs nothing after a crash: one program at a time has a data directory,
so what is found bound to `CONNECTION` at the start was left by one that is no more, and is ended at once.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
import structlog
import trio

from aura_actors.collectors.process_look import identify
from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec, ProcessIdentity
from aura_actors.edges import waiting
from aura_actors.edges.keeping import Keeper
from aura_actors.edges.services import ask
from aura_actors.errors import AuraError, Conflict, Foreign, Gone, InvalidValue, Refused, Unavailable
from aura_actors.kernel.ref import Ref
from aura_actors.messages import admission as m
from aura_actors.wire.admission import Slot, SlotReleaseBody
from aura_actors.wire.arguments import checked

log = structlog.get_logger("aura_actors.runtime")

OWNER = "embedded"
CONNECTION = "embedded"
"""What this program's leases are bound to. Connections of the feed have names that nobody can guess."""
AGAIN_SECONDS = 1.0


class HeldSlot:
    """A slot at a provider while its block runs."""

    def __init__(self, slot: Slot) -> None:
        self.provider = slot.provider
        self.slot_id = slot.slot_id
        self.fence = slot.fence
        self.outcome: str | None = None
        self.tokens: int | None = None

    def settle(self, *, tokens: int | None = None, outcome: str | None = None) -> None:
        """What the call really used, and how it ended: "ok", "throttled" or "timeout". Told at the block's end."""
        checked({"tokens": tokens, "outcome": outcome}, SlotReleaseBody)
        self.tokens = self.tokens if tokens is None else tokens
        self.outcome = self.outcome if outcome is None else outcome


class Reservations:
    """All that one program holds; `ttl_seconds` is the longest time to live that there is."""

    def __init__(self, admission: Ref[m.AdmissionMessage], *, ttl_seconds: float) -> None:
        self._admission = admission
        self._ttl_seconds = ttl_seconds
        self._keeper = Keeper(admission, _lost)
        self._taken: set[str] = set()
        self._threads = trio.CapacityLimiter(1)
        self._nursery: trio.Nursery

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """End what an earlier program left, then keep alive what is held, until `end`."""
        self._admission.tell(m.Disconnected(CONNECTION), control=True)
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await self._keeper.run()

    def end(self) -> None:
        """All blocks are over."""
        self._nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def job(
        self, job_id: str, spec: JobSpec, *, wait_seconds: float, process: bool | ProcessIdentity
    ) -> AsyncIterator[Lease]:
        """Hold a job's lease. Raises as `Runtime.reserve` does."""
        if job_id in self._taken:
            raise Conflict(f"job {job_id} is held by another block of this program")
        self._taken.add(job_id)
        try:
            request = m.Acquire(
                job_id=job_id,
                owner=OWNER,
                spec=spec,
                ttl_seconds=self._ttl_seconds,
                process=await self._this_process() if process is True else process or None,
                connection=CONNECTION,
            )
            lease = await self._take(request, wait_seconds)
            try:
                yield lease
            finally:
                await self._give_back(m.Release(key=lease.key, secret=lease.secret))
        finally:
            self._taken.discard(job_id)

    @asynccontextmanager
    async def slot(
        self, provider: str, tokens: int, say: Callable[[Lease], Slot], *, wait_seconds: float
    ) -> AsyncIterator[HeldSlot]:
        """Hold a slot at a provider. Raises as `Runtime.provider` does."""
        request = m.AcquireSlot(
            provider=provider, owner=OWNER, tokens=tokens, ttl_seconds=self._ttl_seconds, connection=CONNECTION
        )
        lease = await self._take(request, wait_seconds)
        held = HeldSlot(say(lease))
        try:
            yield held
        finally:
            await self._give_back(
                m.Release(key=lease.key, secret=lease.secret, outcome=held.outcome, tokens=held.tokens)
            )

    async def _take(self, request: m.Acquire | m.AcquireSlot, wait_seconds: float) -> Lease:
        answer = await waiting.acquire(self._admission, request, wait_seconds=wait_seconds)
        if isinstance(answer, m.Grant):
            self._keeper.keep(answer.lease)
            return answer.lease
        with trio.CancelScope(shield=True), suppress(AuraError):  # nobody waits there: it is given up, or runs out
            await ask(self._admission, m.Leave(key=answer.key, ticket=answer.ticket))
        text, seconds = f"there was no room within {wait_seconds:g} s", answer.retry_after_seconds
        raise Refused(text, reasons=answer.reasons, retry_after_seconds=seconds)

    async def _give_back(self, release: m.Release) -> None:
        """On every way out. Where admission cannot carry it out now, the block need not wait for it."""
        self._keeper.let_go(release)
        with trio.CancelScope(shield=True):
            if not await self._released(release):
                self._nursery.start_soon(self._give_back_later, release)

    async def _give_back_later(self, release: m.Release) -> None:
        while True:
            await trio.sleep(AGAIN_SECONDS)
            if await self._released(release):
                return

    async def _released(self, release: m.Release) -> bool:
        """False where it must be tried again; a lease that is gone already needs no release."""
        with suppress(Gone, Foreign):
            try:
                await ask(self._admission, release)
            except Unavailable:
                return False
        return True

    async def _this_process(self) -> ProcessIdentity:
        found = await trio.to_thread.run_sync(identify, os.getpid(), limiter=self._threads)
        if found is None:
            raise InvalidValue("this system does not tell which process this is", path="process")
        return ProcessIdentity(**msgspec.structs.asdict(found))


def _lost(lease: Lease, why: Gone | Foreign) -> None:
    log.warning("lease lost while in use", lease=lease.key, error=str(why))
