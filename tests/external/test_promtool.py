"""The exposition and the alerting rules against Prometheus's own tool."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
import trio

from aura_actors.testing import open_test_runtime


@pytest.mark.external
async def test_promtool_has_nothing_to_say_about_the_metrics(
    tmp_path: Path, program: Callable[[str, str], str]
) -> None:
    promtool = program("promtool", "prometheus")
    async with (
        open_test_runtime(tmp_path / "data") as house,
        httpx2.AsyncClient(base_url=house.http, trust_env=False) as client,
    ):
        await client.post("/api/admission/jobs", json={"jobId": "a", "memoryBytes": 1000})
        await client.post("/api/admission/jobs", json={"jobId": "b", "requiresGpu": True})
        await client.post("/api/providers/OpenAI/slots", json={})
        await house.runtime.parts.view.wait_newer(house.runtime.parts.view.version)
        exposition = (await client.get("/metrics")).content
        checked = await trio.run_process(
            [promtool, "check", "metrics"],
            stdin=exposition,
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
        )
    assert (checked.returncode, checked.stdout.decode()) == (0, "")
    assert b'aura_admission_decisions_total{outcome="denied",reason="gpu"} 1.0' in exposition


@pytest.mark.external
def test_every_alerting_rule_fires_for_what_it_is_for_and_for_nothing_else(
    program: Callable[[str, str], str],
) -> None:
    played = subprocess.run(
        [program("promtool", "prometheus"), "test", "rules", "alerts.test.yml"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
