"""The admission actor: the one place where leases begin, are renewed and end.

Feeds requests and samples to the books in `domain/`, writes every change to the journal before it answers, tells
those who waited, and shows the books to others. Decides nothing itself. After a crash, of the actor or of the
program, the journal is the one way back; only who waits, and what was counted, is kept beside it.
"""

from collections.abc import Sequence
from copy import copy
from functools import partial
from itertools import groupby
from typing import assert_never

import structlog
import trio

from aura_actors.actors.admission.absence import Absence
from aura_actors.actors.admission.answers import Answers
from aura_actors.actors.admission.bonds import Bonds
from aura_actors.actors.admission.given import AdmissionRule, Environment, Seen
from aura_actors.actors.admission.statistics import Remember, learn
from aura_actors.actors.admission.writing import Writing, recover
from aura_actors.domain.asked import Asked, Maker, Waiting
from aura_actors.domain.attribution import Root
from aura_actors.domain.books import Books
from aura_actors.domain.changes import Changes
from aura_actors.domain.ledger import Ledger
from aura_actors.domain.machine import machine_of
from aura_actors.domain.needs import JobSpec, ProcessIdentity
from aura_actors.domain.providers import ProviderNeed
from aura_actors.domain.snapshot import Snapshot
from aura_actors.errors import AuraError, NeverFits, Refused, StoreUnavailable
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.permits import Permits
from aura_actors.messages import admission as m
from aura_actors.messages import admission_view as shown
from aura_actors.stores.journal import Journal, Recovered

log = structlog.get_logger("aura_actors.admission")

TICK_SECONDS = 0.25
AGAIN_SECONDS = 0.25
"""Between two tries to read the journal."""
NEEDS_NO_WRITING = m.Describe | m.Sampled | m.Tick | m.Abandon
"""Answered though what time has changed meanwhile cannot be written."""
IN_A_PLACE = 4
"""Operations that wait together are one step: what is written at once costs little. A batch among them takes one
place for four of its own, so that no step has more than the largest batch, which has 256."""


