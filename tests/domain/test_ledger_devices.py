"""Devices in the ledger: who gets which, whose memory it takes, and why there is none."""

from typing import Any

import msgspec
import pytest

from aura_actors.domain.accounts import Use
from aura_actors.domain.devices import GpuRule
from aura_actors.domain.gpu import GpuProcess
from aura_actors.domain.needs import GpuNeed, JobSpec
from tests.domain.admission_world import gpu, gpus, ledger, machine, use
from tests.domain.ledger_world import held, only, said, seen


def test_a_gpu_on_a_machine_without_one_is_never_once_the_probe_has_answered() -> None:
    need = JobSpec(gpu=GpuNeed())
    assert said(seen(), need) == ("wait", ["gpu"])
    assert said(seen(gpu=gpus()), need) == ("never", ["gpu"])
    assert said(seen(gpu=gpus(gpu(0))), JobSpec(gpu=GpuNeed(memory_bytes=91))) == ("never", ["gpu"])
    assert said(seen(gpu=gpus(gpu(0))), JobSpec(gpu=GpuNeed(count=2))) == ("never", ["gpu"])


def test_a_preferred_gpu_falls_back_to_none() -> None:
    need = JobSpec(gpu=GpuNeed(required=False, memory_bytes=50))
    of = seen(gpu=gpus(gpu(0)))
    first, second = of.plan(need, 0.0), held(of, need).ledger.plan(need, 0.0)
    assert first is not None
    assert second is not None
    assert ([d.uuid for d in first.devices], second.devices, second.charges) == (["g0"], [], {})
    assert said(seen(gpu=gpus()), need) == ("grant", [])


def test_a_preferred_gpu_falls_back_where_main_memory_is_short_for_it() -> None:
    need = JobSpec(memory_bytes=100, gpu=GpuNeed(required=False, memory_bytes=500))
    plan = seen(400, gpu=gpus(gpu(0, total=None))).plan(need, 0.0)
    assert plan is not None
    assert (plan.devices, [*plan.charges.values()]) == ([], [100])
    assert said(seen(750, gpu=gpus(gpu(0))), need) == ("wait", ["memory"])


def test_devices_that_share_main_memory_take_from_it() -> None:
    shared = gpus(gpu(0, total=None), gpu(1, total=None))
    need = JobSpec(memory_bytes=100, gpu=GpuNeed(memory_bytes=200, count=2))
    of = held(seen(gpu=shared), need).ledger
    assert (of.memory.promised, of.memory.room, of.reserved_bytes) == (500, 300, 100)
    assert only(of, need).needed == 500
    assert said(of, JobSpec(gpu=GpuNeed(memory_bytes=801))) == ("never", ["memory"])
    assert said(of, JobSpec(memory_bytes=1, gpu=GpuNeed(memory_bytes=300)))[1] == ["memory"]
    of.end(1, 0.0, answered=True)
    assert of.memory.room == 800


def test_memory_of_a_device_is_measured_and_attributed_by_process() -> None:
    need = JobSpec(gpu=GpuNeed(memory_bytes=50))
    of = held(seen(gpu=gpus(gpu(0, used=10))), need, processes=(5,)).ledger
    (device,) = of.devices
    assert device.memory is not None
    assert device.memory.room == 90 - 10 - 50
    used = gpu(0, used=70, processes=[(5, 40), (6, 20), (5, 5), (None, 1)])
    of.look(machine(1.0, gpu=gpus(used), groups=(use([1], 1, pid=5),)))
    assert (device.memory.external, device.memory.promised, device.memory.room) == (25, 50, 15)
    of.look(machine(2.0, gpu=gpus(gpu(0, used=85, processes=[(5, 60)])), groups=(use([1], 1, pid=5),)))
    assert (device.memory.external, device.memory.promised) == (25, 60)
    of.look(machine(3.0, gpu=gpus(gpu(0, used=25)), groups=(use([1], 1, pid=5),)))
    assert (device.memory.use_of("process 5 5"), device.memory.promised) == (Use(0, 0), 50)


def test_a_device_that_does_not_tell_who_uses_how_much_of_it_is_used_by_others() -> None:
    of = held(seen(gpu=gpus(gpu(0))), JobSpec(gpu=GpuNeed(memory_bytes=50)), processes=(5,)).ledger
    (device,) = of.devices
    assert device.memory is not None
    unknown = GpuProcess(pid=5, host_pid=5, used_bytes=None)
    for at, processes in enumerate(((unknown,), None), start=1):
        told = msgspec.structs.replace(gpu(0, used=20), processes=processes)
        of.look(machine(float(at), gpu=gpus(told), groups=(use([1], 1, pid=5),)))
        assert (device.memory.external, device.memory.promised) == (20, 50)


def test_a_lease_from_before_a_restart_holds_its_devices_memory_once_that_is_known() -> None:
    need = JobSpec(memory_bytes=100, gpu=GpuNeed(memory_bytes=50))
    lease = next(iter(held(seen(gpu=gpus(gpu(0))), need).leases))
    of = ledger()
    of.restore(lease, 0.0)
    assert of.memory.promised == 150
    of.look(machine(0.0, gpu=gpus(gpu(0))))
    (device,) = of.devices
    assert device.memory is not None
    assert (of.memory.promised, device.memory.promised, device.memory.room) == (100, 50, 40)
    assert said(of, JobSpec(gpu=GpuNeed(memory_bytes=41))) == ("wait", ["gpu"])
    of.end(lease.fence, 0.0, answered=True)
    assert (of.memory.promised, device.memory.promised, device.holders) == (0, 0, {})


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (None, "the GPU probe has not answered yet"),
        (gpus(gpu(0, status="lost")), "the GPU driver does not answer now"),
        (gpus(gpu(0, used=90)), "0 of 1 GPUs can take it now"),
    ],
)
def test_why_there_is_no_device_is_told(state: Any, text: str) -> None:
    reason = only(seen(gpu=state), JobSpec(gpu=GpuNeed(memory_bytes=20)))
    assert (reason.dimension, reason.text, reason.external, reason.available) == ("gpu", text, True, 0)


def test_whoever_is_on_the_devices_is_named() -> None:
    of = held(seen(gpu=gpus(gpu(0))), JobSpec(), JobSpec(gpu=GpuNeed(exclusive=True))).ledger
    reason = only(of, JobSpec(gpu=GpuNeed()))
    assert (reason.holders, reason.external) == (("b",), False)


def test_a_busy_device_is_told_from_a_full_one() -> None:
    of = ledger(gpu=GpuRule(busy_percent=50))
    for second in range(30):
        of.look(machine(float(second), gpu=gpus(gpu(0, busy=100))))
    assert only(of, JobSpec(gpu=GpuNeed()), 29.0).text == "every GPU is more than 50 % busy"
