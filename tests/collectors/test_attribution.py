"""Attribution over real trees of processes that touch pages, share them, outlive each other and hide."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from aura_actors.collectors.attribution import Attribution
from aura_actors.collectors.attribution_member import Member
from aura_actors.collectors.files import read_small
from aura_actors.collectors.procfs import parse_stat
from aura_actors.domain.attribution import GroupUse, Root

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc: needs Linux")

MIB = 2**20
PRELUDE = """
import mmap, os, sys, time
MIB = 2**20
def touch(mib):
    return bytearray(b"x") * (mib * MIB)
def say(text="ready"):
    print(text, flush=True)
def wait():
    sys.stdin.readline()
def fork(child):
    pid = os.fork()
    if pid == 0:
        child()
        os._exit(0)
    return pid
def ready(*pids):
    read, write = pipe
    os.close(write)
    for _ in pids:
        os.read(read, 1)
    say()
def tell():
    os.write(pipe[1], b".")
pipe = os.pipe()
def stay():
    tell()
    time.sleep(60)
"""


class Tree:
    """A process that runs given source, and everything below it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.pid = process.pid

    def heard(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go(self) -> str:
        """Let it do its next step, and hear of it."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.heard()


@contextmanager
def tree(source: str, **environ: str) -> Iterator[Tree]:
    """Run it in a session of its own; all that is left in sessions that began in it is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "AURA_TEST_TREE": str(os.getpid()), **environ},
        start_new_session=True,
    )
    with process:
        try:
            running = Tree(process)
            running.heard()
            yield running
        finally:
            for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
                if f"AURA_TEST_TREE={os.getpid()}\0" in (read_small(f"/proc/{pid}/environ") or ""):
                    os.kill(pid, 9)


def start_of(pid: int) -> int:
    row = parse_stat(read_small(f"/proc/{pid}/stat"))
    assert row is not None
    return row.start_ticks


def root(pid: int, lease: int = 1, mark: str | None = None) -> Root:
    return Root(lease=lease, pid=pid, start_ticks=start_of(pid), mark=mark)


class Looking:
    """An Attribution, and the roots that it is told."""

    def __init__(self, *roots: Root, **options: Any) -> None:
        self.roots = roots
        self.attribution = Attribution(lambda: self.roots, **options)

    def use(self, lease: int = 1) -> GroupUse:
        found = self.attribution.read().of(lease)
        assert found is not None
        return found


@lru_cache(maxsize=1)
def interpreter_bytes() -> int:
    with tree("say(); wait()") as running:
        return Looking(root(running.pid)).use().used_bytes


def within_5_percent(use: GroupUse, mib: int) -> bool:
    """Of what was touched, one interpreter and the 1.5 MiB that each forked one writes of it aside."""
    aside_bytes = interpreter_bytes() + 1.5 * MIB * (use.processes - 1)
    return abs(use.used_bytes - aside_bytes - mib * MIB) <= 0.05 * mib * MIB + 0.5 * MIB * use.processes


@pytest.mark.parametrize("descriptors", [None, 0], ids=["held descriptors", "none held"])
def test_what_a_process_touched_is_what_its_lease_uses(descriptors: int | None) -> None:
    with tree("say(); wait(); held = touch(300); say(); wait()") as running:
        looking = Looking(root(running.pid), descriptors=descriptors)
        before = looking.use()
        running.go()
        use = looking.use()
    assert use.used_bytes - before.used_bytes == pytest.approx(300 * MIB, rel=0.05)
    assert (use.least_bytes, use.most_bytes, use.processes, use.source) == (
        use.used_bytes,
        use.used_bytes,
        1,
        "tree",
    )


def test_two_leases_of_one_process_are_one_group_that_counts_its_memory_once() -> None:
    with tree("held = touch(64); say(); wait()") as running:
        reading = Looking(root(running.pid, 1), root(running.pid, 2)).attribution.read()
    (group,) = reading.groups
    assert group.leases == (1, 2)
    assert within_5_percent(group, 64)
    assert reading.of(1) is reading.of(2) is group


