"""Runs children: starts them in order, restarts each by itself (one_for_one), stops them in reverse.

Owns the restart budget, the delays and the order of the end; knows nothing of what a child does. It is a service
itself, so supervisors nest. Trio cannot kill a task: a child that ignores its cancellation is reported in
`stuck`, and the program must decide.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
import trio

from aura_actors.kernel import crash as crashes
from aura_actors.kernel.child_spec import ChildSpec
from aura_actors.kernel.lifecycle import Signal, State, advance
from aura_actors.kernel.restart import Backoff, RestartIntensity


class StartFailed(Exception):
    """A child did not get ready at the first start; nothing is left running."""

    def __init__(self, child: str, text: str) -> None:
        super().__init__(f"{child} did not start: {text}")
        self.child = child


class GaveUp(Exception):
    """A child used up the restart budget. A crash of its own kind, so that no parent takes it for a normal end."""

    def __init__(self, supervisor: str, child: str, text: str) -> None:
        super().__init__(f"{supervisor} gave up on {child}: {text}")
        self.child = child


class CrashReport(msgspec.Struct, frozen=True, kw_only=True):
    """A child ended with an error. `retry_seconds` is None where it is not started again."""

    child: str
    generation: int
    error: str
    exception: BaseException
    retry_seconds: float | None


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One child as it is now. `crashed_at` is wall time in seconds since 1970."""

    name: str
    state: str
    generation: int
    restarts: int
    last_crash: str | None
    crashed_at: float | None
    service: object


class _Child:
    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.state = State.WAITING
        # Grows with each start and each stop: a delayed restart that carries an older number is void.
        self.generation = 0
        self.starts = 0
        self.attempt = 0
        self.ready_at: float | None = None
        self.scope = trio.CancelScope()
        self.stopping = trio.Event()
        self.settled = trio.Event()
        self.ended = trio.Event()
        self.injected: Exception | None = None
        self.last_crash: str | None = None
        self.crashed_at: float | None = None

    def signal(self, signal: Signal) -> None:
        self.state = advance(self.state, signal)


class _Ready:
    """The `task_status` of one start. From here on only the supervisor may end the child."""

    def __init__(self, child: _Child) -> None:
        self._child = child

    def started(self, value: None = None) -> None:
        child = self._child
        child.signal(Signal.READY)
        child.scope.deadline = float("inf")
        # Not earlier: a shield around a child that is still starting could outlast every outer deadline.
        child.scope.shield = True
        child.ready_at = trio.current_time()
        child.settled.set()


class _Ended(msgspec.Struct, frozen=True):
    child: _Child
    generation: int
    crash: Exception | None


class _Retry(msgspec.Struct, frozen=True):
    child: _Child
    generation: int


class _Stop(msgspec.Struct, frozen=True):
    pass


