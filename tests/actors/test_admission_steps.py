"""A step of the admission actor happens as a whole or not at all, whatever comes in between."""

import math
from pathlib import Path

import msgspec
import pytest
import trio

from aura_actors.actors.admission import actor, writing
from aura_actors.domain.needs import JobSpec
from aura_actors.edges.waiting import acquire as wait_for
from aura_actors.errors import Gone, Lost, NeverFits, NotStarted, Refused, StoreUnavailable
from aura_actors.kernel.latest import Latest
from aura_actors.messages import admission as m
from tests.actors.house import GIB, Clock, House, acquire, ask, jobs, open_house
from tests.actors.waiters import Waiters, attended, queue, release, until, until_attended, until_queued

FULL = StoreUnavailable("no space left on device")


async def place(house: House, job: str, connection: str | None = None, size: int = GIB) -> m.Turn:
    """A place of somebody who waits."""
    turn: m.Turn = Latest(None)
    spec = JobSpec(memory_bytes=size)
    request = m.Acquire(job_id=job, owner="me", spec=spec, wait=True, turn=turn, connection=connection)
    assert isinstance(await house.ref.ask(request, within=60), m.Queued)
    return turn


@pytest.mark.parametrize("when", ["before_once", "after"])
async def test_a_crash_in_the_middle_of_a_grant_keeps_the_order(tmp_path: Path, when: str) -> None:
    async with open_house(tmp_path, slots=1) as house, trio.open_nursery() as nursery:
        held = await ask(house.ref, acquire("held"))
        waiters = Waiters(house, nursery)
        keys = [f"j{number}" for number in range(5)]
        for count, key in enumerate(keys, 1):
            waiters.start(acquire(key))
            await until_queued(house, *keys[:count])
        setattr(house.journal, when, ZeroDivisionError("in the middle of a step"))
        with pytest.raises(Lost):
            await release(house, held)
        await house.wait_up(after_generation=1)
        if "held" in await jobs(house):
            await release(house, held)
        for count in range(1, 6):
            await waiters.until(count)
            granted = waiters.told[waiters.order[-1]]
            assert isinstance(granted, m.Grant)
            assert await jobs(house) == {granted.lease.key: granted.lease.fence}
            await release(house, granted)
        assert waiters.order == keys
        assert (await queue(house), await jobs(house), len(house.seen.turns)) == ([], {}, 0)


