"""Temporary files: whatever has lain in a folder for longer than a day, and the directories that this empties.

Owns the options and their defaults. How things are found, judged and removed is the business of `walk`,
`domain.retention` and `removal`.
"""

from collections.abc import Iterator
from typing import ClassVar

from aura_actors.cleaners.base import Pass, TaskOptions
from aura_actors.cleaners.removal import remove
from aura_actors.cleaners.walk import walk
from aura_actors.domain.retention import Item, Plan, Rule


class TempFiles(TaskOptions, frozen=True, kw_only=True, tag_field="task", tag="temp-files"):
    """Removes files by age, where age is counted from the newest of mtime and ctime.

    Birth time would count too, but Python's `os.stat` does not have it on Linux; a file that was born by being
    written or copied here has a ctime that is no older. Sockets, FIFOs, devices and hard-linked files stay; so
    do symbolic links unless `remove_symlinks`, and they are never followed.
    """

    folder: ClassVar[str] = "temp"

    remove_symlinks: bool = False

    @property
    def name(self) -> str:
        """`temp-files`."""
        return str(self.__struct_config__.tag)

    def rule(self) -> Rule:
        """The options as a retention rule."""
        return Rule(
            older_than_seconds=self.older_than_seconds,
            remove_symlinks=self.remove_symlinks,
            max_files=self.max_files,
            max_bytes=self.max_bytes,
            max_share=self.max_share,
        )

    def scan(self, books: Pass) -> Iterator[Item]:
        """Everything below the root."""
        return walk(books, self.exclude)

    def apply(self, books: Pass, plan: Plan) -> None:
        """Remove what the plan says."""
        remove(books, plan)
