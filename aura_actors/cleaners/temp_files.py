"""Temporary files: whatever has lain in a folder for longer than a day, and the directories that this empties.

Owns the options and their defaults. How things are found, judged and removed is the business of `aged`, `walk`,
`domain.retention` and `removal`.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from aura_actors.cleaners.aged import remove_aged
from aura_actors.cleaners.base import Bench, FolderOptions
from aura_actors.cleaners.live import live_projects_left_alone
from aura_actors.cleaners.tree import opened
from aura_actors.domain.retention import Rule


class TempFiles(FolderOptions, frozen=True, kw_only=True, tag_field="task", tag="temp-files"):
    """Removes files by age, counted from the newest of mtime, ctime and birth time.

    Sockets, FIFOs, devices and hard-linked files stay; so do symbolic links unless `remove_symlinks`, and they are
    never followed.
    """

    folder: ClassVar[str] = "temp"

    remove_symlinks: bool = False

    def rule(self) -> Rule:
        """The options as a retention rule."""
        return msgspec.structs.replace(super().rule(), remove_symlinks=self.remove_symlinks)

    def work(self, bench: Bench) -> Iterator[None]:
        """Whatever is old enough goes to quarantine."""
        with opened(bench, self.root_under(bench.data_dir)) as tree, live_projects_left_alone(bench, tree):
            yield from remove_aged(bench, tree, self.rule(), exclude=self.exclude)
