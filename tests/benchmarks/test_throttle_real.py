"""The load test of throttling with real processes, small ones, in a small memory control group."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.throttle import real
from benchmarks.throttle.outcome import Outcome
from benchmarks.throttle.sandbox import PREFIX, Sandbox
from benchmarks.throttle.scenario import MIB, Arrivals, Kind, Lies, Scenario
from benchmarks.throttle.variants import parse


def scenario(lies: float = 0.0) -> Scenario:
    return Scenario(
        name="tiny",
        about="six jobs of 48 MiB where three fit",
        limit_mib=200,
        reserve_mib=40,
        arrivals=Arrivals(count=6),
        kinds=(Kind(name="job", declared_mib=(48,), ramp_seconds=0.3, hold_seconds=(0.2, 0.2)),),
        lies=Lies(share=lies),
    )


@pytest.fixture(scope="module")
def program() -> Iterator[list[str]]:
    reason = real.permitted()
    if reason is not None:
        pytest.skip(f"no real runs here: {reason}")
    with real.job_program() as command:
        yield command


def play(what: Scenario, policy: str, program: list[str]) -> Outcome:
    return real.play(what, parse(policy), 1, lambda conductor, now: None, program)


def test_ours_loses_no_real_process_and_leaves_no_group_behind(program: list[str]) -> None:
    with Sandbox(64 * MIB) as sandbox:
        parent = sandbox.path.parent
    run = play(scenario(), "ours", program)
    assert (run.finished, run.lost, run.oom_kills) == (6, 0, 0)
    assert run.evidence is not None
    assert run.evidence.after.oom_kills == 0
    assert len({attempt.pid for attempt in run.attempts}) == 6
    assert run.peak_bytes < 200 * MIB
    assert not list(parent.glob(f"{sandbox.path.name}*"))


def test_the_kernel_kills_and_counts_where_nobody_throttles(program: list[str]) -> None:
    run = play(scenario(), "none", program)
    assert run.lost > 0
    assert run.evidence is not None
    assert run.evidence.after.oom_kills == run.oom_kills


def test_a_liar_dies_at_its_own_limit(program: list[str]) -> None:
    run = play(scenario(lies=0.34), "ours+caps", program)
    assert (run.lost, run.lost_honest) == (2, 0)
    assert sorted(attempt.fate for attempt in run.attempts) == ["capped"] * 2 + ["finished"] * 4


def test_the_job_without_a_compiler_uses_what_it_is_told(program: list[str]) -> None:
    run = play(scenario(), "reservation", [sys.executable, "-S", str(Path(real.__file__).with_name("job.py"))])
    assert run.finished == 6
    peaks = [attempt.peak_bytes for attempt in run.attempts]  # as seen by looks, which may miss the end of one
    assert 44 * MIB < max(peaks) < 56 * MIB


def test_what_a_killed_run_left_behind_is_removed_by_the_next(program: list[str]) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    with Sandbox(64 * MIB) as sandbox:
        left = sandbox.path.with_name(f"{PREFIX}{gone.pid}")
    left.mkdir()
    with subprocess.Popen(["sleep", "60"]) as lost:
        (left / "cgroup.procs").write_text(str(lost.pid))
        with Sandbox(64 * MIB):
            assert not left.exists()
        assert lost.wait(timeout=5) == -signal.SIGKILL


def test_the_jobs_of_a_killed_run_end_with_it(program: list[str]) -> None:
    command = [*program, str(MIB), "0", "60", "0"]
    starter = "import os, subprocess, sys"
    starter += f"; p = subprocess.Popen([*{command}, str(os.getpid())], stdin=subprocess.PIPE)"
    starter += "; p.stdin.write(b'.'); p.stdin.flush(); print(p.pid, flush=True); sys.stdin.read()"
    run = subprocess.Popen([sys.executable, "-c", starter], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert run.stdout is not None
    assert run.stdin is not None
    pidfd = os.pidfd_open(int(run.stdout.readline()))
    run.kill()
    run.wait()
    ended, _, _ = select.select([pidfd], [], [], 10)
    os.close(pidfd)
    run.stdin.close()
    run.stdout.close()
    assert ended


@pytest.mark.parametrize("written_in", ["C", "Python"])
def test_a_job_whose_run_had_gone_before_it_could_listen_does_nothing(written_in: str, program: list[str]) -> None:
    in_python = [sys.executable, "-S", str(Path(real.__file__).with_name("job.py"))]
    command = [*(program if written_in == "C" else in_python), str(MIB), "0", "60", "0", str(os.getpid() + 1)]
    assert subprocess.run(command, input=b".", timeout=30, check=False).returncode == 0


def test_an_interrupt_ends_every_process_and_removes_the_group(program: list[str]) -> None:
    with Sandbox(64 * MIB) as sandbox:
        path = sandbox.path

    def interrupt(conductor: object, now: float) -> None:
        if now > 0.2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        real.play(scenario(), parse("ours"), 1, interrupt, program)
    assert not path.exists()
