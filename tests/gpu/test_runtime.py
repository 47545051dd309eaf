"""A whole runtime with graphics devices: what it serves, and that nothing waits for a driver."""

import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import psutil
import pytest
import trio

from aura_actors.kernel.restart import Backoff
from aura_actors.runtime.parts import Surroundings
from aura_actors.testing import ServedRuntime, open_test_runtime
from tests.edges.http.test_http import contains, shape
from tests.effort import variants
from tests.plain import async_client

if TYPE_CHECKING:
    from tests.gpu.conftest import Machine

QUICK: dict[str, Any] = {
    "period_seconds": 0.1,
    "answer_seconds": 0.5,
    "patience_seconds": 0.2,
    "backoff": Backoff(first_seconds=0.01, cap_seconds=0.02, healthy_seconds=60),
}


@asynccontextmanager
async def house_with(
    machine: "Machine", data_dir: Path, **changes: Any
) -> AsyncIterator[tuple[ServedRuntime, httpx2.AsyncClient]]:
    surroundings = Surroundings(gpu=machine.probe(**{**QUICK, **changes}))
    async with (
        open_test_runtime(data_dir, surroundings=surroundings) as house,
        async_client(house.http, timeout=30) as client,
    ):
        yield house, client


async def until(look: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """What is served as soon as it is as wanted."""
    with trio.fail_after(20):
        while True:
            said = await look()
            if wanted(said):
                return said
            await trio.sleep(0.05)


def system(client: httpx2.AsyncClient) -> Callable[[], Awaitable[Any]]:
    async def look() -> Any:
        return (await client.get("/api/metrics/system")).json()

    return look


def probes(machine: "Machine") -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if str(machine.root) in child.cmdline()]


async def still_there(probe: psutil.Process) -> bool:
    return bool(probe.is_running())


GUIDE = {
    "name": "NVIDIA GeForce RTX 3080",
    "vendor": "NVIDIA",
    "usagePercent": 75.0,
    "totalMemoryBytes": 10737418240,
    "usedMemoryBytes": 8053063680,
    "temperatureCelsius": 68.0,
}


async def test_every_device_is_served_and_the_first_is_the_guides(machine: "Machine", tmp_path: Path) -> None:
    machine.say(
        "devices value 2",
        "nvmlDeviceGetUtilizationRates:1 value 50",
        "nvmlDeviceGetPowerUsage:1 return 3",
        "nvmlDeviceGetComputeRunningProcesses_v3:1 value 4711 120",
    )
    async with house_with(machine, tmp_path / "data") as (_, client):
        said = await until(system(client), lambda said: said["gpus"])
        assert said["gpu"] == said["gpus"][0]
        assert contains(shape(said["gpu"]), shape(GUIDE)) == []
        first, second = said["gpus"]
        assert (first["uuid"][:12], first["index"], first["vendor"]) == ("GPU-00000000", 0, "NVIDIA")
        assert (first["usagePercent"], first["temperatureCelsius"], first["powerWatts"]) == (10, 50, 75.5)
        assert (first["usedMemoryBytes"], first["availableMemoryBytes"]) == (300, 600)
        assert (first["totalMemoryBytes"], first["memoryUsagePercent"]) == (1000, 30)
        assert (second["powerWatts"], second["unsupported"]) == (None, ["power_watts"])
        assert [(p["hostPid"], p["usedMemoryBytes"]) for p in second["processes"]] == [(4711, 120)]
        assert said["gpuProbe"] == {"status": "ok", "reason": None, "releasedUntil": None}
        assert (await client.get("/api/metrics/utilization")).json()["gpuUsagePercent"] == 30


async def test_the_exposition_has_a_sample_for_each_value_that_is_known(machine: "Machine", tmp_path: Path) -> None:
    machine.say("devices value 2", "nvmlDeviceGetUtilizationRates:1 value 50", "nvmlDeviceGetPowerUsage:1 return 3")
    async with house_with(machine, tmp_path / "data") as (_, client):
        await until(system(client), lambda said: said["gpus"])
        lines = (await client.get("/metrics")).text.splitlines()
        machine.say("nvmlDeviceGetUtilizationRates return 18")
        await until(system(client), lambda said: "gpu" in said["stale"])
        later = (await client.get("/metrics")).text.splitlines()
    zero, one = (f'{{gpu="{n}",uuid="GPU-{n:08}-0000-0000-0000-000000000000"}}' for n in (0, 1))
    for line in (
        'aura_gpu_usage_percent{vendor="NVIDIA"} 30.0',
        f"aura_gpu_utilization_ratio{zero} 0.1",
        f"aura_gpu_utilization_ratio{one} 0.5",
        f"aura_gpu_memory_used_bytes{zero} 300.0",
        f"aura_gpu_memory_size_bytes{zero} 1000.0",
        f"aura_gpu_temperature_celsius{one} 50.0",
        f"aura_gpu_power_watts{zero} 75.5",
        'aura_collector_success{collector="gpu"} 1.0',
    ):
        assert line in lines
    assert not [line for line in lines if line.startswith(f"aura_gpu_power_watts{one}")]
    (first, _) = [line for line in lines if line.startswith("aura_gpu_info{")]
    assert 'name="Scripted 0"' in first
    assert [line for line in later if line.startswith("aura_gpu")] == []
    assert 'aura_collector_success{collector="gpu"} 0.0' in later


