"""Who is told when an actor ends, and what: by crash, by order, for good, and too late."""

from collections.abc import Callable

import msgspec
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.errors import NotStarted
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.child_spec import ChildSpec, Restart
from aura_actors.kernel.monitor import Down
from aura_actors.kernel.ref import Ref
from aura_actors.kernel.reports import GaveUp
from aura_actors.kernel.request import Request
from aura_actors.kernel.restart import Backoff, RestartIntensity
from aura_actors.kernel.strategy import Strategy
from aura_actors.kernel.supervisor import Supervisor
from tests.kernel.workers import running


class Crash(Request[None], frozen=True, tag=True):
    """Crash."""


class Wait(Request[None], frozen=True, tag=True):
    """Work for as long as the loop turns."""


class Ended(msgspec.Struct, frozen=True, tag=True):
    """Somebody else's end."""

    down: Down


class Watched(Actor[Crash | Wait]):
    async def handle(self, message: Crash | Wait) -> None:
        if isinstance(message, Crash):
            raise ZeroDivisionError("on purpose")
        await trio.sleep_forever()


class Watching(Actor[Ended | Crash]):
    """Watches one other; writes down what it hears. `demonitor` is of its present incarnation."""

    def __init__(self, other: Ref[Crash | Wait], heard: list[Down]) -> None:
        self.other, self.heard = other, heard

    async def open(self, context: Context[Ended | Crash]) -> None:
        self.demonitor: Callable[[], None] = context.monitor(self.other, Ended)

    async def handle(self, message: Ended | Crash) -> None:
        match message:
            case Ended(down=down):
                self.heard.append(down)
            case Crash():
                raise ZeroDivisionError("the watcher")


def watched(**options: object) -> Cell[Crash | Wait]:
    return Cell("watched", Watched, **options)  # type: ignore[arg-type]


def down(generation: int, reason: str | None = "ZeroDivisionError: on purpose", *, again: bool = True) -> Down:
    return Down(actor="watched", generation=generation, reason=reason, again=again)


async def test_a_watcher_hears_of_every_incarnation_that_ends(autojump_clock: MockClock) -> None:
    cell, heard = watched(), list[Down]()
    cell.ref.monitor(heard.append)
    async with running(Supervisor("s", [ChildSpec(name="watched", service=cell)])):
        for _ in range(2):
            cell.ref.tell(Crash())
            await trio.sleep(1)
        assert heard == [down(1), down(2)]
    assert heard == [down(1), down(2), down(3, None, again=False)]


async def test_an_actor_that_watches_gets_the_news_as_its_own_messages(autojump_clock: MockClock) -> None:
    cell, heard = watched(), list[Down]()
    watcher = Cell("watcher", lambda: Watching(cell.ref, heard))
    specs = [ChildSpec(name="watched", service=cell), ChildSpec(name="watcher", service=watcher)]
    async with running(Supervisor("s", specs)):
        cell.ref.tell(Crash())
        await trio.sleep(1)
        assert heard == [down(1)]


async def test_a_watcher_that_is_restarted_hears_each_end_once(autojump_clock: MockClock) -> None:
    """The monitor of the ended incarnation goes with it; the next one sets its own."""
    cell, heard = watched(), list[Down]()
    watcher = Cell("watcher", lambda: Watching(cell.ref, heard))
    specs = [ChildSpec(name="watched", service=cell), ChildSpec(name="watcher", service=watcher)]
    async with running(Supervisor("s", specs)):
        watcher.ref.tell(Crash())
        await trio.sleep(1)
        cell.ref.tell(Crash())
        await trio.sleep(1)
        assert heard == [down(1)]


class Gated(Watching):
    """Handles nothing before the gate is open."""

    gate: trio.Event

    async def handle(self, message: Ended | Crash) -> None:
        await self.gate.wait()
        await super().handle(message)


