"""Generated supervision trees under generated failures, against a small pure model of what OTP would do.

The model knows names, strategies, restart types and budgets; it has no tasks and no clock of its own. After every
failure both must have started and stopped the same children in the same order, and be left with the same ones up.
Trio's scheduling is seeded by Hypothesis, so that a failing example replays exactly.
"""

import os
from collections.abc import Iterator

import msgspec
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.crash import cause
from aura_actors.kernel.restart import Backoff, RestartIntensity
from aura_actors.kernel.strategy import Strategy
from aura_actors.kernel.supervisor import GaveUp, StartFailed, Supervisor

EXAMPLES = int(os.environ.get("AURA_CHAOS_EXAMPLES", "150"))


class LeafPlan(msgspec.Struct, frozen=True):
    """A worker. `deaf` ones ignore the stop and have to be cancelled; `sore` ones raise when they are stopped."""

    restart: Restart
    deaf: bool
    sore: bool


class SupPlan(msgspec.Struct, frozen=True):
    """A supervisor and what is below it."""

    restart: Restart
    strategy: Strategy
    intensity: int
    children: "tuple[LeafPlan | SupPlan, ...]"


class Failure(msgspec.Struct, frozen=True):
    """What happens to the n-th leaf that is up, after `gap` seconds; so many of its next starts fail."""

    which: int
    crash: bool
    bad_starts: int
    gap: float


leaves = st.builds(LeafPlan, st.sampled_from(Restart), st.booleans(), st.booleans())
PERIOD = 5.0


def supervisors(children: st.SearchStrategy[LeafPlan | SupPlan]) -> st.SearchStrategy[SupPlan]:
    return st.builds(
        SupPlan,
        st.sampled_from(Restart),
        st.sampled_from(Strategy),
        st.integers(0, 3),
        st.lists(children, min_size=1, max_size=4).map(tuple),
    )


trees = supervisors(st.one_of(leaves, supervisors(st.one_of(leaves, supervisors(leaves)))))
failures = st.lists(
    st.builds(Failure, st.integers(0, 50), st.booleans(), st.integers(0, 3), st.floats(0, 4)), max_size=10
)


# --- the model ---------------------------------------------------------------------------------------------------


class ModelLeaf:
    def __init__(self, name: str, plan: LeafPlan) -> None:
        self.name, self.restart = name, plan.restart
        self.up = False
        self.pending = False
        self.bad_starts = 0

    def start(self, log: list[str]) -> bool:
        self.pending = False
        if self.bad_starts:
            self.bad_starts -= 1
            return False
        self.up = True
        log.append(f"+{self.name}")
        return True

    def stop(self, log: list[str]) -> None:
        self.pending = False
        if self.up:
            self.up = False
            log.append(f"-{self.name}")

    def leaves(self) -> "Iterator[tuple[ModelLeaf, list[ModelSup]]]":
        yield self, []


class ModelSup:
    def __init__(self, name: str, plan: SupPlan) -> None:
        self.name, self.restart, self.plan = name, plan.restart, plan
        self.every = [model(f"{name}.{n}", child) for n, child in enumerate(plan.children)]
        self.children = list(self.every)
        self.budget = RestartIntensity(intensity=plan.intensity, period_seconds=PERIOD)
        self.restarts: tuple[float, ...] = ()
        self.up = False
        self.pending = False

    def start(self, log: list[str]) -> bool:
        self.pending, self.restarts, self.children = False, (), list(self.every)
        for n, child in enumerate(self.children):
            if not child.start(log):
                for started in reversed(self.children[:n]):
                    started.stop(log)
                return False
        self.up = True
        return True

    def stop(self, log: list[str]) -> None:
        self.pending = self.up = False
        for child in reversed(self.children):
            child.stop(log)

    def ended(self, child: "ModelLeaf | ModelSup", crashed: bool, now: float, log: list[str]) -> bool:
        """A child ended; False if this supervisor gives up over it."""
        if not child.restart.wanted_after(crashed=crashed):
            if child.restart is Restart.TEMPORARY:
                self.children.remove(child)
            return True
        self.restarts = self.budget.record(self.restarts, now)
        if not self.budget.allows(self.restarts):
            self.stop(log)
            return False
        at = self.children.index(child)
        affected = {
            Strategy.ONE_FOR_ONE: [child],
            Strategy.ONE_FOR_ALL: list(self.children),
            Strategy.REST_FOR_ONE: self.children[at:],
        }[self.plan.strategy]
        child.pending = True
        for sibling in reversed(affected):
            if sibling.up:
                sibling.stop(log)
                if sibling.restart is Restart.TEMPORARY:
                    self.children.remove(sibling)
                else:
                    sibling.pending = True
        for waiting in [each for each in affected if each.pending]:
            if not waiting.start(log):
                return self.ended(waiting, True, now, log)
        return True

    def leaves(self) -> "Iterator[tuple[ModelLeaf, list[ModelSup]]]":
        for child in self.children:
            for leaf, above in child.leaves():
                yield leaf, [*above, self]


