"""Messages of the thread-pool tuner."""

import msgspec


class SnapshotChanged(msgspec.Struct, frozen=True, tag=True):
    """A newer sample of the machine is there."""


TunerMessage = SnapshotChanged
