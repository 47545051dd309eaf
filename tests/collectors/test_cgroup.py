"""Control groups of pretended machines: v1, v2, both at once, nested limits, namespaces, none at all."""

from pathlib import Path
from typing import Any

import pytest

from aura_actors.collectors import cgroup_paths as paths
from aura_actors.collectors import cgroup_values as values
from aura_actors.collectors.cgroup import Cgroup

GIB = 2**30
UNLIMITED_V1 = 9_223_372_036_854_771_712


def read(tree: Any) -> Any:
    return Cgroup(root=tree.root).read()


# --- v2 ---


def test_bare_metal_v2_in_the_root_group_has_no_limit_and_nothing_invented(tree: Any) -> None:
    tree.groups("0::/", "/ /sys/fs/cgroup cgroup2 nsdelegate").write({"/sys/fs/cgroup/cgroup.procs": 1})
    reading = read(tree)
    assert (reading.version, reading.path) == ("v2", "/")
    assert (reading.memory_limit_bytes, reading.memory_available_bytes, reading.memory_usage_bytes) == (None,) * 3
    assert (reading.cpu_limit_cores, reading.cpuset_cores, reading.process_limit) == (None,) * 3
    assert (reading.oom_kills_total, reading.swap_limit_bytes) == (None, None)


def test_a_v2_container_sees_its_own_group_at_the_mount_point(tree: Any) -> None:
    top = "/sys/fs/cgroup"
    tree.groups("0::/", f"/ {top} cgroup2 nsdelegate").v2(top, limit=GIB, current=600, inactive=100).write(
        {
            f"{top}/memory.swap.max": 0,
            f"{top}/cpu.max": "150000 100000",
            f"{top}/cpu.stat": "usage_usec 5\nnr_periods 9\nnr_throttled 4\nthrottled_usec 1",
            f"{top}/cpuset.cpus.effective": "0-3,8",
            f"{top}/pids.max": 512,
            f"{top}/pids.current": 17,
        }
    )
    reading = read(tree)
    assert (reading.memory_limit_bytes, reading.memory_usage_bytes) == (GIB, 600)
    assert (reading.memory_working_set_bytes, reading.memory_available_bytes) == (500, GIB - 500)
    assert (reading.swap_limit_bytes, reading.oom_kills_total) == (0, 2)
    assert (reading.cpu_limit_cores, reading.cpu_throttled_periods_total, reading.cpuset_cores) == (1.5, 4, 5)
    assert (reading.processes, reading.process_limit) == (17, 512)


def test_the_tightest_of_nested_limits_binds_each_by_what_is_left_of_it(tree: Any) -> None:
    """The outer limit is larger, but its other children use it up."""
    top = "/sys/fs/cgroup"
    tree.groups("0::/outer/inner", f"/ {top} cgroup2 rw")
    tree.v2(f"{top}/outer/inner", limit=2 * GIB, current=GIB).v2(f"{top}/outer", limit=8 * GIB, current=7 * GIB + 1)
    tree.write({f"{top}/outer/cpu.max": "50000 100000", f"{top}/outer/inner/cpu.max": "max 100000"})
    tree.write({f"{top}/outer/pids.max": 100, f"{top}/outer/inner/pids.max": "max"})
    reading = read(tree)
    assert [level.limit_bytes for level in reading.memory_levels] == [2 * GIB, 8 * GIB]
    assert (reading.memory_limit_bytes, reading.memory_available_bytes) == (2 * GIB, GIB - 1)
    assert (reading.cpu_limit_cores, reading.process_limit) == (0.5, 100)


def test_a_limit_of_an_ancestor_binds_a_group_that_has_none(tree: Any) -> None:
    tree.groups("0::/slice/job", "/ /sys/fs/cgroup cgroup2 rw")
    tree.v2("/sys/fs/cgroup/slice/job", current=10).v2("/sys/fs/cgroup/slice", limit=GIB, current=300)
    reading = read(tree)
    assert (reading.memory_limit_bytes, reading.memory_available_bytes) == (GIB, GIB - 300)
    assert reading.memory_usage_bytes == 10


def test_memory_high_counts_as_a_limit(tree: Any) -> None:
    tree.groups("0::/", "/ /sys/fs/cgroup cgroup2 rw").v2("/sys/fs/cgroup", limit=4 * GIB, high=GIB, current=0)
    assert read(tree).memory_limit_bytes == GIB


def test_a_limit_of_zero_is_a_limit(tree: Any) -> None:
    tree.groups("0::/", "/ /sys/fs/cgroup cgroup2 rw").v2("/sys/fs/cgroup", limit=0, current=5)
    assert (read(tree).memory_limit_bytes, read(tree).memory_available_bytes) == (0, 0)


# --- v1 and both ---

