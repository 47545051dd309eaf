"""Generated supervision trees under generated stories, against a pure model of what OTP would do.

A story is a list of steps: leaves crash, return or hang at start, actors are told and asked, children come and
go, and at the end, or amid a step, the root is stopped or cancelled. After each step everything must be as in
the model: order of starts and stops, states, budgets, tasks, answers, dead letters, crash reports. This is a
state machine in the form of a generated list and not a `RuleBasedStateMachine`, because that one is driven from
outside the loop: here the whole story runs in one `trio.run`, in virtual time, on a scheduler that Hypothesis
seeds, so that a failure replays.
"""

import itertools

import trio
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.errors import Lost, NotStarted
from aura_actors.kernel.child_spec import Restart
from aura_actors.kernel.crash import cause
from aura_actors.kernel.mailbox import Verdict
from aura_actors.kernel.reports import GaveUp, StartFailed
from aura_actors.kernel.strategy import Strategy
from tests.effort import effort
from tests.kernel import trees as t
from tests.kernel.model import ModelLeaf, ModelSupervisor, run_until

EXAMPLES = effort("AURA_CHAOS_EXAMPLES", desk=100, ci=400)
SETTLED_SECONDS = 0.01


class Play:
    """One story, played in the real tree and in the model side by side."""

    def __init__(self, tree: t.SupervisorPlan, delay_seconds: float) -> None:
        self.real = t.World(tree, delay_seconds)
        self.record = t.Record()
        self.root = ModelSupervisor("root", tree, delay_seconds, self.record)
        self.ready = False
        self.outcome: BaseException | None = None
        self.over = trio.Event()
        self.numbers = itertools.count()
        self.stopping = trio.Event()
        self.scope = trio.CancelScope()

    def started(self, value: None = None) -> None:
        self.ready = True

    async def run(self, nursery: trio.Nursery) -> None:
        """Begin; what fails is in `outcome`."""
        self.nursery = nursery
        self.idle_tasks = trio.lowlevel.current_statistics().tasks_living
        nursery.start_soon(self._run)

    async def _run(self) -> None:
        with self.scope:
            try:
                await self.real.root.run(stopping=self.stopping, task_status=self)
            except (GaveUp, StartFailed) as error:
                self.outcome = error
        self.over.set()

    # --- steps, in both worlds ---

    async def step(self, act: t.Fail | t.Send | t.StartChild | t.StopChild) -> None:
        match act:
            case t.Fail():
                self.fail(act)
            case t.Send():
                self.send(act)
            case t.StartChild():
                await self.start_child(act)
            case t.StopChild():
                await self.stop_child(act)

    def fail(self, act: t.Fail) -> None:
        up = [leaf for leaf in self.root.leaves() if leaf.up]
        if not up:
            return
        leaf = up[act.which % len(up)]
        fate = self.real.fates[leaf.name]
        fate.bad_starts, fate.hang = act.bad_starts, act.hang
        leaf.bad_starts = act.bad_starts
        crashed = self.end(leaf, act.how)
        leaf.parent.ended(leaf, crashed, trio.current_time())

    def end(self, leaf: ModelLeaf, how: t.How) -> bool:
        """End a leaf in both worlds; whether that is a crash."""
        fate, cell = self.real.fates[leaf.name], self.real.cells.get(leaf.name)
        crashed = True
        if how is t.How.INJECT or leaf.digging:
            self.real.supervisors[leaf.parent.name].crash(leaf.name, RuntimeError("injected"))
        elif cell is not None:
            question = next(self.numbers) if how is t.How.ASKED else None
            leaf.booms(question)
            if question is None:
                assert cell.ref.tell(t.Boom()) is Verdict.DELIVERED
            else:
                self.ask(leaf.name, question, t.Boom())
        else:
            crashed = fate.crash = how is not t.How.END
            fate.end.set()
        leaf.end(crashed=crashed)
        return crashed

    def send(self, act: t.Send) -> None:
        actors = [leaf for leaf in self.root.leaves() if leaf.plan.actor]
        if not actors:
            return
        leaf, number = actors[act.which % len(actors)], next(self.numbers)
        cell = self.real.cells[leaf.name]
        match act.verb:
            case t.Verb.ASK:
                self.ask(leaf.name, number, t.Note(number))
                leaf.asked(number)
            case t.Verb.ASK_TO_DIG:
                self.ask(leaf.name, number, t.Dig())
                leaf.asked_to_dig(number)
            case t.Verb.DIG if leaf.up and not leaf.digging:
                assert cell.ref.tell(t.Dig()) is Verdict.DELIVERED
                leaf.told_to_dig()
            case _:
                verdict = Verdict.STOPPED if leaf.closed else Verdict.DELIVERED
                assert cell.ref.tell(t.Note(number)) is verdict
                leaf.told(number)

    def ask(self, name: str, number: int, question: t.Message) -> None:
        async def wait() -> None:
            try:
                await self.real.cells[name].ref.ask(question, within=1e6)
                answer = "answered"
            except (Lost, NotStarted) as error:
                answer = type(error).__name__
            self.real.record.answers[number] = answer

        self.nursery.start_soon(wait)

    async def start_child(self, act: t.StartChild) -> None:
        supervisor = self.a_supervisor(act.which)
        name = f"{supervisor.name}.new{next(self.numbers)}"
        spec = self.real.leaf(name, act.plan)
        self.real.fates[name].bad_starts = int(act.bad_start)
        expected = supervisor.start_child(name, act.plan, bad_start=act.bad_start)
        try:
            await self.real.supervisors[supervisor.name].start_child(spec)
            started = True
        except StartFailed:
            started = False
        assert started == expected

    async def stop_child(self, act: t.StopChild) -> None:
        supervisor = self.a_supervisor(act.which)
        if supervisor.children:
            child = supervisor.children[act.child % len(supervisor.children)]
            await self.real.supervisors[supervisor.name].stop_child(child.name)
            supervisor.stop_child(child)

    def a_supervisor(self, which: int) -> ModelSupervisor:
        up = [each for each in self.root.supervisors() if each.up]
        return up[which % len(up)]

    # --- comparing ---

    async def settle(self) -> None:
        await trio.sleep(SETTLED_SECONDS)
        await wait_all_tasks_blocked()
        run_until(self.root, trio.current_time())

    def compare(self) -> None:
        assert self.real.record == self.record
        assert (self.outcome is None) == self.root.up
        assert self.running() == {leaf.name for leaf in self.root.leaves() if leaf.up}
        for theory in self.root.supervisors():
            if theory.up:
                supervisor = self.real.supervisors[theory.name]
                assert [(node.name, node.state) for node in supervisor.nodes()] == [
                    (child.name, child.state.value) for child in theory.children
                ]
                assert len(supervisor._restarts) == len(theory.restarts)
        assert trio.lowlevel.current_statistics().tasks_living - self.idle_tasks == self.tasks()

    def running(self) -> set[str]:
        assert all(fate.running in (0, 1) for fate in self.real.fates.values())
        return {name for name, fate in self.real.fates.items() if fate.running}

    def tasks(self) -> int:
        """Two for each that is up (itself, and its wait for the stop), one for each delay and open question."""
        up = [x.up for x in self.root.leaves()] + [x.up for x in self.root.supervisors()]
        delays = sum(len(each.retries) for each in self.root.supervisors())
        questions = [leaf.questions for leaf in self.root.leaves()]
        digging_for = [leaf for leaf in self.root.leaves() if leaf.digging_for is not None]
        return 2 * sum(up) + delays + sum(map(len, questions)) + len(digging_for)

    def nothing_is_left(self) -> None:
        assert self.running() == set()
        assert trio.lowlevel.current_statistics().tasks_living == self.idle_tasks
        states = [(node.name, node.state) for each in self.real.supervisors.values() for node in each.nodes()]
        assert [(name, state) for name, state in states if state not in ("stopped", "waiting")] == []