def test_children_and_their_children_count_and_so_do_those_that_come_later() -> None:
    source = """
def child():
    held = touch(64)
    fork(lambda: (touch_and_stay(), None))
    stay()
def touch_and_stay():
    global held2
    held2 = touch(64)
    stay()
ready(fork(child), 0)
wait()
pipe = os.pipe()
ready(fork(touch_and_stay))
wait()
"""
    with tree(source) as running:
        looking = Looking(root(running.pid))
        first = looking.use()
        running.go()
        second = looking.use()
    assert (first.processes, second.processes) == (3, 4)
    assert within_5_percent(first, 64 + 64)
    assert within_5_percent(second, 64 + 64 + 64)


def test_a_child_that_outlives_its_parent_still_belongs_to_the_lease() -> None:
    source = """
def child():
    held = touch(64)
    stay()
gate = os.pipe()
def parent():
    fork(child)
    os.read(gate[0], 1)
middle = fork(parent)
ready(0)
wait()
os.write(gate[1], b".")
os.waitpid(middle, 0)
say()
wait()
"""
    with tree(source) as running:
        looking = Looking(root(running.pid))
        assert looking.use().processes == 3
        running.go()
        after = [looking.use() for _ in range(3)]
    assert [use.processes for use in after] == [2, 2, 2]
    assert within_5_percent(after[-1], 64)


def test_a_child_that_outlives_the_root_itself_still_belongs_to_the_lease() -> None:
    with tree(
        "def child():\n    global held\n    held = touch(64)\n    stay()\nready(fork(child))\nwait()"
    ) as running:
        looking = Looking(root(running.pid))
        assert looking.use().processes == 2
        running.process.kill()
        running.process.wait()
        use = looking.use()
        assert use.processes == 1
        assert within_5_percent(use, 64)


DAEMON = """
def daemon():
    os.setsid()
    {middle}
    if os.fork():
        os._exit(0)
    global held
    held = touch(64)
    stay()
gate = os.pipe()
middle = fork(daemon)
{seen}
os.waitpid(middle, 0)
ready(0)
wait()
"""
UNSEEN = DAEMON.format(middle="", seen="")
SEEN = DAEMON.format(middle="os.read(gate[0], 1)", seen="say(); wait(); os.write(gate[1], b'.')")


def test_a_double_forked_daemon_is_known_by_the_session_that_was_begun_in_the_tree() -> None:
    with tree(SEEN) as running:
        looking = Looking(root(running.pid))
        assert looking.use().processes == 2
        running.go()
        use = looking.use()
    assert use.processes == 2
    assert within_5_percent(use, 64)


def test_a_double_forked_daemon_that_was_never_seen_below_the_tree_is_known_by_its_mark() -> None:
    with tree(UNSEEN, AURA_JOB="job-7") as running:
        use = Looking(root(running.pid, mark="AURA_JOB=job-7")).use()
        stranger = Looking(root(running.pid, mark="AURA_JOB=job-77")).use()
    assert use.processes == 2
    assert within_5_percent(use, 64)
    assert stranger.processes == 1


def test_a_daemon_that_cut_every_tie_is_a_stranger_and_counts_as_external() -> None:
    with tree(UNSEEN) as running:
        assert Looking(root(running.pid)).use().processes == 1


@contextmanager
def shared_file(folder: Path) -> Iterator[Path]:
    path = folder / f"aura-test-{os.getpid()}"
    path.write_bytes(b"x" * (128 * MIB))
    try:
        yield path
    finally:
        path.unlink()


SHARING = """
{shared}
def child():
    for offset in range(0, len(shared), 4096):
        shared[offset] = 1
    stay()
ready(*[fork(child) for _ in range(4)])
wait()
"""


def test_an_anonymous_shared_mapping_counts_once() -> None:
    with tree(SHARING.format(shared="shared = mmap.mmap(-1, 128 * MIB)")) as running:
        use = Looking(root(running.pid)).use()
    assert use.processes == 5
    assert use.most_bytes > 4 * 128 * MIB
    assert within_5_percent(use, 128)
    assert use.least_bytes >= 128 * MIB


def mapped(path: Path) -> str:
    return SHARING.format(shared=f"shared = mmap.mmap(os.open({str(path)!r}, os.O_RDWR), 0)")


def test_a_shared_file_in_memory_counts_once() -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("no tmpfs at /dev/shm")
    with shared_file(Path("/dev/shm")) as path, tree(mapped(path)) as running:
        use = Looking(root(running.pid)).use()
    assert within_5_percent(use, 128)


