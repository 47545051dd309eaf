"""The GPU actor with a real child process over a scripted NVML: what it tells while the probe hangs, dies or rests.

Real time: a child process follows no mock clock. The periods are short instead.
"""

import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psutil
import pytest
import trio

from aura_actors.actors.gpu import Gpu, Probe
from aura_actors.domain.gpu import GpuState
from aura_actors.errors import Unavailable
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.restart import Backoff
from aura_actors.kernel.worker import Worker
from aura_actors.messages.gpu import GpuMessage, Release, Resume

if TYPE_CHECKING:
    from tests.gpu.conftest import Machine

QUICK = {"period_seconds": 0.05, "answer_seconds": 0.5, "first_answer_seconds": 20.0, "patience_seconds": 0.3}
AT_ONCE = Backoff(first_seconds=0.01, cap_seconds=0.02, healthy_seconds=60)


class Rig:
    """What outlives an incarnation, and the ways of a test to look."""

    def __init__(self, machine: "Machine", probe: Probe) -> None:
        self.machine = machine
        self.latest: Latest[GpuState | None] = Latest(None)
        self.reports: list[str] = []
        self.cell: Cell[GpuMessage] = Cell("gpu", lambda: self.make(probe))

    def make(self, probe: Probe) -> Gpu:
        return Gpu(
            self.latest,
            probe,
            limiter=trio.CapacityLimiter(1),
            wall=time.time,
            chance=lambda: 0.5,
            report=self.reports.append,
        )

    async def until(self, wanted: Callable[[GpuState], bool]) -> GpuState:
        """The first state from now on that is as wanted."""
        with trio.fail_after(20):
            while True:
                version, state = self.latest.version, self.latest.value
                if state is not None and wanted(state):
                    return state
                await self.latest.wait_newer(version)

    async def until_ok(self) -> GpuState:
        return await self.until(lambda state: state.status == "ok")

    async def until_unavailable(self) -> GpuState:
        return await self.until(lambda state: state.status == "unavailable")

    async def until_silent(self) -> None:
        """Nothing is published for many periods."""
        with trio.fail_after(20):
            silent = False
            while not silent:
                with trio.move_on_after(0.4) as patience:
                    await self.latest.wait_newer(self.latest.version)
                silent = patience.cancelled_caught

    def children(self) -> list[psutil.Process]:
        """The probes that run, or are dead and not reaped."""
        mine = psutil.Process().children()
        return [child for child in mine if child.status() == "zombie" or str(self.machine.root) in child.cmdline()]


@asynccontextmanager
async def running(machine: "Machine", probe: Probe | None = None) -> AsyncIterator[Rig]:
    rig = Rig(machine, probe or machine.probe(**QUICK, backoff=AT_ONCE))
    async with one_life(rig):
        yield rig
    assert rig.children() == []


@asynccontextmanager
async def one_life(rig: Rig) -> AsyncIterator[None]:
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            await rig.cell.run(stopping=stopping, task_status=task_status)

        await nursery.start(run)
        yield
        stopping.set()


# --- what it says ---


async def test_it_publishes_every_device_in_the_domains_words(machine: "Machine") -> None:
    machine.say("devices value 2", "nvmlDeviceGetUtilizationRates:1 return 3")
    machine.plug_in(1)
    async with running(machine) as rig:
        state = await rig.until_ok()
    first, second = state.devices
    assert (first.index, first.utilization_percent, first.memory_used_bytes) == (0, 10, 300)
    assert (first.power_watts, first.graphics_clock_hertz, first.processes) == (75.5, 1_410_000_000, ())
    assert (second.index, second.utilization_percent) == (1, None)
    assert second.unsupported == ("utilization_percent",)
    assert state.reason is None
    assert state.timestamp == pytest.approx(time.time(), abs=20)


async def test_it_goes_on_with_one_process(machine: "Machine") -> None:
    async with running(machine) as rig:
        await rig.until_ok()
        (child,) = rig.children()
        version = rig.latest.version
        while rig.latest.version < version + 5:
            await rig.latest.wait_newer(rig.latest.version)
        assert rig.children() == [child]
    assert machine.calls().count("nvmlInitWithFlags") == 1
    assert machine.calls()[-1] == "nvmlShutdown"


