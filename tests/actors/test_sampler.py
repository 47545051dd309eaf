"""The sampler with scripted collectors: time is a clock that only the tests move, threads are real.

A clock that jumps by itself would run ahead of the threads, so `mock_clock` is used and moved by hand.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import psutil
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors.actors.sampler import Sampler
from aura_actors.collectors.base import Collector
from aura_actors.collectors.cpu import Cpu
from aura_actors.collectors.files import let_go_of_files
from aura_actors.collectors.registry import DEFAULT_COLLECTORS
from aura_actors.domain.snapshot import (
    CpuReading,
    DiskReading,
    FilesystemReading,
    MemoryReading,
    Reading,
    Snapshot,
)
from aura_actors.errors import InvalidValue
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.threads import Threads
from aura_actors.messages.sampler import CollectNow, LookAgain, SamplerMessage
from aura_actors.testing import Hang, ScriptedCollector

WALL = 1_800_000_000.0
MEMORY = MemoryReading(total_bytes=100, available_bytes=40)


class Rig:
    """What outlives an incarnation of the sampler, and the ways of a test to move on."""

    def __init__(
        self, clock: MockClock, *collectors: Collector, interval_seconds: float = 1.0, **intervals: float
    ) -> None:
        self.clock = clock
        self.latest: Latest[Snapshot | None] = Latest(None)
        self.threads = Threads()
        self.collectors: Sequence[Collector] = collectors
        self.interval_seconds = interval_seconds
        self.intervals = intervals
        self.cell: Cell[SamplerMessage] = Cell("sampler", self.make)

    def make(self) -> Sampler:
        return Sampler(
            self.collectors,
            self.latest,
            self.threads.limiter,
            self.interval_seconds,
            self.clock.current_time,
            lambda: WALL + self.clock.current_time(),
            intervals=self.intervals,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self.cell.run(stopping=trio.Event(), task_status=task_status)

    async def after(self, seconds: float) -> Snapshot:
        """The first Snapshot published once that much time has passed."""
        await wait_all_tasks_blocked()
        version = self.latest.version
        self.clock.jump(seconds)
        return self.there(await self.latest.wait_newer(version))

    async def while_it_hangs(self, entered: threading.Event, seconds: float) -> Snapshot:
        """The same, with a source entered by the sample that hangs; what is read before it is done by then."""
        await wait_all_tasks_blocked()
        self.clock.jump(seconds)
        await trio.to_thread.run_sync(entered.wait, 30)
        return await self.after(self.interval_seconds / 2)

    async def without_patience(self, *others: str) -> Snapshot:
        """The end of a sample in which these were read."""
        await wait_all_tasks_blocked()
        while any(self.threads.limiter(name).borrowed_tokens for name in others):
            await trio.lowlevel.checkpoint()
        return await self.after(self.interval_seconds / 2)

    @staticmethod
    def there(snapshot: Snapshot | None) -> Snapshot:
        assert snapshot is not None
        return snapshot


def processors(clock: MockClock) -> Callable[[], Reading]:
    """One core that is busy for a quarter of the time."""

    def read() -> Reading:
        times = {"user": clock.current_time() * 0.25, "idle": clock.current_time() * 0.75}
        return CpuReading(overall=times, per_core=(times,), logical_cores=1, physical_cores=1)

    return read


def disk(used_bytes: int) -> DiskReading:
    root = FilesystemReading(
        mount="/",
        device="sda",
        total_bytes=100,
        available_bytes=50,
        used_bytes=used_bytes,
        read_bytes_total=None,
        written_bytes_total=None,
    )
    return DiskReading(filesystems=(root,))


async def test_where_samples_are_200_ms_apart_anyway_the_second_is_not_taken_twice(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(mock_clock, ScriptedCollector("memory", MEMORY), interval_seconds=0.2)
    await nursery.start(rig.run)
    assert (await rig.after(0.2)).number == 2
    await wait_all_tasks_blocked(0.05)
    assert rig.there(rig.latest.value).number == 2


async def test_percentages_come_with_the_second_sample_200_ms_after_the_first(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(mock_clock, ScriptedCollector("cpu", processors(mock_clock)), interval_seconds=60.0)
    await nursery.start(rig.run)
    first = rig.there(rig.latest.value)
    assert (first.number, first.cpu.overall_percent, first.cpu.per_core_percent) == (1, None, None)
    second = await rig.after(0.2)
    assert (second.number, second.taken_at, second.timestamp) == (2, 0.2, WALL + 0.2)
    assert second.cpu.overall_percent == pytest.approx(25.0)


async def test_a_sample_follows_each_interval(mock_clock: MockClock, nursery: trio.Nursery) -> None:
    rig = Rig(mock_clock, ScriptedCollector("memory", MEMORY))
    await nursery.start(rig.run)
    moments = [(await rig.after(seconds)).taken_at for seconds in (0.2, 0.8, 1.0, 1.0)]
    assert moments == [0.2, 1.0, 2.0, 3.0]


async def test_a_sample_on_demand_is_fresh_and_published(mock_clock: MockClock, nursery: trio.Nursery) -> None:
    rig = Rig(mock_clock, ScriptedCollector("cpu", processors(mock_clock)), interval_seconds=60.0)
    await nursery.start(rig.run)
    await rig.after(0.2)
    mock_clock.jump(1.3)
    asked = await rig.cell.ref.ask(CollectNow(), within=5)
    assert asked is rig.latest.value
    assert (asked.number, asked.taken_at) == (3, 1.5)


async def test_whoever_wants_another_look_gets_two_soon_and_a_crowd_gets_no_more(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(mock_clock, ScriptedCollector("cpu", processors(mock_clock)), interval_seconds=60.0)
    await nursery.start(rig.run)
    await rig.after(0.2)
    for _ in range(5):
        rig.cell.ref.tell(LookAgain())
    await wait_all_tasks_blocked()
    assert [(await rig.after(seconds)).number for seconds in (0.03, 0.17)] == [3, 4]
    mock_clock.jump(1.0)
    await wait_all_tasks_blocked(0.01)
    assert rig.there(rig.latest.value).number == 4


async def test_samples_on_demand_in_a_burst_keep_their_percentages(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    """No time passes between them, so they are compared with an older reading."""
    rig = Rig(mock_clock, ScriptedCollector("cpu", processors(mock_clock)), interval_seconds=60.0)
    await nursery.start(rig.run)
    await rig.after(0.2)
    answers = [await rig.cell.ref.ask(CollectNow(), within=5) for _ in range(5)]
    assert [answer.number for answer in answers] == [3, 4, 5, 6, 7]
    assert [answer.cpu.overall_percent for answer in answers] == [pytest.approx(25.0)] * 5


async def test_one_thread_reads_all_those_that_may_hang_last(mock_clock: MockClock, nursery: trio.Nursery) -> None:
    seen: list[tuple[str, int]] = []

    def noting(name: str, *, may_hang: bool) -> ScriptedCollector:
        def note() -> Reading:
            seen.append((name, threading.get_ident()))
            return MEMORY

        return ScriptedCollector(name, note, may_hang=may_hang)

    rig = Rig(mock_clock, noting("a", may_hang=True), noting("b", may_hang=False), noting("c", may_hang=False))
    await nursery.start(rig.run)
    assert [name for name, _ in seen] == ["b", "c", "a"]
    assert len({thread for _, thread in seen}) == 1
    assert threading.get_ident() != seen[0][1]
    assert [pool.name for pool in rig.threads.statistics()] == ["a", "b", "c"]


async def test_a_source_that_hangs_is_late_then_stuck_and_the_others_go_on(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    with Hang(disk(20)) as hang:
        source = ScriptedCollector("disk", disk(10), hang, disk(30), may_hang=True)
        rig = Rig(mock_clock, source, ScriptedCollector("cpu", processors(mock_clock)))
        await nursery.start(rig.run)

        late = await rig.while_it_hangs(hang.entered, 0.2)
        assert late.disks[0].used_bytes == 10
        assert (late.collectors["disk"].stale_since, late.collectors["disk"].error) == (WALL, None)
        assert late.collectors["cpu"].stale_since is None

        following = [await rig.after(seconds) for seconds in (0.3, 1.0, 1.0, 1.0, 1.0, 1.0)]
        assert [each.taken_at for each in following] == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        assert all(each.cpu.overall_percent == pytest.approx(25.0) for each in following)
        assert [each.collectors["disk"].success for each in following] == [True] * 5 + [False]
        stuck = following[-1].collectors["disk"]
        assert stuck.error == "stuck since 2027-01-15T08:00:00Z"
        assert stuck.stale_since == WALL
        assert following[-1].disks[0].used_bytes == 10
        assert source.reads == 2

        hang.release()
        while rig.threads.limiter("disk").borrowed_tokens:
            await trio.lowlevel.checkpoint()
        recovered = await rig.after(1.0)
        assert recovered.disks[0].used_bytes == 30
        assert recovered.collectors["disk"].success
        assert recovered.collectors["disk"].stale_since is None


async def test_a_source_that_hangs_from_the_start_does_not_keep_the_sampler_from_starting(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    with Hang(MEMORY) as hang:
        rig = Rig(
            mock_clock,
            ScriptedCollector("memory", hang, may_hang=True),
            ScriptedCollector("cpu", processors(mock_clock)),
        )
        nursery.start_soon(rig.run)
        await trio.to_thread.run_sync(hang.entered.wait, 30)
        first = await rig.after(0.5)
        assert (first.memory.total_bytes, first.cpu.logical_cores) == (None, 1)
        health = first.collectors["memory"]
        assert (health.success, health.stale_since, health.error) == (False, None, "no reading yet")


async def test_a_hanging_source_is_not_read_a_second_time_by_the_next_incarnation(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Its thread cannot be killed; the limiter, which outlives the actor, remembers it."""
    with Hang(MEMORY) as hang:
        source = ScriptedCollector("memory", MEMORY, hang)
        rig = Rig(mock_clock, source)
        async with trio.open_nursery() as first_life:
            await first_life.start(rig.run)
            await rig.while_it_hangs(hang.entered, 0.2)
            first_life.cancel_scope.cancel()
        number = rig.there(rig.latest.value).number

        await nursery.start(rig.run)
        snapshot = rig.there(rig.latest.value)
        assert (snapshot.number, snapshot.memory.total_bytes) == (number + 1, None)
        assert source.reads == 2
        snapshot = await rig.after(5.0)
        assert snapshot.collectors["memory"].error == "stuck since 2027-01-15T08:00:00Z"
        assert source.reads == 2


