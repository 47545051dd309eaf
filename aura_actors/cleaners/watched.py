"""Something read from the application's database that is read again when anybody has written there since.

Owns the question whether it is still true. Refuses to know what is read.
"""

import sqlite3
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Watched(Generic[T]):
    """`watch` is an open connection to the database, by which SQLite says whether others have written."""

    def __init__(self, watch: sqlite3.Connection, read: Callable[[], T]) -> None:
        self._watch = watch
        self._read = read
        # In this order: what is written between the two is read again, rather than missed.
        self._version = self._data_version()
        self._value = read()

    def latest(self) -> T:
        """What the database says now. Raises what reading raises."""
        version = self._data_version()
        if version != self._version:
            self._version, self._value = version, self._read()
        return self._value

    def refresh(self) -> None:
        """Read it again, whether or not anybody has written."""
        self._version, self._value = self._data_version(), self._read()

    def _data_version(self) -> int:
        (version,) = self._watch.execute("PRAGMA data_version").fetchone()
        return int(version)
