"""Kinds of jobs over HTTP: what a release reports is learned, for a moment after the process ended as well."""

import subprocess
from pathlib import Path

from tests.client.run.conftest import Daemon, until

JOBS = "/api/admission/jobs"


def test_what_a_release_reports_is_learned(aura: Daemon) -> None:
    for peak in (10, 30, 20):
        lease = aura.client.post(JOBS, json={"jobId": "k", "kind": "told", "memoryBytes": 50}).json()
        headers = {"Aura-Lease": lease["leaseId"]}
        answer = aura.client.request("DELETE", f"{JOBS}/k", headers=headers, json={"peakBytes": peak})
        assert answer.status_code == 204
    known = aura.kind("told")
    assert (known["runs"], known["peakP50Bytes"], known["peakP95Bytes"], known["reserveBytes"]) == (3, 20, 30, None)


def test_a_report_after_the_process_ended_is_taken_once_and_under_its_secret_alone(aura: Daemon) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        body = {"jobId": "late", "kind": "late", "memoryBytes": 50, "pid": process.pid}
        lease = aura.client.post(JOBS, json=body).json()
        process.kill()
    aura.gone("late")

    def report(secret: str) -> int:
        headers = {"Aura-Lease": secret}
        return aura.client.request(
            "DELETE", f"{JOBS}/late", headers=headers, json={"peakBytes": 10**9, "oomKilled": False}
        ).status_code

    assert [report("another"), report(lease["leaseId"]), report(lease["leaseId"])] == [410, 204, 410]
    assert until(lambda: aura.kind("late"))["peakP50Bytes"] == 10**9


def test_a_release_that_reports_nothing_of_an_ended_lease_is_410(aura: Daemon) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        body = {"jobId": "mute", "kind": "mute", "memoryBytes": 50, "pid": process.pid}
        lease = aura.client.post(JOBS, json=body).json()
        process.kill()
    aura.gone("mute")
    headers = {"Aura-Lease": lease["leaseId"]}
    assert aura.client.delete(f"{JOBS}/mute", headers=headers).status_code == 410


def test_a_wrong_report_is_422(aura: Daemon) -> None:
    answer = aura.client.request("DELETE", f"{JOBS}/x", json={"peakBytes": -1}, headers={"Aura-Lease": "x"})
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/peakBytes")


def test_the_statistics_are_in_the_data_directory(aura: Daemon) -> None:
    assert Path(aura.folder / "data" / "kinds.db").stat().st_mode & 0o077 == 0