def test_a_shared_file_on_disk_is_cache_which_the_machine_counts_as_available(tmp_path: Path) -> None:
    with shared_file(tmp_path) as path, tree(mapped(path)) as running:
        row = read_small(f"/proc/{running.pid}/status") or ""
        if "RssShmem:\t       0 kB" not in row:
            pytest.skip("temporary files are kept in memory here (tmpfs)")
        use = Looking(root(running.pid)).use()
    assert use.used_bytes < 5 * 12 * MIB


def test_pages_shared_since_a_fork_count_once_and_a_copy_when_it_is_written() -> None:
    source = """
held = touch(128)
def child():
    tell()
    wait_at = os.read(gate[0], 1)
    for offset in range(0, len(held), 4096):
        held[offset] = 1
    stay()
gate = os.pipe()
pids = [fork(child) for _ in range(3)]
for _ in pids: os.read(pipe[0], 1)
say()
wait()
os.write(gate[1], b".")
os.read(pipe[0], 1)
say()
wait()
"""
    now = 0.0
    with tree(source) as running:
        looking = Looking(root(running.pid), clock=lambda: now)
        shared = looking.use()
        running.go()
        now = 20.0
        looking.use()
        copied = looking.use()
    assert shared.most_bytes > 4 * 128 * MIB
    assert within_5_percent(shared, 128)
    assert within_5_percent(copied, 256)


def test_the_ids_of_a_group_are_those_of_its_processes_now() -> None:
    source = "pids = [fork(stay) for _ in range(2)]\nos.read(pipe[0], 1); os.read(pipe[0], 1)\n"
    source += (
        "say(*pids[:1]); wait(); say(*pids[1:]); wait()\nos.kill(pids[0], 9)\nos.waitpid(pids[0], 0)\nsay()\nwait()"
    )
    with tree("say(); wait()\n" + source) as running:
        looking = Looking(root(running.pid))
        first, second = int(running.go()), int(running.go())
        before = looking.use()
        running.go()
        assert before.pids == tuple(sorted([running.pid, first, second]))
        assert looking.use().pids == tuple(sorted([running.pid, second]))


def test_a_process_that_ends_between_two_looks_is_gone_without_a_word() -> None:
    source = "def child():\n    global held\n    held = touch(64)\n    stay()\npid = fork(child)\nready(pid)\n"
    source += "wait()\nos.kill(pid, 9)\nos.waitpid(pid, 0)\nsay()\nwait()"
    with tree(source) as running:
        looking = Looking(root(running.pid))
        assert looking.use().processes == 2
        running.go()
        use = looking.use()
    assert use.processes == 1
    assert use.used_bytes < 20 * MIB


def test_a_process_that_ends_after_it_was_listed_is_gone_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    with tree("say(); wait()") as running:
        looking = Looking(root(running.pid))
        looking.use()
        listed = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
        running.process.kill()
        running.process.wait()
        monkeypatch.setattr(os, "listdir", lambda _: listed)
        use = looking.use()
        monkeypatch.undo()
    assert (use.processes, use.used_bytes) == (0, 0)


def test_a_lease_below_another_counts_for_itself_and_falls_back_when_it_ends() -> None:
    source = "def child():\n    global held\n    held = touch(64)\n    stay()\npid = fork(child)\n"
    source += "read, write = pipe\nos.read(read, 1)\nsay(pid)\nwait()"
    with tree("say()\nwait()\n" + source) as running:
        child = int(running.go())
        outer, inner = root(running.pid, 1), root(child, 2)
        looking = Looking(outer)
        both = looking.use()
        looking.roots = (outer, inner)
        apart = looking.use(1), looking.use(2)
        looking.roots = (outer,)
        again = looking.use()
    assert (both.processes, again.processes) == (2, 2)
    assert [use.processes for use in apart] == [1, 1]
    assert within_5_percent(apart[1], 64)
    assert apart[0].used_bytes < 20 * MIB


def test_processor_time_is_that_of_the_whole_tree_and_stays_when_a_process_ends() -> None:
    source = """
def spin():
    while sum(os.times()[:2]) < 0.3: pass
    stay()
pid = fork(spin)
ready(pid)
wait()
os.kill(pid, 9)
os.waitpid(pid, 0)
say()
wait()
"""
    with tree(source) as running:
        looking = Looking(root(running.pid))
        looking.use()
        spun = looking.use().cpu_seconds_total
        running.go()
        after = looking.use().cpu_seconds_total
        again = looking.use().cpu_seconds_total
    assert spun >= 0.3
    assert after >= spun
    assert after == pytest.approx(again, abs=0.05)