async def play(tree: t.SupervisorPlan, delay_seconds: float, story: list[t.Step], end: t.End) -> t.Record:
    it = Play(tree, delay_seconds)
    async with trio.open_nursery() as nursery:
        await it.run(nursery)
        assert it.root.start()
        await it.settle()
        it.compare()
        now = 0
        for n, step in enumerate(story):
            now += step.gap_seconds
            await trio.sleep_until(now)
            run_until(it.root, now)
            if not it.root.up:
                break
            it.compare()
            await it.step(step.act)
            if end.amid and n == len(story) - 1:
                await interrupt(it, end)
                return it.real.record
            await it.settle()
            it.compare()
        finish(it, end)
        if it.root.up:
            it.root.stop(for_good=True)
        await it.over.wait()
        await wait_all_tasks_blocked()
        assert it.real.record == it.record
        assert it.outcome is None or isinstance(cause(it.outcome), GaveUp)
        await and_nobody_comes_back(it)
    return it.real.record


def finish(it: Play, end: t.End) -> None:
    if end in (t.End.STOP, t.End.STOP_AMID):
        it.stopping.set()
    else:
        it.scope.cancel()


async def interrupt(it: Play, end: t.End) -> None:
    """End the root while the tree is at work.

    The model cannot say how far that got, but none of the root's own children comes back, and they stop newest
    first. What is deeper works on until its turn comes to be stopped.
    """
    await wait_all_tasks_blocked()
    before = len(it.real.record.log)
    finish(it, end)
    await it.over.wait()
    await wait_all_tasks_blocked()
    names = {child.name for child in it.root.specified}
    after = [entry for entry in it.real.record.log[before:] if entry[1:] in names]
    assert after == sorted(after, key=lambda entry: entry[1:], reverse=True)
    assert all(entry[0] == "-" for entry in after)
    await and_nobody_comes_back(it)