class Supervisor:
    """A service that supervises `children`. `report` hears of every crash; `chance` jitters the delays."""

    def __init__(
        self,
        name: str,
        children: Sequence[ChildSpec],
        *,
        intensity: RestartIntensity | None = None,
        backoff: Backoff | None = None,
        report: Callable[[CrashReport], None] = lambda _: None,
        chance: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.stuck: list[str] = []
        self._intensity = intensity or RestartIntensity()
        self._backoff = backoff or Backoff()
        self._intensity.check_reachable(self._backoff)
        self._children = [_Child(spec) for spec in children]
        self._restarts: tuple[float, ...] = ()
        self._report = report
        self._chance = chance
        self._wall = wall

    # --- looking ---

    def nodes(self) -> Iterator[Node]:
        """The children as they are now, in start order."""
        for child in self._children:
            yield Node(
                name=child.spec.name,
                state=child.state.value,
                generation=child.starts,
                restarts=max(0, child.starts - 1),
                last_crash=child.last_crash,
                crashed_at=child.crashed_at,
                service=child.spec.service,
            )

    def crash(self, name: str, error: Exception) -> None:
        """End a running child as if `error` had escaped from it. For tests and chaos runs."""
        for child in self._children:
            if child.spec.name == name and child.state in (State.STARTING, State.RUNNING):
                child.injected = error
                child.scope.cancel()
                return
        raise LookupError(f"{self.name} has no running child {name!r}")

    # --- running ---

    async def run(self, *, stopping: trio.Event, task_status: trio.TaskStatus[None]) -> None:
        """Start every child, supervise until `stopping`, stop in reverse.

        Raises `StartFailed` for a failed first start and `GaveUp` once the budget is used up.
        """
        failure: StartFailed | GaveUp | None = None
        # Bounded by the children: each has at most one end and one retry under way.
        self._events_in, events = trio.open_memory_channel[_Ended | _Retry | _Stop](float("inf"))
        async with trio.open_nursery() as nursery:
            try:
                await self._start_all(nursery)
                task_status.started()
                nursery.start_soon(self._stop_when, stopping)
                async for event in events:
                    if isinstance(event, _Stop):
                        break
                    self._on_event(nursery, event)
            except (StartFailed, GaveUp) as error:
                failure = error
            finally:
                with trio.CancelScope(shield=True):
                    await self._stop_all()
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _start_all(self, nursery: trio.Nursery) -> None:
        for child in self._children:
            self._launch(nursery, child)
            await child.settled.wait()
            if child.state is not State.RUNNING:
                raise StartFailed(child.spec.name, child.last_crash or "it ended at once")

    async def _stop_when(self, stopping: trio.Event) -> None:
        await stopping.wait()
        self._events_in.send_nowait(_Stop())

    def _on_event(self, nursery: trio.Nursery, event: _Ended | _Retry) -> None:
        child = event.child
        if event.generation != child.generation:
            return
        if isinstance(event, _Retry):
            self._launch(nursery, child)
        else:
            self._on_end(nursery, child, event.crash)

    def _on_end(self, nursery: trio.Nursery, child: _Child, crash: Exception | None) -> None:
        now = trio.current_time()
        if not child.spec.restart.wanted_after(crashed=crash is not None):
            child.signal(Signal.REST)
            self._tell(child, crash, None)
            return
        if child.ready_at is not None and now - child.ready_at >= self._backoff.healthy_seconds:
            child.attempt = 0
        delay = self._backoff.delay(child.attempt, self._chance())
        child.attempt += 1
        self._restarts = self._intensity.record(self._restarts, now)
        if not self._intensity.allows(self._restarts):
            child.signal(Signal.REST)
            self._tell(child, crash, None)
            raise GaveUp(self.name, child.spec.name, child.last_crash or "it keeps ending") from crash
        child.signal(Signal.RETRY_LATER)
        self._tell(child, crash, delay)
        nursery.start_soon(self._retry_later, delay, _Retry(child, child.generation))

    async def _retry_later(self, seconds: float, retry: _Retry) -> None:
        await trio.sleep(seconds)
        self._events_in.send_nowait(retry)

    def _tell(self, child: _Child, crash: Exception | None, retry_seconds: float | None) -> None:
        if crash is not None:
            self._report(
                CrashReport(
                    child=child.spec.name,
                    generation=child.starts,
                    error=crashes.describe(crash),
                    exception=crashes.cause(crash),
                    retry_seconds=retry_seconds,
                )
            )

    def _launch(self, nursery: trio.Nursery, child: _Child) -> None:
        child.signal(Signal.LAUNCH)
        child.generation += 1
        child.starts += 1
        child.ready_at = None
        child.injected = None
        child.scope = trio.CancelScope(deadline=trio.current_time() + child.spec.start_seconds)
        child.stopping, child.settled, child.ended = trio.Event(), trio.Event(), trio.Event()
        nursery.start_soon(self._run_child, child, child.generation, name=f"{self.name}/{child.spec.name}")

    async def _run_child(self, child: _Child, generation: int) -> None:
        crash: Exception | None = None
        rest: BaseException | None = None
        try:
            with child.scope:
                await child.spec.service.run(stopping=child.stopping, task_status=_Ready(child))
        except BaseException as error:  # noqa: BLE001  (a supervisor; what is no crash is raised again below)
            crash, rest = crashes.split(error)
        if crash is None and child.injected is not None:
            crash = child.injected
        elif crash is None and child.scope.cancelled_caught and child.state is State.STARTING:
            crash = TimeoutError(f"not ready within {child.spec.start_seconds:g} s")
        if crash is not None:
            child.last_crash, child.crashed_at = crashes.describe(crash), self._wall()
        if child.state is State.STOPPING:
            child.signal(Signal.REST)
            self._tell(child, crash, None)
        else:
            self._events_in.send_nowait(_Ended(child, generation, crash))
        child.settled.set()
        child.ended.set()
        if rest is not None:
            raise rest

    # --- stopping ---

    async def _stop_all(self) -> None:
        for child in reversed(self._children):
            await self._stop(child)

    async def _stop(self, child: _Child) -> None:
        child.generation += 1
        if child.state in (State.STARTING, State.RUNNING) and not child.ended.is_set():
            child.signal(Signal.STOP)
            child.stopping.set()
            if await self._ends_within(child, child.spec.grace_seconds):
                return
            child.scope.cancel()
            if not await self._ends_within(child, child.spec.grace_seconds):
                self.stuck.append(child.spec.name)
            return
        if child.state in (State.STARTING, State.RUNNING):
            child.signal(Signal.REST)
        else:
            child.signal(Signal.STOP)

    async def _ends_within(self, child: _Child, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await child.ended.wait()
        return child.ended.is_set()
