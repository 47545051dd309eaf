"""What the cleanup actor is told and asked. Owns no behaviour; reports are the public JSON's."""

import msgspec

from aura_actors.kernel.latest import Latest
from aura_actors.kernel.request import Request
from aura_actors.wire.cleanup import CleanupReport, CleanupState


class Tick(msgspec.Struct, frozen=True, tag=True):
    """Look whether a task is due."""


class Run(msgspec.Struct, frozen=True):
    """A run that was begun or joined."""

    run_id: str
    report: Latest[CleanupReport | None]
    """None until the run is over. `await report.wait_newer(0)` waits for that; the caller bounds the wait.

    Every run gets a report, also one that ends with its actor (outcome `interrupted`).
    """


class RunTask(Request[Run], frozen=True, tag=True):
    """Run one task now, or join the run of the same task and mode that waits or is under way.

    Answered at once. Refused with `InvalidValue` for a task that does not exist.
    """

    task: str
    dry_run: bool = False


class Describe(Request[CleanupState], frozen=True, tag=True):
    """Every task: its schedule, and its last report."""


CleanupMessage = Tick | RunTask | Describe
