"""Admission as a whole, without a clock and without a world: who holds what, who waits, and what each may do.

Owns the rules of identity (same id, owner and spec find the same lease; a foreign release changes nothing), the
ways a lease ends, and the step from the queue to a grant. Whether there is room is the ledger's; in which order,
the queue's. Every operation adds to `changes`, which are written, or undone, before anybody is told. `now` is
monotonic seconds.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial

import msgspec

from aura_actors.domain.asked import Asked, Maker, TtlRule, Waiting
from aura_actors.domain.changes import Changes, How
from aura_actors.domain.holding import Plan
from aura_actors.domain.leases import Lease, Leases, renewed
from aura_actors.domain.ledger import Ledger
from aura_actors.domain.machine import Machine
from aura_actors.domain.needs import JobSpec, ProcessIdentity, Resize
from aura_actors.domain.reasons import Judgement, Outcome, Shortfall, refusal
from aura_actors.domain.room import LedgerRoom, Promises
from aura_actors.domain.waiting import Queue, Waiter
from aura_actors.errors import Draining, Foreign, Gone


class Books:
    """`asked` belongs to `queue` and is kept with it: both outlive a crash of whoever runs the books.

    Invariant: both have the same keys.
    """

    def __init__(self, ttl: TtlRule, ledger: Ledger, queue: Queue, asked: dict[str, Asked], make: Maker) -> None:
        self.leases = Leases()
        self.ledger = ledger
        self.queue = queue
        self.changes = Changes()
        self.draining = False
        self.stirred = False
        """Something may have made room since the queue was asked last."""
        self._may_be_less = True
        """There may be less, all in all, than when those who wait were judged last."""
        self._promises = Promises(ledger)
        self._ttl = ttl
        self._asked = asked
        self._make = make
        self.fence = 0
        """The highest that was handed out."""
        self._arrivals = max((waiter.number for waiter in queue.line(0.0)), default=0)

    # --- asking ---

    def acquire(self, asked: Asked, now: float, *, wait: bool) -> tuple[Lease, bool] | Waiting:
        """A lease, and whether it was held already; or a place in the queue, where `wait` allows one.

        Raises `Conflict`, `SpecChanged`, `NeverFits`, `Refused` or `Draining`.
        """
        held = self.leases.find(asked.key)
        if held is not None:
            asked.check_same(held)
            # Whoever came back, by another connection or without one: the end of its old one ends nothing.
            return self._renewed(held, now, asked.ttl_seconds, asked.connection), True
        if (before := self._asked.get(asked.key)) is not None:
            asked.check_same(before)
            if asked.connection != before.connection and (wait or asked.connection is None):
                self._ask_again(asked)
            self.queue.attend(asked.key, now)
            self.stirred = True
            return self.waiting(asked.key, now)
        if self.draining:
            raise Draining("nothing new is admitted for now")
        self.schedule(now)  # whoever waits has what was freed a moment ago
        plan = self._plan_newcomer(asked, now)
        if plan is not None:
            return self._grant(asked, plan, now), False
        judgement = self._judged(asked.spec, now)
        if judgement.outcome is Outcome.NEVER or not wait:
            raise refusal(judgement)
        self.queue.offer(self._newcomer(asked, now))
        self._arrivals += 1
        self._asked[asked.key] = asked
        self.changes.queued.append(asked.key)
        self.changes.undo.append(partial(self._unoffer, asked.key))
        return self.waiting(asked.key, now)

    def _ask_again(self, asked: Asked) -> None:
        """A place is whose it is from now on."""
        self.changes.undo.append(partial(self._asked.__setitem__, asked.key, self._asked[asked.key]))
        self._asked[asked.key] = asked

    def judge(self, asked: Asked, now: float) -> tuple[Judgement, Waiter]:
        """What `acquire` would be answered, and the place that it would take or has. Changes nothing."""
        held, waiter = self.leases.find(asked.key), self.queue.find(asked.key)
        newcomer = self._newcomer(asked, now)
        if held is not None:
            asked.check_same(held)
            return Judgement(outcome=Outcome.GRANT), newcomer
        if waiter is not None:
            asked.check_same(self._asked[asked.key])
            return self._judged(asked.spec, now, waiter), waiter
        if self.draining:
            drained = Shortfall(dimension="draining", needed=1, available=0, text="nothing new is admitted for now")
            return Judgement(outcome=Outcome.WAIT, reasons=(drained,)), newcomer
        if self.queue.may_start(newcomer, now, LedgerRoom(self.ledger, now)):
            return Judgement(outcome=Outcome.GRANT), newcomer
        return self._judged(asked.spec, now), newcomer

    def position(self, waiter: Waiter, now: float) -> int:
        """Its place in line, or the one that it would get; from 1."""
        return self.queue.position(waiter, now)

    def bound_seconds(self, waiter: Waiter, now: float) -> float | None:
        """It starts within this, unless somebody arrives who gets ahead of it or may run longer than anybody now.

        None where that cannot be said.
        """
        guard = self.queue.protected_at(now)
        protected = guard is not None and guard.key == waiter.key
        room = self._promises.room(now, (self.changes, len(self.changes.undo)), protected=protected)
        return self.queue.bound_seconds(waiter, room.now, room)

    def reasons(self, waiter: Waiter, now: float) -> tuple[Shortfall, ...]:
        """Why somebody in the queue has not begun."""
        return self._judged(waiter.spec, now, waiter).reasons

    # --- holding ---

    def renew(
        self,
        key: str,
        secret: str | None,
        now: float,
        ttl_seconds: float | None = None,
        resize: Resize | None = None,
    ) -> Lease:
        """Extend a lease and change its amounts, together or not at all.

        Raises `Gone`, `Foreign`; `Refused` or `NeverFits` for growth.
        """
        lease = self.leases.check(key, secret)
        spec = lease.spec if resize is None else resize.of(lease.spec)
        if spec != lease.spec:
            lease = self._resized(lease, spec, now)
        least = 0.0 if lease.connection is None else lease.ttl_seconds  # who keeps it there goes by that
        return self._renewed(lease, now, max(least, ttl_seconds or lease.ttl_seconds), lease.connection)

    def ready(self, key: str, secret: str | None) -> Lease:
        """The job uses what it will use. Raises `Gone` or `Foreign`."""
        lease = self.leases.check(key, secret)
        self.ledger.ready(lease.fence)
        self.stirred = True
        return lease

    def release(
        self, key: str, secret: str | None, now: float, outcome: str | None = None, tokens: int | None = None
    ) -> None:
        """End a lease. Raises `Gone` or `Foreign`."""
        self._end(self.leases.check(key, secret), now, "released", outcome, tokens)

    # --- ending otherwise ---

    def revoke(self, key: str, now: float) -> None:
        """End a lease or a place in an operator's name. Raises `Gone`."""
        lease = self.leases.find(key)
        if lease is not None:
            self._end(lease, now, "revoked")
        elif self.queue.find(key) is not None:
            self.leave(key)
        else:
            raise Gone(f"there is no live lease and no place of {key}")

    def expire(self, now: float) -> None:
        """Time has passed: end what is over, leases and places that nobody attended; others may begin."""
        self.stirred = True
        for lease in self.leases.expired(now):
            self._end(lease, now, "runtime" if lease.ends_by_runtime_at <= now else "expired")
        for waiter in self.queue.expired(now):
            self.leave(waiter.key)

    def exited(self, process: ProcessIdentity, now: float) -> None:
        """A process ended: so do its leases and places."""
        identity = process.identity
        self._end_where(lambda each: each.process is not None and each.process.identity == identity, now, "exited")

    def disconnected(
        self, connection: str, now: float, others: Callable[[str], Sequence[str | None]] = lambda _: ()
    ) -> None:
        """A connection is gone: so are its leases and places.

        `others` are those who wait at a place too, by their connections, None for one without: it is theirs then.
        """
        for asked in [asked for asked in self._asked.values() if asked.connection == connection]:
            if left := others(asked.key):
                self._ask_again(msgspec.structs.replace(asked, connection=left[-1]))
        self._end_where(lambda each: each.connection == connection, now, "disconnected")

    def give_up(self, lease: Lease, now: float) -> None:
        """Nobody heard of this grant, unless the lease was renewed or asked for since."""
        if self.leases.find(lease.key) is lease:
            self._end(lease, now, "released")

    def _end_where(self, theirs: Callable[[Lease | Asked], bool], now: float, how: How) -> None:
        for lease in [lease for lease in self.leases if theirs(lease)]:
            self._end(lease, now, how)
        for asked in [asked for asked in self._asked.values() if theirs(asked)]:
            self.leave(asked.key)

    def resumed(self, now: float) -> None:
        """The machine slept: nobody could renew, so every lease gets its full time again."""
        for lease in list(self.leases):
            self._renewed(lease, now, lease.ttl_seconds, lease.connection)

    # --- the queue ---

    def check_ticket(self, key: str, ticket: str | None) -> Waiter:
        """The place, if `ticket` is its ticket. Raises `Gone` or `Foreign`."""
        waiter = self.queue.find(key)
        if waiter is None:
            raise Gone(f"{key} does not wait")
        if ticket != waiter.secret:
            raise Foreign(f"{key} waits under another ticket; nothing was changed")
        return waiter

    def leave(self, key: str) -> None:
        """Give a place up."""
        self._stir_behind(key)
        self._take_out(key)
        self.changes.dropped.append(key)

    def abandon(self, key: str, now: float) -> Waiting:
        """Nobody waits at this place now."""
        waiting = self.waiting(key, now)
        self._stir_behind(key)
        self.queue.abandon(key, now)
        return waiting

    def forsake(self, key: str, now: float) -> None:
        """Nobody waits at this place any more: it is given up, or attended by nobody where that is taken back."""
        self._stir_behind(key)
        self.queue.abandon(key, now)
        self.leave(key)

    def _stir_behind(self, key: str) -> None:
        """What was kept for it, if it was protected, may be others' now."""
        protected = self.queue.protected
        self.stirred |= protected is not None and protected.key == key

    def drain(self, on: bool) -> None:
        """Admit nothing new, or begin again; whoever waits is sent away."""
        self.changes.undo.append(partial(setattr, self, "draining", self.draining))
        self.draining = on
        if on:
            for waiter in self.queue.line(0.0):
                self.leave(waiter.key)

    def look(self, machine: Machine) -> None:
        """Take in a reading."""
        self.ledger.look(machine)
        self._promises.forget()
        self.stirred = self._may_be_less = True

    def schedule(self, now: float) -> None:
        """Grant to those who wait, in order, as long as anybody fits."""
        stirred, self.stirred = self.stirred, False
        if not stirred or not self._asked:
            return
        if self._may_be_less:
            self._send_away()
        room = LedgerRoom(self.ledger, now)
        while len(self.queue) and (waiter := self.queue.next(now, room)) is not None:
            assert room.plan is not None, "the room was asked about this waiter last"
            self.changes.granted.append(self._grant(self._take_out(waiter.key), room.plan, now))

    def _send_away(self) -> None:
        """Whoever waits for more than there is any more. Where that may come back, it is only in nobody's way."""
        could_ever = cache(self.ledger.could_ever)
        for waiter in self.queue.doubt(lambda waiter: could_ever(waiter.spec)):
            if reasons := self.ledger.hopeless(waiter.spec):
                self.leave(waiter.key)
                self.changes.never[waiter.key] = refusal(Judgement(outcome=Outcome.NEVER, reasons=reasons))
                self.changes.undo.append(partial(setattr, self, "_may_be_less", True))
        self._may_be_less = False

    def _unoffer(self, key: str) -> None:
        self.queue.remove(key)
        del self._asked[key]

    def _take_out(self, key: str) -> Asked:
        put_back = self.queue.remember(key)
        self.queue.remove(key)
        asked = self._asked.pop(key)
        self.changes.undo += [partial(self._asked.__setitem__, key, asked), put_back]
        return asked

    # --- recovery ---

    def restore(self, leases: Iterable[Lease], fence: int, now: float) -> None:
        """Enter leases that are known from before a restart; `fence` was the highest that was handed out."""
        self.fence = fence
        for lease in leases:
            self.ledger.restore(lease, now)
            self.leases.put(lease)
            if self.queue.find(lease.key) is not None:  # a crash came between the journal and whoever waits
                self.queue.remove(lease.key)
                del self._asked[lease.key]

    def take_changes(self) -> Changes:
        """What changed since this was last asked."""
        changes, self.changes = self.changes, Changes()
        return changes

    # --- inside ---

    def _newcomer(self, asked: Asked, now: float) -> Waiter:
        return asked.waiter(self._make.secret(), self._arrivals + 1, now, self._ttl.granted(asked.ttl_seconds))

    def _plan_newcomer(self, asked: Asked, now: float) -> Plan | None:
        """What a newcomer would take now; None where it must wait behind somebody, or does not fit."""
        if not self._asked:
            return self.ledger.plan(asked.spec, now)
        room, newcomer = LedgerRoom(self.ledger, now), self._newcomer(asked, now)
        if not self.queue.may_start(newcomer, now, room):
            return None
        self.changes.undo.append(self.queue.passed_by(newcomer))
        return room.plan

    def _judged(self, spec: JobSpec, now: float, waiter: Waiter | None = None) -> Judgement:
        """Every reason why somebody who does not fit must wait, the place of whoever is protected included."""
        protected = self.queue.protected_at(now)
        if protected is waiter:
            protected = None
        return self.ledger.judge(spec, now, LedgerRoom(self.ledger, now).reserved(protected))

    def waiting(self, key: str, now: float) -> Waiting:
        """The place of somebody who waits."""
        waiter = self.queue.find(key)
        assert waiter is not None, "asked for those who wait"
        return Waiting(waiter, self.reasons(waiter, now))

    def _grant(self, asked: Asked, plan: Plan, now: float) -> Lease:
        now, ttl_seconds = self.leases.steady(now), self._ttl.granted(asked.ttl_seconds)
        gpus = tuple([device.uuid for device in plan.devices]) if plan.devices else ()
        self.fence += 1
        lease = asked.lease(self._make, self.fence, now, ttl_seconds, gpus)
        if asked.spec.providers:
            self.changes.undo.append(self.ledger.providers.remember(asked.spec.providers))
        self.ledger.enter(lease, plan, now)
        self.leases.put(lease)
        self.changes.begin(lease)
        self.changes.undo.append(partial(self._ungrant, lease, now))
        return lease

    def _ungrant(self, lease: Lease, now: float) -> None:
        self.ledger.end(lease.fence, now, tokens=0, answered=False)
        self.leases.remove(lease.key)

    def _renewed(self, lease: Lease, now: float, ttl_seconds: float | None, connection: str | None) -> Lease:
        fresh = renewed(lease, self.leases.steady(now), self._ttl.granted(ttl_seconds), connection)
        self._put(fresh)
        self.changes.write(fresh)
        self.changes.undo.append(partial(self._put, lease))
        return fresh

    def _put(self, lease: Lease) -> None:
        self.ledger.renew(lease)
        self.leases.put(lease)

    def _resized(self, lease: Lease, spec: JobSpec, now: float) -> Lease:
        """The lease with other amounts, all of them or none. What grows must fit as if it were asked anew."""
        if (growth := spec.growth_from(lease.spec)) is not None:
            judgement = self._judged(growth, now)
            if not self.ledger.could_ever(spec):
                judgement = self.ledger.judge(spec, now)
            if judgement.outcome is not Outcome.GRANT:
                raise refusal(judgement)
        fresh = msgspec.structs.replace(lease, spec=spec)
        self.ledger.resize(fresh, now)
        self.stirred = True
        self.leases.put(fresh)
        self.changes.undo.append(partial(self._resize_back, lease, now))
        return fresh

    def _resize_back(self, lease: Lease, now: float) -> None:
        self.ledger.resize(lease, now)
        self.leases.put(lease)

    def _end(
        self, lease: Lease, now: float, how: How, outcome: str | None = None, tokens: int | None = None
    ) -> None:
        if lease.spec.providers:
            self.changes.undo.append(self.ledger.providers.remember(lease.spec.providers))
        self.ledger.end(lease.fence, now, outcome, tokens, answered=how == "released")
        self.leases.remove(lease.key)
        self.stirred = True
        self.changes.erase(lease, how)
        self.changes.undo.append(partial(self._revive, lease, now))

    def _revive(self, lease: Lease, now: float) -> None:
        self.ledger.restore(lease, now)
        self.leases.put(lease)
