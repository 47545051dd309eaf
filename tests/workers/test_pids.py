"""Whose process a driver means, over a tree like /proc."""

from pathlib import Path

import pytest

from aura_actors.workers.pids import own_pid

FIRST, OURS, OTHER = "pid:[4026531836]", "pid:[4026532800]", "pid:[4026532900]"


def proc(root: Path, pid: int | str, namespace: str, numbers: str = "") -> None:
    folder = root / "proc" / str(pid)
    (folder / "ns").mkdir(parents=True)
    (folder / "ns/pid").symlink_to(namespace)
    (folder / "status").write_text(f"Name:\tx\nNSpid:\t{numbers}\nThreads:\t1\n")


def test_in_the_first_namespace_the_number_is_ours(tmp_path: Path) -> None:
    proc(tmp_path, "self", FIRST)
    assert own_pid(tmp_path, 4711) == 4711


def test_without_proc_the_number_is_taken_as_it_is(tmp_path: Path) -> None:
    assert own_pid(tmp_path, 4711) == 4711


def test_in_a_container_with_the_hosts_proc_our_processes_are_found_by_their_own_numbers(tmp_path: Path) -> None:
    proc(tmp_path, "self", OURS)
    proc(tmp_path, 4711, OURS, "4711\t7")
    proc(tmp_path, 4712, OTHER, "4712\t7")
    proc(tmp_path, 4713, FIRST, "4713")
    assert [own_pid(tmp_path, pid) for pid in (4711, 4712, 4713, 9999)] == [7, None, None, None]


@pytest.mark.parametrize("namespace", [OURS, OTHER])
def test_in_a_container_a_process_that_happens_to_have_the_number_is_not_taken_for_it(
    tmp_path: Path, namespace: str
) -> None:
    proc(tmp_path, "self", OURS)
    proc(tmp_path, 4711, namespace, "4711" if namespace == OURS else "4711\t3")
    assert own_pid(tmp_path, 4711) is None
