"""The probe as a process, over a scripted NVML below the real binding: what drivers do and what is said of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest

from aura_actors.workers.frames import Device, Sample, Sampled, read_frame, write_frame

if TYPE_CHECKING:
    from tests.gpu.conftest import Machine

LIBRARY_MISMATCH, DRIVER_NOT_LOADED, LOST, NOT_SUPPORTED, UNKNOWN = 18, 9, 15, 3, 999


@contextmanager
def running(machine: "Machine") -> Iterator[subprocess.Popen[bytes]]:
    probe = machine.probe()
    process = subprocess.Popen(
        probe.command(),
        env=probe.variables(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ask(process: subprocess.Popen[bytes]) -> Sampled:
    assert process.stdin is not None
    assert process.stdout is not None
    write_frame(process.stdin, msgspec.msgpack.encode(Sample()))  # type: ignore[arg-type]  # IO[bytes]
    frame = read_frame(process.stdout)  # type: ignore[arg-type]  # IO[bytes]
    assert frame is not None
    return msgspec.msgpack.decode(frame, type=Sampled)


SAMPLE_AT = """
import json, sys
from pathlib import Path
import msgspec
from aura_actors.workers.nvml import Nvidia
nvidia = Nvidia(Path(sys.argv[1]))
for now, lines in json.loads(sys.argv[2]):
    if lines is not None:
        Path(sys.argv[3]).write_text("".join(line + "\\n" for line in lines))
    devices, problem = nvidia.sample(now)
    print(json.dumps([msgspec.to_builtins(devices), problem]))
