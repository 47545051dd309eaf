"""Our reading of the kernel's tables beside psutil's, of the same text; and what is left to psutil."""

from typing import Any

import psutil
import pytest

from aura_actors.collectors.cpu import Cpu
from aura_actors.collectors.disk import _traffic
from aura_actors.collectors.memory import Memory
from aura_actors.collectors.network import Network
from aura_actors.collectors.tables import device_bytes, interface_bytes, main_memory, processor_times

pytestmark = pytest.mark.skipif(not psutil.LINUX, reason="psutil reads /proc on Linux only")

STAT = """cpu  1093578 5394 150414 3081118 10881 7 3811 2346 5 1
cpu0 422664 2752 62172 1681062 1940 3 928 1157 4 0
cpu3 670913 2642 88241 1400055 8940 4 2883 1189 1 1
intr 12345 0 0 9
ctxt 99
btime 1700000000"""
MEMINFO = """MemTotal:       24684096 kB
MemFree:        22926988 kB
MemAvailable:   24234792 kB
Buffers:           20644 kB
Cached:          1600720 kB
Active:           300000 kB
Inactive:         700000 kB
Shmem:             8780 kB"""
NET = """Inter-|   Receive                   |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo: 1950856071 2617001 0 0 0 0 0 0 1950856071 2617001 0 0 0 0 0 0
eth0:1:39 105067 0 0 0 0 0 0 7672448 68259 0 0 0 0 0 0
  eth0: 3939612688  105067 0 0 0 0 0 0  7672448   68259 0 0 0 0 0 0"""
DISKSTATS = """   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 1134256 107219 58157970 1574936 795712 763527 48947888 289968 0 208180 1934937 9 8 7 6 5 4
 259       1 nvme0n1p1 10 0 80 1 20 0 160 2 0 3 3"""


@pytest.fixture
def machine(tree: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(psutil, "PROCFS_PATH", f"{tree.root}/proc")
    return tree.write(
        {"/proc/stat": STAT, "/proc/meminfo": MEMINFO, "/proc/net/dev": NET, "/proc/diskstats": DISKSTATS}
    )


@pytest.mark.usefixtures("machine")
def test_processor_times_are_psutils() -> None:
    found = processor_times(STAT, 100)
    assert found is not None
    assert len(found[1]) == 2
    for ours, theirs in zip(
        [found[0], *found[1]], [psutil.cpu_times(), *psutil.cpu_times(percpu=True)], strict=True
    ):
        assert ours == {mode: ours[mode] for mode in theirs._asdict()} | theirs._asdict()
    assert Cpu().read().per_core == found[1]


@pytest.mark.usefixtures("machine")
def test_memory_is_psutils() -> None:
    memory = psutil.virtual_memory()
    assert main_memory(MEMINFO) == (memory.total, memory.available) == (24684096 * 1024, 24234792 * 1024)


@pytest.mark.usefixtures("machine")
def test_interfaces_are_psutils_by_name() -> None:
    counters = psutil.net_io_counters(pernic=True, nowrap=False)
    expected = [(name, each.bytes_sent, each.bytes_recv) for name, each in sorted(counters.items())]
    assert interface_bytes(NET) == expected
    assert [name for name, _, _ in expected] == ["eth0", "eth0:1", "lo"]


@pytest.mark.usefixtures("machine")
def test_traffic_of_devices_is_psutils() -> None:
    counters = psutil.disk_io_counters(perdisk=True, nowrap=False)
    expected = {name: (each.read_bytes, each.write_bytes) for name, each in counters.items()}
    assert device_bytes(DISKSTATS) == expected
    assert expected["nvme0n1p1"] == (80 * 512, 160 * 512)


@pytest.mark.parametrize("text", [None, "", "intr 1 2\n", "cpu 1 2 3\n", "cpu 1 2 3 4 5 6 x 8\n"])
def test_odd_processor_times_are_none(text: str | None) -> None:
    assert processor_times(text, 100) is None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "MemTotal: 10 kB\n",
        "MemAvailable: 10 kB\n",
        "MemTotal: 10 kB\nMemAvailable: 0 kB\n",
        "MemTotal: 10 kB\nMemAvailable: 11 kB\n",
    ],
    ids=["missing", "an old kernel", "no total", "none available", "more than there is"],
)
def test_odd_memory_is_none(text: str | None) -> None:
    assert main_memory(text) is None


def test_no_interfaces_and_no_devices_are_normal_and_odd_lines_are_none() -> None:
    assert (interface_bytes("header\nheader\n"), device_bytes("")) == ([], {})
    assert (interface_bytes(None), device_bytes(None)) == (None, None)
    assert interface_bytes("header\nheader\n eth0: 1 2 3\n") is None
    assert device_bytes("8 0 sda 1 2 3 4\n") is None


def test_an_old_kernels_table_is_left_to_psutil(machine: Any) -> None:
    """Partitions had seven fields before 2.6.25; available memory was not told before 3.14."""
    machine.write({"/proc/diskstats": "3 1 hda1 8 16 24 32", "/proc/meminfo": MEMINFO.replace("MemAvail", "Other")})
    assert _traffic()["hda1"].written_bytes == 32 * 512
    assert Memory().read().available_bytes == psutil.virtual_memory().available


@pytest.mark.usefixtures("machine")
def test_the_order_of_interfaces_is_by_name() -> None:
    assert [each.name for each in Network().read().interfaces] == ["eth0", "eth0:1", "lo"]
