"""The cleanup actor: schedule, runs, and what is told about them. Each file says which part it owns."""

from aura_actors.actors.cleanup.actor import Cleanup
from aura_actors.actors.cleanup.archive import Archive
from aura_actors.actors.cleanup.child import Child, Hand, Sweeper
from aura_actors.actors.cleanup.given import CleanupRule, CleanupWorld
from aura_actors.actors.cleanup.grounds import recognise
from aura_actors.actors.cleanup.pressure import DiskPressure

__all__ = [
    "Archive",
    "Child",
    "Cleanup",
    "CleanupRule",
    "CleanupWorld",
    "DiskPressure",
    "Hand",
    "Sweeper",
    "recognise",
]
