"""One run from its first step to its last: pace, pins, and an end when it is to stop.

Owns the conversation with the process that does the work. Every step is short, so that between two of them the load
is looked at, new pins are handed over, and a stop is heard. Refuses to know which run this is and what comes of it.
"""

from collections.abc import Callable

import msgspec
import trio

from aura_actors.actors.cleanup.child import Hand, TooLong
from aura_actors.actors.cleanup.given import CleanupRule, CleanupWorld
from aura_actors.cleaners import Progress, Swept
from aura_actors.cleaners.sweep import Outcome
from aura_actors.domain.yielding import busy_with, rest_seconds
from aura_actors.kernel.worker import WorkerEnded
from aura_actors.workers import sweep_frames as f


class Conductor:
    """Does runs one at a time. A process that cannot be ended stays here, and nothing is begun beside it."""

    def __init__(self, rule: CleanupRule, around: CleanupWorld, nursery: trio.Nursery) -> None:
        self._rule = rule
        self._around = around
        self._nursery = nursery
        self._stuck: Hand | None = None

    async def conduct(self, begin: f.Begin, stop: trio.Event, told: Callable[[Progress], None]) -> f.Ended:
        """Do the work; `told` hears how far it is. Raises nothing that a process or a disk can cause."""
        if self._stuck is not None and not await self._stuck.end():
            return _ended("failed", "the process of an earlier run hangs in the kernel and cannot be ended")
        self._stuck = None
        begin = msgspec.structs.replace(begin, pins=self._pins(begin.work))
        last = Progress(phase="", scanned=0, removed=0, freed_bytes=0, total=None)

        def tell(progress: Progress) -> None:
            nonlocal last
            last = progress
            told(progress)

        try:
            hand = await self._around.hire(self._nursery)
        except OSError as error:
            return _ended("failed", f"no process can be started: {error.strerror}")
        try:
            return await self._converse(hand, begin, stop, tell)
        except TooLong as refusal:
            return _ended("declined", _unheeded(begin.pins, refusal))
        except WorkerEnded as failure:
            return _ended("interrupted", f"the process that did it is gone: {failure}", last)
        except msgspec.MsgspecError as failure:
            return _ended("failed", f"the process that did it answered nonsense: {failure}", last)
        except trio.TooSlowError:
            detail = f"no step was done within {self._rule.answer_seconds:g} s: does a disk hang?"
            return _ended("failed", detail, last)
        finally:
            if not await hand.end():
                self._stuck = hand

    async def _converse(
        self, hand: Hand, begin: f.Begin, stop: trio.Event, told: Callable[[Progress], None]
    ) -> f.Ended:
        pins = begin.pins
        reply, worked_seconds = await self._ask(hand, begin)
        while isinstance(reply, f.Working):
            told(reply.progress)
            await self._rest(worked_seconds, stop)
            before, pins = pins, self._pins(begin.work)
            request = f.Step(
                seconds=self._rule.step_seconds, pins=None if pins is before or pins == before else pins
            )
            try:
                reply, worked_seconds = await self._ask(hand, f.Stop() if stop.is_set() else request)
            except TooLong as refusal:
                return await self._stop(hand, _unheeded(pins, refusal))
        return reply

    def _pins(self, work: f.Work) -> tuple[str, ...]:
        """What the work must leave alone now. An undo takes nothing away, so what jobs hold is nothing to it."""
        return () if isinstance(work, f.Undo) else self._around.pins()

    async def _stop(self, hand: Hand, why: str) -> f.Ended:
        """The end of a run that must not take another step."""
        reply, _ = await self._ask(hand, f.Stop())
        assert isinstance(reply, f.Ended)
        if reply.swept.outcome != "interrupted":
            return reply
        return msgspec.structs.replace(reply, swept=msgspec.structs.replace(reply.swept, detail=why))

    async def _ask(self, hand: Hand, request: f.Request) -> tuple[f.Reply, float]:
        began = trio.current_time()
        with trio.fail_after(self._rule.answer_seconds):
            reply = await hand.ask(request)
        return reply, trio.current_time() - began

    async def _rest(self, worked_seconds: float, stop: trio.Event) -> None:
        """While the machine is busy: as long as the batch took, unless there is to be an end."""
        busy = busy_with(self._around.load(), self._rule.manners) is not None
        with trio.move_on_after(rest_seconds(worked_seconds, busy=busy)):
            await stop.wait()


def _unheeded(pins: tuple[str, ...], refusal: TooLong) -> str:
    """What of jobs cannot be handed over cannot be left alone."""
    return f"the {len(pins)} paths that jobs hold are too much to be left alone one by one: {refusal}"


def _ended(outcome: Outcome, detail: str, far: Progress | None = None) -> f.Ended:
    """What is known of a run that did not say itself what came of it: how `far` it was when it was heard last."""
    swept = Swept(outcome=outcome, detail=detail)
    if far is not None:
        swept = msgspec.structs.replace(
            swept, scanned=far.scanned, removed=far.removed, freed_bytes=far.freed_bytes
        )
    return f.Ended(swept=swept, quarantine=None)
