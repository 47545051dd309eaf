"""For tests: of programs that embed the runtime, of users' own actors, and ours.

run_actor, RunningActor      one actor under a real supervisor: its crashes, dead letters and generations
Probe, Question              a mailbox and a reference in the place of another actor
failing                      an actor that fails when the test says: in open, handle or close
crash                        end a part of a tree, or of a runtime, as if it had failed
nothing_left_running         fail if tasks, threads, processes or descriptors outlive a block
ManualClock                  steady, boot and wall time that stand until a test moves them
ScriptedCollector, Hang      readings as the test says: values, errors, a source that hangs
Machine                      collectors that show a chosen machine
open_test_runtime            a whole runtime on a loopback port, with its own data directory

For Trio's own time take `trio.testing.MockClock` (pytest-trio: `autojump_clock`, `mock_clock`); all that is written
`within` or `for_seconds` here is in that time.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aura_actors.testing.clock import ManualClock as ManualClock
    from aura_actors.testing.collectors import Hang as Hang
    from aura_actors.testing.collectors import ScriptedCollector as ScriptedCollector
    from aura_actors.testing.faults import crash as crash
    from aura_actors.testing.faults import failing as failing
    from aura_actors.testing.leftovers import StillRunning as StillRunning
    from aura_actors.testing.leftovers import nothing_left_running as nothing_left_running
    from aura_actors.testing.machine import Machine as Machine
    from aura_actors.testing.probe import Probe as Probe
    from aura_actors.testing.probe import Question as Question
    from aura_actors.testing.probe import Unexpected as Unexpected
    from aura_actors.testing.running import RunningActor as RunningActor
    from aura_actors.testing.running import run_actor as run_actor
    from aura_actors.testing.runtime import ServedRuntime as ServedRuntime
    from aura_actors.testing.runtime import open_test_runtime as open_test_runtime

# Resolved when first used: the test of an actor must not load the server.
_HOMES = {
    "Hang": "collectors",
    "Machine": "machine",
    "ManualClock": "clock",
    "Probe": "probe",
    "Question": "probe",
    "RunningActor": "running",
    "ScriptedCollector": "collectors",
    "ServedRuntime": "runtime",
    "StillRunning": "leftovers",
    "Unexpected": "probe",
    "crash": "faults",
    "failing": "faults",
    "nothing_left_running": "leftovers",
    "open_test_runtime": "runtime",
    "run_actor": "running",
}

__all__ = [
    "Hang",
    "Machine",
    "ManualClock",
    "Probe",
    "Question",
    "RunningActor",
    "ScriptedCollector",
    "ServedRuntime",
    "StillRunning",
    "Unexpected",
    "crash",
    "failing",
    "nothing_left_running",
    "open_test_runtime",
    "run_actor",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
