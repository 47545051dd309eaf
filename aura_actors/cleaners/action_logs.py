"""Action logs: rows older than 90 days are archived, and stay readable as segments for ever.

Owns the options and their defaults; the protocol is `rows`'.
"""

from aura_actors.cleaners.base import Age
from aura_actors.cleaners.rows import RowOptions
from aura_actors.cleaners.selection import Columns


class ActionLogs(RowOptions, frozen=True, kw_only=True, tag_field="task", tag="action-logs"):
    """Rows that must stay for now (`expires_at` in the default layout) stay, however old."""

    older_than_seconds: Age = 90 * 86_400.0
    table: str = "action_logs"
    columns: Columns = Columns(stamp="at")
    where: str | None = "expires_at IS NULL OR expires_at < :now"