class Admission(Actor[m.AdmissionMessage]):
    """`totals`, `view` and `roots` are where it shows its books; `remember` keeps statistics, and blocks."""

    def __init__(
        self,
        rule: AdmissionRule,
        *,
        journal: Journal,
        snapshots: Latest[Snapshot | None],
        totals: Latest[shown.Totals],
        view: Latest[shown.AdmissionView | None],
        roots: Latest[tuple[Root, ...]],
        seen: Seen,
        limiter: trio.CapacityLimiter,
        environment: Environment,
        remember: Remember = lambda _: None,
    ) -> None:
        self._rule = rule
        self._journal = journal
        self._snapshots = snapshots
        self._totals = totals
        self._view = view
        self._seen = seen
        self._limiter = limiter
        self._environment = environment
        self._remember = remember
        self._roots = roots
        self._bonds: Bonds
        self._absence: Absence
        self._grants: list[tuple[m.Turn, m.Grant]] = []
        """Of this step: told once it is written."""
        self._waits: list[tuple[str, m.Turn | None, str | None]] = []
        """Of this step: who waits for which place, over which connection, once it is written."""
        self._snapshot_seen = 0
        self._writing = Writing(limiter, environment.clock)
        self._armed = False
        self._slots_numbered = 0
        self._context: Context[m.AdmissionMessage]
        ledger = Ledger(
            rule.ledger, slots=Permits(1), providers=seen.providers, gate=seen.gate, windows=seen.windows
        )
        maker = Maker(environment.secret, environment.wall)
        self._books = Books(rule.ttl, ledger, seen.queue, seen.asked, maker)
        self._answers = Answers(self._books, rule.queue, seen, environment)

    # --- life ---

    async def open(self, context: Context[m.AdmissionMessage]) -> None:
        """Take over what the journal holds; only then is anybody answered."""
        self._context = context
        self._absence = Absence(self._environment.clock, self._environment.boot_clock)
        recovered, gone = await self._recovered()
        now = self._environment.clock()
        self._seen.providers.retain({lease.fence for lease in recovered.leases})
        self._books.ledger.slots.resize(self._rule.ledger.slots.fixed or 1)
        self._books.restore(recovered.leases, recovered.fence, now)
        self._books.draining = self._seen.draining
        self._bonds = Bonds(context.nursery, self._roots, self._exited)
        self._bonds.change(recovered.leases, ())
        self._seen.held_paths.reset(recovered.leases, self._seen.queue)
        await self.handle_together([*map(m.Exited, gone), m.Sampled()])
        self._take_over_places(now)
        self._show()
        self._seen.began = True
        context.follow(self._snapshots, m.Sampled())

    async def _recovered(self) -> tuple[Recovered, list[ProcessIdentity]]:
        """What the journal holds, once it can be used; at the start of the program that must be at once."""
        while True:
            now = self._environment.clock()
            try:
                return await self._writing.run(partial(recover, self._journal, now, self._environment.alive))
            except StoreUnavailable:
                if not self._seen.began:
                    raise
                self._seen.owed = True
                await trio.sleep(AGAIN_SECONDS)

    def _take_over_places(self, now: float) -> None:
        """Those who wait go on waiting, in their order; whoever has its lease already is told so."""
        turns, queue = self._seen.turns, self._seen.queue
        for lease in self._books.leases:
            turns.grant(lease)
        turns.keep_only(lambda key: queue.find(key) is not None)
        for waiter in queue.line(now):
            self._leave_alone(waiter.key, now)

    def _leave_alone(self, key: str, now: float) -> None:
        """A place is attended as long as there is somebody to tell."""
        queue = self._seen.queue
        if queue.find(key) is not None and queue.attended(key) and not self._seen.turns.waited_for(key):
            queue.abandon(key, now)

    def _exited(self, process: ProcessIdentity) -> None:
        self._context.after(0.0, m.Exited(process))

    def _arm(self) -> None:
        """Look again in a moment, as long as anything can end or begin by time: nobody else may come by."""
        if not self._armed and (self._books.leases or self._books.queue):
            self._armed = True
            self._context.after(TICK_SECONDS, m.Tick())

    def _look(self) -> None:
        """Take in the newest sample, if there is one that was not seen."""
        if self._snapshots.version == self._snapshot_seen:
            return
        self._snapshot_seen = self._snapshots.version
        machine = machine_of(self._snapshots.value, self._rule.scratch_path)
        if machine is not None:
            self._books.look(machine)
            self._seen.runs.look(self._books.ledger.holdings.values(), self._books.ledger.memory)

    def joins(self, message: m.AdmissionMessage) -> int:
        """As the base class."""
        if isinstance(message, m.Batch):
            return (len(message.operations) + IN_A_PLACE - 1) // IN_A_PLACE
        return int(isinstance(message, m.Operation))

    async def handle(self, message: m.AdmissionMessage) -> object:
        """Carry out one message as one step."""
        if isinstance(message, m.Tick):
            self._armed = False
        (answer,) = await self.handle_together([message])
        if isinstance(answer, Exception):
            raise answer
        if isinstance(message, m.Describe | m.Sampled | m.Drain):
            self._show()
        return self._view.value if isinstance(message, m.Describe) else answer

    async def handle_together(self, messages: Sequence[m.AdmissionMessage]) -> Sequence[object]:
        """Carry out all of them as one step: decided, written, told."""
        answers: list[object] = []
        try:
            answers = self._decide(messages)
            await self._commit()
        except StoreUnavailable as error:
            self._undo()
            self._seen.owed = True
            answers = [self._unwritten(*each, error) for each in zip(messages, answers, strict=True)]
        except BaseException:  # raised again: what was not written did not happen, whatever came in between
            self._undo()
            raise
        else:
            await learn(self._seen.runs, self._environment.clock(), self._remember, self._limiter)
        finally:
            self._arm()
        return answers

    def _unwritten(self, message: m.AdmissionMessage, answer: object, error: StoreUnavailable) -> object:
        """What is answered where nothing of the step could be written."""
        if isinstance(message, m.Exited):
            self._context.after(TICK_SECONDS, message)
            return None
        return answer if isinstance(message, NEEDS_NO_WRITING) else copy(error)

    def _decide(self, messages: Sequence[m.AdmissionMessage]) -> list[object]:
        """What is answered, an error too, once all that is decided here is written."""
        answers: list[object] = []
        # Whoever goes away does so before time passes: it might be granted something in this very step.
        if isinstance(messages[0], m.Abandon | m.Forsake | m.Disconnected):
            answers, messages = [self._carried_out(messages[0])], messages[1:]
        self._let_time_pass()
        for message in messages:
            answers.append(self._carried_out(message))
            self._books.schedule(self._environment.clock())
        return answers

    def _let_time_pass(self) -> None:
        now = self._environment.clock()
        self._look()
        if self._absence.over(held=bool(self._books.leases)):
            self._seen.owed = True
        if self._seen.owed:
            self._books.resumed(now)
        self._books.expire(now)
        self._books.schedule(now)  # what ended makes room for those who wait, before anybody new

    def _carry_out(self, message: m.AdmissionMessage) -> object:
        now, books = self._environment.clock(), self._books
        match message:
            case m.Acquire() | m.AcquireSlot():
                return self._acquire(message)
            case m.Preflight():
                return self._answers.forecast(message)
            case m.Renew(key=key, secret=secret, ttl_seconds=ttl, resize=resize):
                return books.renew(key, secret, now, ttl, resize)
            case m.Ready(key=key, secret=secret):
                return books.ready(key, secret)
            case m.Release():
                self._release(message, now)
            case m.Batch(operations=operations):
                return tuple(self._carried_out(operation) for operation in operations)
            case m.Abandon(turn=turn):
                return self._abandon(turn)
            case m.Forsake(turn=turn):
                self._forsake(turn)
            case m.Leave(key=key, ticket=ticket):
                books.check_ticket(key, ticket)
                books.leave(key)
            case m.Revoke(job_id=job_id, by=by):
                books.revoke(job_id, now)
                log.warning("revoked", job=job_id, by=by)
            case m.Drain(on=on, by=by):
                books.drain(on)
                log.warning("draining" if on else "admitting again", by=by)
            case m.Disconnected(connection=connection):
                for key in self._seen.turns.hang_up(connection):  # for good, though the rest may be taken back
                    self._leave_alone(key, now)
                books.disconnected(connection, now, self._seen.turns.connections)
            case m.Exited(process=process):
                books.exited(process, now)
            case m.Describe() | m.Sampled() | m.Tick():
                pass
            case _:
                assert_never(message)
        return None

    def _carried_out(self, message: m.AdmissionMessage) -> object:
        try:
            return self._carry_out(message)
        except AuraError as error:
            return error

    def _release(self, message: m.Release, now: float) -> None:
        key, secret, report = message.key, message.secret, message.report
        if report is not None and self._seen.runs.report(self._books.leases.find(key), key, secret, report):
            return
        self._books.release(key, secret, now, message.outcome, message.tokens)

    # --- asking ---

    def _acquire(self, message: m.Acquire | m.AcquireSlot) -> m.Grant | m.Queued:
        asked = self._asked(message)
        now = self._environment.clock()
        try:
            answer = self._books.acquire(asked, now, wait=message.wait)
        except (Refused, NeverFits) as error:
            raise self._answers.denied(error, asked) from None
        if isinstance(answer, Waiting):
            self._waits.append((asked.key, message.turn, asked.connection))
            return self._answers.queued(answer)
        grant = m.Grant(lease=answer[0], again=answer[1])
        if message.turn is not None:
            self._grants.append((message.turn, grant))
        return grant

    def _asked(self, message: m.Acquire | m.AcquireSlot) -> Asked:
        if isinstance(message, m.Acquire):
            key, spec = message.job_id, message.spec
        else:
            key = self._slot_key(message.provider)
            need = ProviderNeed(name=message.provider, tokens=message.tokens)
            spec = JobSpec(providers=(need,), job_slots=0)
        return Asked(
            key=key,
            owner=message.owner,
            spec=spec,
            ttl_seconds=message.ttl_seconds,
            process=message.process,
            connection=message.connection,
        )

    def _slot_key(self, provider: str) -> str:
        while True:
            self._slots_numbered += 1
            key = m.slot_key(provider, f"{provider}-{self._books.fence + self._slots_numbered}")
            if self._books.leases.find(key) is None and self._books.queue.find(key) is None:
                return key

    def _abandon(self, turn: m.Turn) -> m.Grant | m.Queued:
        if isinstance(turn.value, m.Grant):
            return turn.value
        if turn.value is not None:
            raise turn.value
        now, key = self._environment.clock(), self._seen.turns.take(turn)
        if self._seen.turns.waited_for(key):
            return self._answers.queued(self._books.waiting(key, now))
        return self._answers.queued(self._books.abandon(key, now))

    def _forsake(self, turn: m.Turn) -> None:
        now, told = self._environment.clock(), turn.value
        if isinstance(told, m.Grant):
            if not told.again:
                self._books.give_up(told.lease, now)
            return
        key = self._seen.turns.find(turn)
        if key is not None:
            self._seen.turns.take(turn)
            if not self._seen.turns.waited_for(key):
                self._books.forsake(key, now)

    # --- after a step ---

    async def _commit(self) -> None:
        """Write what changed, then tell everybody."""
        if self._books.changes.any:
            written, erased = [*self._books.changes.written.values()], self._books.changes.erased
            await self._writing.run(lambda: self._journal.write(written, erased))
        self._seen.owed = False
        changes, grants, waits = self._books.take_changes(), self._grants, self._waits
        self._grants, self._waits = [], []
        for key in changes.dropped:  # before those who have just come are added: the key may be theirs now
            self._seen.turns.tell(key, changes.never.get(key) or self._answers.sent_away(key))
        for key, turn, connection in waits:
            if turn is not None:
                self._seen.turns.add(key, turn, connection)
        for turn, grant in grants:
            turn.set(grant)
        self._tell(changes)
        for key, *_ in waits:
            self._leave_alone(key, self._environment.clock())

    def _undo(self) -> None:
        """Nothing of this step happened, and nobody is told of it."""
        waits, self._grants, self._waits = self._waits, [], []
        try:
            self._books.take_changes().take_back()
        except AuraError as error:  # as an answer it would leave an actor that goes on with half of the step
            raise AssertionError("a step could not be taken back") from error
        for key, *_ in waits:
            self._leave_alone(key, self._environment.clock())

    def _tell(self, changes: Changes) -> None:
        counts, turns, decisions = self._seen.counts, self._seen.turns, self._seen.decisions
        wall = self._environment.wall()
        self._seen.held_paths.change(changes, self._seen.queue)
        if self._seen.draining != self._books.draining:
            self._seen.draining = self._books.draining
            decisions.drained(on=self._seen.draining, timestamp=wall)
        counts.granted += len(changes.begun)
        decisions.about(changes.begun, "granted", wall)
        for lease in changes.granted:
            turns.grant(lease)
        if changes.ended and len(self._books.queue):
            self._environment.look_again()
        for how, those in groupby(changes.ended, lambda each: each.how):
            leases = [each.lease for each in those]
            counts.ended[how] = counts.ended.get(how, 0) + len(leases)
            decisions.about(leases, how, wall)
        if changes.begun or changes.ended:
            self._bonds.change(changes.begun, [ended.lease for ended in changes.ended])
            self._seen.runs.ended(changes.ended, self._environment.clock())
        if changes.any or len(self._books.queue) != self._totals.value.queued_jobs:
            self._totals.set(shown.totals_of(self._books))

    def _show(self) -> None:
        self._totals.set(shown.totals_of(self._books))
        now, wall = self._environment.clock(), self._environment.wall()
        self._view.set(shown.view_of(self._books, self._seen.counts, now, wall, self._seen.runs.learned))