@pytest.fixture(scope="module", autouse=True)
def no_collector_outlives_this_file() -> Iterator[None]:
    """Their descriptors go with them, and would be counted by the next test that counts its own."""
    yield
    gc.collect()


def descriptors_on_proc() -> int:
    """Of this process, other tests' collectors included."""
    gc.collect()
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that this listing had open
            found += str(each.readlink()).endswith("/statm")
    return found


def test_descriptors_are_bounded_and_given_back_with_the_last_lease() -> None:
    others = descriptors_on_proc()
    with tree("ready(*[fork(stay) for _ in range(5)])\nwait()") as running:
        looking = Looking(root(running.pid), descriptors=3)
        assert looking.use().processes == 6
        assert descriptors_on_proc() - others == 3
        looking.roots = ()
        assert looking.attribution.read().groups == ()
        assert descriptors_on_proc() == others


def test_descriptors_of_ended_processes_are_given_back() -> None:
    source = """
while True:
    pids = [fork(lambda: time.sleep(60)) for _ in range(5)]
    say()
    wait()
    for pid in pids:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
"""
    others = descriptors_on_proc()
    with tree(source) as running:
        looking = Looking(root(running.pid))
        for _ in range(5):
            looking.use()
            running.go()
        assert looking.use().processes == 6
        assert descriptors_on_proc() - others == 6


def test_a_group_counts_what_it_is_charged_for_and_its_processes_leave_their_tree(memory_group: Any) -> None:
    source = """
def child():
    global held
    say(os.getpid()); wait()
    held = touch(64)
    stay()
pid = fork(child)
os.read(pipe[0], 1)
say()
wait()
"""
    with tree("say()\nwait()\n" + source) as running:
        child = int(running.go())
        memory_group.enter(child)
        running.go()
        looking = Looking(root(running.pid, 1), Root(lease=2, cgroup=str(memory_group.path)))
        outside, inside = looking.use(1), looking.use(2)
    assert (outside.processes, inside.processes, inside.source) == (1, 1, "cgroup")
    assert (outside.pids, inside.pids) == ((running.pid,), (child,))
    assert outside.used_bytes < 20 * MIB
    assert inside.used_bytes == pytest.approx(64 * MIB, rel=0.05)
    assert inside.least_bytes == inside.most_bytes


def test_a_group_that_is_not_there_uses_nothing() -> None:
    use = Looking(Root(lease=1, cgroup="/sys/fs/cgroup/not/there")).use()
    assert (use.used_bytes, use.processes, use.source) == (0, 0, "cgroup")


def test_without_leases_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> list[str]:
        raise AssertionError("/proc was listed")

    monkeypatch.setattr(os, "listdir", refuse)
    assert Looking().attribution.read().groups == ()


# --- an id that is used again, on a pretended machine ---


def pretended(tree: Any, pid: int, start: int, pages: int) -> None:
    fields = f"S 1 {pid} {pid} 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 {start} 0 0"
    tree.write({f"/proc/{pid}/stat": f"{pid} (a (b) c) {fields}", f"/proc/{pid}/statm": f"9 {pages} 0 0 0 0 0"})


@pytest.mark.parametrize("descriptors", [0, 10])
def test_a_process_is_never_replaced_by_another_under_its_id(
    tree_of_files: Callable[[], Any], descriptors: int
) -> None:
    machine = tree_of_files()
    pretended(machine, 50, start=100, pages=1000)
    looking = Looking(Root(lease=1, pid=50, start_ticks=100), root=machine.root, descriptors=descriptors)
    assert looking.use().processes == 1
    pretended(machine, 50, start=200, pages=5000)
    use = looking.use()
    assert (use.processes, use.used_bytes, use.cpu_seconds_total) == (0, 0, 10 / os.sysconf("SC_CLK_TCK"))


@pytest.mark.parametrize("hold", [True, False], ids=["held", "opened each time"])
def test_an_id_that_is_used_again_between_listing_and_reading_shows_nothing_of_its_new_owner(
    tree_of_files: Callable[[], Any], hold: bool
) -> None:
    machine = tree_of_files()
    pretended(machine, 50, start=200, pages=5000)
    member = Member(f"{machine.root}/proc", (50, 100), hold=hold)
    assert member.read() is None
    assert not member.holds