async def test_a_failing_source_keeps_its_last_values_and_says_since_when(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    source = ScriptedCollector("memory", MEMORY, OSError("gone"), OSError("still gone"), MEMORY)
    rig = Rig(mock_clock, source)
    await nursery.start(rig.run)
    first = rig.there(rig.latest.value).collectors["memory"]
    assert (first.success, first.stale_since, first.error) == (True, None, None)
    for seconds, error in ((0.2, "OSError: gone"), (0.8, "OSError: still gone")):
        snapshot = await rig.after(seconds)
        health = snapshot.collectors["memory"]
        assert (health.success, health.stale_since, health.error) == (False, WALL, error)
        assert snapshot.memory.used_bytes == 60
    assert (await rig.after(1.0)).collectors["memory"] == msgspec.structs.replace(first, read_at=2.0)


async def test_a_source_that_never_worked_has_no_values_and_no_age(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(mock_clock, ScriptedCollector("memory", PermissionError("hidden")))
    await nursery.start(rig.run)
    snapshot = rig.there(rig.latest.value)
    health = snapshot.collectors["memory"]
    assert (health.success, health.stale_since, health.duration_seconds) == (False, None, None)
    assert health.error == "PermissionError: hidden"
    assert snapshot.memory.total_bytes is None


async def test_a_defect_crashes_the_sampler_and_the_next_incarnation_goes_on_counting(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(mock_clock, ScriptedCollector("memory", MEMORY, MEMORY, TypeError("defect"), MEMORY))
    with pytest.RaisesGroup(TypeError, flatten_subgroups=True):
        async with trio.open_nursery() as first_life:
            await first_life.start(rig.run)
            await rig.after(0.2)
            mock_clock.jump(0.8)
    await nursery.start(rig.run)
    assert rig.there(rig.latest.value).number == 3
    assert (await rig.after(0.2)).number == 4


# --- intervals of their own ---


async def moments_of(rig: Rig, source: ScriptedCollector, count: int) -> list[float]:
    """When it was read over so many samples. It was begun at 0, and there is a second sample at 0.2."""
    found, reads = [0.0], 1
    for number in range(count):
        snapshot = await rig.after(0.2 if number == 0 else 0.8 if number == 1 else 1.0)
        if source.reads > reads:
            found.append(round(snapshot.taken_at, 3))
        reads = source.reads
    return found


async def test_a_source_is_read_as_often_as_its_own_interval_says_once_it_has_a_rate(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    often, seldom = ScriptedCollector("memory", MEMORY), ScriptedCollector("disk", disk(10))
    rig = Rig(mock_clock, often, seldom, disk=3.0)
    await nursery.start(rig.run)
    assert await moments_of(rig, seldom, 10) == [0.0, 0.2, 3.0, 6.0, 9.0]
    assert often.reads == 11
    health = rig.there(rig.latest.value).collectors["disk"]
    assert (health.success, health.stale_since) == (True, None)
    assert health.read_at == pytest.approx(9.0)


async def test_an_interval_shorter_than_that_of_samples_is_that_of_samples(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    source = ScriptedCollector("disk", disk(10))
    rig = Rig(mock_clock, source, disk=0.1)
    await nursery.start(rig.run)
    assert await moments_of(rig, source, 4) == [0.0, 0.2, 1.0, 2.0, 3.0]


async def test_on_demand_those_that_would_not_be_due_are_read_too(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    source = ScriptedCollector("disk", *map(disk, (10, 20, 30)))
    rig = Rig(mock_clock, source, disk=60.0)
    await nursery.start(rig.run)
    await rig.after(0.2)
    assert (await rig.after(0.8)).disks[0].used_bytes == 20
    assert (await rig.cell.ref.ask(CollectNow(), within=5)).disks[0].used_bytes == 30


async def test_what_has_not_answered_yet_is_asked_with_every_sample(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    source = ScriptedCollector("disk", OSError("gone"), OSError("gone"), OSError("gone"), disk(10))
    rig = Rig(mock_clock, source, disk=60.0)
    await nursery.start(rig.run)
    assert await moments_of(rig, source, 6) == [0.0, 0.2, 1.0, 2.0, 3.0]


async def test_what_another_one_held_up_is_read_with_the_next_sample(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    with Hang(MEMORY) as hang:
        behind = ScriptedCollector("disk", *map(disk, (10, 20)))
        rig = Rig(mock_clock, ScriptedCollector("memory", MEMORY, hang), behind, disk=60.0)
        await nursery.start(rig.run)
        late = await rig.while_it_hangs(hang.entered, 0.2)
        assert (late.disks[0].used_bytes, late.collectors["disk"].stale_since) == (10, WALL)
        after = await rig.after(0.3)
        assert (after.disks[0].used_bytes, after.collectors["disk"].stale_since) == (20, None)


# --- sharing a thread ---


async def test_one_that_fails_in_the_shared_thread_fails_alone(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    gone = OSError("gone")
    rig = Rig(
        mock_clock, ScriptedCollector("a", gone), ScriptedCollector("memory", MEMORY), ScriptedCollector("z", gone)
    )
    await nursery.start(rig.run)
    healths = rig.there(rig.latest.value).collectors
    assert {name: health.error for name, health in healths.items()} == {
        "a": "OSError: gone",
        "memory": None,
        "z": "OSError: gone",
    }


async def test_each_of_them_is_timed_for_itself(mock_clock: MockClock, nursery: trio.Nursery) -> None:
    loop = trio.lowlevel.current_trio_token()

    def slow() -> Reading:
        trio.from_thread.run_sync(mock_clock.jump, 0.3, trio_token=loop)
        return MEMORY

    rig = Rig(mock_clock, ScriptedCollector("memory", MEMORY), ScriptedCollector("slow", slow))
    await nursery.start(rig.run)
    healths = rig.there(rig.latest.value).collectors
    assert healths["memory"].duration_seconds == 0.0
    assert healths["slow"].duration_seconds == pytest.approx(0.3)


async def test_one_that_hangs_unexpectedly_costs_those_behind_it_one_sample_at_most(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    with Hang(MEMORY) as hang:
        before, behind = (
            ScriptedCollector("cpu", processors(mock_clock)),
            ScriptedCollector("disk", *map(disk, (10, 20, 30, 40, 50))),
        )
        memory = ScriptedCollector("memory", MEMORY, hang)
        rig = Rig(mock_clock, before, memory, behind)
        await nursery.start(rig.run)

        late = await rig.while_it_hangs(hang.entered, 0.2)
        stale = {name: health.stale_since for name, health in late.collectors.items()}
        assert stale == {"cpu": None, "memory": WALL, "disk": WALL}
        assert late.disks[0].used_bytes == 10
        assert late.cpu.overall_percent == pytest.approx(25.0)

        following = [await rig.after(seconds) for seconds in (0.3, 1.0)]
        assert [each.disks[0].used_bytes for each in following] == [20, 30]
        assert all(each.collectors["disk"].stale_since is None for each in following)
        assert all(each.collectors["memory"].stale_since == WALL for each in following)
        assert memory.reads == 2
        stuck = (await rig.after(5.0)).collectors["memory"]
        assert stuck.error == "stuck since 2027-01-15T08:00:00Z"

        hang.release()
        while rig.threads.limiter("memory").borrowed_tokens:
            await trio.lowlevel.checkpoint()
        assert (await rig.after(1.0)).collectors["memory"].stale_since is None


async def test_those_behind_one_that_hangs_are_not_called_stuck_however_long_a_sample_waits(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    with Hang(MEMORY) as hang:
        behind = ScriptedCollector("disk", disk(10))
        rig = Rig(mock_clock, ScriptedCollector("memory", MEMORY, hang), behind, interval_seconds=60.0)
        await nursery.start(rig.run)
        await wait_all_tasks_blocked()
        mock_clock.jump(0.2)
        await trio.to_thread.run_sync(hang.entered.wait, 30)
        healths = (await rig.after(5.0)).collectors
        assert str(healths["memory"].error).startswith("stuck since")
        assert (healths["disk"].error, healths["disk"].stale_since) == (None, WALL)


async def test_what_hung_and_then_succeeds_counts_with_the_next_sample(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    with Hang(disk(20)) as hang:
        rig = Rig(mock_clock, ScriptedCollector("disk", disk(10), hang, OSError("gone"), may_hang=True))
        await nursery.start(rig.run)
        await rig.while_it_hangs(hang.entered, 0.2)
        hang.release()
        while rig.threads.limiter("disk").borrowed_tokens:
            await trio.lowlevel.checkpoint()
        after = await rig.after(0.3)
        assert after.disks[0].used_bytes == 20
        assert (after.collectors["disk"].error, after.collectors["disk"].stale_since) == (
            "OSError: gone",
            WALL + 0.7,
        )


async def test_a_defect_that_shows_after_its_sample_crashes_the_next_one(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    with Hang(TypeError("defect")) as hang:
        rig = Rig(mock_clock, ScriptedCollector("memory", MEMORY, hang))
        with pytest.RaisesGroup(TypeError, flatten_subgroups=True):
            async with trio.open_nursery() as life:
                await life.start(rig.run)
                await rig.while_it_hangs(hang.entered, 0.2)
                hang.release()
                while rig.threads.limiter("memory").borrowed_tokens:
                    await trio.lowlevel.checkpoint()
                mock_clock.jump(0.3)


async def test_without_a_thread_all_sources_fail_and_are_free_for_the_next_sample(
    mock_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(mock_clock, ScriptedCollector("memory", MEMORY), ScriptedCollector("disk", disk(10)))
    await nursery.start(rig.run)

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without:
        without.setattr(trio.lowlevel, "start_thread_soon", refuse)
        healths = (await rig.after(0.2)).collectors
        assert {health.error for health in healths.values()} == {"RuntimeError: can't start new thread"}
    assert all(health.stale_since is None for health in (await rig.after(0.8)).collectors.values())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are seen in /proc: needs Linux")
async def test_descriptors_are_given_back_with_the_sampler_even_when_a_thread_still_reads(
    mock_clock: MockClock,
) -> None:
    def held() -> bool:
        return any(each.resolve() == Path("/proc/stat") for each in Path("/proc/self/fd").iterdir())

    with Hang(MEMORY) as hang:

        def late() -> Reading:
            hang()
            return Cpu().read()

        let_go_of_files()
        assert not held()
        rig = Rig(mock_clock, Cpu(), ScriptedCollector("memory", MEMORY, late, may_hang=True))
        async with trio.open_nursery() as life:
            await life.start(rig.run)
            assert held()
            await rig.while_it_hangs(hang.entered, 0.2)
            life.cancel_scope.cancel()
        assert not held()
        hang.release()
        while rig.threads.limiter("memory").borrowed_tokens:
            await trio.lowlevel.checkpoint()
        assert not held()


async def test_one_that_hangs_beside_others_is_not_read_again_by_the_next_incarnation(
    mock_clock: MockClock, nursery: trio.Nursery
) -> None:
    with Hang(MEMORY) as hang:
        memory = ScriptedCollector("memory", MEMORY, hang)
        rig = Rig(mock_clock, ScriptedCollector("cpu", processors(mock_clock)), memory)
        async with trio.open_nursery() as first_life:
            await first_life.start(rig.run)
            await rig.while_it_hangs(hang.entered, 0.2)
            first_life.cancel_scope.cancel()

        nursery.start_soon(rig.run)
        second_life = await rig.without_patience("cpu")
        assert second_life.collectors["memory"].error == "no reading yet"
        assert second_life.cpu.logical_cores == 1
        assert memory.reads == 2


async def test_a_file_system_that_hangs_over_a_thousand_samples_leaks_nothing(
    mock_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real collectors; `statvfs` of a server that is gone never returns."""
    release, entered = threading.Event(), threading.Event()

    def hang(_: str) -> None:
        entered.set()
        release.wait(50)
        raise OSError("gone")

    rig = Rig(mock_clock, *DEFAULT_COLLECTORS)
    await nursery.start(rig.run)
    monkeypatch.setattr(psutil, "disk_usage", hang)
    try:
        await rig.while_it_hangs(entered, 0.2)
        costs = []
        for _ in range(1_000):
            mock_clock.jump(0.01)
            snapshot = await rig.cell.ref.ask(CollectNow(), within=30)
            assert isinstance(snapshot, Snapshot)
            assert snapshot.collectors["memory"].stale_since is None
            costs.append(what_is_held())
        for now, at_first in zip(costs[-1], costs[0], strict=True):
            assert now <= at_first + 2  # a thread that ends, a task that begins; not one for each sample
        assert rig.threads.limiter("disk").borrowed_tokens == 1
        mock_clock.jump(5)
        snapshot = await rig.cell.ref.ask(CollectNow(), within=30)
        assert str(snapshot.collectors["disk"].error).startswith("stuck since")
    finally:
        release.set()


def what_is_held() -> tuple[int, int, int]:
    """Threads, tasks, open files."""
    files = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    return threading.active_count(), trio.lowlevel.current_statistics().tasks_living, files


def test_two_collectors_of_one_name_are_refused(mock_clock: MockClock) -> None:
    same = ScriptedCollector("memory", MEMORY)
    with pytest.raises(InvalidValue, match=r"sampler\.collectors"):
        Rig(mock_clock, same, same).make()
