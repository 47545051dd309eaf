"""The GPU actor: owns the probe, a child process that looks at the devices, and publishes what it says.

Owns when the probe runs, how long it may take and what is told while it cannot be asked. What hangs or crashes in a
driver costs the child process and never this one. Refuses to know how a device is read (`workers/`).
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

import msgspec
import trio

from aura_actors.domain.gpu import GpuState, GpuUse, believed, unavailable
from aura_actors.errors import Unavailable
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.restart import Backoff
from aura_actors.kernel.worker import Worker, WorkerEnded
from aura_actors.messages.gpu import GpuMessage, Look, Release, Resume
from aura_actors.workers import frames
from aura_actors.workers.pci import anything_expected

_SAMPLE = msgspec.msgpack.encode(frames.Sample())
_REPLY: msgspec.msgpack.Decoder[frames.Sampled] = msgspec.msgpack.Decoder(frames.Sampled)


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """How the probe is run. `root` stands for `/`; `environment` is set beside our own."""

    root: Path = Path("/")
    environment: dict[str, str] = {}
    period_seconds: float = 1.0
    first_answer_seconds: float = 30.0
    """A driver that nobody had open takes seconds to get ready."""
    answer_seconds: float = 3.0
    patience_seconds: float = 0.5
    """Between the three ways to end it; all three are within what an actor has for its end."""
    rest_seconds: float = 30.0
    """To twice this: how long a machine without a usable driver is left alone."""
    backoff: Backoff = Backoff(first_seconds=0.5, cap_seconds=60.0, healthy_seconds=60.0)

    def command(self) -> list[str]:
        """`-P`: a `pynvml.py` in the current folder is not ours."""
        return [sys.executable, "-P", "-m", "aura_actors.workers.gpu", "--root", str(self.root)]

    def variables(self) -> dict[str, str]:
        """Our environment without our settings, which can hold a token."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
        return ours | self.environment


