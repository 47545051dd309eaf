"""A pure model of supervision: what OTP would do, with delays before restarts, stops in between, and mailboxes.

Knows names, plans, budgets and the time it is told. It has no tasks, no clock and no scheduler: whatever takes
time in the real thing (a start that hangs, a grace, a slow close) takes none here.
"""

from collections.abc import Iterator

from aura_actors.kernel.child_spec import Restart
from aura_actors.kernel.lifecycle import State
from aura_actors.kernel.restart import RestartIntensity
from aura_actors.kernel.strategy import Strategy
from tests.kernel.trees import PERIOD_SECONDS, Boom, Dig, LeafPlan, Note, Record, SupervisorPlan


class Retry:
    """A restart that is due. It is void for a child that does not wait for it any more."""

    def __init__(self, due: float, children: "list[ModelLeaf | ModelSupervisor]") -> None:
        self.due, self.children = due, children


class ModelLeaf:
    """A leaf, with the mailbox that it has where it is an actor."""

    def __init__(self, name: str, plan: LeafPlan, parent: "ModelSupervisor", *, dynamic: bool = False) -> None:
        self.name, self.plan, self.parent, self.dynamic = name, plan, parent, dynamic
        self.record = parent.record
        self.state = State.WAITING
        self.retry: Retry | None = None
        self.bad_starts = 0
        self.digging = False
        self.digging_for: int | None = None
        self.closed = False
        self.notes: list[int] = []
        self.questions: list[int] = []

    @property
    def up(self) -> bool:
        return self.state is State.RUNNING

    def start(self) -> bool:
        self.retry = None
        self.closed = False
        if self.bad_starts:
            self.bad_starts -= 1
            self.record.reports[self.name] += 1
            self.state = State.STOPPED
            return False
        self.state = State.RUNNING
        self.record.log.append(f"+{self.name}")
        for number in self.notes:
            self._write(number)
        self.notes.clear()
        return True

    def end(self, *, crashed: bool) -> None:
        """The incarnation is over; what was asked fails, what was told waits."""
        self.state = State.STOPPED
        self.record.log.append(f"-{self.name}")
        if crashed:
            self.record.reports[self.name] += 1
        if self.digging:
            self._bury(Dig())
            if self.digging_for is not None:
                self.record.answers[self.digging_for] = "Lost"
        for question in self.questions:
            self.record.answers[question] = "NotStarted"
        self.digging, self.digging_for = False, None
        self.questions.clear()

    def stop(self, *, for_good: bool) -> None:
        self.retry = None
        if self.up:
            # An actor that is slow to close is cut short, which is an error too.
            self.end(crashed=self.plan.sore or (self.plan.actor and self.plan.slow))
        if for_good:
            self.retire()

    def retire(self) -> None:
        """There is no next incarnation: what waits is dead."""
        self.state = State.STOPPED
        self.closed = True
        for number in self.notes:
            self._bury(Note(number))
        self.notes.clear()

    # --- messages ---

    def told(self, number: int) -> None:
        if self.closed:
            self._bury(Note(number))
        elif self.up and not self.digging:
            self._write(number)
        else:
            self.notes.append(number)

    def told_to_dig(self) -> None:
        self.digging = True

    def asked(self, number: int) -> None:
        if not self.up:
            self.record.answers[number] = "NotStarted"
        elif self.digging:
            self.questions.append(number)
        else:
            self._write(number)
            self.record.answers[number] = "answered"

    def asked_to_dig(self, number: int) -> None:
        if not self.up or self.digging:
            self.asked(number)
        else:
            self.digging, self.digging_for = True, number

    def booms(self, question: int | None) -> None:
        """It crashes over a message."""
        self._bury(Boom())
        if question is not None:
            self.record.answers[question] = "Lost"

    def _write(self, number: int) -> None:
        self.record.handled.setdefault(self.name, []).append(number)

    def _bury(self, message: object) -> None:
        self.record.dead.setdefault(self.name, []).append(message)