async def and_nobody_comes_back(it: Play) -> None:
    log = list(it.real.record.log)
    it.nothing_is_left()
    await trio.sleep(60)
    assert it.real.record.log == log, "somebody was resurrected"
    it.nothing_is_left()


@settings(max_examples=EXAMPLES, print_blob=True)
@given(t.trees, t.delays, t.stories, t.ends, st.random_module())
def test_every_tree_behaves_as_the_model_says(
    tree: t.SupervisorPlan, delay_seconds: float, story: list[t.Step], end: t.End, scheduling: object
) -> None:
    trio.run(play, tree, delay_seconds, story, end, clock=MockClock(autojump_threshold=0))


# --- the first start ---------------------------------------------------------------------------------------------


async def play_first_start(tree: t.SupervisorPlan, which: int, hang: bool, end: t.End | None) -> None:
    it = Play(tree, 0.0)
    leaves = list(it.root.leaves())
    leaf = leaves[which % len(leaves)]
    fate = it.real.fates[leaf.name]
    leaf.bad_starts = fate.bad_starts = 1
    fate.hang = hang or end is not None
    assert not it.root.start()
    async with trio.open_nursery() as nursery:
        await it.run(nursery)
        if end is not None:
            await wait_all_tasks_blocked()
            finish(it, end)
        await it.over.wait()
        await wait_all_tasks_blocked()
        assert it.real.record.log == it.record.log
        assert not it.ready
        if end is None:
            assert isinstance(it.outcome, StartFailed)
            assert it.real.record == it.record
        await and_nobody_comes_back(it)