async def test_news_that_waited_for_an_ended_watcher_are_void(autojump_clock: MockClock) -> None:
    """The next incarnation is told by its own monitor, as the watched one is still down: once, not twice."""
    Gated.gate = trio.Event()
    cell, heard = watched(), list[Down]()
    watcher: Cell[Ended | Crash] = Cell("watcher", lambda: Gated(cell.ref, heard))
    delays = iter([0.9, 0.1])
    supervisor = Supervisor(
        "s",
        [ChildSpec(name="watched", service=cell), ChildSpec(name="watcher", service=watcher)],
        backoff=Backoff(first_seconds=5, cap_seconds=5),
        chance=lambda: next(delays),
    )
    async with running(supervisor):
        watcher.ref.tell(Ended(down(1000)))
        await wait_all_tasks_blocked()
        cell.ref.tell(Crash())
        await wait_all_tasks_blocked()
        supervisor.crash("watcher", RuntimeError("on purpose"))
        Gated.gate.set()
        await trio.sleep(2)
        assert heard == [down(1)]


async def test_whoever_comes_too_late_is_told_at_once(autojump_clock: MockClock) -> None:
    """OTP's monitor of a process that is gone: no watcher waits for news that were told before it came."""
    cell, heard = watched(), list[Down]()
    supervisor = Supervisor("s", [ChildSpec(name="watched", service=cell, restart=Restart.TEMPORARY)])
    async with running(supervisor):
        cell.ref.monitor(heard.append)
        assert heard == [], "it runs"
        cell.ref.tell(Crash())
        await trio.sleep(1)
        late: list[Down] = []
        cell.ref.monitor(late.append)
        assert late == heard == [down(1, again=False)]


async def test_nobody_is_told_before_the_first_start(autojump_clock: MockClock) -> None:
    cell, heard = watched(), list[Down]()
    cell.ref.monitor(heard.append)
    assert heard == []


async def test_a_stop_for_a_siblings_sake_is_an_end_without_a_crash(autojump_clock: MockClock) -> None:
    cell, other, heard = watched(), Cell[Crash | Wait]("other", Watched), list[Down]()
    specs = [ChildSpec(name="watched", service=cell), ChildSpec(name="other", service=other)]
    async with running(Supervisor("s", specs, strategy=Strategy.ONE_FOR_ALL)):
        cell.ref.monitor(heard.append)
        other.ref.tell(Crash())
        await trio.sleep(1)
        assert heard == [down(1, None)]


async def test_a_promised_restart_that_is_dropped_is_taken_back(autojump_clock: MockClock) -> None:
    cell, heard = watched(), list[Down]()
    supervisor = Supervisor(
        "s",
        [ChildSpec(name="watched", service=cell)],
        backoff=Backoff(first_seconds=2, cap_seconds=2),
        chance=lambda: 0.9,
    )
    async with running(supervisor):
        cell.ref.monitor(heard.append)
        cell.ref.tell(Crash())
        await wait_all_tasks_blocked()
        await supervisor.stop_child("watched")
        assert heard == [down(1), down(1, again=False)]


async def test_giving_up_is_an_end_for_good(autojump_clock: MockClock) -> None:
    cell, heard = watched(), list[Down]()
    supervisor = Supervisor(
        "s", [ChildSpec(name="watched", service=cell)], intensity=RestartIntensity(intensity=0, period_seconds=5)
    )
    cell.ref.monitor(heard.append)
    try:
        async with running(supervisor):
            cell.ref.tell(Crash())
            await trio.sleep(1)
    except* GaveUp:
        pass
    assert heard == [down(1, again=False)]


async def test_a_monitor_that_was_ended_says_nothing_more(autojump_clock: MockClock) -> None:
    cell, heard = watched(), list[Down]()
    demonitor = cell.ref.monitor(heard.append)
    other: list[Down] = []
    cell.ref.monitor(other.append)
    async with running(Supervisor("s", [ChildSpec(name="watched", service=cell)])):
        demonitor()
        demonitor()
        cell.ref.tell(Crash())
        await trio.sleep(1)
    assert (heard, len(other)) == ([], 2)