class ModelSupervisor:
    """A supervisor and everything below it."""

    def __init__(
        self,
        name: str,
        plan: SupervisorPlan,
        delay_seconds: float,
        record: Record,
        parent: "ModelSupervisor | None" = None,
    ) -> None:
        self.name, self.plan, self.parent = name, plan, parent
        self.delay_seconds, self.record = delay_seconds, record
        self.dynamic = False
        self.state = State.WAITING
        self.retry: Retry | None = None
        self.retries: list[Retry] = []
        self.restarts: tuple[float, ...] = ()
        self.budget = RestartIntensity(intensity=plan.intensity, period_seconds=PERIOD_SECONDS)
        self.specified = [self._child(f"{name}.{n}", child) for n, child in enumerate(plan.children)]
        self.children = list(self.specified)

    def _child(self, name: str, plan: LeafPlan | SupervisorPlan) -> "ModelLeaf | ModelSupervisor":
        if isinstance(plan, LeafPlan):
            return ModelLeaf(name, plan, self)
        return ModelSupervisor(name, plan, self.delay_seconds, self.record, self)

    @property
    def up(self) -> bool:
        return self.state is State.RUNNING

    # --- looking ---

    def leaves(self) -> Iterator[ModelLeaf]:
        for child in self.children:
            if isinstance(child, ModelLeaf):
                yield child
            else:
                yield from child.leaves()

    def supervisors(self) -> "Iterator[ModelSupervisor]":
        yield self
        for child in self.children:
            if isinstance(child, ModelSupervisor):
                yield from child.supervisors()

    # --- acting ---

    def start(self) -> bool:
        self.retry, self.restarts, self.children = None, (), list(self.specified)
        for child in self.children:
            child.retry = None
        for child in self.children:
            if not child.start():
                self.stop(for_good=True)
                self._crashed()
                return False
        self.state = State.RUNNING
        return True

    def stop(self, *, for_good: bool) -> None:
        self.retry = None
        self.retries.clear()
        self.state = State.STOPPED
        for child in reversed(self.children):
            child.stop(for_good=True)

    def retire(self) -> None:
        pass

    def _crashed(self) -> None:
        if self.parent is not None:
            self.record.reports[self.name] += 1

    def ended(self, child: "ModelLeaf | ModelSupervisor", crashed: bool, now: float) -> None:
        """A child ended: what is done about it, here and, if this supervisor gives up, above."""
        if not child.plan.restart.wanted_after(crashed=crashed):
            child.retire()
            if child.dynamic or child.plan.restart is Restart.TEMPORARY:
                self.children.remove(child)
            return
        self.restarts = self.budget.record(self.restarts, now)
        if not self.budget.allows(self.restarts):
            self.stop(for_good=True)
            self._crashed()
            if self.parent is not None:
                self.parent.ended(self, True, now)
            return
        retry = Retry(now + self.delay_seconds, [])
        child.state = State.BACKOFF
        at = self.children.index(child)
        for sibling in reversed(self._affected(at)):
            if sibling.up:
                sibling.stop(for_good=sibling.plan.restart is Restart.TEMPORARY)
                if sibling.plan.restart is Restart.TEMPORARY:
                    self.children.remove(sibling)
                else:
                    sibling.state = State.BACKOFF
        for waiting in self._affected(self.children.index(child)):
            if waiting.state is State.BACKOFF:
                waiting.retry = retry
                retry.children.append(waiting)
        self.retries.append(retry)

    def _affected(self, at: int) -> "list[ModelLeaf | ModelSupervisor]":
        match self.plan.strategy:
            case Strategy.ONE_FOR_ONE:
                return [self.children[at]]
            case Strategy.ONE_FOR_ALL:
                return list(self.children)
            case Strategy.REST_FOR_ONE:
                return self.children[at:]

    def start_again(self, retry: Retry, now: float) -> None:
        self.retries.remove(retry)
        for child in retry.children:
            if child.retry is retry and not child.start():
                self.ended(child, True, now)
                return

    def start_child(self, name: str, plan: LeafPlan, *, bad_start: bool) -> bool:
        child = ModelLeaf(name, plan, self, dynamic=True)
        child.bad_starts = int(bad_start)
        self.children.append(child)
        if child.start():
            return True
        child.retire()
        self.children.remove(child)
        return False

    def stop_child(self, child: "ModelLeaf | ModelSupervisor") -> None:
        child.stop(for_good=True)
        self.children.remove(child)


def run_until(root: ModelSupervisor, now: float) -> None:
    """Let every retry happen that is due by `now`, in the order of time."""
    while True:
        due = [(retry.due, n, retry, s) for s in root.supervisors() for n, retry in enumerate(s.retries)]
        if not due or min(due, key=lambda x: x[:2])[0] > now:
            return
        at, _, retry, supervisor = min(due, key=lambda x: x[:2])
        supervisor.start_again(retry, at)