async def test_numbers_that_cannot_be_are_not_believed(machine: "Machine") -> None:
    machine.say("nvmlDeviceGetUtilizationRates value 4000", "nvmlDeviceGetMemoryInfo_v2 value 1000 0 3000")
    async with running(machine) as rig:
        (device,) = (await rig.until_ok()).devices
    assert device.utilization_percent is None
    assert (device.memory_total_bytes, device.memory_used_bytes, device.memory_free_bytes) == (1000, None, None)


# --- what fails ---


async def test_a_probe_that_hangs_in_the_driver_is_killed_and_another_goes_on(machine: "Machine") -> None:
    async with running(machine) as rig:
        seen = await rig.until_ok()
        (child,) = rig.children()
        machine.say("nvmlDeviceGetUtilizationRates hang")
        state = await rig.until_unavailable()
        assert state.reason == "the probe failed: it did not answer in time"
        assert [device.uuid for device in state.devices] == [device.uuid for device in seen.devices]
        assert state.stale_since is not None
        assert state.current == ()
        assert not child.is_running()
        machine.say()
        after = await rig.until_ok()
        assert after.stale_since is None
        assert after.devices[0].utilization_percent == 10


async def test_a_segmentation_fault_in_the_driver_is_told_by_its_name(machine: "Machine") -> None:
    async with running(machine) as rig:
        await rig.until_ok()
        machine.say("nvmlDeviceGetTemperatureV crash")
        state = await rig.until_unavailable()
        assert state.reason == "the probe failed: it was ended by SIGSEGV"
        machine.say()
        await rig.until_ok()
        assert "the probe failed: it was ended by SIGSEGV" in rig.reports


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_probe_that_is_killed_or_stopped_is_replaced(machine: "Machine", how: signal.Signals) -> None:
    async with running(machine) as rig:
        await rig.until_ok()
        (child,) = rig.children()
        os.kill(child.pid, how)
        await rig.until_unavailable()
        await rig.until_ok()
        (other,) = rig.children()
        assert other.pid != child.pid


async def test_a_probe_that_keeps_crashing_is_started_ever_more_rarely(machine: "Machine") -> None:
    machine.say("nvmlInitWithFlags crash")
    patient = Backoff(first_seconds=0.2, cap_seconds=100, healthy_seconds=60)
    async with running(machine, machine.probe(**QUICK, backoff=patient)) as rig:
        await rig.until_unavailable()
        await trio.sleep(1.5)  # after 0.1, 0.2, 0.4 and 0.8 s, and the time that each start takes
    assert 1 <= machine.calls().count("nvmlInitWithFlags") <= 4


async def test_without_a_driver_no_process_is_kept_and_one_that_comes_is_found(machine: "Machine") -> None:
    machine.say("nvmlInitWithFlags return 9")
    async with running(machine, machine.probe(**QUICK, rest_seconds=0.2)) as rig:
        state = await rig.until_unavailable()
        assert state.reason == "NVIDIA: Driver Not Loaded"
        assert rig.children() == []
        machine.say()
        await rig.until_ok()


async def test_an_upgraded_driver_gets_a_fresh_process(machine: "Machine") -> None:
    async with running(machine, machine.probe(**QUICK, rest_seconds=0.1)) as rig:
        await rig.until_ok()
        (child,) = rig.children()
        machine.say("nvmlDeviceGetUtilizationRates return 18")
        assert "version mismatch" in ((await rig.until_unavailable()).reason or "")
        machine.say()
        await rig.until_ok()
        assert rig.children() != [child]
        assert rig.reports == []


