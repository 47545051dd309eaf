"""The audit of operator actions: a row in the table `action_logs` of the default database for each.

Owns how one is written; blocking, thread-safe, no Trio. The table belongs to the default layout, and an
application may write to it too. Refuses to know who may do what, and when rows are archived.
"""

import sqlite3
import threading
from pathlib import Path

from aura_actors.cleaners.layout import DATABASE, create_layout
from aura_actors.errors import StoreUnavailable

BUSY_SECONDS = 1.0


class AuditStore:
    """The default layout, made on first start, and its table of actions. Raises `StoreUnavailable`."""

    def __init__(self, data_dir: str | Path) -> None:
        self._path = Path(data_dir, DATABASE)
        self._lock = threading.Lock()
        try:
            objection = create_layout(str(data_dir))
            if objection is not None:
                raise StoreUnavailable(objection)
            self._connection = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error

    def record(
        self,
        *,
        at: float,
        actor: str,
        action: str,
        target: str | None = None,
        outcome: str = "done",
        detail: str | None = None,
    ) -> None:
        """Somebody did something. `at` is unix seconds; `action` a word such as `cleanup.run` or `drain.on`."""
        try:
            with self._lock:
                self._connection.execute(
                    "INSERT INTO action_logs (at, actor, action, target, outcome, detail)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (at, actor, action, target, outcome, detail),
                )
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"the audit in {self._path} cannot be written: {error}")
