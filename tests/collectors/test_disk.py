"""Which mounts get a line, which counters belong to them, and what is unknown."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from aura_actors.collectors import disk
from aura_actors.collectors.disk import Disk, Mount, Traffic, traffic_of, worth_a_line

Partitions = Callable[..., None]


def partition(device: str, mountpoint: str, fstype: str = "ext4") -> SimpleNamespace:
    return SimpleNamespace(device=device, mountpoint=mountpoint, fstype=fstype, opts="rw")


def counter(read: int, written: int) -> SimpleNamespace:
    return SimpleNamespace(read_bytes=read, write_bytes=written)


@pytest.fixture
def partitions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Partitions]:
    """Give psutil another mount table: `short` of real devices, `full` of everything; and no counters."""
    tables = count()

    def install(short: list[SimpleNamespace], full: list[SimpleNamespace] | None = None) -> None:
        monkeypatch.setattr(psutil, "disk_partitions", lambda **asked: (full or short) if asked["all"] else short)
        text = f"table {next(tables)}"
        monkeypatch.setattr(disk, "read_small", lambda _: text)
        monkeypatch.setattr(disk, "proc_text", lambda _: None)
        monkeypatch.setattr(psutil, "disk_io_counters", lambda **_: None)
        monkeypatch.setattr(
            psutil, "disk_usage", lambda path: SimpleNamespace(total=100, used=60, free=30, percent=66.7)
        )

    disk._chosen_for.cache_clear()
    yield install
    disk._chosen_for.cache_clear()


@pytest.mark.parametrize(
    ("device", "counted", "found"),
    [
        ("/dev/vda1", ["vda", "vda1"], "vda1"),
        ("/dev/vda1", ["vda"], "vda"),
        ("/dev/nvme0n1p2", ["nvme0n1"], "nvme0n1"),
        ("/dev/nvme0n1", ["nvme0n1"], "nvme0n1"),
        ("/dev/mmcblk0p1", ["mmcblk0"], "mmcblk0"),
        ("/dev/disk1s5", ["disk1"], "disk1"),
        ("/dev/dm-0", ["dm-0", "sda"], "dm-0"),
        ("/dev/md127", ["md127"], "md127"),
        ("/dev/sdb1", ["sda"], None),
        ("overlay", ["sda", "vda"], None),
        ("unknown", ["sda"], None),
        ("tank/home", ["sda"], None),
        ("/dev/vda1", [], None),
    ],
)
def test_counters_are_those_of_the_device_or_of_the_disk_it_is_a_part_of(
    device: str, counted: list[str], found: str | None
) -> None:
    counters = {name: Traffic(read_bytes=number, written_bytes=0) for number, name in enumerate(counted)}
    assert traffic_of(device, counters) == (None if found is None else counters[found])


def test_bind_mounts_of_one_device_are_one_line_with_the_shortest_path(tmp_path: Path) -> None:
    deep, shallow = tmp_path / "a" / "b", tmp_path / "a"
    deep.mkdir(parents=True)
    mounts = [Mount(str(deep), "/dev/vda1", "ext4"), Mount(str(shallow), "/dev/vda1", "ext4")]
    assert worth_a_line(mounts, ()) == [mounts[1]]


def test_images_and_loop_devices_get_no_line() -> None:
    mounts = [
        Mount("/snap/x", "/dev/loop3", "ext4"),
        Mount("/media/cd", "/dev/sr0", "iso9660"),
        Mount("/snap/y", "squashfs-device", "squashfs"),
        Mount("/", "/dev/vda1", "ext4"),
    ]
    assert [mount.path for mount in worth_a_line(mounts, Disk().skip_filesystems)] == ["/"]


def test_single_files_bound_from_the_host_get_no_line(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    assert worth_a_line([Mount(str(hosts), "/dev/vda1", "ext4")], ()) == []


def test_a_container_without_disks_still_shows_the_file_system_of_its_root(partitions: Partitions) -> None:
    partitions([], [partition("rootfs", "/", "rootfs"), partition("overlay", "/", "overlay")])
    (root,) = Disk().read().filesystems
    assert (root.mount, root.device) == ("/", "overlay")
    assert (root.total_bytes, root.available_bytes, root.used_bytes) == (100, 30, 60)
    assert (root.read_bytes_total, root.written_bytes_total) == (None, None)


def test_the_root_comes_first_where_only_volumes_are_listed(partitions: Partitions, tmp_path: Path) -> None:
    volume = partition("/dev/vdb", str(tmp_path))
    partitions([volume], [partition("overlay", "/", "overlay"), volume])
    assert [each.mount for each in Disk().read().filesystems] == ["/", str(tmp_path)]


def test_a_machine_without_any_mount_table_still_shows_its_root(partitions: Partitions) -> None:
    partitions([])
    (root,) = Disk().read().filesystems
    assert (root.mount, root.device) == ("/", "unknown")


@pytest.mark.parametrize("answer", [None, {}])
def test_no_io_counters_are_a_normal_answer(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch, answer: dict[str, object] | None
) -> None:
    partitions([partition("/dev/vda1", "/")])
    monkeypatch.setattr(psutil, "disk_io_counters", lambda **_: answer)
    (root,) = Disk().read().filesystems
    assert (root.total_bytes, root.read_bytes_total) == (100, None)


@pytest.mark.parametrize("error", [PermissionError("hidden"), NotImplementedError("no /proc/diskstats")])
def test_hidden_io_counters_cost_the_traffic_and_not_the_space(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(**_: object) -> None:
        raise error

    partitions([partition("/dev/vda1", "/")])
    monkeypatch.setattr(psutil, "disk_io_counters", refuse)
    (root,) = Disk().read().filesystems
    assert (root.total_bytes, root.written_bytes_total) == (100, None)


def test_a_file_system_that_cannot_be_asked_keeps_its_line_and_its_traffic(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(path)

    partitions([partition("/dev/vda1", "/")])
    monkeypatch.setattr(psutil, "disk_usage", refuse)
    monkeypatch.setattr(psutil, "disk_io_counters", lambda **_: {"vda": counter(11, 22)})
    (root,) = Disk().read().filesystems
    assert (root.total_bytes, root.available_bytes, root.used_bytes) == (None, None, None)
    assert (root.read_bytes_total, root.written_bytes_total) == (11, 22)


def test_a_device_that_is_a_link_is_followed_to_the_name_the_counters_know(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitions([partition("/dev/mapper/vg-root", "/")])
    monkeypatch.setattr(Path, "resolve", lambda self: Path("/dev/dm-0"))
    monkeypatch.setattr(psutil, "disk_io_counters", lambda **_: {"dm-0": counter(1, 2)})
    (root,) = Disk().read().filesystems
    assert (root.device, root.read_bytes_total, root.written_bytes_total) == ("/dev/dm-0", 1, 2)


def test_the_choice_of_mounts_is_made_anew_when_the_table_changes_and_only_then(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitions([partition("/dev/vda1", "/")])
    asked: list[bool] = []
    plain = disk._mounts

    def counting(*, everything: bool) -> list[Mount]:
        asked.append(everything)
        return plain(everything=everything)

    monkeypatch.setattr(disk, "_mounts", counting)
    for _ in range(3):
        assert [each.mount for each in Disk().read().filesystems] == ["/"]
    assert len(asked) == 1
    partitions([partition("/dev/vda1", "/"), partition("/dev/vdb1", "/data")])
    assert [each.mount for each in Disk().read().filesystems] == ["/", "/data"]
