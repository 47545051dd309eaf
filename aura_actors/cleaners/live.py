"""Folders of projects that are somebody's, as pins that follow the database.

Owns that they are made anew only when others are named than before, since links are resolved for each. A folder
that is not strictly below the root in question pins nothing there: what is configured to be swept is swept,
whatever a row says of the whole of it. Refuses to know which projects those are.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from aura_actors.cleaners.application import forms_of, live_projects
from aura_actors.cleaners.base import Bench
from aura_actors.cleaners.database import open_application
from aura_actors.cleaners.tree import Tree
from aura_actors.cleaners.watched import Watched
from aura_actors.domain.pins import Pins


class Folders:
    """Those below a tree; relative names are meant from `base`."""

    def __init__(self, tree: Tree, base: str) -> None:
        self._below = f"{tree.real_path(0, '')}/"
        self._base = base
        self._names: frozenset[str | bytes] = frozenset()
        self._pins = Pins()

    def pins(self, names: Iterable[object]) -> Pins:
        """What is named so; whatever is no name pins nothing."""
        latest = frozenset(name for name in names if isinstance(name, str | bytes))
        if latest != self._names:
            forms = (form for name in latest for form in forms_of(name, self._base))
            self._names, self._pins = latest, Pins(form for form in forms if form.startswith(self._below))
        return self._pins


@contextmanager
def live_projects_left_alone(bench: Bench, tree: Tree) -> Iterator[None]:
    """In the block, `bench.live` are the folders of the default layout's live projects.

    Raises `Declined` where there is a database that cannot be asked.
    """
    if bench.database is None:
        yield
        return
    folders = Folders(tree, f"{bench.data_dir.rstrip('/')}/projects")
    with open_application(bench.database, dry_run=bench.dry_run, reading=True) as watch:
        bench.live = Watched(watch, lambda: folders.pins(live_projects(watch))).latest
        try:
            yield
        finally:
            bench.live = Pins
