"""What the harness must catch of a disk that cannot write: a protocol that does not hear it say no."""

from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

from aura_actors.cleaners import rows
from aura_actors.cleaners.sealing import Draft
from aura_actors.cleaners.segments import Packed
from tests.kill_points.row_scenarios import Rows


class HeedlessRows(Rows):
    """Rows go on the word of a segment whose fsync was not listened to, and that nobody has read back."""

    def act(self, place: Path) -> None:
        """One run that believes everything to be on the disk."""
        with patch.object(rows, "write_segment", _write_segment):
            super().act(place)


def _write_segment(folder_fd: int, packed: Packed) -> Packed:
    with Draft(folder_fd, packed.name) as draft:
        draft.write(packed.data)
        with suppress(OSError):
            draft.settle()
        draft.seal(packed.name)
    return packed
