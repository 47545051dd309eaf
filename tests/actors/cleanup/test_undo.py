"""What lies in quarantine: undone on request, purged in time, known after a restart."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.cleaners import ExportHistory, Swept, TempFiles
from aura_actors.cleaners.journal import Move
from aura_actors.errors import Conflict, NotFound
from aura_actors.kernel.ref import Ref
from aura_actors.messages.cleanup import CleanupMessage, FindRun, Run, UndoRun
from aura_actors.stores.quarantine import QuarantineStore
from aura_actors.stores.schedule import REMEMBERED_RUNS
from aura_actors.workers import sweep_frames as f
from tests.actors.cleanup.house import BASE, HOUR, House, ask_run, report_of


async def undo(ref: Ref[CleanupMessage], run_id: str) -> Run:
    return await ref.ask(UndoRun(run_id), within=5)


async def test_an_undo_answers_with_the_report_of_the_run_as_it_is_then(
    house: House, mock_clock: MockClock
) -> None:
    house.script.takes = True
    async with house.life() as ref:
        taken = await report_of(await ask_run(ref))
        assert (taken.undoable, taken.quarantined, taken.quarantined_bytes) == (True, 1, 10)
        assert (house.state.value.quarantined, house.state.value.quarantined_bytes) == (1, 10)
        undone = await report_of(await undo(ref, taken.run_id))
        assert (undone.run_id, undone.outcome, undone.restored) == (taken.run_id, "done", 1)
        assert (undone.undoable, undone.quarantined) == (False, 0)
        await wait_all_tasks_blocked()
        assert house.task.last_report == undone
        assert house.state.value.quarantined == 0
        assert house.errands == ["sweep", "undo"]
        assert house.script.begun[-1].work == f.Undo(taken.run_id, TempFiles())
        with pytest.raises(Conflict, match="done already"):
            await undo(ref, taken.run_id)
    assert house.store.runs() == [undone]


async def test_what_cannot_be_undone_is_refused_with_the_reason(house: House, mock_clock: MockClock) -> None:
    async with house.life() as ref:
        with pytest.raises(NotFound):
            await undo(ref, "nobody")
        dry = await report_of(await ask_run(ref, dry_run=True))
        with pytest.raises(Conflict, match="dry run"):
            await undo(ref, dry.run_id)
        gone = await report_of(await ask_run(ref))
        with pytest.raises(Conflict, match="nothing of it lies in quarantine"):
            await undo(ref, gone.run_id)


async def test_a_run_under_way_cannot_be_undone(house: House, mock_clock: MockClock) -> None:
    house.script.gate = trio.Event()
    async with house.life() as ref:
        run = await ask_run(ref)
        with pytest.raises(Conflict, match="under way"):
            await undo(ref, run.run_id)
        house.script.gate.set()
        await report_of(run)


async def test_two_who_undo_the_same_run_share_one_undo(house: House, mock_clock: MockClock) -> None:
    house.script.takes = True
    async with house.life() as ref:
        taken = await report_of(await ask_run(ref))
        house.script.gate = trio.Event()
        first, second = await undo(ref, taken.run_id), await undo(ref, taken.run_id)
        assert first.run_id == second.run_id
        house.script.gate.set()
        assert await report_of(first) == await report_of(second)


async def test_the_answer_to_an_undo_is_known_by_its_own_id_and_is_no_run_that_can_be_undone(
    house: House, mock_clock: MockClock
) -> None:
    house.script.takes = True
    async with house.life() as ref:
        taken = await report_of(await ask_run(ref))
        run = await undo(ref, taken.run_id)
        undone = await report_of(run)
        assert await ref.ask(FindRun(run.run_id), within=5) == undone
        with pytest.raises(Conflict, match="put back what another one took"):
            await undo(ref, run.run_id)


async def test_quarantine_is_emptied_on_its_own_schedule_and_only_where_there_is_something(
    house: House, mock_clock: MockClock
) -> None:
    async with house.life() as ref:
        await report_of(await ask_run(ref))
        await house.pass_time(mock_clock, 0.9 * HOUR)
        assert not any(isinstance(begin.work, f.Purge) for begin in house.script.begun)
        house.script.takes = True
        taken = await report_of(await ask_run(ref))
        house.script.takes = False
        await house.pass_time(mock_clock, 0.5 * HOUR)
        await house.pass_time(mock_clock, 75)
        purges = [begin for begin in house.script.begun if isinstance(begin.work, f.Purge)]
        assert [purge.urgent for purge in purges] == [False]
        with pytest.raises(Conflict, match="any more"):
            await undo(ref, taken.run_id)
        assert house.state.value.quarantined == 0


async def test_a_clock_that_was_set_declines_the_purge_too(house: House, mock_clock: MockClock) -> None:
    house.script.takes = True
    async with house.life() as ref:
        await report_of(await ask_run(ref))
        house.wall_offset = 48 * HOUR
        for _ in range(12):
            await house.pass_time(mock_clock, 0.1 * HOUR)
        assert not any(isinstance(begin.work, f.Purge) for begin in house.script.begun)
        for _ in range(12):
            await house.pass_time(mock_clock, 0.1 * HOUR)
        assert any(isinstance(begin.work, f.Purge) for begin in house.script.begun)


async def test_after_a_restart_a_run_can_still_be_undone(house: House, mock_clock: MockClock) -> None:
    house.script.takes = True
    async with house.life() as ref:
        taken = await report_of(await ask_run(ref))
    fill_quarantine(house, taken.run_id)
    async with house.life() as ref:
        assert house.task.last_report == taken
        assert (await report_of(await undo(ref, taken.run_id))).restored == 1


async def test_what_was_taken_out_of_quarantine_while_nobody_looked_cannot_be_undone(
    house: House, mock_clock: MockClock
) -> None:
    house.script.takes = True
    async with house.life() as ref:
        taken = await report_of(await ask_run(ref))
    async with house.life() as ref:  # its journal is empty: the scripted hand wrote nothing to it
        with pytest.raises(Conflict):
            await undo(ref, taken.run_id)


async def test_what_lies_in_quarantine_of_a_root_that_no_task_has_any_more_can_be_undone_and_purged(
    house: House, mock_clock: MockClock
) -> None:
    house.script.takes = True
    old, stranger = str(house.data_dir / "temp"), str(house.data_dir / "stranger")
    async with house.life() as ref:
        taken = await report_of(await ask_run(ref))
    fill_quarantine(house, taken.run_id)
    fill_quarantine(house, "other", root=stranger)
    async with house.life(TempFiles(root=str(house.data_dir / "new"))) as ref:
        await report_of(await undo(ref, taken.run_id))
    grounds = {ground.path for ground in house.script.begun[-1].grounds}
    assert grounds == {old, str(house.data_dir / "new")}, "and nothing that was never recognised"


async def test_work_on_quarantine_that_a_kill_left_open_is_settled_at_the_start(
    house: House, mock_clock: MockClock
) -> None:
    fill_quarantine(house, "dead", settled=False)
    async with house.life():
        await wait_all_tasks_blocked()
        assert [begin.work for begin in house.script.begun] == [f.Recover((TempFiles(),))]


async def test_rows_can_be_put_back_for_as_long_as_an_archive_holds_them(
    house: House, mock_clock: MockClock
) -> None:
    async with house.life(ExportHistory()) as ref:
        taken = await report_of(await ask_run(ref, "export-history"))
        assert (taken.undoable, taken.quarantined) == (True, 0)
        await house.pass_time(mock_clock, 25 * HOUR)
        house.script.rows = {"export-history": (taken.run_id,)}
        again = await report_of(await ask_run(ref, "export-history"))
        assert not again.undoable, "what it did is in no archive, whatever it says"
        undone = await report_of(await undo(ref, taken.run_id))
        assert (undone.restored, undone.undoable) == (1, True), "one of them is out still"
        house.script.rows = {"export-history": ()}
        undone = await report_of(await undo(ref, taken.run_id))
        assert (undone.restored, undone.undoable) == (2, False)
        with pytest.raises(Conflict, match="done already"):
            await undo(ref, taken.run_id)
    assert [run.undoable for run in house.store.runs()] == [False, False]


async def test_a_run_that_can_be_undone_is_known_however_many_came_after_it(
    house: House, mock_clock: MockClock
) -> None:
    async with house.life(ExportHistory()) as ref:
        taken = await report_of(await ask_run(ref, "export-history"))
        house.script.rows = {"export-history": (taken.run_id,)}
        for _ in range(REMEMBERED_RUNS + 1):
            await report_of(await ask_run(ref, "export-history"))
        assert (await report_of(await undo(ref, taken.run_id))).restored == 1
    assert taken.run_id in {run.run_id for run in house.store.runs()}


async def test_a_run_whose_process_was_killed_says_how_far_it_was_and_what_lies_in_quarantine(
    house: House, mock_clock: MockClock
) -> None:
    house.script.dies_after, house.script.steps = 3, 5
    async with house.life() as ref:
        house.script.gate = trio.Event()
        run = await ask_run(ref)
        fill_quarantine(house, run.run_id)
        house.script.gate.set()
        report = await report_of(run)
        assert (report.outcome, report.scanned, report.removed, report.freed_bytes) == ("interrupted", 3, 3, 30)
        assert (report.quarantined, report.quarantined_bytes, report.undoable) == (1, 10, True)
        assert house.state.value.quarantined == 1
        house.script.dies_after = None
        assert (await report_of(await undo(ref, run.run_id))).restored == 1


async def test_a_run_that_was_killed_before_it_was_heard_of_removed_what_lies_in_quarantine(
    house: House, mock_clock: MockClock
) -> None:
    house.script.dies_after = 0
    async with house.life() as ref:
        house.script.gate = trio.Event()
        run = await ask_run(ref)
        fill_quarantine(house, run.run_id)
        house.script.gate.set()
        report = await report_of(run)
        assert (report.removed, report.freed_bytes, report.quarantined) == (1, 10, 1)
    house.store.begin("temp-files", "dead", BASE)
    fill_quarantine(house, "dead")
    async with house.life():
        dead = house.task.last_report
        assert dead is not None
        assert (dead.run_id, dead.removed, dead.undoable) == ("dead", 1, True)


@pytest.mark.parametrize("kills", [True, False])
async def test_rows_of_a_run_that_nobody_heard_the_end_of_can_be_put_back(
    house: House, mock_clock: MockClock, kills: bool
) -> None:
    async with house.life(ExportHistory()) as ref:
        if kills:
            house.script.dies_after = 0
        else:
            house.script.step_seconds = 10_000.0
        run = await ask_run(ref, "export-history")
        await house.pass_time(mock_clock, 601)
        report = await report_of(run)
        assert (report.outcome, report.undoable) == ("interrupted" if kills else "failed", True)
        house.script.dies_after, house.script.step_seconds = None, 0.0
        assert (await report_of(await undo(ref, run.run_id))).restored == 1


@pytest.mark.parametrize(
    "halfway",
    [
        Swept(outcome="done", restored=2, failures={"failed-projects": "database is locked"}),
        Swept(outcome="done", restored=2, kept={"origin-taken": 1}),
        Swept(outcome="declined", detail="database is locked"),
        Swept(outcome="failed", detail="disk I/O error"),
        Swept(outcome="interrupted"),
    ],
)
async def test_an_undo_that_could_not_put_every_row_back_can_be_asked_for_again(
    house: House, mock_clock: MockClock, halfway: Swept
) -> None:
    async with house.life(ExportHistory()) as ref:
        taken = await report_of(await ask_run(ref, "export-history"))
        house.script.undone = halfway
        report = await report_of(await undo(ref, taken.run_id))
        assert (report.restored, report.undoable) == (halfway.restored, True)
        house.script.undone = Swept(outcome="done", restored=1)
        report = await report_of(await undo(ref, taken.run_id))
        assert (report.restored, report.undoable) == (halfway.restored + 1, False)


def fill_quarantine(house: House, run_id: str, *, root: str | None = None, settled: bool = True) -> None:
    """One item of 10 bytes in the journal."""
    journal = QuarantineStore(house.data_dir / "quarantine.db")
    haul = journal.open_haul(run_id, "temp-files", root or str(house.data_dir / "temp"))
    move = Move(
        folder=0, name="x", kind="file", inode=1, size_bytes=10, allocated_bytes=0, modified_ns=0, mode=0o600
    )
    seqs = journal.intend(haul, [], [move])
    if settled:
        journal.settle(quarantined=seqs, now_ns=int(BASE * 1e9))
    journal.close()
