"""The thread-pool tuner: resizes Trio's default thread limiter, which user code and libraries share.

Owns that one number. The runtime's own blocking work has private limiters and is not touched.
"""

import trio

from aura_actors.domain.snapshot import Snapshot
from aura_actors.domain.thread_pool import ThreadPoolRule
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.latest import Latest
from aura_actors.messages.tuner import SnapshotChanged, TunerMessage


class Tuner(Actor[TunerMessage]):
    """Applies `rule` to every Snapshot."""

    def __init__(self, rule: ThreadPoolRule, snapshots: Latest[Snapshot | None]) -> None:
        self._rule = rule
        self._snapshots = snapshots

    async def open(self, context: Context[TunerMessage]) -> None:
        """Follow the sampler."""
        context.follow(self._snapshots, SnapshotChanged())

    async def handle(self, message: TunerMessage) -> None:
        """Resize, if the machine's use says so."""
        taken = self._snapshots.value
        if taken is None:
            return
        limiter = trio.to_thread.current_default_thread_limiter()
        present = int(limiter.total_tokens)
        size = self._rule.size(present, cores=taken.cpu.logical_cores, cpu_percent=taken.cpu.overall_percent)
        if size != present:
            limiter.total_tokens = size
