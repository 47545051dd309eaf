"""Generated supervision trees and stories, and what such a tree is made of: actors and services that obey them.

Owns the plans (plain data), the leaves that act on them and write down what happens to them, and the building of
real supervisors. Knows nothing of what ought to happen: that is the model's business.
"""

import enum
from collections import Counter

import msgspec
import trio
from hypothesis import strategies as st

from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.cell import Cell, DeadLetter
from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.reports import CrashReport
from aura_actors.kernel.request import Request
from aura_actors.kernel.restart import Backoff, RestartIntensity
from aura_actors.kernel.strategy import Strategy
from aura_actors.kernel.supervisor import Supervisor

# Failures come at whole seconds, restarts at once or after DELAY, and everything else takes no time to speak of.
# So nothing ever falls on the edge of a window of PERIOD, and what happens at one moment has one cause.
DELAY_SECONDS = 1.3
PERIOD_SECONDS = 5.55
INSTANT_SECONDS = 1e-5

# --- plans -------------------------------------------------------------------------------------------------------


class LeafPlan(msgspec.Struct, frozen=True):
    """A worker: an actor, or a plain service that may end by itself.

    A `sore` one fails while it is stopped: in `close`, and in the cleanup of its cancelled handler. A `deaf`
    service ignores the stop and has to be cancelled; an actor is deaf while it digs. A `slow` one hangs in `close`.
    """

    restart: Restart
    actor: bool
    sore: bool
    deaf: bool
    slow: bool


class SupervisorPlan(msgspec.Struct, frozen=True):
    """A supervisor and what is below it."""

    restart: Restart
    strategy: Strategy
    intensity: int
    children: "tuple[LeafPlan | SupervisorPlan, ...]"


class How(enum.Enum):
    """How a leaf that is up comes to its end."""

    CRASH = "crash"
    END = "end"
    """Returns, where it is a service; actors never do."""
    INJECT = "inject"
    ASKED = "asked"
    """Crashes over a question."""


class Fail(msgspec.Struct, frozen=True):
    """The n-th leaf that is up ends; so many of its next starts fail, at once or by hanging."""

    which: int
    how: How
    bad_starts: int
    hang: bool


class Verb(enum.Enum):
    """What can be done to an actor without ending it."""

    TELL = "tell"
    ASK = "ask"
    DIG = "dig"
    """It works on this for ever, and is deaf meanwhile."""
    ASK_TO_DIG = "ask to dig"


class Send(msgspec.Struct, frozen=True):
    """A message to the n-th actor, up or not."""

    which: int
    verb: Verb


class StartChild(msgspec.Struct, frozen=True):
    """One more child for the n-th supervisor that is up."""

    which: int
    plan: LeafPlan
    bad_start: bool


class StopChild(msgspec.Struct, frozen=True):
    """The n-th supervisor that is up loses a child for good."""

    which: int
    child: int


class Step(msgspec.Struct, frozen=True):
    """What happens `gap_seconds` after the step before."""

    gap_seconds: int
    act: Fail | Send | StartChild | StopChild


class End(enum.Enum):
    """How the story ends: the root is told to stop, or cancelled from outside; after the last step, or amid it."""

    STOP = "stop"
    CANCEL = "cancel"
    STOP_AMID = "stop amid"
    CANCEL_AMID = "cancel amid"

    @property
    def amid(self) -> bool:
        """Whether the last step is interrupted."""
        return self in (End.STOP_AMID, End.CANCEL_AMID)


leaves = st.builds(LeafPlan, st.sampled_from(Restart), *[st.booleans()] * 4)


def _supervisors(children: st.SearchStrategy[LeafPlan | SupervisorPlan]) -> st.SearchStrategy[SupervisorPlan]:
    return st.builds(
        SupervisorPlan,
        st.sampled_from(Restart),
        st.sampled_from(Strategy),
        st.integers(0, 3),
        st.lists(children, min_size=1, max_size=4).map(tuple),
    )


trees = _supervisors(st.one_of(leaves, _supervisors(st.one_of(leaves, _supervisors(leaves)))))
delays = st.sampled_from((0.0, DELAY_SECONDS))
ends = st.sampled_from(End)
_which = st.integers(0, 50)
_fails = st.builds(Fail, _which, st.sampled_from(How), st.integers(0, 3), st.booleans())
_acts = st.one_of(
    _fails,
    _fails,
    st.builds(Send, _which, st.sampled_from(Verb)),
    st.builds(StartChild, _which, leaves, st.booleans()),
    st.builds(StopChild, _which, _which),
)
stories = st.lists(st.builds(Step, st.integers(1, 4), _acts), max_size=12)


class Record(msgspec.Struct):
    """What happened, in the words that the model uses too. Starts and stops have one order over the whole tree."""

    log: list[str] = msgspec.field(default_factory=list)
    handled: dict[str, list[int]] = msgspec.field(default_factory=dict)
    dead: dict[str, list[object]] = msgspec.field(default_factory=dict)
    answers: dict[int, str] = msgspec.field(default_factory=dict)
    reports: Counter[str] = msgspec.field(default_factory=Counter)


