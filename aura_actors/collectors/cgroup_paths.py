"""Where the control groups of this process are mounted: v1, v2 and both at once, in namespaces or not.

Pure functions over the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`; what exists on disk is asked of
arguments. Refuses to know what the files in those directories say.
"""

import posixpath
import re
from collections.abc import Iterable
from typing import Literal

import msgspec

UNIFIED = ""
"""The v2 hierarchy, among the names of v1 controllers."""

_ESCAPED = re.compile(r"\\([0-7]{3})")


class Hierarchy(msgspec.Struct, frozen=True, kw_only=True):
    """One mounted hierarchy. `root` is the group that is seen at `point`, by the names of our namespace."""

    root: str
    point: str
    controllers: frozenset[str]
    """`{UNIFIED}` for v2."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A directory to look for this process's group in: `below` steps under `top` that have no name here.

    `below` is 0 as a rule. It is more where the namespace hides the names of the groups in between.
    """

    top: str
    directory: str
    below: int = 0


def parse_membership(text: str) -> dict[str, str]:
    """The path of our group in the hierarchy of each controller; v2's under `UNIFIED`."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            for controller in parts[1].split(","):
                paths[controller] = parts[2]
    return paths


def parse_hierarchies(mountinfo: str) -> list[Hierarchy]:
    """The mounted hierarchies, those of our namespace first. A later mount hides an earlier one at its point."""
    found: dict[str, Hierarchy] = {}
    for line in mountinfo.splitlines():
        head, separator, tail = line.partition(" - ")
        fields, kind = head.split(" "), tail.split(" ")
        if not separator or len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        controllers = frozenset({UNIFIED} if kind[0] == "cgroup2" else kind[2].split(","))
        point = _plain(fields[4])
        found[point] = Hierarchy(root=_plain(fields[3]), point=point, controllers=controllers)
    return sorted(found.values(), key=lambda each: each.root.startswith("/.."))


def version(hierarchies: Iterable[Hierarchy]) -> Literal["v1", "v2", "hybrid"] | None:
    """What is mounted."""
    kinds = {UNIFIED in each.controllers for each in hierarchies}
    if not kinds:
        return None
    return "hybrid" if len(kinds) == 2 else "v2" if True in kinds else "v1"


def hierarchy_of(controller: str, membership: dict[str, str], hierarchies: Iterable[Hierarchy]) -> Hierarchy | None:
    """The mounted hierarchy that rules `controller` for us: v1's where it has one, else v2's."""
    wanted = controller if controller in membership else UNIFIED
    return next((each for each in hierarchies if wanted in each.controllers), None)


def place(path: str, hierarchy: Hierarchy) -> Place | None:
    """Where the group called `path` is in the file system; None if it lies outside of what is mounted.

    A container sees its own group at the mount point, under a name that may be the host's (`path` = `root`), or
    `/` of its namespace. A mount made outside of the namespace has a root above ours: `/..` once for each level.
    """
    point, root = hierarchy.point, hierarchy.root
    if path == "/.." or path.startswith("/../"):
        return None
    levels_up = root.count("/..")
    if levels_up and root == "/.." * levels_up:
        return Place(top=point, directory=path.strip("/"), below=levels_up)
    if root != "/" and path != root and not path.startswith(root.rstrip("/") + "/"):
        return Place(top=point, directory=point)
    inner = path[len(root) :] if root != "/" else path
    return Place(top=point, directory=posixpath.join(point, inner.strip("/")).rstrip("/"))


def ancestors(directory: str, top: str) -> list[str]:
    """The directory and those above it, up to and including `top`."""
    found = [directory]
    while found[-1] != top and len(found[-1]) > len(top):
        found.append(posixpath.dirname(found[-1]))
    return found


def _plain(field: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)
