"""The load test of throttling against a running server, over HTTP."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from benchmarks.throttle import real, server
from benchmarks.throttle.scenario import Arrivals, Kind, Scenario
from tests.runtime.test_serve import daemon

SCENARIO = Scenario(
    name="tiny",
    about="six jobs of 48 MiB where three fit",
    limit_mib=200,
    reserve_mib=40,
    arrivals=Arrivals(count=6),
    kinds=(Kind(name="job", declared_mib=(48,), ramp_seconds=0.3, hold_seconds=(0.2, 0.2)),),
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A daemon whose budget has room for three of the jobs."""
    settings = {"MEMORY_LIMIT": "160MiB", "JOB_SLOTS": "100", "CPU_THRESHOLD_PERCENT": "100"}
    environ = {f"AURA_ADMISSION__{name}": value for name, value in settings.items()}
    with daemon(tmp_path_factory.mktemp("daemon"), **environ) as served:
        yield served.http


def test_a_server_is_never_seen_to_give_more_than_its_budget(url: str) -> None:
    run = server.play(url, None, SCENARIO, 1, None)
    assert (run.finished, run.lost) == (6, 0)
    assert run.peak_bytes == 3 * 48 * 2**20
    assert httpx2.get(f"{url}/api/admission/jobs").json()["active"] == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the real job is a Linux program")
def test_real_jobs_run_as_they_are_granted(url: str) -> None:
    with real.job_program() as program:
        run = server.play(url, None, SCENARIO, 1, program)
    assert (run.finished, run.lost) == (6, 0)
    assert len({attempt.pid for attempt in run.attempts} - {0}) == 6


def test_crashed_jobs_are_told_from_finished_ones(url: str) -> None:
    crashing = msgspec.structs.replace(SCENARIO, crashes=msgspec.convert({"share": 0.5}, type(SCENARIO.crashes)))
    with real.job_program() as program:
        run = server.play(url, None, crashing, 1, program)
    assert (run.finished, run.crashed) == (3, 3)


def test_a_missing_server_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(httpx2.ConnectError):
        server.play("http://127.0.0.1:1", None, SCENARIO, 1, None)
