"""What the publisher is told: which part of the world has news. It reads the news itself, from `Latest` cells."""

import msgspec


class SnapshotChanged(msgspec.Struct, frozen=True, tag=True):
    """There is a newer sample: publish system, process, utilization, actors, and alerts if one changed."""


class AdmissionChanged(msgspec.Struct, frozen=True, tag=True):
    """There is a newer view of the books: publish admission and providers."""


class CleanupChanged(msgspec.Struct, frozen=True, tag=True):
    """There is a newer state of the cleanup tasks: publish cleanup."""


class CleanupEnded(msgspec.Struct, frozen=True, tag=True):
    """There are reports of cleanup runs that nobody was told of: publish them as events of cleanup."""


class SomethingHappened(msgspec.Struct, frozen=True, tag=True):
    """There was a crash or a dead letter: publish events of actors, at most once a second.

    `waited`: that second is over.
    """

    waited: bool = False


class Decided(msgspec.Struct, frozen=True, tag=True):
    """Admission made decisions: publish them as one event of admission, at most once a second.

    `waited`: that second is over.
    """

    waited: bool = False


PublisherMessage = SnapshotChanged | AdmissionChanged | CleanupChanged | CleanupEnded | SomethingHappened | Decided
