"""Space on the file systems of this machine, and the bytes read from and written to the devices below them.

Owns which mounts are worth a line and which counters belong to a mount. Refuses to know rates. A file system
that cannot be asked keeps its line with unknown sizes; a device that nobody counts has unknown traffic.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import msgspec
import psutil

from aura_actors.collectors.base import Options
from aura_actors.collectors.files import proc_text, read_small
from aura_actors.collectors.tables import device_bytes
from aura_actors.domain.snapshot import DiskReading, FilesystemReading

UNKNOWN_DEVICE = "unknown"

_PARTITION_SUFFIX = re.compile(r"(?:(?<=\d)[ps])?\d+\Z")


class Mount(msgspec.Struct, frozen=True):
    """One line of the mount table."""

    path: str
    device: str
    filesystem: str


class Traffic(msgspec.Struct, frozen=True):
    """Bytes since boot."""

    read_bytes: int
    written_bytes: int


class Disk(Options, frozen=True):
    """Space and traffic; images that are always full (squashfs and the like) have no line."""

    skip_filesystems: tuple[str, ...] = ("squashfs", "erofs", "iso9660", "udf")

    @property
    def may_hang(self) -> bool:
        """A file system asks its server, and a server may be gone."""
        return True

    def read(self) -> DiskReading:
        """Asks each file system for its size, which blocks for as long as that file system does."""
        table = read_small(f"{psutil.PROCFS_PATH}/self/mounts") if sys.platform.startswith("linux") else None
        choose = _choose if table is None else _chosen_for
        mounts, traffic = choose(table, self.skip_filesystems), _traffic()
        return DiskReading(filesystems=tuple(_filesystem(mount, traffic) for mount in mounts))


def _choose(_: str | None, skip_filesystems: tuple[str, ...]) -> list[Mount]:
    """Costs as much as all other readings of a sample together."""
    mounts = worth_a_line(_mounts(everything=False), skip_filesystems)
    if sys.platform != "win32" and not any(mount.path == "/" for mount in mounts):
        mounts = [_root(), *mounts]
    return mounts


_chosen_for = lru_cache(maxsize=1)(_choose)
"""The choice for the mount table as it stands: another text, another choice."""


def worth_a_line(mounts: Iterable[Mount], skip_filesystems: Iterable[str]) -> list[Mount]:
    """One mount for each device, the shortest path of those that show it, in the order of the table.

    Containers bind single files (`/etc/hosts`) from the host's disk: those say nothing and are left out.
    """
    skipped = frozenset(skip_filesystems)
    chosen: dict[str, Mount] = {}
    for mount in mounts:
        if mount.filesystem in skipped or mount.device.startswith("/dev/loop"):
            continue
        known = chosen.get(mount.device)
        if known is not None and len(known.path) <= len(mount.path):
            continue
        if _is_a_file(mount.path):
            continue
        chosen[mount.device] = mount
    return list(chosen.values())


def traffic_of(device: str, traffic: Mapping[str, Traffic]) -> Traffic | None:
    """Counters of a resolved device (`/dev/vda1`), else of the disk it is a part of (`vda`), else None."""
    name = device.rpartition("/")[2]
    return traffic.get(name) or traffic.get(_PARTITION_SUFFIX.sub("", name))


def _filesystem(mount: Mount, traffic: Mapping[str, Traffic]) -> FilesystemReading:
    try:
        usage = psutil.disk_usage(mount.path)
        sizes: tuple[int, int, int] | None = (usage.total, usage.free, usage.used)
    except OSError:  # unmounted since, not ours to look at, or its server is gone
        sizes = None
    counted = traffic_of(mount.device, traffic)
    return FilesystemReading(
        mount=mount.path,
        device=mount.device,
        total_bytes=None if sizes is None else sizes[0],
        available_bytes=None if sizes is None else sizes[1],
        used_bytes=None if sizes is None else sizes[2],
        read_bytes_total=None if counted is None else counted.read_bytes,
        written_bytes_total=None if counted is None else counted.written_bytes,
    )


def _mounts(*, everything: bool) -> list[Mount]:
    return [
        Mount(path=each.mountpoint, device=_resolved(each.device), filesystem=each.fstype)
        for each in psutil.disk_partitions(all=everything) or ()
    ]


def _resolved(device: str) -> str:
    """`/dev/mapper/vg-root` is the name of a link; the counters know the device it leads to (`/dev/dm-0`)."""
    return str(Path(device).resolve()) if device.startswith("/dev/") else device


def _root() -> Mount:
    """In a container the root is no physical partition (overlay), so the short table does not show it."""
    later_mounts_hide_earlier = reversed(_mounts(everything=True))
    found = next((mount for mount in later_mounts_hide_earlier if mount.path == "/"), None)
    if found is None or not found.device:
        return Mount(path="/", device=UNKNOWN_DEVICE, filesystem="")
    return found


def _traffic() -> dict[str, Traffic]:
    """Empty where nobody counts: hardened containers hide the table, some have none."""
    found = device_bytes(proc_text("diskstats"))
    if found is not None:
        return {name: Traffic(*each) for name, each in found.items()}
    try:
        counters = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    except (OSError, NotImplementedError):  # the second is how psutil says that a platform has none
        return {}
    return {
        name: Traffic(read_bytes=each.read_bytes, written_bytes=each.write_bytes) for name, each in counters.items()
    }


def _is_a_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:
        return False