def model(name: str, plan: LeafPlan | SupPlan) -> ModelLeaf | ModelSup:
    return ModelLeaf(name, plan) if isinstance(plan, LeafPlan) else ModelSup(name, plan)


def fail(leaf: ModelLeaf, above: list[ModelSup], crashed: bool, now: float, log: list[str]) -> bool:
    """Let a leaf of the model end; False if the root gives up."""
    leaf.up = False
    log.append(f"-{leaf.name}")
    child: ModelLeaf | ModelSup = leaf
    for supervisor in above:
        if supervisor.ended(child, crashed, now, log):
            return True
        child, crashed = supervisor, True
    return False


# --- the real thing ----------------------------------------------------------------------------------------------


class Leaf:
    def __init__(self, name: str, plan: LeafPlan, log: list[str]) -> None:
        self.name, self.plan, self.log = name, plan, log
        self.bad_starts = 0
        self.running = 0

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        if self.bad_starts:
            self.bad_starts -= 1
            raise OSError("bad start")
        self.end = trio.Event()
        self.crash = False
        self.running += 1
        self.log.append(f"+{self.name}")
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                if not self.plan.deaf:
                    nursery.start_soon(self._obey, stopping, nursery.cancel_scope)
                await self.end.wait()
                nursery.cancel_scope.cancel()
        finally:
            self.running -= 1
            self.log.append(f"-{self.name}")
            if self.plan.sore and stopping.is_set():
                raise ValueError("sore")
        if self.crash:
            raise ZeroDivisionError

    @staticmethod
    async def _obey(stopping: trio.Event, scope: trio.CancelScope) -> None:
        await stopping.wait()
        scope.cancel()


def build(name: str, plan: SupPlan, log: list[str], made: dict[str, Leaf]) -> Supervisor:
    specs = []
    for n, child in enumerate(plan.children):
        path = f"{name}.{n}"
        if isinstance(child, LeafPlan):
            made[path] = Leaf(path, child, log)
            specs.append(ChildSpec(name=path, service=made[path], restart=child.restart, grace_seconds=0.001))
        else:
            below = build(path, child, log, made)
            specs.append(ChildSpec(name=path, service=below, restart=child.restart, grace_seconds=60))
    return Supervisor(
        name,
        specs,
        strategy=plan.strategy,
        intensity=RestartIntensity(intensity=plan.intensity, period_seconds=PERIOD),
        backoff=Backoff(first_seconds=0, cap_seconds=0),
    )


async def play(tree: SupPlan, story: list[Failure]) -> None:
    log: list[str] = []
    expected: list[str] = []
    made: dict[str, Leaf] = {}
    root, theory = build("root", tree, log, made), ModelSup("root", tree)
    stopping = trio.Event()
    outcome: list[BaseException] = []

    async def run(task_status: trio.TaskStatus[None]) -> None:
        try:
            await root.run(stopping=stopping, task_status=task_status)
        except (GaveUp, StartFailed) as error:
            outcome.append(error)

    alive = True
    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        assert theory.start(expected)
        for failure in story:
            await trio.sleep(failure.gap)
            up = [(leaf, above) for leaf, above in theory.leaves() if leaf.up]
            if not up or not alive:
                break
            leaf, above = up[failure.which % len(up)]
            now = trio.current_time()
            made[leaf.name].bad_starts = leaf.bad_starts = failure.bad_starts
            alive = fail(leaf, above, failure.crash, now, expected)
            made[leaf.name].crash = failure.crash
            made[leaf.name].end.set()
            await settle()
            assert log == expected
            assert {name for name, each in made.items() if each.running} == {
                x.name for x, _ in theory.leaves() if x.up
            }
        assert bool(outcome) == (not alive)
        if outcome:
            assert isinstance(cause(outcome[0]), GaveUp)
        elif alive:
            theory.stop(expected)
        stopping.set()
    assert log == expected
    await trio.sleep(60)
    assert log == expected, "somebody was resurrected"
    assert all(each.running == 0 for each in made.values()), "somebody was orphaned"


async def settle() -> None:
    """Until nothing happens any more, graces of deaf leaves included."""
    for _ in range(200):
        await wait_all_tasks_blocked()
        await trio.sleep(0.0011)


@settings(max_examples=EXAMPLES)
@given(trees, failures)
def test_every_tree_behaves_as_the_model_says(tree: SupPlan, story: list[Failure]) -> None:
    trio.run(play, tree, story, clock=MockClock(autojump_threshold=0))