# --- the real thing ----------------------------------------------------------------------------------------------


class Note(Request[None], frozen=True, tag=True):
    """Write the number down."""

    number: int


class Boom(Request[None], frozen=True, tag=True):
    """Crash."""


class Dig(Request[None], frozen=True, tag=True):
    """Work for ever."""


Message = Note | Boom | Dig


class Fate:
    """One leaf over all its incarnations: what was ordered for it, and where it writes down its life."""

    def __init__(self, name: str, plan: LeafPlan, record: Record) -> None:
        self.name, self.plan, self.record = name, plan, record
        self.bad_starts = 0
        self.hang = False
        self.running = 0
        self.end = trio.Event()
        self.crash = False

    async def start(self) -> None:
        if self.bad_starts:
            self.bad_starts -= 1
            if self.hang:
                await trio.sleep_forever()
            raise OSError("bad start")
        self.running += 1
        self.record.log.append(f"+{self.name}")

    def stop(self) -> None:
        self.running -= 1
        self.record.log.append(f"-{self.name}")


class ActorLeaf(Actor[Message]):
    """One incarnation of a leaf that is an actor."""

    def __init__(self, fate: Fate) -> None:
        self.fate = fate

    async def open(self, context: Context[Message]) -> None:
        await self.fate.start()

    async def handle(self, message: Message) -> None:
        match message:
            case Note(number=number):
                self.fate.record.handled.setdefault(self.fate.name, []).append(number)
            case Boom():
                raise ZeroDivisionError
            case Dig():
                try:
                    await trio.sleep_forever()
                finally:
                    if self.fate.plan.sore:
                        raise ValueError("sore")

    async def close(self) -> None:
        self.fate.stop()
        if self.fate.plan.slow:
            await trio.sleep_forever()
        if self.fate.plan.sore:
            raise ValueError("sore")


class ServiceLeaf:
    """A leaf that is no actor."""

    def __init__(self, fate: Fate) -> None:
        self.fate = fate

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        fate = self.fate
        await fate.start()
        fate.end, fate.crash = trio.Event(), False
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey, stopping, nursery.cancel_scope)
                await fate.end.wait()
                nursery.cancel_scope.cancel()
        finally:
            fate.stop()
            if fate.plan.sore and stopping.is_set():
                raise ValueError("sore")
        if fate.crash:
            raise ZeroDivisionError

    async def _obey(self, stopping: trio.Event, scope: trio.CancelScope) -> None:
        await stopping.wait()
        if self.fate.plan.deaf:
            await trio.sleep_forever()
        scope.cancel()


class World:
    """A real tree, and everything in it by name."""

    def __init__(self, tree: SupervisorPlan, delay_seconds: float) -> None:
        self.record = Record()
        self.fates: dict[str, Fate] = {}
        self.cells: dict[str, Cell[Message]] = {}
        self.supervisors: dict[str, Supervisor] = {}
        self._delay_seconds = delay_seconds
        self.root = self._supervisor("root", tree)

    def leaf(self, name: str, plan: LeafPlan) -> ChildSpec:
        """A new leaf, ready to be run."""
        fate = self.fates[name] = Fate(name, plan, self.record)
        service: Cell[Message] | ServiceLeaf
        if plan.actor:
            service = self.cells[name] = Cell(
                name, lambda: ActorLeaf(fate), close_seconds=INSTANT_SECONDS, dead_letter=self._bury
            )
        else:
            service = ServiceLeaf(fate)
        # Longer than `close` may take, so that only the deaf are cancelled.
        grace = 3 * INSTANT_SECONDS
        return ChildSpec(
            name=name, service=service, restart=plan.restart, start_seconds=INSTANT_SECONDS, grace_seconds=grace
        )

    def _bury(self, letter: DeadLetter) -> None:
        self.record.dead.setdefault(letter.actor, []).append(letter.message)

    def _heard(self, report: CrashReport) -> None:
        self.record.reports[report.child] += 1

    def _supervisor(self, name: str, plan: SupervisorPlan) -> Supervisor:
        specs = []
        for n, child in enumerate(plan.children):
            path = f"{name}.{n}"
            if isinstance(child, LeafPlan):
                specs.append(self.leaf(path, child))
            else:
                below = self._supervisor(path, child)
                specs.append(ChildSpec(name=path, service=below, restart=child.restart, grace_seconds=60))
        supervisor = self.supervisors[name] = Supervisor(
            name,
            specs,
            strategy=plan.strategy,
            intensity=RestartIntensity(intensity=plan.intensity, period_seconds=PERIOD_SECONDS),
            backoff=Backoff(first_seconds=self._delay_seconds, cap_seconds=self._delay_seconds),
            report=self._heard,
            chance=lambda: 1.0,
        )
        return supervisor
