"""Our numbers beside those of /proc, on this machine, while something happens that both must see.

Nothing here trusts absolute time or a quiet machine. Counters are taken between two looks at /proc, so the truth
lies between the two whatever else runs; what is not a counter is compared while it holds still.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from aura_actors.collectors.cpu import Cpu
from aura_actors.collectors.disk import Disk
from aura_actors.collectors.memory import Memory
from aura_actors.collectors.network import Network
from aura_actors.collectors.process import Process
from aura_actors.domain.rates import Window, cpu_use, disk_use, memory_use, network_use
from aura_actors.domain.snapshot import Reading

pytestmark = pytest.mark.skipif(not Path("/proc/stat").exists(), reason="compares with /proc: needs Linux")

MIB = 2**20
SECTOR_BYTES = 512
"""/proc/diskstats counts in these, whatever the device's own sectors are."""

R = TypeVar("R", bound=Reading)
T = TypeVar("T")


@contextmanager
def child(source: str) -> Iterator[int]:
    """Run Python source in a process that says when it is ready and waits to be killed; its id."""
    command = [sys.executable, "-c", f"{source}\nprint('ready', flush=True)\nwait()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process.pid
        finally:
            process.kill()


def beside(look: Callable[[], T], read: Callable[[], R]) -> tuple[T, R, float]:
    """One look at /proc and one reading of ours, with no long pause between; and when."""
    for _ in range(20):
        began = time.monotonic()
        seen, reading = look(), read()
        if time.monotonic() - began < 0.01:
            break
    return seen, reading, began


def between(look: Callable[[], int], read: Callable[[], R]) -> tuple[int, R, int]:
    """Our reading with a look at /proc before and after it."""
    return look(), read(), look()


# --- what /proc says, read independently of psutil ---


def busy_and_idle_ticks() -> tuple[int, int]:
    user, nice, system, idle, iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return user + nice + system + irq + softirq + steal, idle + iowait


def seconds_of_process(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_table() -> dict[str, int]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return {name: int(rest.split()[0]) * 1024 for name, rest in (line.split(":") for line in lines)}


def loopback_sent_bytes() -> int:
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, counters = line.strip().partition(":")
        if name == "lo":
            return int(counters.split()[8])
    pytest.skip("this machine has no loopback interface in /proc/net/dev")


def written_bytes_of(device_number: int) -> int | None:
    wanted = [str(os.major(device_number)), str(os.minor(device_number))]
    for line in Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        if fields[:2] == wanted:
            return int(fields[9]) * SECTOR_BYTES
    return None


# --- the comparisons ---


def test_processor_use_under_a_busy_loop() -> None:
    spin = "import time\ndef wait():\n    end = time.monotonic() + 20\n    while time.monotonic() < end: pass"
    with child(spin) as pid:
        spun_before = seconds_of_process(pid)
        (busy_before, idle_before), before, began = beside(busy_and_idle_ticks, Cpu().read)
        time.sleep(0.5)  # a percentage is about a stretch of real time
        (busy, idle), now, ended = beside(busy_and_idle_ticks, Cpu().read)
        spun = seconds_of_process(pid) - spun_before
    use = cpu_use(Window(now=now, before=before, seconds=ended - began), None)
    cores = os.cpu_count()
    assert cores is not None
    assert use.logical_cores == len(use.per_core_percent or ()) == cores
    assert use.overall_percent is not None
    expected = 100 * (busy - busy_before) / (busy - busy_before + idle - idle_before)
    assert use.overall_percent == pytest.approx(expected, abs=8)
    assert spun > 0
    assert use.overall_percent >= 100 * spun / (ended - began) / cores - 8
    assert max(use.per_core_percent or ()) >= use.overall_percent - 8


def test_the_share_of_this_process_while_it_works() -> None:
    cores = os.cpu_count()
    assert cores is not None
    used_before, before, began = beside(lambda: sum(os.times()[:2]), Process().read)
    while sum(os.times()[:2]) < used_before + 0.3:
        pass
    used, now, ended = beside(lambda: sum(os.times()[:2]), Process().read)
    share = cpu_use(Window(now=Cpu().read()), Window(now=now, before=before, seconds=ended - began)).process_percent
    assert share is not None
    assert share == pytest.approx(100 * (used - used_before) / (ended - began) / cores, abs=8)
    assert share > 0


def memory_beside_proc() -> tuple[int, int]:
    """Used bytes: by /proc, and by us, which must be the same for as long as /proc itself holds still."""
    for _ in range(50):
        before, reading, after = used_by_proc(), Memory().read(), used_by_proc()
        if abs(after - before) < 4 * MIB:
            use = memory_use(reading, None)
            assert use.total_bytes == memory_table()["MemTotal"]
            assert use.used_bytes is not None
            assert use.used_bytes == pytest.approx(before, abs=16 * MIB)
            return before, use.used_bytes
    pytest.skip("memory use of this machine never held still for the time of two looks")


def used_by_proc() -> int:
    table = memory_table()
    return table["MemTotal"] - table["MemAvailable"]


def test_memory_after_an_allocation() -> None:
    allocated_bytes = 600 * MIB
    if memory_table()["MemAvailable"] < 4 * allocated_bytes:
        pytest.skip("less than 2.4 GiB of memory available: an allocation of 600 MiB would disturb the machine")
    allocate = f"held = bytearray(b'x') * {allocated_bytes}\nimport time\ndef wait(): time.sleep(20)"
    for _ in range(5):
        proc_before, ours_before = memory_beside_proc()
        with child(allocate):
            proc_now, ours_now = memory_beside_proc()
        assert ours_now - ours_before == pytest.approx(proc_now - proc_before, abs=32 * MIB)
        if abs(proc_now - proc_before - allocated_bytes) < allocated_bytes / 2:
            return  # by /proc the allocation is what happened, and nobody else took or let go of as much meanwhile
    pytest.skip("others on this machine took or gave back too much memory each time 600 MiB were allocated")


def test_network_over_loopback_traffic() -> None:
    chunk, chunks = bytes(32 * 1024), 256
    earliest, before, early = between(loopback_sent_bytes, Network().read)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as sender,
        server.accept()[0] as receiver,
    ):
        for _ in range(chunks):
            sender.sendall(chunk)
            receiver.recv(len(chunk), socket.MSG_WAITALL)
    late, now, latest = between(loopback_sent_bytes, Network().read)

    sent_before, sent = (
        next(each.sent_bytes_total for each in reading.interfaces if each.name == "lo") for reading in (before, now)
    )
    assert late - early <= sent - sent_before <= latest - earliest
    assert sent - sent_before >= len(chunk) * chunks
    use = network_use(Window(now=now, before=before, seconds=2.0))
    assert use.sent_bytes_per_second is not None
    assert use.sent_bytes_per_second >= (sent - sent_before) / 2.0


def test_disk_after_a_write(tmp_path: Path) -> None:
    device_number = tmp_path.stat().st_dev
    if written_bytes_of(device_number) is None:
        pytest.skip(
            f"temporary files are on device {os.major(device_number)}:{os.minor(device_number)}, "
            "which /proc/diskstats does not count (tmpfs, overlay or the like)"
        )

    def written() -> int:
        return written_bytes_of(device_number) or 0

    payload = os.urandom(32 * MIB)
    earliest, before, early = between(written, Disk().read)
    with (tmp_path / "payload").open("wb") as file:
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
    late, now, latest = between(written, Disk().read)

    uses = disk_use(Window(now=now, before=before, seconds=2.0))
    disk = next(use for use in uses if Path(use.mount).stat().st_dev == device_number)
    assert disk.written_bytes_per_second is not None
    grown = round(disk.written_bytes_per_second * 2.0)
    assert late - early <= grown <= latest - earliest
    assert grown >= 0.9 * len(payload)

    space = os.statvfs(tmp_path)
    assert disk.total_bytes == space.f_blocks * space.f_frsize
    assert disk.available_bytes == pytest.approx(space.f_bavail * space.f_frsize, abs=256 * MIB)