@settings(max_examples=EXAMPLES // 4, print_blob=True)
@given(t.trees, st.integers(0, 50), st.booleans(), st.one_of(st.none(), t.ends), st.random_module())
def test_a_first_start_that_fails_or_is_interrupted_is_undone_in_reverse(
    tree: t.SupervisorPlan, which: int, hang: bool, end: t.End | None, scheduling: object
) -> None:
    trio.run(play_first_start, tree, which, hang, end, clock=MockClock(autojump_threshold=0))


# --- failures of one moment --------------------------------------------------------------------------------------

Outcome = tuple[bool, frozenset[str], tuple[tuple[str, int], ...]]


def outcome_in_theory(tree: t.SupervisorPlan, delay_seconds: float, names: tuple[str, ...]) -> Outcome:
    root = ModelSupervisor("root", tree, delay_seconds, t.Record())
    root.start()
    leaves = {leaf.name: leaf for leaf in root.leaves()}
    for name in names:
        if leaves[name].up:  # else its end came to nothing, because a sibling's was dealt with before
            leaves[name].parent.ended(leaves[name], True, 0)
    run_until(root, 10)
    budgets = tuple((each.name, len(each.restarts)) for each in root.supervisors() if each.up)
    return root.up, frozenset(leaf.name for leaf in root.leaves() if leaf.up), budgets


async def play_one_moment(
    tree: t.SupervisorPlan, delay_seconds: float, which: list[int], logs: list[list[str]]
) -> None:
    it = Play(tree, delay_seconds)
    assert it.root.start()
    leaves = list(it.root.leaves())
    chosen = {leaf.name: leaf for leaf in (leaves[n % len(leaves)] for n in which)}
    async with trio.open_nursery() as nursery:
        await it.run(nursery)
        await trio.sleep(1)
        for leaf in chosen.values():
            it.end(leaf, t.How.CRASH)
        await trio.sleep(10)
        logs.append(it.real.record.log)
        supervisors = [s for s in it.root.supervisors() if it.real.supervisors[s.name]._nursery is not None]
        budgets = tuple((s.name, len(it.real.supervisors[s.name]._restarts)) for s in supervisors)
        outcome = (it.outcome is None, frozenset(it.running()), budgets)
        assert outcome in {
            outcome_in_theory(tree, delay_seconds, order) for order in itertools.permutations(chosen)
        }
        it.stopping.set()
        await it.over.wait()
        await wait_all_tasks_blocked()
        await and_nobody_comes_back(it)


@settings(max_examples=EXAMPLES // 4, print_blob=True)
@given(t.trees, t.delays, st.lists(st.integers(0, 50), min_size=2, max_size=3), st.random_module())
def test_failures_of_one_moment_end_as_if_one_had_come_after_the_other(
    tree: t.SupervisorPlan, delay_seconds: float, which: list[int], scheduling: object
) -> None:
    trio.run(play_one_moment, tree, delay_seconds, which, [], clock=MockClock(autojump_threshold=0))


# --- replay ------------------------------------------------------------------------------------------------------


def logs_of_seed(number: int) -> list[list[str]]:
    """How three services that crash at one moment come and go: an order that only the scheduler decides."""
    logs: list[list[str]] = []
    leaf = t.LeafPlan(restart=Restart.PERMANENT, actor=False, sore=False, deaf=False, slow=False)
    tree = t.SupervisorPlan(
        restart=Restart.PERMANENT, strategy=Strategy.ONE_FOR_ONE, intensity=3, children=(leaf, leaf, leaf)
    )

    @seed(number)
    @settings(max_examples=20, phases=[Phase.generate])
    @given(st.random_module())
    def examples(scheduling: object) -> None:
        trio.run(play_one_moment, tree, 0.0, [0, 1, 2], logs, clock=MockClock(autojump_threshold=0))

    examples()
    return logs


def test_a_seed_replays_the_scheduling_exactly() -> None:
    first = logs_of_seed(1)
    assert logs_of_seed(1) == first
    assert len({tuple(log) for log in first}) > 1, "the scheduler was not shuffled"
