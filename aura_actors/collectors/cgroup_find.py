"""Finds the directories of the control groups around this process, for each controller.

Asks the file system for what `cgroup_paths` says could be there. Refuses to know what the files in them say.
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from aura_actors.collectors import cgroup_paths as paths
from aura_actors.collectors.files import read_small

_MOST_GROUPS_SEARCHED = 4096


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """Our group's directory and those of its visible ancestors, innermost first; none if nothing is visible."""

    directories: tuple[str, ...] = ()
    unified: bool = False
    """True in the v2 hierarchy, where the files have other names."""


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """Where each controller's files are."""

    version: Literal["v1", "v2", "hybrid"] | None
    path: str | None
    memory: Chain
    cpu: Chain
    cpuset: Chain
    pids: Chain


@lru_cache(maxsize=4)
def find_groups(root: str, membership_text: str) -> Groups:
    """Kept until the text changes, which it does when the process is moved to another group."""
    membership = paths.parse_membership(membership_text)
    hierarchies = paths.parse_hierarchies(read_small(f"{root}/proc/self/mountinfo") or "")

    def chain(controller: str) -> Chain:
        hierarchy = paths.hierarchy_of(controller, membership, hierarchies)
        if hierarchy is None:
            return Chain()
        unified = paths.UNIFIED in hierarchy.controllers
        path = membership.get(paths.UNIFIED if unified else controller)
        return Chain(directories=() if path is None else _directories(root, path, hierarchy), unified=unified)

    return Groups(
        version=paths.version(hierarchies),
        path=membership.get("memory", membership.get(paths.UNIFIED)),
        memory=chain("memory"),
        cpu=chain("cpu"),
        cpuset=chain("cpuset"),
        pids=chain("pids"),
    )


def _directories(root: str, path: str, hierarchy: paths.Hierarchy) -> tuple[str, ...]:
    place = paths.place(path, hierarchy)
    if place is None:
        return ()
    top, directory = root + place.top, root + place.directory
    if place.below:
        own = _search(top, place.below, pid=(read_small(f"{root}/proc/self/stat") or "").partition(" ")[0])
        directory = top if own is None else own
    while directory != top and not Path(directory).is_dir():  # a name from elsewhere: we see what is above it
        directory = directory.rpartition("/")[0]
    return tuple(paths.ancestors(directory, top))


def _search(top: str, below: int, pid: str) -> str | None:
    """The group so many levels under `top` that holds `pid`: its name is hidden, its members are not."""
    for count, found in enumerate(Path(top).glob("*/" * below)):
        if count == _MOST_GROUPS_SEARCHED:
            break
        if pid in (read_small(f"{found}/cgroup.procs") or "").split():
            return str(found)
    return None