async def test_with_another_vendors_card_the_driver_that_fails_is_named_and_tried_again(machine: "Machine") -> None:
    machine.put("sys/class/drm/card0/device/vendor", "0x1002")
    machine.put("sys/class/drm/card0/device/gpu_busy_percent", "5")
    machine.say("nvmlInitWithFlags return 9")
    async with running(machine, machine.probe(**QUICK, rest_seconds=0.2)) as rig:
        state = await rig.until_ok()
        assert [device.vendor for device in state.devices] == ["AMD"]
        assert state.reason == "NVIDIA: Driver Not Loaded"
        machine.say()
        both = await rig.until(lambda state: len(state.devices) == 2)
        assert [(device.index, device.vendor) for device in both.devices] == [(0, "NVIDIA"), (1, "AMD")]
        assert both.reason is None


async def test_where_there_is_no_device_no_process_is_started(
    bare_machine: "Machine", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trio.lowlevel, "open_process", None)
    async with running(bare_machine) as rig:
        state = await rig.until_unavailable()
        assert state == GpuState(status="unavailable", reason="there is no NVIDIA or AMD device")
        assert rig.cell.statistics().handled == 1


async def test_what_the_probe_prints_is_reported(machine: "Machine") -> None:
    machine.say("nvmlDeviceGetPowerUsage print")
    async with running(machine) as rig:
        await rig.until_ok()
        await rig.until(lambda _: bool(rig.reports))
    assert rig.reports[0] == "noise from a driver"


# --- release ---


async def test_released_the_driver_is_shut_down_and_nothing_has_it_open(machine: "Machine") -> None:
    async with running(machine) as rig:
        await rig.until_ok()
        answer = await rig.cell.ref.ask(Release(), within=10)
        assert answer == GpuState(status="released")
        assert machine.calls()[-1] == "nvmlShutdown"
        assert rig.children() == []
        calls = len(machine.calls())
        await trio.sleep(0.3)  # six periods
        assert len(machine.calls()) == calls
        resumed = await rig.cell.ref.ask(Resume(), within=10)
        assert resumed.status == "ok"


async def test_a_release_for_a_time_ends_by_itself(machine: "Machine") -> None:
    async with running(machine) as rig:
        await rig.until_ok()
        began = time.time()
        released = await rig.cell.ref.ask(Release(seconds=0.5), within=10)
        assert released.released_until == pytest.approx(began + 0.5, abs=0.4)
        await rig.until_ok()
        assert time.time() - began >= 0.5


async def test_a_release_outlives_the_actor(machine: "Machine") -> None:
    rig = Rig(machine, machine.probe(**QUICK))
    async with one_life(rig):
        await rig.until_ok()
        await rig.cell.ref.ask(Release(), within=10)
    calls = len(machine.calls())
    async with one_life(rig):
        await trio.sleep(0.2)
        assert len(machine.calls()) == calls
        assert (await rig.cell.ref.ask(Resume(), within=10)).status == "ok"


async def test_the_actor_ends_while_its_probe_hangs(machine: "Machine") -> None:
    slow = {**QUICK, "answer_seconds": 60.0}
    rig = Rig(machine, machine.probe(**slow))
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: rig.cell.run(stopping=trio.Event(), task_status=task_status))
        await rig.until_ok()
        machine.say("nvmlDeviceGetUtilizationRates hang")
        await rig.until_silent()
        assert len(rig.children()) == 1
        nursery.cancel_scope.cancel()
    assert rig.children() == []


async def test_one_that_cannot_be_ended_is_not_given_company(
    machine: "Machine", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs_in_the_kernel(self: Worker, patience_seconds: float) -> bool:
        return False

    async with running(machine, machine.probe(**QUICK, backoff=AT_ONCE, rest_seconds=0.05)) as rig:
        await rig.until_ok()
        (child,) = rig.children()
        with monkeypatch.context() as patch:
            patch.setattr(Worker, "end", hangs_in_the_kernel)
            child.suspend()
            await rig.until(lambda state: state.reason == "the probe hangs in a driver and cannot be ended")
            assert rig.children() == [child]
            with pytest.raises(Unavailable, match="not released"):
                await rig.cell.ref.ask(Release(), within=10)
        await rig.until_ok()
        assert child not in rig.children()
