"""The roots of the tasks: who each has to be, by the records of the store.

Owns that an identity which is new is written down as soon as it is believed. What makes a root one is
`cleaners.roots`' rule. Blocks.
"""

from aura_actors.cleaners import Ground, prepare_root
from aura_actors.stores.schedule import ScheduleStore


def recognise(store: ScheduleStore, path: str, data_dir: str) -> Ground:
    """Make the root at `path`, or recognise it. Raises `Declined` where it must not be worked in."""
    recorded = store.root(path)
    identity = prepare_root(path, recorded, keep_out=data_dir)
    if identity != recorded:
        store.record_root(path, identity)
    return Ground(path, identity)
