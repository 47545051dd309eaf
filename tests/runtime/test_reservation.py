"""Leases of an embedding program, in time that a test moves: what a loop costs that stands still, what is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from aura_actors import Runtime, Settings, open_runtime
from aura_actors.config.sections import Admission
from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec
from aura_actors.errors import Gone, StoreUnavailable
from aura_actors.messages import admission as m
from aura_actors.runtime.parts import Surroundings
from aura_actors.runtime.reservation import CONNECTION, Reservations
from aura_actors.testing import Probe

# --- a loop that stands still ----------------------------------------------------------------------------------


@asynccontextmanager
async def in_trios_time(folder: Path, clock: MockClock) -> AsyncIterator[Runtime]:
    """A runtime whose clock is Trio's, which a test moves: a jump is what a loop sees that stood still."""
    settings = Settings(
        data_dir=folder,
        admission=Admission(
            cpu_threshold_percent=100, memory_threshold_percent=100, reserved_for_ui=0, job_slots=10
        ),
    )
    surroundings = Surroundings(clock=clock.current_time, boot_clock=clock.current_time)  # threads ask it too
    async with open_runtime(settings, surroundings=surroundings) as runtime:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_clock, clock, nursery.cancel_scope)
            await runtime.wait_ready()
            nursery.cancel_scope.cancel()
        yield runtime


async def run_clock(clock: MockClock, scope: trio.CancelScope) -> None:
    """About as fast as the real one, so that threads keep up."""
    while not scope.cancel_called:
        clock.jump(0.05)
        await pause(0.01)


async def pause(seconds: float) -> None:
    """Of real time: what threads are at goes on."""
    await trio.to_thread.run_sync(lambda: __import__("time").sleep(seconds))


async def live(runtime: Runtime) -> list[Lease]:
    view = await runtime.parts.admission.ref.ask(m.Describe(), within=5)
    return [job.lease for job in view.jobs]


@pytest.mark.parametrize("seconds", [120, 199])
@pytest.mark.parametrize("age", [0, 99])
async def test_a_loop_that_stood_still_for_minutes_has_lost_no_lease(
    tmp_path: Path, mock_clock: MockClock, seconds: float, age: float
) -> None:
    """Whenever it happens between two renewals."""
    async with in_trios_time(tmp_path, mock_clock) as runtime:
        async with runtime.reserve("a", memory=1) as lease:
            mock_clock.jump(age)
            await wait_all_tasks_blocked()
            for _ in range(3):
                mock_clock.jump(seconds)
                for _ in range(5):
                    await pause(0.02)
                    await wait_all_tasks_blocked()
                assert [(each.key, each.fence) for each in await live(runtime)] == [("a", lease.fence)]
        assert await live(runtime) == []


# --- what is asked ---------------------------------------------------------------------------------------------


class House:
    def __init__(self, reservations: Reservations, probe: Probe[m.AdmissionMessage]) -> None:
        self.reservations = reservations
        self.probe = probe


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    probe = Probe[m.AdmissionMessage]()
    reservations = Reservations(probe.ref, ttl_seconds=300)
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: reservations.run(task_status=task_status))
        assert await probe.receive(m.Disconnected) == m.Disconnected(CONNECTION)
        yield House(reservations, probe)
        reservations.end()


def lease(key: str) -> Lease:
    return Lease(
        key=key,
        owner="embedded",
        secret="s",
        fence=1,
        spec=JobSpec(),
        ttl_seconds=300,
        granted_at=0,
        expires_at=300,
        granted_timestamp=0,
    )


async def hold(h: House, release: trio.Event) -> None:
    async with h.reservations.job("a", JobSpec(), wait_seconds=0, process=False):
        await release.wait()


async def begin(h: House, nursery: trio.Nursery) -> trio.Event:
    over = trio.Event()
    nursery.start_soon(hold, h, over)
    question = await h.probe.question(m.Acquire)
    assert (question.message.ttl_seconds, question.message.connection) == (300, CONNECTION)
    question.reply(m.Grant(lease=lease("a"), again=False))
    await wait_all_tasks_blocked()
    return over


async def test_a_lease_is_renewed_at_a_third_until_its_block_ends(autojump_clock: MockClock) -> None:
    async with house() as h, trio.open_nursery() as nursery:
        over = await begin(h, nursery)
        for _ in range(3):
            await h.probe.expect_nothing(99)
            (await h.probe.question(m.Batch, within=2)).reply((lease("a"),))
        over.set()
        (await h.probe.question(m.Release)).reply(None)
        await h.probe.expect_nothing(1000)


async def test_a_release_that_cannot_be_written_is_tried_again_and_holds_up_nobody(
    autojump_clock: MockClock,
) -> None:
    async with house() as h:
        async with trio.open_nursery() as nursery:
            over = await begin(h, nursery)
            over.set()
            (await h.probe.question(m.Release)).refuse(StoreUnavailable("disk full"))
        (await h.probe.question(m.Release, within=1.5)).refuse(StoreUnavailable("disk full"))
        (await h.probe.question(m.Release, within=1.5)).reply(None)
        await h.probe.expect_nothing(1000)


async def test_a_release_of_what_is_gone_is_done(autojump_clock: MockClock) -> None:
    async with house() as h:
        async with trio.open_nursery() as nursery:
            over = await begin(h, nursery)
            over.set()
            (await h.probe.question(m.Release)).refuse(Gone("over"))
        await h.probe.expect_nothing(1000)


async def test_a_cancelled_block_gives_its_lease_back_all_the_same(autojump_clock: MockClock) -> None:
    async with house() as h, trio.open_nursery() as nursery:
        await begin(h, nursery)
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            (await h.probe.question(m.Release)).reply(None)
