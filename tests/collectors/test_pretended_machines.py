"""What psutil reads, from pretended machines: processors that come and go, counters that start anew, containers."""

from typing import Any

import psutil
import pytest

from aura_actors.collectors.cpu import Cpu
from aura_actors.collectors.memory import Memory
from aura_actors.collectors.network import Network
from aura_actors.domain.rates import Window, cpu_use, memory_use, network_use

pytestmark = pytest.mark.skipif(not psutil.LINUX, reason="psutil reads /proc on Linux only")


@pytest.fixture
def machine(tree: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(psutil, "PROCFS_PATH", f"{tree.root}/proc")
    return tree


def processors(machine: Any, *cores: tuple[int, int, int]) -> Any:
    """Ticks of user, idle and iowait of each core; their sum stands in the first line."""
    lines = [f"cpu{n} {user} 0 0 {idle} {wait} 0 0 0 0 0" for n, (user, idle, wait) in enumerate(cores)]
    user, idle, wait = (sum(core[n] for core in cores) for n in range(3))
    machine.write({"/proc/stat": "\n".join([f"cpu {user} 0 0 {idle} {wait} 0 0 0 0 0", *lines])})
    return Cpu().read()


def test_a_processor_that_appears_makes_shares_of_cores_unknown_once(machine: Any) -> None:
    before = processors(machine, (100, 900, 0))
    grown = processors(machine, (150, 950, 0), (10, 90, 0))
    after = processors(machine, (200, 1000, 0), (110, 90, 0))
    use = cpu_use(Window(now=grown, before=before, seconds=1), None)
    assert (use.per_core_percent, use.logical_cores) == (None, 2)
    use = cpu_use(Window(now=after, before=grown, seconds=1), None)
    assert list(use.per_core_percent or ()) == [pytest.approx(50), pytest.approx(100)]


def test_counters_that_start_anew_make_the_share_unknown_and_never_negative(machine: Any) -> None:
    before, now = processors(machine, (5000, 9000, 0)), processors(machine, (50, 50, 0))
    assert cpu_use(Window(now=now, before=before, seconds=1), None).overall_percent is None


def test_waiting_time_that_goes_backwards_counts_as_unchanged(machine: Any) -> None:
    before, now = processors(machine, (100, 900, 50)), processors(machine, (150, 950, 20))
    assert cpu_use(Window(now=now, before=before, seconds=1), None).overall_percent == pytest.approx(50)


def interfaces(machine: Any, received: int) -> Any:
    table = f"Inter-| Receive | Transmit\n face |bytes |bytes\n eth0: {received} 1 0 0 0 0 0 0 70 1 0 0 0 0 0 0"
    machine.write({"/proc/net/dev": table})
    return Network().read()


def test_an_interface_that_counts_anew_has_no_rate(machine: Any) -> None:
    before, now = interfaces(machine, 10_000), interfaces(machine, 50)
    use = network_use(Window(now=now, before=before, seconds=1))
    assert (use.received_bytes_per_second, use.sent_bytes_per_second) == (None, 0)
    assert use.received_bytes_total == 50


def test_more_available_than_there_is_uses_nothing_and_not_less(machine: Any) -> None:
    """Some containers say so."""
    sizes = {"MemTotal": 1000, "MemFree": 1500, "MemAvailable": 1500}
    others = dict.fromkeys(["Buffers", "Cached", "Shmem", "Active", "Inactive"], 0)
    machine.write({"/proc/meminfo": "\n".join(f"{name}: {size} kB" for name, size in {**sizes, **others}.items())})
    assert memory_use(Memory().read(), None).used_bytes == 0
