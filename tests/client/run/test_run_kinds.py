"""What runs of a kind needed is learned, shown, and reserved by `--memory auto`."""

import pytest

from tests.client.run.conftest import MIB, Daemon, Start, ended
from tests.client.run.test_run_groups import taking

pytestmark = pytest.mark.usefixtures("memory_group")
"""Peaks of short runs are exact in a control group of their own; these need leave to make one."""


def run_some(daemon: Daemon, start: Start, kind: str, times: int) -> None:
    for _ in range(times):
        assert ended(start(daemon, "--kind", kind, "--memory", "300MiB", "--", *taking(50)))[0] == 0


def test_auto_reserves_what_five_runs_were_seen_to_need(daemon: Daemon, start: Start) -> None:
    run_some(daemon, start, "render", 4)
    known = daemon.kind("render")
    assert (known["runs"], known["reserveBytes"]) == (4, None)
    status, _, err = ended(start(daemon, "--kind", "render", "--memory", "auto", "--wait", "0", "--", "true"))
    assert "aura-actors: too little is known of kind render yet: the daemon's default is reserved\n" in err
    assert status == 65, "the default of 2 GiB is more than the budget"

    run_some(daemon, start, "render", 1)
    known = daemon.kind("render")
    assert known["runs"] == 5
    assert 50 * MIB < known["peakP50Bytes"] <= known["peakP95Bytes"] < 90 * MIB
    assert known["reserveBytes"] == known["peakP95Bytes"]
    assert 0 < known["runtimeP50Seconds"] < 20
    process = start(daemon, "--kind", "render", "--memory", "auto", "--job-id", "auto", "--", *taking(50, 1))
    assert daemon.job("auto")["memoryBytes"] == known["reserveBytes"]
    assert ended(process)[0] == 0


def test_a_declaration_that_is_far_off_is_said(daemon: Daemon, start: Start) -> None:
    run_some(daemon, start, "fat", 5)
    _, _, err = ended(start(daemon, "--kind", "fat", "--memory", "300MiB", "--", "true"))
    assert err.startswith("aura-actors: --memory 300MiB is far more than kind fat was seen to need in 5 runs: ")
    _, _, err = ended(start(daemon, "--kind", "fat", "--memory", "20MiB", "--", "true"))
    assert "--memory 20MiB is far less" in err
    near = daemon.kind("fat")["reserveBytes"]
    assert ended(start(daemon, "--kind", "fat", "--memory", str(near), "--", "true"))[2] == ""


def test_what_was_learned_outlives_the_daemon(daemon: Daemon, start: Start) -> None:
    run_some(daemon, start, "kept", 1)
    known = daemon.kind("kept")
    daemon.kill()
    daemon.start()
    assert daemon.kind("kept") == known
