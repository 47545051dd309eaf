"""How full the disk below a path is. Blocks, for ever where a network disk does not answer."""

import os
from collections.abc import Sequence

import msgspec


class Fullness(msgspec.Struct, frozen=True):
    """One disk. `used_percent` is 0-100 of what an ordinary user can have, as `df` says it."""

    device: int
    used_percent: float


def fullness(paths: Sequence[str]) -> dict[str, Fullness]:
    """For each path that can be asked."""
    found: dict[str, Fullness] = {}
    for path in paths:
        try:
            space, device = os.statvfs(path), os.stat(path).st_dev  # noqa: PTH116 - a string
        except OSError:
            continue
        used = space.f_blocks - space.f_bfree
        if used + space.f_bavail:
            found[path] = Fullness(device, 100.0 * used / (used + space.f_bavail))
    return found
