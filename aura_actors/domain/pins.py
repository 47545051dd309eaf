"""Paths that cleanup must leave alone, whatever their age: the files of live jobs and live projects.

Owns what a pin covers: the path itself, everything below it, and, as directories, everything above it. Refuses to
know where pins come from and whether a path exists; paths are absolute and normal, links have been resolved by
whoever made the pins.
"""

from collections.abc import Iterable, Mapping

import msgspec


class Scope(msgspec.Struct, frozen=True):
    """What is pinned at one path and below: the whole of it, or what `below` says, by name."""

    covered: bool = False
    below: Mapping[str, "Scope"] = {}

    @property
    def free(self) -> bool:
        """Nothing here or below is pinned: whoever walks down need not ask again."""
        return not self.covered and not self.below

    def enter(self, name: str) -> "Scope":
        """The scope one step down. What is below a pin is pinned."""
        return self if self.covered else self.below.get(name, FREE)


FREE = Scope()


class Pins:
    """A set of pinned paths. Immutable; asking costs one step for each component of the path."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        tree: dict[str, object] = {}
        self._paths = frozenset(paths)
        # A path sorts before everything below it, so that what is covered already adds nothing.
        for path in sorted(self._paths, key=_steps):
            _plant(tree, _steps(path))
        self.root = _scope(tree)

    def __or__(self, other: "Pins") -> "Pins":
        """What either pins."""
        if self.root.free or other.root.free:
            return self if other.root.free else other
        return Pins(self._paths | other._paths)

    def at(self, path: str) -> Scope:
        """What is pinned at `path` and below."""
        scope = self.root
        for name in _steps(path):
            scope = scope.enter(name)
            if scope.free:
                break
        return scope

    def cover(self, path: str) -> bool:
        """Whether `path` is a pin or below one."""
        return self.at(path).covered

    def hold(self, path: str) -> bool:
        """Whether `path` must stay where it is: covered, or a directory on the way to a pin."""
        return not self.at(path).free


_WHOLE = ""
"""Marks a pin in the tree of names; no component is empty."""


def _steps(path: str) -> list[str]:
    if not path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{path!r} is no absolute, normal path")
    return [step for step in path.split("/") if step not in ("", ".")]


def _plant(tree: dict[str, object], steps: list[str]) -> None:
    for step in steps:
        if _WHOLE in tree:
            return
        branch = tree.setdefault(step, {})
        assert isinstance(branch, dict)
        tree = branch
    tree[_WHOLE] = True


def _scope(tree: dict[str, object]) -> Scope:
    """From names to scopes, from the bottom up; paths may be deeper than Python's stack."""
    order, found = [tree], {}
    for node in order:
        order.extend(branch for branch in node.values() if isinstance(branch, dict))
    for node in reversed(order):
        if _WHOLE in node:
            found[id(node)] = Scope(covered=True)
        else:
            found[id(node)] = Scope(
                below={name: found[id(branch)] for name, branch in node.items() if isinstance(branch, dict)}
            )
    return found[id(tree)]