"""


def sampled_at(
    machine: "Machine", *moments: tuple[float, list[str] | None]
) -> list[tuple[list[Device], str | None]]:
    """What is said at each moment of a clock that needs no waiting, with what the library does from then on."""
    done = subprocess.run(
        [sys.executable, "-c", SAMPLE_AT, machine.root, json.dumps(moments), machine.script],
        env=machine.probe().variables(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    return [(msgspec.convert(devices, list[Device]), problem) for devices, problem in said]


def one(said: tuple[list[Device], str | None]) -> Device:
    (device,), problem = said
    assert problem is None
    return device


# --- values ---


def test_every_device_is_named_by_its_uuid_with_its_own_values(machine: "Machine") -> None:
    machine.say(
        "devices value 2",
        "nvmlDeviceGetUtilizationRates:1 value 77",
        "nvmlDeviceGetMemoryInfo_v2:1 value 2000 50 150",
        "nvmlDeviceGetComputeRunningProcesses_v3:1 value 4711 120 4712 18446744073709551615",
        "nvmlDeviceGetGraphicsRunningProcesses_v3:1 value 4711 120 4713 5",
    )
    with running(machine) as process:
        first, second = ask(process).devices
    assert first.uuid == "GPU-00000000-0000-0000-0000-000000000000"
    assert first.processes == []
    assert first.values["utilization_percent"] == 10
    assert second.uuid == "GPU-00000001-0000-0000-0000-000000000000"
    assert (second.name, second.vendor, second.driver_version) == ("Scripted 1", "NVIDIA", "570.00")
    assert second.pci_address == "0000:41:00.0"
    assert second.status == "ok"
    assert second.values == {
        "utilization_percent": 77,
        "memory_total_bytes": 2000,
        "memory_reserved_bytes": 50,
        "memory_used_bytes": 150,
        "memory_free_bytes": 1800,
        "temperature_celsius": 50,
        "power_watts": 75.5,
        "power_limit_watts": 300,
        "graphics_clock_hertz": 1_410_000_000,
        "memory_clock_hertz": 1_593_000_000,
    }
    assert [(p.host_pid, p.used_bytes) for p in second.processes or []] == [(4711, 120), (4713, 5), (4712, None)]
    assert second.unsupported == []


def test_each_question_is_asked_in_its_own_rhythm_and_pcie_never(machine: "Machine") -> None:
    sampled_at(machine, *((float(second), None) for second in range(10)))
    asked = Counter(machine.calls())
    assert asked["nvmlDeviceGetUtilizationRates:0"] == asked["nvmlDeviceGetMemoryInfo_v2:0"] == 10
    assert asked["nvmlDeviceGetTemperatureV:0"] == asked["nvmlDeviceGetPowerUsage:0"] == 5
    assert asked["nvmlDeviceGetComputeRunningProcesses_v3:0"] == 2
    assert asked["nvmlDeviceGetUUID:0"] == asked["nvmlInitWithFlags"] == 1
    assert not [call for call in asked if "pcie" in call.lower()]


def test_what_is_not_due_keeps_its_last_value(machine: "Machine") -> None:
    hotter = ["nvmlDeviceGetTemperatureV value 60", "nvmlDeviceGetUtilizationRates value 90"]
    _, after_one, after_two = sampled_at(machine, (0, []), (1, hotter), (2, None))
    assert one(after_one).values["temperature_celsius"] == 50
    assert one(after_one).values["utilization_percent"] == 90
    assert one(after_two).values["temperature_celsius"] == 60


# --- what a device does not report ---


def test_with_mig_on_the_utilisation_is_unknown_and_is_asked_for_once(machine: "Machine") -> None:
    said = sampled_at(machine, (0, [f"nvmlDeviceGetUtilizationRates return {NOT_SUPPORTED}"]), (1, None), (2, None))
    for each in map(one, said):
        assert each.status == "ok"
        assert "utilization_percent" not in each.values
        assert each.values["memory_used_bytes"] == 300
        assert each.unsupported == ["utilization_percent"]
    assert machine.calls().count("nvmlDeviceGetUtilizationRates:0") == 1


def test_only_the_device_without_a_sensor_is_not_asked_again(machine: "Machine") -> None:
    script = ["devices value 2", f"nvmlDeviceGetPowerUsage:1 return {NOT_SUPPORTED}"]
    (_, (devices, _)) = sampled_at(machine, (0, script), (2, None))
    assert [device.unsupported for device in devices] == [[], ["power_watts"]]
    calls = machine.calls()
    assert (calls.count("nvmlDeviceGetPowerUsage:0"), calls.count("nvmlDeviceGetPowerUsage:1")) == (2, 1)


def test_processes_are_unsupported_only_where_neither_kind_can_be_listed(machine: "Machine") -> None:
    neither = [
        f"nvmlDeviceGet{kind}RunningProcesses_v{n} return {NOT_SUPPORTED}"
        for kind in ("Compute", "Graphics")
        for n in (2, 3)
    ]
    assert one(sampled_at(machine, (0, neither[2:]))[0]).processes == []
    device = one(sampled_at(machine, (0, neither))[0])
    assert device.processes is None
    assert device.unsupported == ["processes"]


def test_a_device_that_shares_main_memory_has_no_memory_of_its_own(machine: "Machine") -> None:
    device = one(sampled_at(machine, (0, ["nvmlDeviceGetMemoryInfo_v2 value 0 0 0"]))[0])
    assert "memory_total_bytes" not in device.values
    assert "memory_total_bytes" in device.unsupported


def test_an_old_driver_is_asked_the_old_way(old_machine: "Machine") -> None:
    old_machine.say("nvmlDeviceGetComputeRunningProcesses_v2 value 4711 120")
    with running(old_machine) as process:
        (device,) = ask(process).devices
    assert device.values["memory_used_bytes"] == 400
    assert "memory_reserved_bytes" not in device.values
    assert device.values["temperature_celsius"] == 51
    assert [p.host_pid for p in device.processes or []] == [4711]
    assert device.unsupported == []


def test_a_question_that_fails_in_passing_is_asked_again(machine: "Machine") -> None:
    busy = ["nvmlDeviceGetUtilizationRates return 10"]
    first, second = map(one, sampled_at(machine, (0, busy), (1, [])))
    assert first.status == "ok"
    assert "utilization_percent" not in first.values
    assert first.unsupported == []
    assert second.values["utilization_percent"] == 10


# --- devices that fail ---


@pytest.mark.parametrize(("code", "status"), [(LOST, "lost"), (16, "lost"), (UNKNOWN, "error")])
def test_a_lost_device_is_said_to_be_and_the_others_go_on(machine: "Machine", code: int, status: str) -> None:
    both = ["devices value 2"]
    said = sampled_at(machine, (0, both), (1, [*both, f"device:1 return {code}"]), (2, None), (12, both))
    for devices, problem in said[1:3]:
        assert problem is None
        assert [device.status for device in devices] == ["ok", status]
        assert devices[1].values == {}
        assert devices[1].processes is None
        assert devices[1].detail
        assert devices[0].values["utilization_percent"] == 10
    (_, back), _ = said[3]
    assert (back.status, back.detail) == ("ok", None)
    assert back.values["utilization_percent"] == 10


def test_a_lost_device_is_left_alone_for_ten_seconds(machine: "Machine") -> None:
    sampled_at(machine, (0, []), *((float(n), [f"device:0 return {LOST}"]) for n in range(1, 11)))
    assert machine.calls().count("nvmlDeviceGetUtilizationRates:0") == 2


def test_a_device_that_is_lost_from_the_start_is_listed(machine: "Machine") -> None:
    both = ["devices value 2"]
    lost, back = sampled_at(machine, (0, [*both, f"nvmlDeviceGetHandleByIndex_v2:0 return {LOST}"]), (10, both))
    assert lost[0][0].uuid == "NVIDIA-0"
    assert [d.status for d in lost[0]] == ["lost", "ok"]
    assert [d.status for d in back[0]] == ["ok", "ok"]


# --- drivers that fail ---


@pytest.mark.parametrize(
    ("code", "text"), [(LIBRARY_MISMATCH, "version mismatch"), (DRIVER_NOT_LOADED, "Driver Not Loaded")]
)
def test_a_driver_that_cannot_be_used_is_a_problem_with_its_name(machine: "Machine", code: int, text: str) -> None:
    machine.say(f"nvmlInitWithFlags return {code}")
    with running(machine) as process:
        for _ in range(3):
            said = ask(process)
            assert said.devices == []
            assert len(said.problems) == 1
            assert text in said.problems[0]
    assert machine.calls().count("nvmlInitWithFlags") == 1


def test_a_driver_that_is_replaced_meanwhile_is_let_go_of(machine: "Machine") -> None:
    mismatch = [f"nvmlDeviceGetUtilizationRates return {LIBRARY_MISMATCH}"]
    _, after = sampled_at(machine, (0, []), (1, mismatch))
    assert after[0] == []
    assert "version mismatch" in (after[1] or "")
    assert machine.calls()[-1] == "nvmlShutdown"


def test_a_device_without_the_library_is_a_problem(bare_machine: "Machine") -> None:
    bare_machine.plug_in()
    with running(bare_machine) as process:
        assert ask(process) == Sampled(devices=[], problems=["NVIDIA: NVML Shared Library Not Found"])


# --- sleep ---


def test_a_sleeping_device_is_not_woken(machine: "Machine") -> None:
    machine.plug_in(power="suspended")
    with running(machine) as process:
        (device,) = ask(process).devices
        assert (device.status, device.pci_address, device.values) == ("suspended", "0000:40:00.0", {})
        assert machine.calls() == []
        machine.plug_in(power="active")
        assert ask(process).devices[0].status == "ok"


def test_a_device_that_falls_asleep_has_no_values_and_is_not_asked(machine: "Machine") -> None:
    machine.say("devices value 2")
    machine.plug_in(1)
    with running(machine) as process:
        ask(process)
        machine.plug_in(1, power="suspended")
        asked_before = [call for call in machine.calls() if call.endswith(":1")]
        awake, asleep = ask(process).devices
        assert (awake.status, asleep.status, asleep.values) == ("ok", "suspended", {})
        assert [call for call in machine.calls() if call.endswith(":1")] == asked_before


# --- a laptop ---


def on_battery(machine: "Machine") -> "Machine":
    machine.put("sys/class/power_supply/BAT0/type", "Battery")
    return machine


def every_second(*, idle: bool, until: int = 40) -> list[tuple[float, list[str] | None]]:
    script = [f"nvmlDeviceGetUtilizationRates value {0 if idle else 1}"]
    return [(float(second), script if second == 0 else None) for second in range(until)]


def test_an_idle_laptop_device_is_let_go_of_and_taken_back_for_good_if_it_stays_awake(machine: "Machine") -> None:
    said = sampled_at(on_battery(machine), *every_second(idle=True, until=60))
    statuses = [one(each).status for each in said]
    assert statuses == ["ok"] * 16 + ["idle"] * 19 + ["ok"] * 25
    assert one(said[20]).values == {}
    assert one(said[20]).uuid == one(said[0]).uuid
    calls = machine.calls()
    assert (calls.count("nvmlInitWithFlags"), calls.count("nvmlShutdown")) == (2, 1)


@pytest.mark.parametrize("busy", ["at work", "in use"])
def test_a_laptop_device_that_is_used_is_kept(machine: "Machine", busy: str) -> None:
    moments = every_second(idle=busy == "in use")
    if busy == "in use":
        (moments[0][1] or []).append("nvmlDeviceGetGraphicsRunningProcesses_v3 value 4711 5")
    assert {one(each).status for each in sampled_at(on_battery(machine), *moments)} == {"ok"}


@pytest.mark.parametrize("supply", [None, "Mains", "a mouse"])
def test_without_a_battery_an_idle_device_is_kept(machine: "Machine", supply: str | None) -> None:
    if supply is not None:
        machine.put("sys/class/power_supply/X/type", "Mains" if supply == "Mains" else "Battery")
        machine.put("sys/class/power_supply/X/scope", "Device" if supply == "a mouse" else "System")
    assert {one(each).status for each in sampled_at(machine, *every_second(idle=True))} == {"ok"}


# --- the process itself ---


def test_what_a_driver_prints_is_no_frame(machine: "Machine") -> None:
    machine.say("nvmlDeviceGetPowerUsage print")
    with running(machine) as process:
        assert ask(process).devices[0].values["power_watts"] == 75.5
        process.stdin.close()  # type: ignore[union-attr]  # a pipe
        assert process.stderr is not None
        assert process.stderr.read() == b"noise from a driver\n"


@pytest.mark.parametrize("way", ["SIGTERM", "end of requests"])
def test_it_shuts_nvml_down_before_it_ends(machine: "Machine", way: str) -> None:
    with running(machine) as process:
        ask(process)
        if way == "SIGTERM":
            process.terminate()
        else:
            process.stdin.close()  # type: ignore[union-attr]  # a pipe
        assert process.wait(10) == 0
    assert machine.calls()[-1] == "nvmlShutdown"


def test_it_does_not_outlive_a_parent_that_is_killed(machine: "Machine") -> None:
    parent = (
        "import json, subprocess, sys, time\n"
        "child = subprocess.Popen(json.loads(sys.argv[1]), stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    probe = machine.probe()
    command = [sys.executable, "-c", parent, json.dumps(probe.command())]
    with subprocess.Popen(command, env=probe.variables(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.kill()
    deadline = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ctrl_c_is_for_its_parent(machine: "Machine") -> None:
    with running(machine) as process:
        ask(process)
        os.kill(process.pid, signal.SIGINT)
        assert ask(process).devices[0].status == "ok"


def test_it_loads_neither_trio_nor_psutil_nor_the_binding_before_there_is_need(bare_machine: "Machine") -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom aura_actors.workers.gpu import Prober\n"
        "Prober(Path(sys.argv[1])).sample(0)\n"
        "print([m for m in ('trio', 'psutil', 'pynvml', 'aura_actors.domain') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(bare_machine.root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "[]"
