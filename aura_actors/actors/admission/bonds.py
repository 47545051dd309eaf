"""Processes that leases are bound to: waiting for their end, and where attribution is to look for their memory.

Owns one wait for each process, however many leases it has. What ends with a process is the books' business.
"""

from collections.abc import Callable, Iterable

import trio

from aura_actors.domain.attribution import Root
from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import ProcessIdentity
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.process_exit import wait_process_exit


class Bonds:
    """`roots` is where it is told whose memory to look for; `ended` is called once a process is no more."""

    def __init__(
        self, nursery: trio.Nursery, roots: Latest[tuple[Root, ...]], ended: Callable[[ProcessIdentity], None]
    ) -> None:
        self._nursery = nursery
        self._roots = roots
        self._ended = ended
        self._waits: dict[tuple[int, int], trio.CancelScope] = {}
        # Invariant: every live lease that is bound to a process, by fence.
        self._bound: dict[int, ProcessIdentity] = {}
        roots.set(())

    def change(self, begun: Iterable[Lease], ended: Iterable[Lease]) -> None:
        """Leases began and ended."""
        changed = False
        for lease in begun:
            if lease.process is not None:
                self._bound[lease.fence] = lease.process
                changed = True
        for lease in ended:
            changed = self._bound.pop(lease.fence, None) is not None or changed
        if changed:
            self._follow()

    def _follow(self) -> None:
        wanted = {process.identity: process for process in self._bound.values()}
        for identity in self._waits.keys() - wanted.keys():
            self._waits.pop(identity).cancel()
        for identity in wanted.keys() - self._waits.keys():
            scope = self._waits[identity] = trio.CancelScope()
            self._nursery.start_soon(self._wait, wanted[identity], scope)
        self._roots.set(
            tuple(
                Root(lease=fence, pid=process.pid, start_ticks=process.start_ticks, cgroup=process.own_group)
                for fence, process in self._bound.items()
            )
        )

    async def _wait(self, process: ProcessIdentity, scope: trio.CancelScope) -> None:
        with scope:
            await wait_process_exit(process.pid, process.start_ticks)
            self._ended(process)
