"""One supervised child: its state, its counts, and the run of one incarnation.

Owns the border between a service and its supervisor: what counts as ready, as an end, as a crash. Whether there is
another incarnation is the supervisor's decision.
"""

import math
from collections.abc import Callable

import trio

from aura_actors.kernel import crash as crashes
from aura_actors.kernel.child_spec import ChildSpec, Hurried, Informed
from aura_actors.kernel.lifecycle import Signal, State, advance

GRACE_SECONDS = 2.0
"""For an orderly end, where the specification does not say. A supervisor has bounds of its own."""
CANCEL_SECONDS = 1.0
"""For the end of what was cancelled, beyond another grace in which an actor may close."""


class Child:
    """A child and its present incarnation. `ended` is called once for each, unless the end was asked for."""

    def __init__(self, spec: ChildSpec, *, wall: Callable[[], float], dynamic: bool = False) -> None:
        self.spec = spec
        self.dynamic = dynamic
        self.state = State.WAITING
        # Grows with each start and each stop: whatever carries an older number is void.
        self.generation = 0
        self.starts = 0
        self.attempt = 0
        self.ready_at: float | None = None
        self.last_crash: str | None = None
        self.crashed_at: float | None = None
        self.settled = trio.Event()
        """Set once the incarnation is ready, or has ended before that."""
        self._scope = trio.CancelScope()
        self._stopping = trio.Event()
        self._gone = trio.Event()
        self._injected: Exception | None = None
        self._crash: str | None = None
        self._informed = spec.service if isinstance(spec.service, Informed) else None
        self._hurried = spec.service if isinstance(spec.service, Hurried) else None
        self._wall = wall

    def remember(self, before: "Child | None") -> None:
        """Go on with the counts of the same child under an earlier run of its supervisor."""
        if before is not None:
            self.starts, self.last_crash, self.crashed_at = before.starts, before.last_crash, before.crashed_at

    def signal(self, signal: Signal) -> None:
        """Go to the next state of the table."""
        before, self.state = self.state, advance(self.state, signal)
        over = self.state in (State.BACKOFF, State.STOPPED) and before is not self.state
        if over and self._informed is not None:
            self._informed.ended(self._crash, again=self.state is State.BACKOFF)

    @property
    def gone(self) -> bool:
        """Whether the present incarnation is over."""
        return self._gone.is_set()

    @property
    def crashed(self) -> bool:
        """Whether the present incarnation has ended with an error."""
        return self._crash is not None

    @property
    def grace_seconds(self) -> float:
        """How long an orderly end may take."""
        own = self.spec.grace_seconds
        return own if own is not None else (math.inf if self._hurried is not None else GRACE_SECONDS)

    @property
    def alive(self) -> bool:
        """Whether an incarnation is running, ready or not."""
        return self.state in (State.STARTING, State.RUNNING) and not self._gone.is_set()

    def inject(self, error: Exception) -> None:
        """End the incarnation as if `error` had escaped from it."""
        self._injected = error
        self._scope.cancel()

    def launch(
        self, nursery: trio.Nursery, name: str, ended: Callable[["Child", int, Exception | None], None]
    ) -> None:
        """Begin an incarnation; `settled` says when it is ready or over."""
        self.signal(Signal.LAUNCH)
        self.generation += 1
        self.starts += 1
        self.ready_at = None
        self._injected = None
        self._crash = None
        self._scope = trio.CancelScope(deadline=trio.current_time() + self.spec.start_seconds)
        self._stopping, self.settled, self._gone = trio.Event(), trio.Event(), trio.Event()
        nursery.start_soon(self._run, self.generation, ended, name=name)

    def started(self, value: None = None) -> None:
        """The service is ready (Trio's `task_status`). From here on only the supervisor ends it."""
        self.signal(Signal.READY)
        self._scope.deadline = float("inf")
        # Not earlier: a shield around a child that is still starting could outlast every outer deadline.
        self._scope.shield = True
        self.ready_at = trio.current_time()
        self.settled.set()

    async def _run(self, generation: int, ended: Callable[["Child", int, Exception | None], None]) -> None:
        crash: Exception | None = None
        rest: BaseException | None = None
        masked: Exception | None = None
        try:
            with self._scope:
                try:
                    await self.spec.service.run(stopping=self._stopping, task_status=self)
                except BaseException as error:  # raised again: the scope below would absorb what it hides
                    masked = crashes.masked(error)
                    raise
        except BaseException as error:  # noqa: BLE001  (a supervisor; what is no crash is raised again below)
            crash, rest = crashes.split(error)
        crash = crash or self._reason() or masked
        if crash is not None:
            self._crash = self.last_crash = crashes.describe(crash)
            self.crashed_at = self._wall()
        self._gone.set()
        self.settled.set()
        ended(self, generation, crash)
        if rest is not None:
            raise rest

    def _reason(self) -> Exception | None:
        """Why the scope was cancelled, where that was no stop."""
        if self._injected is not None:
            return self._injected
        # Also where it got ready in the very turn in which its time was up: the cancellation is on its way then.
        if self._scope.cancelled_caught and self.state in (State.STARTING, State.RUNNING):
            return TimeoutError(f"not ready within {self.spec.start_seconds:g} s")
        return None

    async def stop(self, then: Signal) -> bool:
        """End the incarnation: ask, wait for the grace period, cancel, wait again. False if it does not end.

        `then` is REST for good, or RETRY_LATER where it is to be started again. Somebody else may be at it already,
        and be cancelled before it is done: so this goes all the way too.
        """
        if not self._ask_to_end(then):
            return True
        if not await self._gone_within(self.grace_seconds):
            self._scope.cancel()
            if not await self._gone_within(min(self.grace_seconds, GRACE_SECONDS) + CANCEL_SECONDS):
                return False
        self.finish(then)
        return True

    def cut(self) -> None:
        """End the incarnation at once: there is no time for an orderly end."""
        if self._ask_to_end(Signal.REST):
            if self._hurried is not None:
                self._hurried.hurry()
            self._scope.cancel()

    def finish(self, then: Signal) -> None:
        """The incarnation that was stopped is over."""
        if self.state is State.STOPPING:
            self.signal(then)
        elif self.state is State.BACKOFF and then is Signal.REST:  # whoever was at it meant to start it again
            self.generation += 1
            self.signal(Signal.STOP)

    async def wait_gone(self) -> None:
        """Wait until the incarnation is over."""
        await self._gone.wait()

    def _ask_to_end(self, then: Signal) -> bool:
        """False where nothing is running any more, and nothing will."""
        self.generation += 1
        if self.state is State.STOPPING:
            return True
        if not self.alive:
            self.signal(then if self.state in (State.STARTING, State.RUNNING) else Signal.STOP)
            return False
        self.signal(Signal.STOP)
        self._stopping.set()
        return True

    async def _gone_within(self, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await self._gone.wait()
        return self._gone.is_set()