async def test_those_who_wait_do_not_notice_a_crash(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        held = await ask(house.ref, acquire("held"))
        turns = [await place(house, f"j{number}") for number in range(3)]
        await house.crash()
        assert await attended(house) == ["j0", "j1", "j2"]
        assert [turn.value for turn in turns] == [None] * 3
        await release(house, held)
        assert isinstance(turns[0].value, m.Grant)
        assert await queue(house) == ["j1", "j2"]


async def test_whoever_was_granted_its_lease_in_the_moment_of_a_crash_is_told_afterwards(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        held = await ask(house.ref, acquire("held"))
        turn = await place(house, "a")
        house.journal.after = ZeroDivisionError("written, and not told")
        with pytest.raises(Lost):
            await release(house, held)
        await house.wait_up(after_generation=1)
        assert isinstance(turn.value, m.Grant)
        assert not turn.value.again
        assert (await jobs(house), house.seen.asked) == ({"a": turn.value.lease.fence}, {})


async def test_whoever_lost_its_place_in_a_crash_is_told_to_ask_again(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        await ask(house.ref, acquire("held"))
        turn = await place(house, "a")
        house.seen.queue.remove("a")
        del house.seen.asked["a"]
        await house.crash()
        assert isinstance(turn.value, NotStarted)
        assert len(house.seen.turns) == 0


async def test_a_ticket_is_good_after_a_crash(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        await ask(house.ref, acquire("held"))
        turn = await place(house, "a")
        ticket = await house.ref.ask(m.Abandon(turn=turn), within=60)
        assert isinstance(ticket, m.Queued)
        await house.crash()
        assert (await queue(house), await attended(house)) == (["a"], [])
        await house.ref.ask(m.Leave(key="a", ticket=ticket.ticket), within=60)
        assert await queue(house) == []


async def test_a_slot_is_waited_for_over_a_crash_in_the_same_place(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        take = m.AcquireSlot(provider="OpenAI", owner="me")
        first, _ = await ask(house.ref, take), await ask(house.ref, take)
        waiters = Waiters(house, nursery)
        waiters.start(take)
        await until_attended(house, 1)
        places = await queue(house)
        await house.crash()
        assert (await queue(house), await attended(house)) == (places, places)
        await release(house, first)
        await waiters.until(1)
        assert await queue(house) == []


@pytest.mark.parametrize("message", [m.Abandon, m.Forsake])
async def test_whoever_leaves_in_the_step_that_makes_room_is_passed_over(
    tmp_path: Path, message: type[m.Abandon | m.Forsake]
) -> None:
    clock = Clock()
    async with open_house(tmp_path, slots=1, clock=clock) as house:
        await ask(house.ref, acquire("held", ttl=5))
        turn, second = await place(house, "a"), await place(house, "b")
        clock.now += 6
        answer = await house.ref.ask(message(turn=turn), within=60)
        assert house.cell.statistics().generation == 1
        assert isinstance(answer, m.Queued if message is m.Abandon else type(None))
        assert isinstance(second.value, m.Grant)
        assert await queue(house) == (["a"] if message is m.Abandon else [])


async def test_whoever_leaves_as_it_is_told_hears_what_it_was_told(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        held = await ask(house.ref, acquire("held"))
        turn, revoked = await place(house, "a"), await place(house, "b")
        await release(house, held)
        await house.ref.ask(m.Revoke(job_id="b", by="me"), within=60)
        granted = await house.ref.ask(m.Abandon(turn=turn), within=60)
        assert granted is turn.value
        with pytest.raises(Gone, match="revoked"):
            await house.ref.ask(m.Abandon(turn=revoked), within=60)


async def test_what_is_granted_and_ended_in_one_step_is_not_told_as_granted(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, slots=1, clock=clock) as house:
        await ask(house.ref, acquire("held", ttl=5))
        turn = await place(house, "a")
        clock.now += 6
        await house.ref.ask(m.Revoke(job_id="a", by="me"), within=60)
        assert isinstance(turn.value, Gone)
        assert (await jobs(house), await queue(house)) == ({}, [])


async def test_the_lease_of_two_who_waited_for_it_is_not_taken_back_by_one(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        held = await ask(house.ref, acquire("held"))
        one, two = await place(house, "a"), await place(house, "a")
        await release(house, held)
        await house.ref.ask(m.Forsake(turn=one), within=60)
        assert isinstance(two.value, m.Grant)
        assert set(await jobs(house)) == {"a"}


async def test_a_lease_that_was_asked_for_again_is_not_taken_back_by_whoever_asked_first(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        turn: m.Turn = Latest(None)
        await ask(house.ref, m.Acquire(job_id="a", owner="me", spec=JobSpec(memory_bytes=GIB), turn=turn))
        assert (await ask(house.ref, acquire("a"))).again
        await house.ref.ask(m.Forsake(turn=turn), within=60)
        assert set(await jobs(house)) == {"a"}


async def test_a_place_of_a_batch_is_attended_by_nobody(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, slots=1, clock=clock) as house:
        held = await ask(house.ref, acquire("held", ttl=300))
        spec = JobSpec(memory_bytes=GIB)
        operation = m.Acquire(job_id="a", owner="me", spec=spec, wait=True)
        (answer,) = await house.ref.ask(m.Batch(operations=(operation,)), within=60)
        assert isinstance(answer, m.Queued)
        assert (await queue(house), await attended(house)) == (["a"], [])
        assert house.totals.value.queued_jobs == 1
        clock.now += house.rule.queue.ticket_ttl_seconds + 1
        assert await queue(house) == []
        await release(house, held)
        assert await jobs(house) == {}


async def test_a_poll_that_cannot_be_written_leaves_its_place_attended_by_nobody(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, slots=1, clock=clock) as house:
        await ask(house.ref, acquire("held", ttl=5))
        await house.ref.ask(m.Abandon(turn=await place(house, "a")), within=60)
        clock.now += 6
        house.journal.before = FULL
        with pytest.raises(StoreUnavailable):
            await wait_for(house.ref, acquire("a"), wait_seconds=10)
        assert (await queue(house), await attended(house), len(house.seen.turns)) == (["a"], [], 0)


async def test_whoever_leaves_while_nothing_can_be_written_has_left(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, slots=1, clock=clock) as house:
        await ask(house.ref, acquire("held", ttl=5))
        forsaken, abandoned = await place(house, "a"), await place(house, "b")
        clock.now += 6
        house.journal.before = FULL
        assert isinstance(await house.ref.ask(m.Abandon(turn=abandoned), within=60), m.Queued)
        with pytest.raises(StoreUnavailable):
            await house.ref.ask(m.Forsake(turn=forsaken), within=60)
        assert (await attended(house), len(house.seen.turns)) == ([], 0)
        house.journal.before = None
        assert set(await jobs(house)) == {"held"}, "it could not be renewed meanwhile"
        clock.now += 6
        assert await jobs(house) == {}, "nobody was there to be granted anything"


async def test_a_step_of_several_grants_is_taken_back_though_the_line_was_made_shorter(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        held = await ask(house.ref, acquire("held", 7 * GIB))
        turns = [await place(house, job, size=2 * GIB) for job in "abcd"]
        house.seen.queue.resize(1)
        house.journal.before_once = FULL
        with pytest.raises(StoreUnavailable):
            await release(house, held)
        assert (await jobs(house), await queue(house)) == ({"held": 1}, [*"abcd"])
        await release(house, held)
        assert [type(turn.value) for turn in turns] == [m.Grant] * 4
        assert house.cell.statistics().generation == 1


async def test_a_step_that_cannot_be_taken_back_is_a_crash_and_no_answer(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        held = await ask(house.ref, acquire("held"))

        def undo() -> None:
            raise Refused("not even this")

        house.actor._books.changes.undo.append(undo)
        house.journal.before_once = FULL
        with pytest.raises(Lost):
            await release(house, held)
        await house.wait_up(after_generation=1)
        assert await jobs(house) == {"held": 1}


async def test_whoever_waits_for_more_than_a_lowered_limit_is_told_that_it_never_fits(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        held = await ask(house.ref, acquire("held", 3 * GIB))
        big, small = await place(house, "big", size=6 * GIB), await place(house, "small", size=6 * GIB - 1)
        lower = msgspec.structs.replace(house.rule.ledger, memory_limit_bytes=6 * GIB - 1)
        house.rule = msgspec.structs.replace(house.rule, ledger=lower)
        await house.crash()
        await release(house, held)
        assert isinstance(big.value, NeverFits)
        assert [reason.dimension for reason in big.value.reasons] == ["memory_limit"]
        assert isinstance(small.value, m.Grant)
        assert (await queue(house), len(house.seen.turns), house.seen.asked) == ([], 0, {})


async def test_draining_that_cannot_be_written_did_not_begin_even_after_a_crash(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.ref, acquire("held", ttl=5))
        clock.now += 6
        house.journal.before = FULL
        with pytest.raises(StoreUnavailable):
            await house.ref.ask(m.Drain(on=True, by="me"), within=60)
        house.journal.before = None
        await house.crash()
        assert not (await ask(house.ref, acquire("a"))).again


async def test_time_that_is_owed_is_owed_until_it_is_written(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.ref, acquire("a", ttl=5))
        clock.now += 4
        house.slept += 3600
        house.journal.before = FULL
        assert set(await jobs(house)) == {"a"}
        clock.now += 2
        house.journal.before = None
        assert set(await jobs(house)) == {"a"}
        clock.now += 6
        assert await jobs(house) == {}


async def test_a_journal_that_cannot_be_written_for_longer_than_leases_live_ends_none(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        lease = (await ask(house.ref, acquire("a", ttl=5))).lease
        house.journal.before = FULL
        for _ in range(4):
            clock.now += 4
            with pytest.raises(StoreUnavailable):
                await house.ref.ask(m.Renew(key="a", secret=lease.secret), within=60)
        house.journal.before = None
        assert set(await jobs(house)) == {"a"}, "its holder could not renew it"
        clock.now += 4
        assert set(await jobs(house)) == {"a"}, "it has its full time again"
        clock.now += 2
        assert await jobs(house) == {}


@pytest.mark.parametrize("end", ["crash", "restart"])
async def test_an_admission_that_comes_back_waits_for_a_journal_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(actor, "AGAIN_SECONDS", 0.001)
    monkeypatch.setattr(writing, "AT_ONCE_SECONDS", math.inf)  # a try during which the clock is set took no minute
    clock = Clock()
    async with open_house(tmp_path, slots=1, clock=clock) as house:
        await ask(house.ref, acquire("a", ttl=5))
        turn = await place(house, "b")
        house.journal.before = FULL
        if end == "crash":
            house.supervisor.crash("admission", RuntimeError("on purpose"))
        else:
            await house.supervisor.restart_child("admission")

        async def tried_again() -> bool:
            return house.journal.recoveries > 20

        await until(tried_again)
        with pytest.raises(NotStarted):
            await house.ref.ask(m.Describe(), within=60)
        clock.now += 60
        house.journal.before = None
        await house.wait_up(after_generation=1)
        assert (set(await jobs(house)), await queue(house)) == ({"a"}, ["b"]), "nobody could renew"
        assert house.cell.statistics().generation == 2
        clock.now += 6
        assert set(await jobs(house)) == {"b"}
        assert isinstance(turn.value, m.Grant)


async def test_whoever_comes_back_to_its_place_keeps_it_when_its_old_connection_ends(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        held = await ask(house.ref, acquire("held"))
        await place(house, "a", "old")
        turn = await place(house, "a", "new")
        await house.ref.ask(m.Disconnected(connection="old"), within=60)
        assert await queue(house) == ["a"]
        await release(house, held)
        assert isinstance(turn.value, m.Grant)
        assert turn.value.lease.connection == "new"


async def test_what_a_client_came_back_to_without_its_connection_is_not_ended_with_that(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        spec = JobSpec(memory_bytes=GIB)
        await ask(house.ref, m.Acquire(job_id="held", owner="me", spec=spec, connection="old"))
        await place(house, "a", "old")
        again = await ask(house.ref, acquire("held"))
        turn = await place(house, "a")
        await house.ref.ask(m.Disconnected(connection="old"), within=60)
        assert (await jobs(house), await attended(house)) == ({"held": 1}, ["a"])
        await release(house, again)
        assert isinstance(turn.value, m.Grant)


async def test_a_place_is_not_ended_for_another_who_waits_there_by_who_asked_last(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        held = await ask(house.ref, acquire("held"))
        turns = {connection: await place(house, "a", connection) for connection in ("one", None, "two", "last")}
        for connection in ("last", "one", "two"):
            await house.ref.ask(m.Disconnected(connection=connection), within=60)
            assert (await attended(house), isinstance(turns[connection].value, Gone)) == (["a"], True)
        await release(house, held)
        turn = turns[None].value
        assert isinstance(turn, m.Grant)
        assert turn.lease.connection is None


async def test_a_lost_connection_attends_no_place_whoever_else_left_it(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        await ask(house.ref, acquire("held"))
        await place(house, "a", "old")
        turn = await place(house, "a")
        await house.ref.ask(m.Disconnected(connection="old"), within=60)
        await house.ref.ask(m.Forsake(turn=turn), within=60)
        assert (await queue(house), len(house.seen.turns)) == ([], 0)


async def test_a_connection_that_is_lost_while_nothing_can_be_written_attends_no_place(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, slots=1, clock=clock) as house:
        await ask(house.ref, acquire("held", ttl=5))
        await place(house, "a", "lost")
        clock.now += 6
        house.journal.before = FULL
        with pytest.raises(StoreUnavailable):
            await house.ref.ask(m.Disconnected(connection="lost"), within=60)
        assert (await queue(house), await attended(house), len(house.seen.turns)) == (["a"], [], 0)
        house.journal.before = None
        assert set(await jobs(house)) == {"held"}, "it could not be renewed meanwhile"
        clock.now += 6
        assert await jobs(house) == {}, "nobody was there to be granted anything"


async def test_a_lost_connection_ends_its_places_and_no_others(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        await ask(house.ref, acquire("held"))
        turns = {each: await place(house, each, each) for each in ("one", "two")}
        await house.ref.ask(m.Disconnected(connection="one"), within=60)
        assert await queue(house) == ["two"]
        assert isinstance(turns["one"].value, Gone)


async def test_a_batch_over_a_full_machine_answers_in_order_and_undoes_all_when_it_cannot_be_written(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, slots=2) as house:
        held = (await ask(house.ref, acquire("held"))).lease
        operations = (
            acquire("a"),
            m.Acquire(job_id="b", owner="me", spec=JobSpec(memory_bytes=GIB), wait=True),
            m.Release(key="held", secret=held.secret),
            m.Renew(key="held", secret=held.secret),
            acquire("a"),
        )
        house.journal.before = FULL
        with pytest.raises(StoreUnavailable):
            await house.ref.ask(m.Batch(operations=operations), within=60)
        assert (await jobs(house), await queue(house)) == ({"held": 1}, [])
        house.journal.before = None
        writes = house.journal.writes
        replies = await house.ref.ask(m.Batch(operations=operations), within=60)
        assert [type(reply) for reply in replies] == [m.Grant, m.Queued, type(None), Gone, m.Grant]
        assert house.journal.writes == writes + 1


async def test_the_totals_count_those_who_wait_as_they_come_and_go(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        await ask(house.ref, acquire("held"))
        turn = await place(house, "a")
        assert house.totals.value.queued_jobs == 1
        await house.ref.ask(m.Forsake(turn=turn), within=60)
        assert house.totals.value.queued_jobs == 0


async def test_a_jump_of_the_wall_clock_ends_nothing(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.ref, acquire("a", ttl=5))
        for jump in (1e9, -1e9):
            house.wall_jump = jump
            assert set(await jobs(house)) == {"a"}


async def test_revoking_ends_a_lease_and_what_nobody_has_cannot_be_revoked(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        await ask(house.ref, acquire("held"))
        turn = await place(house, "a")
        await house.ref.ask(m.Revoke(job_id="held", by="me"), within=60)
        assert isinstance(turn.value, m.Grant)
        assert set(await jobs(house)) == {"a"}
        with pytest.raises(Gone):
            await house.ref.ask(m.Revoke(job_id="held", by="me"), within=60)
        assert (await house.ref.ask(m.Describe(), within=60)).ended == {"revoked": 1}


async def test_what_was_counted_and_used_up_outlives_a_crash(tmp_path: Path) -> None:
    async with open_house(tmp_path, slots=1) as house:
        await ask(house.ref, acquire("held"))
        for _ in range(3):
            with pytest.raises(Exception, match="slots"):
                await ask(house.ref, acquire("a"))
        await house.ref.ask(m.Describe(), within=60)
        await house.crash()
        view = await house.ref.ask(m.Describe(), within=60)
        assert sum(view.denied.values()) == 3
