"""New settings for a cleanup that is at work: the run under way ends in order, and the next one goes by them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.cleaners import AnyCleaner, TempFiles
from aura_actors.domain.watermarks import Marks
from aura_actors.errors import NotStarted
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.child_spec import ChildSpec
from aura_actors.kernel.supervisor import Supervisor
from aura_actors.messages.cleanup import CleanupMessage, FindRun, RunTask
from aura_actors.stores.quarantine import Held
from aura_actors.workers import sweep_frames as f
from tests.actors.cleanup.house import HOUR, House, ask_run, report_of


class Tended:
    """The house's actor under a supervisor; whoever is made next takes `cleaners`."""

    def __init__(self, house: House) -> None:
        self.cleaners: tuple[AnyCleaner, ...] = (TempFiles(),)
        self.cell: Cell[CleanupMessage] = Cell("cleanup", lambda: house.actor(self.cleaners))
        self.supervisor = Supervisor("house", [ChildSpec(name="cleanup", service=self.cell)])

    async def change(self, house: House, *cleaners: AnyCleaner) -> None:
        """As SIGHUP does it."""
        self.cleaners = cleaners
        await self.supervisor.restart_child("cleanup")
        await wait_all_tasks_blocked()


@asynccontextmanager
async def tended(house: House, clock: MockClock) -> AsyncIterator[Tended]:
    made, stopping = Tended(house), trio.Event()
    async with trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            await made.supervisor.run(stopping=stopping, task_status=task_status)

        await nursery.start(run)
        try:
            yield made
        finally:
            clock.rate = 100.0  # whatever is to be waited for at the end
            stopping.set()


async def test_a_run_under_way_ends_in_order_and_the_next_one_goes_by_the_new_settings(
    house: House, mock_clock: MockClock
) -> None:
    house.script.steps, house.script.step_seconds = 1_000, 0.05
    async with tended(house, mock_clock) as kept:
        run, waiting = await ask_run(kept.cell.ref), await ask_run(kept.cell.ref, dry_run=True)
        await house.pass_time(mock_clock, 0.01)
        house.script.quarantine[run.run_id] = Held(3, 30)  # what it did so far
        mock_clock.rate = 1.0
        await kept.change(house, TempFiles(older_than_seconds=9 * HOUR))
        mock_clock.rate = 0.0

        # It was asked to end, and said what it did; nobody had to kill it, so there is nothing to recover.
        report = await report_of(run)
        assert (report.outcome, report.quarantined, report.undoable) == ("interrupted", 3, True)
        assert isinstance(house.script.asked[-1], f.Stop)
        assert (await report_of(waiting)).outcome == "interrupted"
        assert [begin.work for begin in house.script.begun] == [f.Sweep(TempFiles())]
        assert house.script.at_work == 0
        crashes = [node.last_crash for node in kept.supervisor.nodes()]
        assert crashes == [None]

        # It is no finish: the task is due as it was, once the start delay is over.
        await house.pass_time(mock_clock, 0)
        remembered = await kept.cell.ref.ask(FindRun(run.run_id), within=5)
        assert remembered is not None
        assert (remembered.outcome, remembered.finished_at) == ("interrupted", report.finished_at)
        assert house.store.records()["temp-files"].finished_at is None
        house.script.step_seconds = 0.0
        house.script.steps = 2
        await house.pass_time(mock_clock, 300 + 0.1 * HOUR + 20)
        assert house.script.begun[-1].work == f.Sweep(TempFiles(older_than_seconds=9 * HOUR))
        assert house.store.records()["temp-files"].finished_at is not None
        assert house.script.most_at_work == 1


async def test_a_process_that_does_not_heed_is_settled_by_the_next_incarnation(
    house: House, mock_clock: MockClock
) -> None:
    house.script.gate = trio.Event()  # a step that takes longer than an actor has for its end
    async with tended(house, mock_clock) as kept:
        run = await ask_run(kept.cell.ref)
        await house.pass_time(mock_clock, 0)
        mock_clock.autojump_threshold = 0.1
        await kept.change(house, TempFiles(older_than_seconds=9 * HOUR))
        mock_clock.autojump_threshold = float("inf")
        assert (await report_of(run)).outcome == "interrupted"
        house.script.gate.set()
        await house.pass_time(mock_clock, 0)
        works = [begin.work for begin in house.script.begun]
        assert works == [f.Sweep(TempFiles()), f.Recover((TempFiles(older_than_seconds=9 * HOUR),))]
        assert house.script.most_at_work == 1


async def test_whoever_asks_in_between_may_ask_again(house: House, mock_clock: MockClock) -> None:
    house.script.steps, house.script.step_seconds = 1_000, 0.05
    async with tended(house, mock_clock) as kept:
        await ask_run(kept.cell.ref)
        await house.pass_time(mock_clock, 0.01)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept.change, house, TempFiles())
            await wait_all_tasks_blocked()
            with pytest.raises(NotStarted):
                await kept.cell.ref.ask(RunTask("temp-files", False), within=5)
            mock_clock.rate = 1.0


async def test_new_marks_of_a_disk_hold_at_once_and_old_ones_are_not_tried_again(
    house: House, mock_clock: MockClock
) -> None:
    places = {"temp-files": ["/x"]}
    house.used_percent = 86.0
    house.disks.arrange(Marks(), places)
    assert [await house.disks.step(0.0) for _ in range(4)] == ["quarantine", "temp-files", "quarantine", None]
    house.disks.arrange(Marks(), places)  # a crash: it freed too little to be repeated
    assert await house.disks.step(1.0) is None
    house.disks.arrange(Marks(high_percent=90.0), places)
    assert await house.disks.step(2.0) is None
    house.disks.arrange(Marks(high_percent=50.0, low_percent=40.0), places)
    assert await house.disks.step(3.0) == "quarantine"
    assert house.disks.urgent
    house.disks.arrange(Marks(high_percent=50.0, low_percent=40.0), {})
    assert await house.disks.step(4.0) is None