async def test_promtool_has_nothing_to_say_about_the_devices(
    machine: "Machine", tmp_path: Path, program: Callable[[str, str], str]
) -> None:
    promtool = program("promtool", "prometheus")
    async with house_with(machine, tmp_path / "data") as (_, client):
        await until(system(client), lambda said: said["gpus"])
        exposition = (await client.get("/metrics")).content
        checked = await trio.run_process(
            [promtool, "check", "metrics"], stdin=exposition, capture_stdout=True, capture_stderr=True, check=False
        )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


async def test_a_hot_device_raises_an_alert(machine: "Machine", tmp_path: Path) -> None:
    machine.say("devices value 2", "nvmlDeviceGetTemperatureV:1 value 91")

    async with house_with(machine, tmp_path / "data") as (_, client):

        async def alerts() -> Any:
            return [each for each in (await client.get("/api/alerts")).json()["active"] if each["name"] == "gpu"]

        (alert,) = await until(alerts, bool)
    assert (alert["value"], alert["threshold"], alert["unit"]) == (91, 85, "°C")


@pytest.mark.parametrize("fault", variants("SIGKILL", "hang", "SIGSTOP", "crash", desk=2))
async def test_whatever_befalls_the_probe_no_sample_is_late(machine: "Machine", tmp_path: Path, fault: str) -> None:
    async with house_with(machine, tmp_path / "data", answer_seconds=2.0) as (house, client):
        await until(system(client), lambda said: said["gpus"])
        snapshots, gpus = house.runtime.parts.snapshots, house.runtime.parts.gpus
        taken = []

        async def watch() -> None:
            while True:
                snapshot = await snapshots.wait_newer(snapshots.version)
                assert snapshot is not None
                taken.append(snapshot.taken_at)

        async def ask_all_the_time() -> None:
            while True:
                assert (await client.get("/api/metrics/system")).status_code == 200
                await trio.sleep(0.05)  # one who waits for a probe is noticed all the same

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            for _ in range(2):
                nursery.start_soon(ask_all_the_time)
            for _ in range(2):
                (probe,) = probes(machine)
                if fault.startswith("SIG"):
                    os.kill(probe.pid, getattr(signal, fault))
                else:
                    machine.say(f"nvmlDeviceGetUtilizationRates {fault}")
                await until(partial(still_there, probe), lambda there: not there)
                machine.say()
                version = gpus.version
                with trio.fail_after(20):
                    while (state := await gpus.wait_newer(version)) is None or state.status != "ok":
                        version = gpus.version
            with trio.fail_after(20):
                while len(taken) < 5:
                    await snapshots.wait_newer(snapshots.version)
            nursery.cancel_scope.cancel()
        # The interval is 0.2 s; a sample that had waited for a probe that hangs would be 2 s late.
        assert max(later - earlier for earlier, later in pairwise(taken)) < 1.5
        tree = (await client.get("/api/actors")).json()["root"]["children"]
        assert {node["name"]: node["restarts"] for node in tree}["gpu"] == 0
    assert probes(machine) == []


async def test_released_over_http_for_a_time(machine: "Machine", tmp_path: Path) -> None:
    async with house_with(machine, tmp_path / "data") as (_, client):
        await until(system(client), lambda said: said["gpus"])
        answer = await client.post("/api/gpu/release", json={"seconds": 3600})
        assert (answer.status_code, answer.json()["status"]) == (200, "released")
        assert answer.json()["releasedUntil"] > f"{time.gmtime().tm_year}"
        assert probes(machine) == []
        assert machine.calls()[-1] == "nvmlShutdown"
        said = await until(system(client), lambda said: said["gpuProbe"]["status"] == "released")
        assert (said["gpu"], said["gpus"], said["stale"]) == (None, [], {})
        assert (await client.post("/api/gpu/resume")).json()["status"] == "ok"
        assert (await client.post("/api/gpu/release")).json()["releasedUntil"] is None
        assert (await client.post("/api/gpu/release", json={"seconds": -1})).status_code == 422


async def test_a_machine_without_a_device_says_so_and_has_no_metrics_of_one(
    bare_machine: "Machine", tmp_path: Path
) -> None:
    async with house_with(bare_machine, tmp_path / "data") as (_, client):
        said = await until(system(client), lambda said: said["gpuProbe"])
        assert said["gpuProbe"]["reason"] == "there is no NVIDIA or AMD device"
        assert (said["gpu"], said["gpus"], said["stale"]) == (None, [], {})
        exposition = (await client.get("/metrics")).text
    assert 'collector="gpu"' not in exposition
    assert not [line for line in exposition.splitlines() if line.startswith("aura_gpu_")]
