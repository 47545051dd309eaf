"""The scenarios of the protocol that compresses a log.

Owns a log beside a newer one, and the invariant over it: it is whole, or in a `.gz` that unpacks to the same.
"""

import gzip

from aura_actors.cleaners import CompressLogs, Purge, Swept
from tests.cleaners.household import Household
from tests.kill_points.row_scenarios import RecordScenario

LOG = "a line\n" * 3_000


class Gzip(RecordScenario):
    """A log beside a newer one."""

    cleaner = CompressLogs()

    def fill(self, house: Household) -> None:
        """Two logs of one kind."""
        logs = house.data_dir / "logs"
        (logs / "app-1.log").write_text(LOG)
        (logs / "app-2.log").write_text("the newest\n")

    def run(self, house: Household, run_id: str, *, later: float = 0) -> Swept:
        """With the end of the time of grace after the second: a log that a disk would not delete waits for it."""
        swept = super().run(house, run_id, later=later)
        if later:
            assert house.run(Purge(), days=self.days + later + 2).outcome == "done"
        return swept

    def invariant(self, house: Household) -> None:
        """Whole, or in a `.gz` that unpacks to the same."""
        logs = house.data_dir / "logs"
        packed = logs / "app-1.log.gz"
        if (logs / "app-1.log").exists():
            assert (logs / "app-1.log").read_text() == LOG
        else:
            assert packed.exists()
        if packed.exists():
            assert gzip.decompress(packed.read_bytes()).decode() == LOG
        assert (logs / "app-2.log").read_text() == "the newest\n"

    def is_done(self, house: Household) -> bool:
        """Only the newest, and what was compressed."""
        names = sorted(path.name for path in (house.data_dir / "logs").iterdir())
        return names == [".aura-root", "app-1.log.gz", "app-2.log"]

    def undone(self, house: Household) -> None:
        """There is nothing to undo: nothing was lost."""


class GzipAnew(Gzip):
    """The log went on after it was compressed."""

    def fill(self, house: Household) -> None:
        """With a `.gz` of its beginning."""
        super().fill(house)
        (house.data_dir / "logs" / "app-1.log.gz").write_bytes(gzip.compress(LOG[:700].encode()))

    def invariant(self, house: Household) -> None:
        """While the log is whole, the `.gz` may be of its beginning, or be gone."""
        logs = house.data_dir / "logs"
        packed = logs / "app-1.log.gz"
        if (logs / "app-1.log").exists() and packed.exists():
            assert LOG.startswith(gzip.decompress(packed.read_bytes()).decode())
            assert (logs / "app-1.log").read_text() == LOG
        else:
            super().invariant(house)
