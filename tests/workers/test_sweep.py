"""The process that does a cleanup run: polite, alone, ended with its requests; a kill of it loses nothing."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import psutil
import pytest
import trio

from aura_actors.actors.cleanup.child import TooLong
from aura_actors.cleaners import ActionLogs, Ground, create_layout, prepare_root
from aura_actors.kernel.worker import WorkerEnded
from aura_actors.workers import sweep_frames as f
from tests.workers.sweeping import Ground1, process, run, to_the_end


@pytest.fixture
def place(tmp_path: Path) -> Ground1:
    return Ground1(tmp_path)


async def test_a_run_goes_to_quarantine_and_an_undo_brings_it_back(place: Ground1) -> None:
    files = place.fill(100)
    taken = await run(place.begin())
    assert (taken.swept.outcome, taken.swept.removed) == ("done", 100)
    assert taken.quarantine is not None
    assert taken.quarantine["run-1"].items == 100
    assert (place.files(), place.quarantined()) == (set(), 100)
    undone = await run(place.begin(f.Undo("run-1", None), run_id="undo-1"))
    assert (undone.swept.outcome, undone.swept.restored, undone.quarantine) == ("done", 100, {})
    assert place.files() == files


async def test_a_run_over_rows_says_which_runs_archives_hold_rows_of(place: Ground1) -> None:
    create_layout(str(place.data_dir))
    archive = str(place.data_dir / "archive")
    ground = Ground(archive, prepare_root(archive, None, keep_out=str(place.data_dir / "x")))
    with closing(sqlite3.connect(place.data_dir / "aura.db")) as database, database:
        database.execute("INSERT INTO action_logs (at, actor, action, outcome) VALUES (1, 'a', 'b', 'c')")

    async def work(work: f.Work, run_id: str) -> f.Ended:
        begin = place.begin(work, run_id=run_id)
        where = str(place.data_dir / "aura.db")
        return await run(msgspec.structs.replace(begin, grounds=(*begin.grounds, ground), database=where))

    taken = await work(f.Sweep(ActionLogs()), "run-1")
    assert (taken.swept.removed, taken.rows) == (1, {"action-logs": ("run-1",)})
    assert (await work(f.Purge(), "run-2")).rows == {}
    undone = await work(f.Undo("run-1", ActionLogs()), "run-3")
    assert (undone.swept.restored, undone.rows) == (1, {"action-logs": ()})


async def test_a_purge_deletes_what_has_lain_there_for_long_enough(place: Ground1) -> None:
    place.fill(3)
    await run(place.begin())
    kept = await run(place.begin(f.Purge(), run_id="purge-1", quarantine_seconds=1_000.0))
    assert (kept.swept.removed, place.quarantined()) == (0, 3)
    gone = await run(place.begin(f.Purge(), run_id="purge-2"))
    assert (gone.swept.removed, place.quarantined(), gone.quarantine) == (3, 0, {})


async def test_it_has_the_lowest_priority_at_processor_and_disks(place: Ground1) -> None:
    async with process() as child:
        await child.ask(place.begin(nice=19))
        found = psutil.Process(child.pid)
        assert found.nice() == 19
        assert found.ionice().ioclass == psutil.IOPRIO_CLASS_IDLE


def test_it_loads_neither_the_loop_nor_what_measures_the_machine() -> None:
    code = "import sys, aura_actors.workers.sweep; print(*({'trio', 'psutil', 'quart'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


async def test_it_ends_when_nobody_asks_any_more(place: Ground1) -> None:
    place.fill(600)
    async with process() as child:
        await child.ask(place.begin())
        pid = child.pid
    assert not psutil.pid_exists(pid)
    assert len(place.files()) + place.quarantined() == 600


async def test_a_stop_keeps_what_was_done_and_leaves_the_rest(place: Ground1) -> None:
    place.fill(600)
    async with process() as child:
        reply = await child.ask(place.begin())
        while isinstance(reply, f.Working) and reply.progress.removed == 0:
            reply = await child.ask(f.Step(seconds=0.005))
        ended = await child.ask(f.Stop())
    assert isinstance(ended, f.Ended)
    assert ended.swept.outcome == "interrupted"
    assert 0 < ended.swept.removed < 600
    assert len(place.files()) == 600 - ended.swept.removed
    assert place.quarantined() == ended.swept.removed


@pytest.mark.parametrize("removed_first", [0, 100, 400])
async def test_after_kill_9_the_next_process_settles_everything(place: Ground1, removed_first: int) -> None:
    files = place.fill(2_000)
    async with process() as child:
        reply = await child.ask(place.begin())
        while isinstance(reply, f.Working) and reply.progress.removed < removed_first:
            reply = await child.ask(f.Step(seconds=0.001))
        async with trio.open_nursery() as nursery:

            async def step() -> None:
                with pytest.raises(WorkerEnded, match="SIGKILL"):
                    await child.ask(f.Step(seconds=10.0))

            nursery.start_soon(step)
            so_far = place.quarantined()
            while place.quarantined() == so_far:  # noqa: ASYNC110  (another process; the kill falls into its work)
                await trio.sleep(0.001)
            os.kill(child.pid, signal.SIGKILL)
    settled = await run(place.begin(f.Recover(()), run_id="recover"))
    assert settled.swept.outcome == "done"
    held = (settled.quarantine or {}).get("run-1")
    assert place.quarantined() == (0 if held is None else held.items)
    assert len(place.files()) + place.quarantined() == len(files)
    if held is not None:
        await run(place.begin(f.Undo("run-1", None), run_id="undo"))
    assert place.files() == files


async def test_two_processes_never_work_at_once(place: Ground1) -> None:
    place.fill(10)
    async with process() as first:
        begun = await first.ask(place.begin())
        assert isinstance(begun, f.Working)
        with trio.fail_after(20):
            second = await run(place.begin(run_id="run-2"))
        assert second.swept.outcome == "declined"
        assert "still at work" in str(second.swept.detail)
        assert (await to_the_end(first, begun)).swept.outcome == "done"


async def test_a_dry_run_leaves_nothing_behind_and_says_what_it_saw(place: Ground1) -> None:
    place.fill(2)
    before = sorted(place.data_dir.iterdir())
    ended = await run(place.begin(dry_run=True))
    assert (ended.swept.removed, len(ended.swept.listing)) == (2, 2)
    assert sorted(place.data_dir.iterdir()) == before
    assert len(place.files()) == 2


async def test_a_dry_run_beside_a_real_one_disturbs_nobody(place: Ground1) -> None:
    place.fill(300)
    async with process() as real:
        begun = await real.ask(place.begin())
        dry = await run(place.begin(dry_run=True, run_id="dry"))
        assert dry.swept.outcome in ("done", "declined")  # the root is locked while the other works in it
        assert (await to_the_end(real, begun)).swept.removed == 300


async def test_pins_that_come_while_a_run_goes_on_are_heeded(place: Ground1) -> None:
    place.fill(300)
    held = place.root / "file-00299"
    async with process() as child:
        reply = await child.ask(place.begin())
        while isinstance(reply, f.Working):
            reply = await child.ask(f.Step(seconds=0.01, pins=(str(held),)))
    assert place.files() == {held.name}
    assert reply.swept.kept == {"pinned": 1}


async def test_what_no_frame_can_hold_is_not_sent_and_the_process_goes_on(place: Ground1) -> None:
    place.fill(300)
    held = str(place.root / "file-00299")
    many = [held, *(f"/{number:0>4000}" for number in range(1_100))]
    async with process() as child:
        with pytest.raises(TooLong, match="at most 4194304"):
            await child.ask(place.begin(pins=many))
        assert len(place.files()) == 300
        reply = await child.ask(place.begin(pins=many[:1_000]))
        with pytest.raises(TooLong):
            await child.ask(f.Step(seconds=0.01, pins=tuple(many)))
        assert (await to_the_end(child, reply)).swept.kept == {"pinned": 1}


async def test_a_journal_that_cannot_be_used_is_a_failed_run_with_a_sentence(place: Ground1) -> None:
    place.fill(2)
    (place.data_dir / "quarantine.db").write_bytes(b"this is no database, whatever its name says" * 100)
    ended = await run(place.begin())
    assert ended.swept.outcome == "failed"
    assert "quarantine.db" in str(ended.swept.detail)
    assert len(place.files()) == 2


async def test_a_journal_of_a_newer_version_is_a_failed_run_too(place: Ground1) -> None:
    connection = sqlite3.connect(place.data_dir / "quarantine.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    ended = await run(place.begin())
    assert ended.swept.outcome == "failed"
    assert "newer" in str(ended.swept.detail)