class Gpu(Actor[GpuMessage]):
    """Publishes a `GpuState` every `period_seconds` while there is a device, else leaves the machine alone.

    `wall` is Unix time, `chance` in [0, 1) spreads what is tried again, `report` hears what the probe prints and
    how it ends, `limiter` bounds the threads that look whether there is any device (one). A release is kept in
    `latest`, so it holds across a restart of this actor.
    """

    def __init__(
        self,
        latest: Latest[GpuState | None],
        probe: Probe,
        *,
        limiter: trio.CapacityLimiter,
        wall: Callable[[], float],
        chance: Callable[[], float],
        report: Callable[[str], None],
    ) -> None:
        self._latest = latest
        self._probe = probe
        self._limiter = limiter
        self._wall = wall
        self._chance = chance
        self._report = report
        # Invariant: at most one probe runs, and one that could not be ended stays here until it is gone.
        self._worker: Worker | None = None
        self._answered = False
        self._started_at = 0.0
        self._crashes = 0
        self._renew_at = float("inf")
        self._due = 0.0
        self._cancel: Callable[[], None] = lambda: None

    async def open(self, context: Context[GpuMessage]) -> None:
        """Arrange for the first look; nothing waits for it."""
        self._context = context
        self._due = trio.current_time()
        self._look_in(0)

    async def handle(self, message: GpuMessage) -> GpuState | None:
        """Look, or let go. Each is over when the probe has answered or was ended."""
        match message:
            case Look():
                # It may have been on its way when the release came, or be the first of a new incarnation.
                if not self._rest_of_release():
                    await self._look()
            case Release():
                await self._release(message.seconds)
            case Resume():
                self._crashes = 0
                await self._look()
            case _:
                assert_never(message)
        return self._latest.value

    async def close(self) -> None:
        """End the probe."""
        await self._end()

    # --- looking ---

    def _look_in(self, seconds: float) -> None:
        """Look once more in `seconds`, in place of any look that was arranged before."""
        self._cancel()
        self._cancel = self._context.after(seconds, Look())

    async def _look(self) -> None:
        try:
            rest_seconds = await self._sample()
        except trio.TooSlowError:
            rest_seconds = await self._failed("it did not answer in time")
        except (WorkerEnded, OSError, msgspec.MsgspecError) as failure:
            rest_seconds = await self._failed(str(failure))
        now = trio.current_time()
        self._due = max(now, self._due + self._probe.period_seconds) if rest_seconds is None else now + rest_seconds
        self._look_in(self._due - now)

    async def _sample(self) -> float | None:
        """Ask the probe, started if need be. Returns how long to rest; None is until the next period."""
        unusable = not self._answered or trio.current_time() >= self._renew_at
        if unusable and not await self._end():
            return self._give_up_for_now("the probe hangs in a driver and cannot be ended")
        if self._worker is None:
            if not await trio.to_thread.run_sync(
                anything_expected, self._probe.root, limiter=self._limiter, abandon_on_cancel=True
            ):
                return self._give_up_for_now("there is no NVIDIA or AMD device")
            await self._start()
        began = trio.current_time()
        reply = await self._ask()
        if not reply.devices:
            await self._end()
            return self._give_up_for_now("; ".join(reply.problems) or "the drivers show no device")
        if reply.problems and self._renew_at == float("inf"):
            self._renew_at = trio.current_time() + self._rest_seconds()
        self._latest.set(
            GpuState(
                status="ok",
                reason="; ".join(reply.problems) or None,
                devices=tuple(_device(index, each) for index, each in enumerate(reply.devices)),
                timestamp=self._wall(),
                duration_seconds=trio.current_time() - began,
            )
        )
        return None

    async def _start(self) -> None:
        self._worker = await Worker.start(
            self._probe.command(),
            environment=self._probe.variables(),
            max_frame_bytes=frames.MAX_FRAME_BYTES,
        )
        self._context.nursery.start_soon(self._worker.listen, self._report)
        self._started_at = trio.current_time()
        self._renew_at = float("inf")
        self._answered = False

    async def _ask(self) -> frames.Sampled:
        assert self._worker is not None
        seconds = self._probe.answer_seconds if self._answered else self._probe.first_answer_seconds
        self._answered = False
        with trio.fail_after(seconds):
            reply = _REPLY.decode(await self._worker.ask(_SAMPLE))
        self._answered = True
        return reply

    # --- what goes wrong ---

    def _rest_seconds(self) -> float:
        return self._probe.rest_seconds * (1 + self._chance())

    def _give_up_for_now(self, reason: str) -> float:
        self._latest.set(unavailable(self._latest.value, reason, self._wall()))
        return self._rest_seconds()

    async def _failed(self, how: str) -> float:
        """The probe is of no use any more: end it, and start another after a while."""
        backoff = self._probe.backoff
        if trio.current_time() - self._started_at >= backoff.healthy_seconds:
            self._crashes = 0
        await self._end()
        self._report(f"the probe failed: {how}")
        self._latest.set(unavailable(self._latest.value, f"the probe failed: {how}", self._wall()))
        self._crashes += 1
        return backoff.delay(self._crashes - 1, self._chance())

    async def _release(self, seconds: float | None) -> None:
        if not await self._end():
            raise Unavailable("the probe hangs in a driver, which is therefore not released")
        until = None if seconds is None else self._wall() + seconds
        self._latest.set(GpuState(status="released", released_until=until))
        self._rest_of_release()

    def _rest_of_release(self) -> bool:
        """Whether the drivers are released now; if so, the next look is at the end of that."""
        state, now = self._latest.value, self._wall()
        if state is None or state.status != "released":
            return False
        until = float("inf") if state.released_until is None else state.released_until
        if now >= until:
            return False
        self._cancel()
        if state.released_until is not None:
            self._look_in(until - now)
        return True

    async def _end(self) -> bool:
        """End the probe in order, by force if need be. False if it cannot be ended now."""
        if self._worker is None:
            return True
        self._answered = False
        if not await self._worker.end(self._probe.patience_seconds):
            return False
        self._worker = None
        return True


def _device(index: int, said: frames.Device) -> GpuUse:
    """The device in the domain's words. Raises `msgspec.ValidationError` for a name that the domain lacks."""
    fields = msgspec.structs.asdict(said)
    values = fields.pop("values")
    fields["processes"] = None if said.processes is None else [msgspec.structs.asdict(p) for p in said.processes]
    return msgspec.convert({"index": index, **fields, **believed(values)}, GpuUse)
