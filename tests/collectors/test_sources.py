"""Processors, memory, network and this process: what is asked of psutil, and what may be missing."""

import os
import platform
import threading
from types import SimpleNamespace

import psutil
import pytest

from aura_actors.collectors import cpu, memory, network, process
from aura_actors.collectors.base import READ_ERRORS
from aura_actors.collectors.cpu import Cpu
from aura_actors.collectors.memory import Memory
from aura_actors.collectors.network import Network
from aura_actors.collectors.process import Process, private_bytes


def test_percentages_of_psutil_are_never_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """They keep a baseline for each thread, and threads here come and go."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("cpu_percent was called")

    monkeypatch.setattr(psutil, "cpu_percent", refuse)
    monkeypatch.setattr(psutil.Process, "cpu_percent", refuse)
    reading = Cpu().read()
    Process().read()
    assert reading.logical_cores == len(reading.per_core) == psutil.cpu_count()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without the tables of Linux: psutil is asked."""
    for module in (cpu, memory, network, process):
        monkeypatch.setattr(module, "proc_text", lambda _: None)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("answer", [None, {}])
def test_no_interface_is_a_normal_answer(monkeypatch: pytest.MonkeyPatch, answer: dict[str, object] | None) -> None:
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: answer)
    assert Network().read().interfaces == ()


@pytest.mark.usefixtures("elsewhere")
def test_a_recreated_interface_shows_its_own_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    """psutil would add what the interface of that name had counted before."""
    asked: dict[str, object] = {}

    def counters(**options: object) -> dict[str, SimpleNamespace]:
        asked.update(options)
        return {"veth0": SimpleNamespace(bytes_sent=1, bytes_recv=2)}

    monkeypatch.setattr(psutil, "net_io_counters", counters)
    (interface,) = Network().read().interfaces
    assert asked == {"pernic": True, "nowrap": False}
    assert (interface.name, interface.sent_bytes_total, interface.received_bytes_total) == ("veth0", 1, 2)


@pytest.mark.usefixtures("elsewhere")
def test_where_the_tables_are_not_psutil_says_the_same() -> None:
    times, reading = psutil.cpu_times(percpu=True), Cpu().read()
    assert [set(core) for core in reading.per_core] == [set(core._asdict()) for core in times]
    assert Memory().read().total_bytes == psutil.virtual_memory().total
    assert [each.name for each in Network().read().interfaces] == sorted(psutil.net_io_counters(pernic=True))
    assert Process().read().threads == psutil.Process().num_threads()


def test_the_process_that_is_read_is_this_one() -> None:
    reading = Process().read()
    assert reading.started_at_seconds == psutil.Process(os.getpid()).create_time()
    assert reading.threads is not None
    assert reading.threads >= 1
    assert reading.resident_bytes > 0
    assert reading.cpu_seconds_total == pytest.approx(sum(os.times()[:2]), abs=0.1)


@pytest.mark.skipif(not psutil.LINUX, reason="reads /proc: needs Linux")
def test_its_memory_and_threads_are_psutils() -> None:
    stay = threading.Event()
    threads = [threading.Thread(target=stay.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    reading, told = Process().read(), psutil.Process()
    assert reading.threads == told.num_threads() >= 4
    stay.set()
    for thread in threads:
        thread.join()
    memory = told.memory_info()
    assert reading.resident_bytes == pytest.approx(memory.rss, abs=4 * 2**20)
    assert reading.private_bytes == pytest.approx(memory.rss - memory.shared, abs=4 * 2**20)


@pytest.mark.skipif(not psutil.LINUX, reason="reads /proc: needs Linux")
@pytest.mark.parametrize("size_is_told", [False, True])
def test_its_descriptors_are_counted_without_the_one_that_counts(
    monkeypatch: pytest.MonkeyPatch, *, size_is_told: bool
) -> None:
    if size_is_told and not process._folder_tells_its_size():
        pytest.skip("Linux before 6.2 does not tell how many descriptors there are")
    monkeypatch.setattr(process, "_folder_tells_its_size", lambda: size_is_told)
    Process().read()
    open_ones = [number for number in range(1024) if _is_open(number)]
    assert Process().read().open_descriptors == len(open_ones)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("release", "told"),
    [("6.1.0-9-amd64", False), ("6.2.0", True), ("10.0", True), ("4.19.0-gvisor", False), ("", False)],
)
def test_the_kernel_says_since_6_2_how_many_descriptors_there_are(
    monkeypatch: pytest.MonkeyPatch, release: str, *, told: bool
) -> None:
    monkeypatch.setattr(platform, "release", lambda: release)
    assert process._folder_tells_its_size.__wrapped__() == told


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (SimpleNamespace(rss=100, shared=40), 60),
        (SimpleNamespace(rss=100, shared=140), 0),
        (SimpleNamespace(rss=100, private=70), 70),
        (SimpleNamespace(rss=100, vms=500), None),
    ],
    ids=["linux", "linux, counted at two moments", "windows", "macos"],
)
def test_private_memory_is_what_the_platform_can_tell(memory: object, expected: int | None) -> None:
    assert private_bytes(memory) == expected


@pytest.mark.parametrize(
    "error",
    [psutil.AccessDenied(1), psutil.NoSuchProcess(1), FileNotFoundError("/proc/stat"), ValueError("odd line")],
    ids=lambda error: type(error).__name__,
)
def test_what_psutil_raises_counts_as_a_failure_of_the_source(error: Exception) -> None:
    assert isinstance(error, READ_ERRORS)


@pytest.mark.parametrize("defect", [TypeError, AttributeError, AssertionError])
def test_a_defect_of_a_collector_does_not(defect: type[Exception]) -> None:
    assert not issubclass(defect, READ_ERRORS)