async def test_an_actors_demonitor_ends_it_within_the_incarnation(autojump_clock: MockClock) -> None:
    cell, heard, made = watched(), list[Down](), list[Watching]()

    def factory() -> Watching:
        made.append(Watching(cell.ref, heard))
        return made[-1]

    watcher = Cell("watcher", factory)
    specs = [ChildSpec(name="watched", service=cell), ChildSpec(name="watcher", service=watcher)]
    async with running(Supervisor("s", specs)):
        made[0].demonitor()
        cell.ref.tell(Crash())
        await trio.sleep(1)
        assert heard == []


async def test_nobody_who_comes_while_it_runs_again_is_told_of_an_old_end(autojump_clock: MockClock) -> None:
    cell, heard = watched(), list[Down]()
    async with running(Supervisor("s", [ChildSpec(name="watched", service=cell)])):
        cell.ref.tell(Crash())
        await trio.sleep(1)
        cell.ref.monitor(heard.append)
        assert heard == []


async def test_a_watcher_may_end_its_monitor_while_it_is_told(autojump_clock: MockClock) -> None:
    cell, heard = watched(), list[Down]()

    def once(down: Down) -> None:
        heard.append(down)
        demonitor()

    demonitor = cell.ref.monitor(once)
    cell.ref.monitor(heard.append)
    async with running(Supervisor("s", [ChildSpec(name="watched", service=cell)])):
        cell.ref.tell(Crash())
        await trio.sleep(1)
        assert heard == [down(1), down(1)]


async def test_the_monitors_of_ended_incarnations_leave_nothing_behind(autojump_clock: MockClock) -> None:
    cell = watched()
    watcher = Cell("watcher", lambda: Watching(cell.ref, []))
    specs = [ChildSpec(name="watched", service=cell), ChildSpec(name="watcher", service=watcher)]
    async with running(Supervisor("s", specs)):
        for _ in range(10):
            watcher.ref.tell(Crash())
            await trio.sleep(60)
        assert len(cell._monitors._watchers) == 1


async def test_news_that_find_the_control_lane_full_arrive_when_there_is_room(autojump_clock: MockClock) -> None:
    Gated.gate = trio.Event()
    cell, heard = watched(), list[Down]()
    watcher: Cell[Ended | Crash] = Cell("watcher", lambda: Gated(cell.ref, heard))
    specs = [ChildSpec(name="watched", service=cell), ChildSpec(name="watcher", service=watcher)]
    async with running(Supervisor("s", specs)):
        for n in range(65):
            watcher.ref.tell(Ended(down(1000 + n)), control=True)
            await wait_all_tasks_blocked()
        cell.ref.tell(Crash())
        await trio.sleep(1)
        Gated.gate.set()
        await trio.sleep(1)
        assert down(1) in heard


# --- questions on their way in -----------------------------------------------------------------------------------


async def test_a_question_that_waits_for_room_hears_of_the_crash_before_the_restart(
    autojump_clock: MockClock,
) -> None:
    cell = watched(capacity=1)
    supervisor = Supervisor(
        "s",
        [ChildSpec(name="watched", service=cell)],
        backoff=Backoff(first_seconds=5, cap_seconds=5),
        chance=lambda: 0.9,
    )
    answered: list[float] = []

    async def ask() -> None:
        try:
            await cell.ref.ask(Wait(), within=100)
        except NotStarted:
            answered.append(trio.current_time())

    async with running(supervisor), trio.open_nursery() as nursery:
        cell.ref.tell(Wait())
        await wait_all_tasks_blocked()
        cell.ref.tell(Wait())
        nursery.start_soon(ask)
        await trio.sleep(1)
        supervisor.crash("watched", RuntimeError("on purpose"))
        crashed_at = trio.current_time()
        await trio.sleep(1)
        assert answered == [crashed_at]
