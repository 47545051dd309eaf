"""Cache entries that nobody has used for a day: they can be made again, so they need no quarantine.

Owns the options, and what counts as a use: the newest of the file's own stamps, its access time, and what the
application says. The latter two only ever extend a life.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import ClassVar

from aura_actors.cleaners.aged import remove_aged
from aura_actors.cleaners.application import last_uses
from aura_actors.cleaners.base import Bench, Every, FolderOptions
from aura_actors.cleaners.database import open_application
from aura_actors.cleaners.live import live_projects_left_alone
from aura_actors.cleaners.tree import Tree, opened
from aura_actors.cleaners.walk import Uses
from aura_actors.cleaners.watched import Watched
from aura_actors.domain.retention import Item, Keep, age_ns

HOUR_NS = 3_600 * 10**9
STAMP_SLACK_NS = HOUR_NS
"""An application writes its stamp once in an hour at most."""
RELATIME_SLACK_NS = 24 * HOUR_NS
"""A file system mounted `relatime`, as they are by default, renews access times once in a day at most."""


class Cache(FolderOptions, frozen=True, kw_only=True, tag_field="task", tag="cache"):
    """On a file system mounted `noatime`, only the application can say that an entry was read.

    It says so in the table `cache_entries` of the default layout, or of `database`; without a database, access
    times alone count.
    """

    folder: ClassVar[str] = "cache"

    every: Every | tuple[Every, ...] = ("hourly", "daily")
    database: str | None = None

    def work(self, bench: Bench) -> Iterator[None]:
        """Entries that are old enough are deleted, once nobody is seen to want them."""
        path = self.database or bench.database
        root = self.root_under(bench.data_dir)
        with ExitStack() as stack:
            tree = stack.enter_context(opened(bench, root))
            stack.enter_context(live_projects_left_alone(bench, tree))
            stamps: Callable[[], Mapping[str, float]] = dict
            if path is not None:
                watch = stack.enter_context(open_application(path, dry_run=bench.dry_run, reading=True))
                stamps = Watched(watch, lambda: last_uses(path, root, dry_run=bench.dry_run)).latest
            # Not the latest: who writes all the time would have all of it read again for every entry. Before a
            # batch of them goes it is.
            at_first = stamps()
            uses = Uses(
                lambda name: _used_ns(at_first, name),
                stamp_slack_ns=STAMP_SLACK_NS,
                access_slack_ns=_access_slack_ns(tree),
            )
            young_from_ns = bench.now_ns - STAMP_SLACK_NS - age_ns(self.older_than_seconds)

            def recheck(items: Sequence[Item]) -> list[Keep | None]:
                now = stamps()
                used = (_used_ns(now, tree.real_path(item.parent, item.name)) for item in items)
                return [Keep.YOUNG if used_ns > young_from_ns else None for used_ns in used]

            yield from remove_aged(
                bench, tree, self.rule(), exclude=self.exclude, uses=uses, recheck=recheck, quarantine=False
            )


def _used_ns(stamps: Mapping[str, float], path: str) -> int:
    return int(stamps.get(path, 0) * 1e9)


def _access_slack_ns(tree: Tree) -> int:
    """How much later than its access time a file may have been read."""
    return RELATIME_SLACK_NS if os.fstatvfs(tree.fd).f_flag & os.ST_RELATIME else 0
