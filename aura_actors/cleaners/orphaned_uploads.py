"""Orphaned uploads: files that no record of the application refers to, two days old, and seen so twice.

Owns what makes an orphan, and the two sightings. What is referred to is asked of `application`; what is old, of the
retention rule.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import ClassVar

from aura_actors.cleaners.aged import remove_aged
from aura_actors.cleaners.application import Reference, default_references, referenced_paths
from aura_actors.cleaners.base import Age, Bench, FolderOptions
from aura_actors.cleaners.database import open_application
from aura_actors.cleaners.ledger import Ledger
from aura_actors.cleaners.live import live_projects_left_alone
from aura_actors.cleaners.roots import Declined
from aura_actors.cleaners.tree import Tree, opened
from aura_actors.cleaners.watched import Watched
from aura_actors.domain.pins import Pins
from aura_actors.domain.retention import Item, Keep, age_ns


class OrphanedUploads(FolderOptions, frozen=True, kw_only=True, tag_field="task", tag="orphaned-uploads"):
    """Without the database nothing is an orphan: the run is declined. So it is where there would be orphans and the
    database is as good as new: it knows of nothing in the folder, and nothing was ever archived out of it.

    `references` are the application's own queries, in place of those of the default layout.
    """

    folder: ClassVar[str] = "uploads"

    older_than_seconds: Age = 172_800.0
    second_look_after_seconds: Age = 21_600.0
    """At least so long lies between the first run that sees an orphan, and the one that removes it."""
    database: str | None = None
    references: tuple[Reference, ...] | None = None

    def work(self, bench: Bench) -> Iterator[None]:
        """Orphans go to quarantine."""
        path = self.database or bench.database
        asked = self.references or default_references(bench.data_dir)
        root = self.root_under(bench.data_dir)
        with (
            opened(bench, root) as tree,
            live_projects_left_alone(bench, tree),
            open_application(path, dry_run=bench.dry_run, reading=True) as watch,
        ):
            referenced = Watched(watch, lambda: Pins(referenced_paths(path, asked, dry_run=bench.dry_run)))
            at_first = referenced.latest()
            believed = _controlled(path, asked, tree.real_path(0, ""), dry_run=bench.dry_run) or (
                not Ledger(watch, make=False).is_empty()
            )

            def sift(items: Sequence[Item]) -> list[Keep | None]:
                if not believed:
                    raise Declined(
                        f"the database knows of nothing in {root}, so it is not believed about what is there"
                    )
                return self._seen_twice(bench, tree, path, items)

            def recheck(items: Sequence[Item]) -> list[Keep | None]:
                pins = referenced.latest()
                return [_objection(pins, tree.real_path(item.parent, item.name)) for item in items]

            yield from remove_aged(
                bench,
                tree,
                self.rule(),
                exclude=self.exclude,
                # Not the latest: who writes all the time would have all of it read again for every file. Before
                # anything moves it is.
                objection=lambda path, _: _objection(at_first, path),
                sift=sift,
                recheck=recheck,
            )
        if not bench.dry_run:
            bench.journal.forget_sightings(self.name, bench.now_ns)

    def _seen_twice(
        self, bench: Bench, tree: Tree, database: str | None, items: Sequence[Item]
    ) -> list[Keep | None]:
        asked = b"" if database is None else _identity(database)
        keys = [_key(tree.relative_path(item.parent, item.name), item, asked) for item in items]
        first = bench.journal.sighted(self.name, keys, bench.now_ns, record=not bench.dry_run)
        long_ago_ns = bench.now_ns - age_ns(self.second_look_after_seconds)
        return [None if seen_ns <= long_ago_ns else Keep.SEEN_ONCE for seen_ns in first]


def _objection(referenced: Pins, path: str) -> Keep | None:
    return Keep.REFERENCED if referenced.cover(path) else None


def _controlled(path: str | None, asked: Sequence[Reference], root: str, *, dry_run: bool) -> bool:
    """Whether the database says of anything that is there that it is below the root.

    Raises `Declined` where all that it says to be there is not, or nothing of what it says of uploads is to be
    there: the paths are not what they are thought to be (those of a container, say), or a disk is missing, and
    everything would look like an orphan.
    """
    said, there = 0, False
    for reference in asked:
        names = list(referenced_paths(path, (reference,), dry_run=dry_run))
        mine = [name for name in names if name.startswith(f"{root}/")]
        said += len(mine)
        there = there or any(map(os.path.lexists, mine))
        if names and not mine and os.path.realpath(reference.base) == root:
            raise Declined(f"nothing of what {reference.query!r} answers is in {root}, so it is not believed")
    if said and not there:
        raise Declined(f"nothing of what the database says to be in {root} is there, so it is not believed")
    return there


def _identity(database: str) -> bytes:
    status = os.stat(database)  # noqa: PTH116 - a string
    return f"\0{status.st_dev}\0{status.st_ino}".encode()


def _key(path: str, item: Item, asked: bytes) -> bytes:
    """A file that was replaced or written is another one, to be seen twice again; so it is to another database."""
    identity = f"\0{item.inode}\0{item.modified_ns}".encode() + asked
    return hashlib.blake2b(os.fsencode(path) + identity, digest_size=16).digest()
