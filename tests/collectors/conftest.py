"""Machines that are not this one: small trees of `/proc` and `/sys/fs/cgroup`, built from a few lines each."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

UNLIMITED_V1 = 9_223_372_036_854_771_712
PAGE = 4096


class Tree:
    """A root folder to give to a collector."""

    def __init__(self, root: Path) -> None:
        self.path = root

    @property
    def root(self) -> str:
        return str(self.path)

    def write(self, files: Mapping[str, object]) -> "Tree":
        """Write files by their absolute path on the pretended machine."""
        for name, text in files.items():
            path = self.path / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return self

    def groups(self, membership: str, *mounts: str) -> "Tree":
        """Where this process is; a mount is "root point type options"."""
        lines = []
        for number, mount in enumerate(mounts):
            root, point, kind, options = mount.split(" ")
            lines.append(
                f"{40 + number} 31 0:{30 + number} {root} {point} rw,relatime - {kind} cgroup rw,{options}"
            )
        return self.write(
            {
                "/proc/self/cgroup": membership,
                "/proc/self/mountinfo": "\n".join(["31 1 0:1 / / rw - ext4 /dev/vda rw", *lines]),
                "/proc/self/stat": "4711 (python) S 1 4711 4711 0 -1 0",
            }
        )

    def v2(
        self, directory: str, *, limit: object = "max", current: int, inactive: int = 0, high: object = "max"
    ) -> "Tree":
        """The memory files of one v2 group."""
        return self.write(
            {
                f"{directory}/memory.max": limit,
                f"{directory}/memory.high": high,
                f"{directory}/memory.current": current,
                f"{directory}/memory.stat": f"anon {current}\ninactive_file {inactive}\nactive_file 0",
                f"{directory}/memory.events": "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0",
            }
        )

    def v1(
        self,
        directory: str,
        *,
        limit: int = UNLIMITED_V1,
        inherited: int | None = None,
        usage: int,
        inactive: int = 0,
    ) -> "Tree":
        """The memory files of one v1 group; `inherited` is the smallest limit of all ancestors."""
        tightest = limit if inherited is None else inherited
        return self.write(
            {
                f"{directory}/memory.limit_in_bytes": limit,
                f"{directory}/memory.usage_in_bytes": usage,
                f"{directory}/memory.failcnt": 0,
                f"{directory}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4",
                f"{directory}/memory.stat": (
                    f"cache 1\ninactive_file 1\nhierarchical_memory_limit {tightest}\n"
                    f"hierarchical_memsw_limit {UNLIMITED_V1}\ntotal_inactive_file {inactive}"
                ),
            }
        )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "machine")


@pytest.fixture
def tree_of_files(tree: Tree) -> Callable[[], Tree]:
    """The same, for modules that call something else a tree."""
    return lambda: tree
