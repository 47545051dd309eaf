"""Leases that are kept alive on somebody's behalf: renewed together, in one batch, at a third of their time.

Owns when they are renewed, and who hears of one that has ended all the same. Whose they are, and when they are
given back, is the business of whoever brings them: a session of the feed, a program that embeds the runtime.
"""

import math
from collections.abc import Callable

import trio

from aura_actors.domain.leases import Lease
from aura_actors.edges.services import ask
from aura_actors.errors import Foreign, Gone, Unavailable
from aura_actors.kernel.ref import Ref
from aura_actors.messages import admission as m

AGAIN_SECONDS = 1.0
"""At most, after a renewal that admission could not carry out."""


class Keeper:
    """`ended(lease, why)` is told of a lease that is gone though nobody here let go of it; it must not wait."""

    def __init__(self, admission: Ref[m.AdmissionMessage], ended: Callable[[Lease, Gone | Foreign], None]) -> None:
        self._admission = admission
        self._ended = ended
        self._held: dict[str, Lease] = {}
        self._due = math.inf
        self._sooner = trio.Event()

    def __len__(self) -> int:
        return len(self._held)

    def keep(self, lease: Lease) -> None:
        """Keep a lease alive from now on, or go on with its newer form."""
        self._held[lease.key] = lease
        self._wake_at(trio.current_time() + lease.ttl_seconds / 3)

    def go_on(self, lease: Lease) -> None:
        """Its newer form, if it is kept here."""
        known = self._held.get(lease.key)
        if known is not None and known.fence == lease.fence:
            self.keep(lease)

    def let_go(self, release: m.Release) -> Lease | None:
        """It is about to be given back: renew it no more. What was kept, if that is its secret."""
        lease = self._held.get(release.key)
        if lease is None or lease.secret != release.secret:
            return None
        return self._held.pop(release.key)

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            while trio.current_time() < self._due:
                self._sooner = trio.Event()
                with trio.move_on_at(self._due):
                    await self._sooner.wait()
            self._due = math.inf
            if not await self._renew():
                shortest = min((each.ttl_seconds for each in self._held.values()), default=math.inf)
                self._wake_at(trio.current_time() + min(AGAIN_SECONDS, shortest / 6))

    async def _renew(self) -> bool:
        """Renew all; False where some must be tried again soon."""
        held = tuple(self._held.values())
        if not held:
            return True
        renewals = tuple(m.Renew(key=each.key, secret=each.secret, ttl_seconds=each.ttl_seconds) for each in held)
        try:
            replies = await ask(self._admission, m.Batch(operations=renewals))
        except Unavailable:
            return False
        all_renewed = True
        for lease, reply in zip(held, replies, strict=True):
            if self._held.get(lease.key) is not lease:
                continue  # let go, or changed, meanwhile
            if isinstance(reply, Lease):
                self.keep(reply)
            elif isinstance(reply, Gone | Foreign):
                del self._held[lease.key]
                self._ended(lease, reply)
            else:
                all_renewed = False
        return all_renewed

    def _wake_at(self, when: float) -> None:
        if when < self._due:
            self._due = when
            self._sooner.set()
