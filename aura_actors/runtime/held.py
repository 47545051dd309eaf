"""What is opened before the supervision tree runs and closed after it: the claimed folder and the stores in it.

Owns the order of opening, and that nothing stays open where one of them cannot be. Blocking.
"""

import secrets

import msgspec

from aura_actors.cleaners.layout import create_layout
from aura_actors.edges.http.page import StaticFile
from aura_actors.errors import StoreUnavailable
from aura_actors.runtime import voice
from aura_actors.stores.data_dir import DataDir, boot_id
from aura_actors.stores.journal import Journal
from aura_actors.stores.kinds import KindStore
from aura_actors.stores.schedule import ScheduleStore


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What is opened before the tree runs and closed after it: blocking to make."""

    data: DataDir
    journal: Journal
    schedule: ScheduleStore
    kinds: KindStore
    files: dict[str, StaticFile]
    objection: str | None
    """Why the database of the default layout cannot be used."""


def hold(data: DataDir, files: dict[str, StaticFile]) -> Held:
    """Open the stores in a claimed data directory. Blocking. Raises `StoreUnavailable` or `InvalidValue`.

    What only cleanup needs is opened by cleanup: that it cannot be is no reason not to begin.
    """
    journal = Journal(data.journal, boot=boot_id(), session=secrets.token_hex(8))
    journal.open()
    try:
        kinds = KindStore(data.kinds)
    except StoreUnavailable:
        journal.close()
        raise
    try:
        objection = create_layout(str(data.path))
        if objection is not None:
            voice.layout(objection)
    except OSError as error:
        journal.close()
        kinds.close()
        raise StoreUnavailable(f"the folders in {data.path} cannot be made: {error}") from error
    schedule = ScheduleStore(data.schedule)
    return Held(data=data, journal=journal, schedule=schedule, kinds=kinds, files=files, objection=objection)
