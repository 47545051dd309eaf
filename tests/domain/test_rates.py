"""What the difference of two readings means: properties, and the traps that real machines set."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.containment import CgroupReading, PressureReading, ResourcePressure
from aura_actors.domain.gpu import GpuState
from aura_actors.domain.rates import (
    SHORTEST_WINDOW_SECONDS,
    Series,
    Window,
    busy_percent,
    cpu_use,
    derive,
    disk_use,
    extend,
    gpu_health,
    memory_use,
    network_use,
    rate_per_second,
)
from aura_actors.domain.snapshot import (
    CollectorHealth,
    CpuReading,
    CpuTimes,
    DiskReading,
    FilesystemReading,
    InterfaceUse,
    MemoryReading,
    NetworkReading,
    ProcessReading,
    Reading,
    Snapshot,
)

modes = st.sampled_from(["user", "nice", "system", "idle", "iowait", "irq", "steal", "guest"])
seconds = st.floats(min_value=0, max_value=1e9, allow_nan=False)
cpu_times = st.dictionaries(modes, seconds)
counters = st.integers(min_value=0, max_value=2**64)
interfaces = st.dictionaries(st.sampled_from(string.ascii_lowercase[:4]), st.tuples(counters, counters))


def cpu(*cores: CpuTimes, logical_cores: int | None = None) -> CpuReading:
    overall = {mode: sum(core.get(mode, 0.0) for core in cores) for core in cores for mode in core}
    return CpuReading(overall=overall, per_core=cores, logical_cores=logical_cores or len(cores), physical_cores=1)


def process(cpu_seconds_total: float) -> ProcessReading:
    return ProcessReading(
        cpu_seconds_total=cpu_seconds_total,
        resident_bytes=100,
        private_bytes=60,
        open_descriptors=7,
        threads=3,
        started_at_seconds=5.0,
    )


def filesystem(device: str, read: int | None, written: int | None) -> FilesystemReading:
    return FilesystemReading(
        mount=f"/{device}",
        device=device,
        total_bytes=100,
        available_bytes=30,
        used_bytes=60,
        read_bytes_total=read,
        written_bytes_total=written,
    )


def network(**totals: tuple[int, int]) -> NetworkReading:
    return NetworkReading(
        interfaces=tuple(
            InterfaceUse(name=name, sent_bytes_total=sent, received_bytes_total=received)
            for name, (sent, received) in totals.items()
        )
    )


# --- processors ---


@given(before=cpu_times, now=cpu_times)
def test_a_busy_percentage_is_within_0_and_100_or_unknown(before: CpuTimes, now: CpuTimes) -> None:
    percent = busy_percent(before, now)
    assert percent is None or 0 <= percent <= 100


@given(times=cpu_times)
def test_no_time_between_two_readings_means_no_percentage(times: CpuTimes) -> None:
    assert busy_percent(times, times) is None


@given(before=cpu_times, lost=st.floats(min_value=1, max_value=1e6))
def test_time_as_a_whole_going_backwards_means_no_percentage(before: CpuTimes, lost: float) -> None:
    """A core that was taken away and came back starts its counters anew."""
    now = {mode: max(0.0, total - lost) for mode, total in before.items()}
    assert busy_percent(before, now) is None


def test_waiting_for_disks_is_idle_and_stolen_time_is_busy() -> None:
    nothing = {"user": 0.0, "idle": 0.0, "iowait": 0.0, "steal": 0.0}
    assert busy_percent(nothing, {"user": 1.0, "idle": 1.0, "iowait": 1.0, "steal": 1.0}) == 50.0


def test_guest_time_is_not_counted_twice() -> None:
    """The system counts it in user as well."""
    before = {"user": 0.0, "idle": 0.0, "guest": 0.0, "guest_nice": 0.0}
    assert busy_percent(before, {"user": 1.0, "idle": 3.0, "guest": 1.0, "guest_nice": 1.0}) == 25.0


@pytest.mark.parametrize(
    ("before", "now", "percent"),
    [
        ({"user": 1.0, "idle": 9.0}, {"user": 2.0, "idle": 8.99}, 100.0),
        ({"user": 0.0, "idle": 0.0, "iowait": 1.0}, {"user": 1.0, "idle": 1.0, "iowait": 0.0}, 50.0),
        ({"user": 0.0, "idle": 0.0, "steal": 1.0}, {"user": 1.0, "idle": 1.0, "steal": 0.0}, 50.0),
    ],
)
def test_one_mode_that_shrinks_counts_as_unchanged(before: CpuTimes, now: CpuTimes, percent: float) -> None:
    assert busy_percent(before, now) == percent


def test_the_first_reading_has_no_percentages() -> None:
    """Never 0.0: nothing is known yet."""
    use = cpu_use(Window(now=cpu({"user": 5.0, "idle": 5.0})), Window(now=process(3.0)))
    assert (use.overall_percent, use.per_core_percent, use.process_percent) == (None, None, None)
    assert use.logical_cores == 1


def test_each_core_has_its_own_percentage() -> None:
    before = cpu({"user": 0.0, "idle": 0.0}, {"user": 0.0, "idle": 0.0})
    now = cpu({"user": 1.0, "idle": 0.0}, {"user": 0.25, "idle": 0.75})
    use = cpu_use(Window(now=now, before=before, seconds=1.0), None)
    assert use.per_core_percent == (100.0, 25.0)
    assert use.overall_percent == 62.5


@pytest.mark.parametrize(("cores_before", "cores_now"), [(1, 2), (2, 1), (4, 0), (0, 0)])
def test_cores_that_come_or_go_leave_the_cores_unknown_for_one_window(cores_before: int, cores_now: int) -> None:
    before = cpu(*[{"user": 1.0, "idle": 1.0}] * cores_before)
    now = cpu(*[{"user": 9.0, "idle": 9.0}] * cores_now)
    assert cpu_use(Window(now=now, before=before, seconds=1.0), None).per_core_percent is None
    if cores_now:
        later = cpu(*[{"user": 10.0, "idle": 10.0}] * cores_now)
        after = cpu_use(Window(now=later, before=now, seconds=1.0), None)
        assert after.per_core_percent == (50.0,) * cores_now


def test_one_core_that_started_anew_leaves_the_cores_unknown_but_not_the_whole() -> None:
    before = cpu({"user": 50.0, "idle": 50.0}, {"user": 50.0, "idle": 50.0})
    now = CpuReading(
        overall={"user": 101.0, "idle": 101.0},
        per_core=({"user": 51.0, "idle": 51.0}, {"user": 0.1, "idle": 0.1}),
        logical_cores=2,
        physical_cores=2,
    )
    use = cpu_use(Window(now=now, before=before, seconds=1.0), None)
    assert use.per_core_percent is None
    assert use.overall_percent == 50.0


def test_the_process_is_shown_as_its_share_of_all_cores() -> None:
    cores = Window(now=cpu({"user": 0.0, "idle": 1.0}, logical_cores=4))
    use = cpu_use(cores, Window(now=process(14.0), before=process(10.0), seconds=2.0))
    assert use.process_percent == 50.0


def test_a_process_that_did_nothing_has_a_share_of_0() -> None:
    cores = Window(now=cpu({"user": 0.0, "idle": 1.0}))
    assert cpu_use(cores, Window(now=process(3.0), before=process(3.0), seconds=1.0)).process_percent == 0.0


@given(
    before=seconds,
    now=seconds,
    elapsed=st.floats(min_value=0, max_value=1e6),
    cores=st.one_of(st.none(), st.integers(min_value=0, max_value=1024)),
)
def test_the_share_of_the_process_is_within_0_and_100_or_unknown(
    before: float, now: float, elapsed: float, cores: int | None
) -> None:
    machine = CpuReading(overall={}, per_core=(), logical_cores=cores, physical_cores=None)
    window = Window(now=process(now), before=process(before), seconds=elapsed)
    percent = cpu_use(Window(now=machine), window).process_percent
    assert percent is None or 0 <= percent <= 100
    if now < before or not cores or elapsed == 0:
        assert percent is None


# --- counters ---


@given(before=counters, now=counters, elapsed=st.floats(min_value=-10, max_value=1e6))
def test_a_rate_is_never_negative_and_unknown_when_the_counter_fell(before: int, now: int, elapsed: float) -> None:
    rate = rate_per_second(before, now, elapsed)
    assert (rate is None) == (now < before or elapsed <= 0)
    assert rate is None or rate >= 0


def test_a_rate_is_growth_over_time() -> None:
    assert rate_per_second(100, 400, 1.5) == 200.0


def test_a_counter_that_is_not_told_at_either_end_has_no_rate() -> None:
    assert rate_per_second(None, 400, 1.5) is None
    assert rate_per_second(100, None, 1.5) is None


# --- disks ---


def test_a_device_that_nobody_counts_has_unknown_traffic() -> None:
    reading = DiskReading(filesystems=(filesystem("overlay", None, None),))
    (use,) = disk_use(Window(now=reading, before=reading, seconds=1.0))
    assert (use.read_bytes_total, use.read_bytes_per_second, use.written_bytes_per_second) == (None,) * 3
    assert (use.total_bytes, use.available_bytes, use.used_bytes) == (100, 30, 60)


def test_disks_that_come_have_no_rate_yet_and_disks_that_go_leave_no_trace() -> None:
    before = DiskReading(filesystems=(filesystem("gone", 1, 1), filesystem("stays", 10, 20)))
    now = DiskReading(filesystems=(filesystem("stays", 30, 20), filesystem("new", 500, 500)))
    stays, new = disk_use(Window(now=now, before=before, seconds=2.0))
    assert (stays.read_bytes_per_second, stays.written_bytes_per_second) == (10.0, 0.0)
    assert (new.read_bytes_per_second, new.written_bytes_per_second) == (None, None)


def test_a_disk_whose_counter_fell_has_no_rate_until_the_next_reading() -> None:
    low = DiskReading(filesystems=(filesystem("sda", 5, 5),))
    high = DiskReading(filesystems=(filesystem("sda", 9, 9),))
    (fallen,) = disk_use(Window(now=low, before=high, seconds=1.0))
    (risen,) = disk_use(Window(now=high, before=low, seconds=1.0))
    assert (fallen.read_bytes_per_second, risen.read_bytes_per_second) == (None, 4.0)


def test_no_disks_is_a_normal_answer() -> None:
    assert disk_use(None) == ()
    assert disk_use(Window(now=DiskReading(filesystems=()))) == ()


# --- network ---


def test_an_interface_that_vanishes_takes_nothing_from_the_others() -> None:
    before = network(lo=(100, 100), veth=(10**9, 10**9))
    now = network(lo=(300, 200))
    use = network_use(Window(now=now, before=before, seconds=1.0))
    assert (use.sent_bytes_per_second, use.received_bytes_per_second) == (200.0, 100.0)
    assert (use.sent_bytes_total, use.received_bytes_total) == (300, 200)


def test_a_new_interface_counts_from_its_second_reading() -> None:
    before, now = network(lo=(0, 0)), network(lo=(5, 6), eth0=(10**9, 10**9))
    use = network_use(Window(now=now, before=before, seconds=1.0))
    assert (use.sent_bytes_per_second, use.received_bytes_per_second) == (5.0, 6.0)


def test_a_reset_interface_leaves_that_direction_unknown_for_one_window() -> None:
    """Its part is unknown, so the sum is: what the others sent would be too little."""
    first = network(lo=(9, 9), eth0=(0, 0))
    second = network(lo=(1, 10), eth0=(5, 5))
    third = network(lo=(4, 11), eth0=(5, 5))
    use = network_use(Window(now=second, before=first, seconds=1.0))
    assert (use.sent_bytes_per_second, use.received_bytes_per_second) == (None, 6.0)
    after = network_use(Window(now=third, before=second, seconds=1.0))
    assert (after.sent_bytes_per_second, after.received_bytes_per_second) == (3.0, 1.0)


def test_no_interface_means_unknown_totals_not_0() -> None:
    use = network_use(Window(now=network(), before=network(), seconds=1.0))
    assert (use.sent_bytes_total, use.sent_bytes_per_second) == (None, None)


@given(before=interfaces, now=interfaces, elapsed=st.floats(min_value=0, max_value=1e6))
def test_traffic_is_never_negative(
    before: dict[str, tuple[int, int]], now: dict[str, tuple[int, int]], elapsed: float
) -> None:
    use = network_use(Window(now=network(**now), before=network(**before), seconds=elapsed))
    for rate in (use.sent_bytes_per_second, use.received_bytes_per_second):
        assert rate is None or rate >= 0


# --- which two readings ---


@given(
    gaps=st.one_of(
        st.lists(st.floats(min_value=0, max_value=0.5), min_size=1, max_size=60),
        st.lists(st.floats(min_value=0.005, max_value=0.05), min_size=1, max_size=60),
    )
)
def test_a_window_is_neither_too_short_nor_left_behind(gaps: list[float]) -> None:
    """However samples on demand fall between the ticks."""
    at = 0.0
    series: Series[int] = extend(None, 0, at)
    for number, gap in enumerate(gaps, start=1):
        at += gap
        series = extend(series, number, at)
        window = series.window
        assert window.now == number
        if window.before is None:
            assert window.seconds == 0
            assert at < SHORTEST_WINDOW_SECONDS
        else:
            assert SHORTEST_WINDOW_SECONDS - 1e-9 <= window.seconds <= 2 * SHORTEST_WINDOW_SECONDS + 0.5


def test_regular_readings_are_each_compared_with_the_one_before() -> None:
    series: Series[str] = extend(extend(extend(None, "a", 1.0), "b", 2.0), "c", 3.0)
    assert series.window == Window(now="c", before="b", seconds=1.0)


# --- the whole ---


def test_a_snapshot_of_no_readings_knows_nothing_and_invents_nothing() -> None:
    snapshot = derive([], taken_at=1.0, timestamp=2.0, number=3, collectors={})
    assert (snapshot.taken_at, snapshot.timestamp, snapshot.number) == (1.0, 2.0, 3)
    assert snapshot.disks == ()
    assert snapshot.network.interfaces == ()
    for part in (snapshot.cpu, snapshot.memory, snapshot.process):
        assert {getattr(part, field) for field in part.__struct_fields__} == {None}


def test_a_snapshot_puts_each_reading_where_it_belongs() -> None:
    windows: list[Window[Reading]] = [
        Window(now=process(2.0), before=process(1.0), seconds=1.0),
        Window(now=MemoryReading(total_bytes=1000, available_bytes=400)),
        Window(now=network(lo=(1, 2))),
        Window(now=DiskReading(filesystems=(filesystem("sda", 1, 1),))),
        Window(now=cpu({"user": 1.0, "idle": 1.0}), before=cpu({"user": 0.0, "idle": 0.0}), seconds=1.0),
    ]
    snapshot = derive(windows, taken_at=0.0, timestamp=0.0, number=1, collectors={})
    assert (snapshot.cpu.overall_percent, snapshot.cpu.process_percent) == (50.0, 100.0)
    assert (snapshot.memory.used_bytes, snapshot.memory.process_resident_bytes) == (600, 100)
    assert snapshot.memory.process_private_bytes == 60
    assert [disk.device for disk in snapshot.disks] == ["sda"]
    assert snapshot.network.received_bytes_total == 2
    assert (snapshot.process.open_descriptors, snapshot.process.threads) == (7, 3)


def test_what_the_kernel_does_not_tell_is_no_part_of_a_snapshot() -> None:
    def of(*readings: Reading) -> Snapshot:
        windows = [Window[Reading](now=reading) for reading in readings]
        return derive(windows, taken_at=0.0, timestamp=0.0, number=1, collectors={})

    unknown = of(PressureReading(cpu=None, memory=None, io=None), CgroupReading(version=None))
    assert (unknown.pressure, unknown.cgroup) == (None, None)
    group = CgroupReading(version="v2")
    pressure = PressureReading(cpu=None, memory=None, io=ResourcePressure(some=None, full=None))
    assert (of(pressure, group).pressure, of(pressure, group).cgroup) == (pressure, group)


def test_the_probe_of_devices_is_told_as_a_source_once_it_was_read() -> None:
    assert gpu_health(None) == gpu_health(GpuState(status="unavailable", reason="no driver")) == {}
    good = GpuState(status="ok", timestamp=9.0, duration_seconds=0.5, reason="one of two is asleep")
    assert gpu_health(good) == {
        "gpu": CollectorHealth(success=True, duration_seconds=0.5, stale_since=None, error=None)
    }
    old = GpuState(status="unavailable", timestamp=9.0, duration_seconds=0.5, reason="it hangs", stale_since=9.0)
    assert gpu_health(old) == {
        "gpu": CollectorHealth(success=False, duration_seconds=0.5, stale_since=9.0, error="it hangs")
    }


def test_used_memory_is_never_negative() -> None:
    """Inside some containers more is available than there is."""
    assert memory_use(MemoryReading(total_bytes=1, available_bytes=5), None).used_bytes == 0
