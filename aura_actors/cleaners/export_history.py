"""Export history: rows older than 30 days go, and can be put back for as long as the quarantine keeps things.

Owns the options and their defaults; the protocol is `rows`'.
"""

from aura_actors.cleaners.base import Age
from aura_actors.cleaners.rows import RowOptions
from aura_actors.cleaners.selection import Columns


class ExportHistory(RowOptions, frozen=True, kw_only=True, tag_field="task", tag="export-history"):
    """Exports that have not ended stay, however old. What was exported is not touched."""

    older_than_seconds: Age = 30 * 86_400.0
    table: str = "export_history"
    columns: Columns = Columns()
    where: str | None = "status NOT IN ('queued', 'running')"
    discard: bool = True
