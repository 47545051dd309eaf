"""Waiting at the admission actor: turns, tickets, crashes, and those who go away."""

from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from aura_actors.domain.needs import JobSpec
from aura_actors.edges.waiting import acquire as wait_for
from aura_actors.errors import Draining, Foreign, Gone, Refused, StoreUnavailable
from aura_actors.kernel.latest import Latest
from aura_actors.messages import admission as m
from tests.actors.house import GIB, Clock, acquire, ask, jobs, open_house
from tests.actors.waiters import Waiters, queue, release, until, until_queued


async def test_a_release_hands_the_lease_to_whoever_waits_longest(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house, trio.open_nursery() as nursery:
        first = await ask(house.ref, acquire("first"))
        waiters = Waiters(house, nursery)
        waiters.start(acquire("a"))
        await until_queued(house, "a")
        waiters.start(acquire("b"))
        await until_queued(house, "a", "b")
        await release(house, first)
        await waiters.until(1)
        granted = waiters.told["a"]
        assert isinstance(granted, m.Grant)
        assert await queue(house) == ["b"]
        await release(house, granted)
        await waiters.until(2)
        assert waiters.order == ["a", "b"]


async def test_each_of_a_hundred_waiters_is_granted_exactly_once(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=3) as house, trio.open_nursery() as nursery:
        fences: list[int] = []

        async def work(number: int) -> None:
            grant = await wait_for(house.ref, acquire(f"j{number}"), wait_seconds=1000)
            assert isinstance(grant, m.Grant)
            fences.append(grant.lease.fence)
            assert house.totals.value.active_jobs <= 3
            await release(house, grant)

        for number in range(100):
            nursery.start_soon(work, number)

        async def all_done() -> bool:
            return len(fences) == 100

        await until(all_done)
        assert sorted(fences) == list(range(1, 101))
        assert (await jobs(house), await queue(house)) == ({}, [])
        assert len(house.seen.turns) == 0


async def test_when_its_time_is_up_a_waiter_has_a_ticket_that_keeps_its_place(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house, trio.open_nursery() as nursery:
        held = await ask(house.ref, acquire("held"))
        waiters = Waiters(house, nursery)
        waiters.start(acquire("a"), seconds=0.05)
        await waiters.until(1)
        ticket = waiters.told["a"]
        assert isinstance(ticket, m.Queued)
        waiters.start(acquire("b"))
        await until_queued(house, "a", "b")
        waiters.start(acquire("a"), name="a again")
        await wait_all_tasks_blocked()
        await release(house, held)
        await waiters.until(2)
        assert waiters.order == ["a", "a again"], "it came back to the place before b"
        nursery.cancel_scope.cancel()


async def test_a_place_that_nobody_attends_is_passed_over_and_ends_with_its_ticket(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, slots=1, clock=clock) as house, trio.open_nursery() as nursery:
        held = await ask(house.ref, acquire("held", ttl=300))
        waiters = Waiters(house, nursery)
        waiters.start(acquire("gone"), seconds=0.05)
        await waiters.until(1)
        waiters.start(acquire("b", ttl=300))
        await until_queued(house, "gone", "b")
        await release(house, held)
        await waiters.until(2)
        assert waiters.order == ["gone", "b"]
        assert await queue(house) == ["gone"]
        clock.now += house.rule.queue.ticket_ttl_seconds + 1
        assert await queue(house) == []


async def test_a_waiter_that_is_cancelled_leaves_the_queue(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house, trio.open_nursery() as nursery:
        await ask(house.ref, acquire("held"))
        waiters = Waiters(house, nursery)
        waiters.start(acquire("a"))
        await until_queued(house, "a")
        waiters.scopes["a"].cancel()
        await wait_all_tasks_blocked()
        assert await queue(house) == []
        assert len(house.seen.turns) == 0


async def test_a_lease_that_is_granted_in_the_moment_of_the_cancellation_is_taken_back(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        outcomes: list[tuple[bool, bool]] = []
        for steps in range(40):
            told: list[m.Grant | m.Queued] = []
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:

                    async def cancel(scope: trio.CancelScope = scope, steps: int = steps) -> None:
                        for _ in range(steps):
                            await trio.lowlevel.checkpoint()
                        scope.cancel()

                    nursery.start_soon(cancel)
                    told.append(await wait_for(house.ref, acquire("a"), wait_seconds=1000))
            held = "a" in await jobs(house)
            outcomes.append((bool(told), held))
            for grant in told:
                assert isinstance(grant, m.Grant)
                await release(house, grant)
        assert {told == held for told, held in outcomes} == {True}, "held if, and only if, it was told"
        assert (False, False) in outcomes
        assert house.seen.counts.granted > len([told for told, _ in outcomes if told]) or (True, True) in outcomes


async def test_what_was_held_before_is_not_taken_back_with_a_cancelled_question(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await ask(house.ref, acquire("a"))
        for steps in range(12):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(wait_for, house.ref, acquire("a"))
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()
            assert await jobs(house) == {"a": 1}


async def test_two_may_wait_for_one_place_and_one_may_go(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house, trio.open_nursery() as nursery:
        held = await ask(house.ref, acquire("held"))
        waiters = Waiters(house, nursery)
        for name in ("one", "two", "three"):
            waiters.start(acquire("a"), name=name)
        await until_queued(house, "a")
        await wait_all_tasks_blocked()
        waiters.scopes["one"].cancel()
        await wait_all_tasks_blocked()
        assert await queue(house) == ["a"]
        await release(house, held)
        await waiters.until(2)
        fences = {grant.lease.fence for grant in waiters.told.values() if isinstance(grant, m.Grant)}
        assert fences == {2}


async def test_a_crash_of_the_actor_loses_nobody_and_keeps_the_order(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house, trio.open_nursery() as nursery:
        held = await ask(house.ref, acquire("held"))
        waiters = Waiters(house, nursery)
        keys = [waiters.start(acquire(f"j{number}")) for number in range(10)]

        async def attended(count: int = 10) -> bool:
            return sum(w.attended for w in (await house.ref.ask(m.Describe(), within=60)).queue) == count

        await until(attended)
        order = await queue(house)
        await house.crash()
        assert await queue(house) == order
        await until(attended)
        await release(house, held)
        for count in range(1, 11):
            await waiters.until(count)
            grant = waiters.told[waiters.order[-1]]
            assert isinstance(grant, m.Grant)
            await release(house, grant)
        assert sorted(waiters.order) == sorted(keys)


async def test_a_waiter_whose_grant_cannot_be_written_stays_in_its_place(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house, trio.open_nursery() as nursery:
        held = await ask(house.ref, acquire("held"))
        waiters = Waiters(house, nursery)
        waiters.start(acquire("a"))
        await until_queued(house, "a")
        house.journal.before = StoreUnavailable("no space left on device")
        with pytest.raises(StoreUnavailable):
            await release(house, held)
        assert (await jobs(house), await queue(house)) == ({"held": 1}, ["a"])
        house.journal.before = None
        await release(house, held)
        await waiters.until(1)
        assert isinstance(waiters.told["a"], m.Grant)


async def test_a_full_queue_refuses(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1, places=2) as house, trio.open_nursery() as nursery:
        await ask(house.ref, acquire("held"))
        waiters = Waiters(house, nursery)
        waiters.start(acquire("a"))
        await until_queued(house, "a")
        waiters.start(acquire("b"))
        await until_queued(house, "a", "b")
        with pytest.raises(Refused) as refused:
            await wait_for(house.ref, acquire("one more"), wait_seconds=10)
        assert [reason.dimension for reason in refused.value.reasons] == ["queue"]
        nursery.cancel_scope.cancel()


async def test_draining_sends_those_who_wait_away_and_keeps_the_leases(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house, trio.open_nursery() as nursery:
        held = await ask(house.ref, acquire("held"))
        waiters = Waiters(house, nursery)
        waiters.start(acquire("a"))
        await until_queued(house, "a")
        await house.ref.ask(m.Drain(on=True, by="me"), within=60)
        await waiters.until(1)
        assert isinstance(waiters.told["a"], Draining)
        with pytest.raises(Draining):
            await ask(house.ref, acquire("b"))
        await house.crash()
        with pytest.raises(Draining):
            await ask(house.ref, acquire("b"))
        assert (await ask(house.ref, acquire("held"))).again
        await house.ref.ask(m.Drain(on=False, by="me"), within=60)
        await release(house, held)
        assert not (await ask(house.ref, acquire("b"))).again


async def test_a_ticket_gives_its_place_up_and_another_does_not(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        await ask(house.ref, acquire("held"))
        turn: m.Turn = Latest(None)
        waiting = await house.ref.ask(
            m.Acquire(job_id="a", owner="me", spec=JobSpec(memory_bytes=GIB), wait=True, turn=turn), within=60
        )
        assert isinstance(waiting, m.Queued)
        for ticket in (None, "wrong"):
            with pytest.raises(Foreign):
                await house.ref.ask(m.Leave(key="a", ticket=ticket), within=60)
        await house.ref.ask(m.Leave(key="a", ticket=waiting.ticket), within=60)
        assert isinstance(turn.value, Gone)
        with pytest.raises(Gone):
            await house.ref.ask(m.Leave(key="a", ticket=waiting.ticket), within=60)


async def test_a_slot_is_waited_for_like_a_job(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        take = m.AcquireSlot(provider="OpenAI", owner="me")
        first, _ = await ask(house.ref, take), await ask(house.ref, take)
        waiters = Waiters(house, nursery)
        waiters.start(take)
        await wait_all_tasks_blocked(0.01)
        assert waiters.order == []
        await release(house, first)
        await waiters.until(1)
        assert isinstance(waiters.told["OpenAI"], m.Grant)


async def test_a_place_that_cannot_be_given_leaves_no_turn_behind(tmp_path: Path) -> None:
    """Something else in the same step must be written, and cannot be."""
    clock = Clock()
    async with open_house(tmp_path, slots=1, clock=clock) as house:
        await ask(house.ref, acquire("held", ttl=300))
        clock.now += 250
        house.slept += 3600  # every lease is renewed in the next step
        house.journal.before = StoreUnavailable("no space left on device")
        with pytest.raises(StoreUnavailable):
            await wait_for(house.ref, acquire("a"), wait_seconds=10)
        house.journal.before = None
        assert (await queue(house), len(house.seen.turns)) == ([], 0)


async def test_what_a_batch_frees_is_for_those_who_wait_and_not_for_its_next_operation(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house, trio.open_nursery() as nursery:
        held = (await ask(house.ref, acquire("held"))).lease
        waiters = Waiters(house, nursery)
        waiters.start(acquire("a"))
        await until_queued(house, "a")
        operations = (m.Release(key="held", secret=held.secret), acquire("newcomer"))
        _, refused = await house.ref.ask(m.Batch(operations=operations), within=60)
        assert isinstance(refused, Refused)
        await waiters.until(1)
        assert set(await jobs(house)) == {"a"}


async def test_what_expires_is_for_those_who_wait_and_not_for_whoever_comes_next(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, slots=1, clock=clock) as house, trio.open_nursery() as nursery:
        await ask(house.ref, acquire("held", ttl=5))
        waiters = Waiters(house, nursery)
        waiters.start(acquire("a"))
        await until_queued(house, "a")
        clock.now += 6
        with pytest.raises(Refused):
            await ask(house.ref, acquire("newcomer"))
        await waiters.until(1)
        assert set(await jobs(house)) == {"a"}


async def test_a_sample_is_asked_for_when_something_ends_while_somebody_waits(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house, trio.open_nursery() as nursery:
        await release(house, await ask(house.ref, acquire("alone")))
        assert house.looks == 0
        held = await ask(house.ref, acquire("held"))
        waiters = Waiters(house, nursery)
        for key in ("a", "b"):
            waiters.start(acquire(key))
        await wait_all_tasks_blocked(0.01)
        await release(house, held)
        assert house.looks == 1
        nursery.cancel_scope.cancel()


async def test_what_a_job_holds_is_held_from_its_place_to_the_end_of_its_lease_without_a_gap(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, slots=1) as house, trio.open_nursery() as nursery:
        first = await ask(house.ref, acquire("first"))
        waiters = Waiters(house, nursery)
        spec = JobSpec(memory_bytes=GIB, hold_paths=("/inputs",))
        waiters.start(m.Acquire(job_id="a", owner="me", spec=spec))
        await until_queued(house, "a")
        held = house.seen.held_paths
        assert list(held.paths) == ["/inputs"]
        await house.crash()
        assert list(held.paths) == ["/inputs"]

        gaps: list[tuple[str, ...]] = []

        async def watch() -> None:
            while not waiters.told:  # while the grant is being written, too
                if held.paths != ("/inputs",):
                    gaps.append(held.paths)
                await trio.lowlevel.checkpoint()

        nursery.start_soon(watch)
        await release(house, first)
        await waiters.until(1)
        assert gaps == []
        granted = waiters.told["a"]
        assert isinstance(granted, m.Grant)
        assert list(held.paths) == ["/inputs"]
        await release(house, granted)
        assert list(held.paths) == []
