"""`aura-actors run` with a control group of the command's own, and without: attribution, cap, leftovers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aura_actors.client.run import group
from aura_actors.collectors.cgroup_find import find_groups
from aura_actors.wire.units import format_size
from tests.client.run.conftest import MIB, Daemon, Start, alive, ended, ready_line, state_of, until
from tests.conftest import MemoryGroup

NOBODY = 65534
SETPRIV = ("setpriv", "--reuid", str(NOBODY), "--clear-groups")
TAKE = (
    "import sys, time; held = bytearray(int(sys.argv[1]) << 20); print('has it', flush=True);"
    " time.sleep(float(sys.argv[2]))"
)


def taking(mib: int, seconds: float = 0.0) -> tuple[str, ...]:
    """A command that takes so much memory, says so, and keeps it."""
    return (sys.executable, "-c", TAKE, str(mib), str(seconds))


@pytest.fixture
def delegated(memory_group: MemoryGroup) -> Iterator[dict[str, Any]]:
    """Options of a process that begins in a control group that it may write to; v1 as it is, v2 one below it."""
    inner = memory_group.path / "wrapper"
    if memory_group.unified:
        (memory_group.path / "cgroup.subtree_control").write_text("+memory")
    inner.mkdir()
    yield {"preexec_fn": lambda: (inner / "cgroup.procs").write_text(str(os.getpid()))}
    for pid in (inner / "cgroup.procs").read_text().split():  # of a test that failed
        os.kill(int(pid), signal.SIGKILL)
    until(lambda: not (inner / "cgroup.procs").read_text())
    inner.rmdir()


@pytest.fixture
def outsider() -> dict[str, Any]:
    """Options of a process that may make no control group: in most containers they are there to be read only."""
    own = find_groups("", Path("/proc/self/cgroup").read_text()).memory.directories
    line = f"mount --bind {own[-1]} {own[-1]} && mount -o remount,bind,ro {own[-1]}" if own else "true"
    prefix = ["unshare", "--mount", "sh", "-c", f'{line} && exec "$@"', "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    return {"prefix": prefix}


def measured(aura: Daemon, job_id: str) -> Any:
    """The job once a sample has what it took."""
    return until(lambda: (job := aura.jobs()[job_id]) and (job["measuredBytes"] or 0) > 32 * MIB and job)


def below(memory_group: MemoryGroup) -> list[str]:
    return [path.name for path in memory_group.path.rglob(f"{group.PREFIX}*")]


def test_in_a_delegated_group_the_command_has_one_of_its_own(
    aura: Daemon, start: Start, memory_group: MemoryGroup, delegated: dict[str, Any]
) -> None:
    process = start(
        aura, "-v", "--job-id", "grouped", "--memory", "64MiB", "--", *taking(32, 60), **delegated
    )  # fmt: skip
    assert ready_line(process) == "has it"
    assert process.stderr is not None
    said = process.stderr.readline()
    (name,) = below(memory_group)
    assert "attribution: cgroup /" in said
    assert said.rstrip().endswith(f"/{name}")
    pid = aura.jobs()["grouped"]["pid"]
    own = find_groups("", Path(f"/proc/{pid}/cgroup").read_text()).memory.directories[0]
    assert own.endswith(f"/{name}")
    job = measured(aura, "grouped")
    assert job["attribution"] == "cgroup"
    assert job["measuredBytes"] < 64 * MIB
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143
    assert below(memory_group) == []


def test_where_no_group_can_be_made_its_process_tree_is_looked_at(
    aura: Daemon, start: Start, outsider: dict[str, Any]
) -> None:
    process = start(
        aura, "-v", "--job-id", "tree", "--memory", "64MiB", "--", *taking(32, 60), **outsider
    )  # fmt: skip
    assert ready_line(process) == "has it"
    assert process.stderr is not None
    assert process.stderr.readline().rstrip().endswith("attribution: process tree")
    job = measured(aura, "tree")
    assert job["attribution"] == "tree"
    assert job["measuredBytes"] < 64 * MIB
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143


def test_whoever_may_write_to_its_group_needs_not_be_root(
    aura: Daemon, memory_group: MemoryGroup, delegated: dict[str, Any]
) -> None:
    assert delegated
    for path in (memory_group.path, memory_group.path / "wrapper"):
        os.chown(path, NOBODY, NOBODY)
        os.chown(path / "cgroup.procs", NOBODY, NOBODY)
    wrapper = [sys.executable, "-m", "aura_actors", "run", "-v", "--memory", "1MiB", "--", "true"]
    enter = f"echo $$ > {memory_group.path}/wrapper/cgroup.procs; exec {' '.join(SETPRIV)} "
    other = [*SETPRIV, sys.executable, "-c", "import aura_actors"]
    if os.geteuid() != 0 or subprocess.run(other, capture_output=True, check=False).returncode != 0:
        pytest.skip("nobody else can be made to start this interpreter")
    done = subprocess.run(
        ["sh", "-c", enter + " ".join(wrapper)], env={**os.environ, "AURA_URL": aura.url}, capture_output=True,
        text=True, timeout=30, check=True, start_new_session=True,
    )  # fmt: skip
    assert "attribution: cgroup /" in done.stderr
    assert below(memory_group) == []


@pytest.mark.usefixtures("memory_group")
def test_a_cap_ends_a_liar_alone(aura: Daemon, start: Start, delegated: dict[str, Any]) -> None:
    honest = start(aura, "--cap", "--memory", "64MiB", "--", *taking(40, 2), **delegated)
    assert ready_line(honest) == "has it"
    liar = start(aura, "-v", "--cap", "--kind", "liar", "--memory", "64MiB", "--", *taking(128), **delegated)
    status, out, err = ended(liar)
    assert (status, out) == (137, "")
    assert "hard cap " in err
    assert "aura-actors: the kernel killed a process of the command for want of memory\n" in err
    assert ended(honest)[0] == 0
    assert until(lambda: aura.kind("liar"))["kills"] == 1
    assert aura.kind("liar")["reserveBytes"] == 96 * MIB


def test_a_cap_without_a_group_limits_what_each_process_may_allocate(
    aura: Daemon, start: Start, outsider: dict[str, Any]
) -> None:
    honest = start(aura, "--cap", "--memory", "64MiB", "--", *taking(40, 2), **outsider)
    assert ready_line(honest) == "has it"
    status, out, err = ended(start(aura, "-v", "--cap", "--memory", "64MiB", "--", *taking(128), **outsider))
    assert (status, out) == (1, "")
    assert "of data in each process" in err
    assert "MemoryError" in err
    assert ended(honest)[0] == 0


def test_the_smallest_cap_keeps_no_command_from_beginning(
    aura: Daemon, start: Start, outsider: dict[str, Any]
) -> None:
    assert ended(start(aura, "--cap", "--memory", "1KiB", "--", "echo", "on", **outsider))[1] == "on\n"


@pytest.mark.parametrize("soft", [True, False])
def test_a_cap_without_a_group_lifts_no_limit_that_is_there(
    aura: Daemon, start: Start, outsider: dict[str, Any], soft: bool
) -> None:
    line = f'ulimit {"-S" if soft else ""} -d 300000 && exec setpriv --bounding-set=-sys_resource "$@"'
    limited = [*outsider["prefix"], "sh", "-c", line, "sh"]
    show = ("sh", "-c", "ulimit -S -d; ulimit -H -d")
    status, out, err = ended(start(aura, "-v", "--cap", "--memory", "512MiB", "--", *show, prefix=limited))
    most = group.cap_of(512 * MIB) // 1024
    assert (status, out) == (0, f"300000\n{most if soft else 300000}\n")
    assert f"hard cap {format_size(300000 * 1024)} of data in each process" in err


DAEMONISE = "(setsid sleep 60 >/dev/null 2>&1 & echo $!); exit 3"


def test_a_command_that_daemonises_ends_its_lease_and_its_daemon_goes_on(
    aura: Daemon, start: Start, memory_group: MemoryGroup, delegated: dict[str, Any]
) -> None:
    process = start(aura, "-v", "--job-id", "forks", "--memory", "1MiB", "--", "sh", "-c", DAEMONISE, **delegated)
    status, out, err = ended(process)
    daemon = int(out)
    try:
        assert status == 3
        assert err.splitlines()[-1] == "aura-actors: 1 processes that it left behind go on, without a lease"
        assert "forks" not in aura.jobs()
        assert alive(daemon)
        assert below(memory_group) == []
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_a_command_that_daemonises_escapes_no_cap(aura: Daemon, start: Start, delegated: dict[str, Any]) -> None:
    status, out, err = ended(
        start(aura, "-v", "--cap", "--memory", "64MiB", "--", "sh", "-c", DAEMONISE, **delegated)
    )
    assert status == 3
    assert "1 processes that it left behind were killed" in err
    until(lambda: state_of(int(out)) == "")


def test_without_a_group_a_daemon_that_it_left_goes_on_too(
    aura: Daemon, start: Start, outsider: dict[str, Any]
) -> None:
    status, out, _ = ended(
        start(aura, "--job-id", "f", "--memory", "1MiB", "--", "sh", "-c", DAEMONISE, **outsider)
    )
    try:
        assert (status, alive(int(out))) == (3, True)
        assert "f" not in aura.jobs()
    finally:
        os.kill(int(out), signal.SIGKILL)


def test_what_a_killed_wrapper_left_is_removed_by_the_next(
    aura: Daemon, start: Start, memory_group: MemoryGroup, delegated: dict[str, Any]
) -> None:
    process = start(aura, "--memory", "1MiB", "--", "sh", "-c", "echo $$; exec sleep 60", **delegated)
    pid = int(ready_line(process))
    process.kill()
    process.wait()
    assert len(below(memory_group)) == 1
    os.kill(pid, signal.SIGKILL)
    until(lambda: state_of(pid) == "")
    assert ended(start(aura, "--memory", "1MiB", "--", "true", **delegated))[0] == 0
    assert below(memory_group) == []


def test_a_group_that_the_process_is_not_in_is_not_believed(aura: Daemon, memory_group: MemoryGroup) -> None:
    body = {"jobId": "x", "memoryBytes": 1, "pid": os.getpid(), "cgroup": str(memory_group.path)}
    answer = aura.client.post("/api/admission/jobs", json=body)
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/cgroup")
    assert "is not in this control group" in answer.json()["detail"]
    answer = aura.client.post("/api/admission/jobs", json={**body, "pid": None})
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/cgroup")


def test_all_that_is_charged_to_its_group_counts(
    aura: Daemon, start: Start, delegated: dict[str, Any], tmp_path: Path
) -> None:
    """A file in main memory belongs to no process."""
    file = Path("/dev/shm", f"aura-test-{os.getpid()}")
    code = f"open({str(file)!r}, 'wb').write(bytes(48 << 20)); print('on', flush=True); input()"
    try:
        process = start(
            aura, "--job-id", "shm", "--memory", "64MiB", "--", sys.executable, "-c", code, stdin=-1, **delegated
        )  # fmt: skip
        assert ready_line(process) == "on"
        until(lambda: (aura.jobs()["shm"]["measuredBytes"] or 0) > 48 * MIB)
        process.communicate("\n", timeout=30)
    finally:
        file.unlink(missing_ok=True)


def test_two_leases_in_one_group_count_its_memory_once(aura: Daemon, memory_group: MemoryGroup) -> None:
    secrets: dict[str, str] = {}
    with subprocess.Popen(taking(32, 60)) as one, subprocess.Popen(["sleep", "60"]) as two:
        try:
            for name, process in (("one", one), ("two", two)):
                memory_group.enter(process.pid)
                body = {"jobId": name, "memoryBytes": MIB, "pid": process.pid, "cgroup": str(memory_group.path)}
                secrets[name] = aura.client.post("/api/admission/jobs", json=body).json()["leaseId"]
            until(lambda: all(aura.jobs()[name]["measuredBytes"] for name in secrets))
            assert {aura.jobs()[name]["attribution"] for name in secrets} == {"cgroup"}
        finally:
            for name, secret in secrets.items():
                aura.client.delete(f"/api/admission/jobs/{name}", headers={"Aura-Lease": secret})
            one.kill()
            two.kill()


def test_the_daemons_own_group_is_nobodys_alone(aura: Daemon, start: Start) -> None:
    own = find_groups("", Path("/proc/self/cgroup").read_text()).memory.directories
    if not own:
        pytest.skip("no control groups")
    body = {"jobId": "x", "memoryBytes": 1, "pid": os.getpid(), "cgroup": own[0]}
    answer = aura.client.post("/api/admission/jobs", json=body)
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/cgroup")
    assert "daemon itself" in answer.json()["detail"]


# --- v2, on files that look like it ---


def unified(folder: Path, **limits: str) -> list[str]:
    parent, own = folder / "slice", folder / "slice" / "scope"
    own.mkdir(parents=True)
    (parent / "cgroup.subtree_control").write_text("cpu memory pids")
    for name in ("memory.max", "memory.high", "cpu.max", "pids.max"):
        (own / name).write_text("max 100000\n" if name == "cpu.max" else "max\n")
    for name, text in limits.items():
        (own / name.replace("_", ".")).write_text(text)
    return [str(own), str(parent)]


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is made gets the files of a group, as the kernel's do."""
    make = Path.mkdir

    def mkdir(self: Path, *arguments: Any, **options: Any) -> None:
        make(self, *arguments, **options)
        if self.name.startswith(group.PREFIX) and self.parent.name == "slice":
            (self / "memory.current").write_text("0")

    monkeypatch.setattr(Path, "mkdir", mkdir)


@pytest.mark.usefixtures("controller")
def test_in_v2_the_group_is_made_beside_ours(tmp_path: Path) -> None:
    made = group.make(unified(tmp_path), unified=True, name="7")
    assert made is not None
    assert made.path == tmp_path / "slice" / "aura-run-7"
    made.cap(100)
    assert (made.path / "memory.max").read_text() == "100"
    (made.path / "memory.peak").write_text("70\n")
    (made.path / "memory.current").write_text("20\n")
    (made.path / "memory.events").write_text("oom 3\noom_kill 2\n")
    assert made.spent() == group.Spent(peak_bytes=50, oom_killed=True)


@pytest.mark.usefixtures("controller")
@pytest.mark.parametrize("limit", ["memory_max", "memory_high", "cpu_max", "pids_max"])
def test_in_v2_no_command_gets_out_of_a_limit_that_its_wrapper_is_under(tmp_path: Path, limit: str) -> None:
    assert group.make(unified(tmp_path, **{limit: "4000 100000\n"}), unified=True, name="7") is None
    assert not list(tmp_path.rglob("aura-run-*"))


def test_the_cap_leaves_an_honest_job_some_room() -> None:
    assert group.cap_of(100 * MIB) == 118 * MIB