V1_MOUNTS = (
    "/ /sys/fs/cgroup/memory cgroup memory",
    "/ /sys/fs/cgroup/cpu,cpuacct cgroup cpu,cpuacct",
    "/ /sys/fs/cgroup/cpuset cgroup cpuset",
    "/ /sys/fs/cgroup/pids cgroup pids",
)
V1_MEMBERSHIP = "4:memory:/a/b\n3:cpu,cpuacct:/a\n2:cpuset:/\n1:pids:/a\n5:name=systemd:/x"


def v1_machine(tree: Any) -> Any:
    memory, cpu = "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu,cpuacct"
    return (
        tree.groups(V1_MEMBERSHIP, *V1_MOUNTS)
        .v1(memory, usage=9 * GIB)
        .v1(f"{memory}/a", limit=3 * GIB, usage=GIB, inactive=GIB // 2)
        .v1(f"{memory}/a/b", inherited=3 * GIB, usage=1000, inactive=1)
        .write(
            {
                f"{cpu}/a/cpu.cfs_quota_us": 25000,
                f"{cpu}/a/cpu.cfs_period_us": 100000,
                f"{cpu}/cpu.cfs_quota_us": -1,
                f"{cpu}/cpu.cfs_period_us": 100000,
                f"{cpu}/a/cpu.stat": "nr_periods 3\nnr_throttled 2\nthrottled_time 1",
                "/sys/fs/cgroup/cpuset/cpuset.effective_cpus": "0-1",
                "/sys/fs/cgroup/pids/a/pids.max": "max",
                "/sys/fs/cgroup/pids/a/pids.current": 3,
                "/sys/fs/cgroup/pids/pids.max": 999,
            }
        )
    )


def test_v1_has_one_place_for_each_controller(tree: Any) -> None:
    reading = read(v1_machine(tree))
    assert (reading.version, reading.path) == ("v1", "/a/b")
    assert (reading.memory_limit_bytes, reading.memory_available_bytes) == (3 * GIB, 3 * GIB - GIB // 2)
    assert (reading.memory_usage_bytes, reading.memory_working_set_bytes) == (1000, 999)
    assert (reading.cpu_limit_cores, reading.cpu_throttled_periods_total, reading.cpuset_cores) == (0.25, 2, 2)
    assert (reading.processes, reading.process_limit, reading.oom_kills_total) == (3, 999, 4)


@pytest.mark.parametrize("huge", [9_223_372_036_854_771_712, 9_223_372_036_854_710_272], ids=["4 KiB", "64 KiB"])
def test_the_huge_number_of_v1_is_no_limit(tree: Any, huge: int) -> None:
    tree.groups("4:memory:/a", V1_MOUNTS[0]).v1("/sys/fs/cgroup/memory/a", limit=huge, usage=1)
    tree.v1("/sys/fs/cgroup/memory", limit=huge, usage=1)
    assert read(tree).memory_limit_bytes is None


def test_a_v1_limit_above_what_is_visible_binds(tree: Any) -> None:
    tree.groups("4:memory:/docker/x", "/docker/x /sys/fs/cgroup/memory cgroup memory")
    tree.v1("/sys/fs/cgroup/memory", inherited=GIB, usage=100, inactive=40)
    reading = read(tree)
    assert (reading.memory_limit_bytes, reading.memory_available_bytes) == (GIB, GIB - 60)


def test_with_both_memory_is_where_its_controller_is(tree: Any) -> None:
    tree.groups("0::/ignored\n4:memory:/a", V1_MOUNTS[0], "/ /sys/fs/cgroup/unified cgroup2 nsdelegate")
    tree.v1("/sys/fs/cgroup/memory/a", limit=GIB, usage=1).v1("/sys/fs/cgroup/memory", usage=2)
    reading = read(tree)
    assert (reading.version, reading.path, reading.memory_limit_bytes) == ("hybrid", "/a", GIB)


# --- names ---


def test_a_container_that_sees_the_names_of_its_host_is_found(tree: Any) -> None:
    tree.groups("0::/docker/x/job", "/docker/x /sys/fs/cgroup cgroup2 rw")
    tree.v2("/sys/fs/cgroup/job", limit=7, current=0).v2("/sys/fs/cgroup", limit=9, current=0)
    assert [level.limit_bytes for level in read(tree).memory_levels] == [7, 9]


def test_a_group_whose_name_the_namespace_hides_is_found_by_its_members(tree: Any) -> None:
    """A mount made outside: its root is two levels above the group that our namespace calls `/`."""
    top = "/sys/fs/cgroup"
    tree.groups("0::/", f"/../.. {top} cgroup2 rw")
    tree.v2(f"{top}/slice/other", limit=5, current=0).write({f"{top}/slice/other/cgroup.procs": "1\n47"})
    tree.v2(f"{top}/slice/ours", limit=7, current=0).write({f"{top}/slice/ours/cgroup.procs": "4\n4711"})
    tree.v2(f"{top}/slice", limit=9, current=0)
    assert [level.limit_bytes for level in read(tree).memory_levels] == [7, 9]


def test_a_hidden_group_that_is_not_found_still_has_its_visible_ancestor(tree: Any) -> None:
    tree.groups("0::/", "/.. /sys/fs/cgroup cgroup2 rw").v2("/sys/fs/cgroup", limit=9, current=0)
    assert [level.limit_bytes for level in read(tree).memory_levels] == [9]


def test_a_group_outside_of_the_mount_is_not_mistaken_for_what_is_mounted(tree: Any) -> None:
    tree.groups("0::/../neighbour", "/ /sys/fs/cgroup cgroup2 rw").v2("/sys/fs/cgroup", limit=9, current=0)
    assert read(tree).memory_limit_bytes is None


def test_a_name_that_is_not_there_falls_back_to_what_is_above_it(tree: Any) -> None:
    tree.groups("0::/docker/x", "/ /sys/fs/cgroup cgroup2 rw").v2("/sys/fs/cgroup", limit=9, current=0)
    assert read(tree).memory_limit_bytes == 9


def test_a_process_that_is_moved_is_followed(tree: Any) -> None:
    tree.groups("0::/a", "/ /sys/fs/cgroup cgroup2 rw")
    tree.v2("/sys/fs/cgroup/a", limit=5, current=0).v2("/sys/fs/cgroup/b", limit=6, current=0)
    assert read(tree).memory_limit_bytes == 5
    tree.write({"/proc/self/cgroup": "0::/b"})
    assert read(tree).memory_limit_bytes == 6


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are seen in /proc: needs Linux")
def test_no_descriptor_stays_on_a_group_that_was_left(tree: Any) -> None:
    """It would keep what the kernel knows of that group in memory."""
    top = "/sys/fs/cgroup"
    tree.groups("0::/a", f"/ {top} cgroup2 rw").v2(f"{top}/a", limit=1, current=1).v2(
        f"{top}/b", limit=2, current=1
    )

    def held(group: str) -> int:
        links = [each.resolve() for each in Path("/proc/self/fd").iterdir()]
        return sum(each.is_relative_to(tree.path / "sys/fs/cgroup" / group) for each in links)

    read(tree)
    assert held("a") >= 4
    tree.write({"/proc/self/cgroup": "0::/b"})
    read(tree)
    assert (held("a"), held("b") >= 4) == (0, True)


def test_a_changed_limit_is_seen_by_the_next_reading(tree: Any) -> None:
    tree.groups("0::/", "/ /sys/fs/cgroup cgroup2 rw").v2("/sys/fs/cgroup", limit=5, current=0)
    assert read(tree).memory_limit_bytes == 5
    tree.write({"/sys/fs/cgroup/memory.max": 6})
    assert read(tree).memory_limit_bytes == 6


@pytest.mark.parametrize(
    "files", [{}, {"/proc/self/cgroup": ""}, {"/proc/self/cgroup": "0::/", "/proc/self/mountinfo": ""}]
)
def test_a_machine_without_control_groups_is_normal(tree: Any, files: dict[str, str]) -> None:
    assert read(tree.write(files)).version is None


def test_a_mount_point_with_a_space_is_found(tree: Any) -> None:
    tree.groups("0::/", "/ /my\\040groups cgroup2 rw").v2("/my groups", limit=5, current=0)
    assert read(tree).memory_limit_bytes == 5


def test_the_mount_of_our_own_namespace_goes_before_one_of_the_host() -> None:
    ours, host = paths.parse_hierarchies(
        "1 1 0:1 /../.. /host/cgroup rw - cgroup2 x rw\n2 1 0:1 / /sys/fs/cgroup rw - cgroup2 x rw"
    )
    assert (ours.point, host.point) == ("/sys/fs/cgroup", "/host/cgroup")


# --- values ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max\n", None), ("-1\n", None), ("5\n", 5), ("0", 0), ("", None), (None, None), (str(UNLIMITED_V1), None)],
)
def test_bytes(text: str | None, expected: int | None) -> None:
    assert values.parse_bytes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max 100000", None), ("50000 100000", 0.5), ("50000", None), ("1 0", None), (None, None)],
)
def test_quotas(text: str | None, expected: float | None) -> None:
    assert values.parse_quota(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("0-3,8\n", 5), ("7", 1), ("", None), ("a-b", None), (None, None), ("0-1,4-5", 4)]
)
def test_lists_of_processors(text: str | None, expected: int | None) -> None:
    assert values.count_of_list(text) == expected


def test_an_entry_is_found_by_its_whole_name() -> None:
    text = "total_inactive_file 7\ninactive_file 5\n"
    assert values.entry(text, "inactive_file") == 5
    assert values.entry(text, "file") is None
