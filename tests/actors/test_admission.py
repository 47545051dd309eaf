"""The admission actor over a real journal: what holders of leases can rely on."""

import os
from pathlib import Path

import pytest
import trio

from aura_actors.collectors.identity import identify
from aura_actors.domain.needs import JobSpec, Resize
from aura_actors.domain.reasons import Outcome
from aura_actors.errors import Conflict, Foreign, Gone, Lost, NeverFits, Refused, SpecChanged, StoreUnavailable
from aura_actors.messages import admission as m
from tests.actors.house import GIB, Clock, House, acquire, ask, forecast, jobs, open_house, snapshot


async def test_two_hundred_concurrent_acquires_never_grant_more_than_fits(tmp_path: Path) -> None:
    granted: list[int] = []
    refused: list[Refused] = []
    async with open_house(tmp_path) as house:

        async def one(n: int) -> None:
            try:
                granted.append((await ask(house.ref, acquire(f"job-{n}"))).lease.fence)
            except Refused as error:
                refused.append(error)

        async with trio.open_nursery() as nursery:
            for n in range(200):
                nursery.start_soon(one, n)
        assert (len(granted), len(refused)) == (8, 192)
        assert {reason.dimension for error in refused for reason in error.reasons} == {"memory_limit"}
        assert house.totals.value.reserved_bytes == 8 * GIB


async def test_the_same_request_gets_the_same_lease_renewed(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        first = await ask(house.ref, acquire("a"))
        again = await ask(house.ref, acquire("a"))
        assert (first.again, again.again) == (False, True)
        assert (again.lease.fence, again.lease.secret) == (first.lease.fence, first.lease.secret)
        assert house.totals.value.reserved_bytes == GIB


async def test_a_held_id_is_a_conflict_for_others_and_for_another_specification(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await ask(house.ref, acquire("a"))
        with pytest.raises(Conflict):
            await ask(house.ref, acquire("a", owner="somebody else"))
        with pytest.raises(SpecChanged):
            await ask(house.ref, acquire("a", memory=2 * GIB))
        with pytest.raises(Conflict):
            await house.ref.ask(
                m.Preflight(job_id="a", owner="somebody else", spec=JobSpec(memory_bytes=GIB)), within=60
            )


async def test_a_foreign_release_changes_nothing_and_a_second_one_is_harmless(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        grant = await ask(house.ref, acquire("a"))
        for secret in (None, "wrong"):
            with pytest.raises(Foreign):
                await house.ref.ask(m.Release(key="a", secret=secret), within=60)
        assert house.totals.value.reserved_bytes == GIB
        await house.ref.ask(m.Release(key="a", secret=grant.lease.secret), within=60)
        assert house.totals.value.reserved_bytes == 0
        with pytest.raises(Gone):
            await house.ref.ask(m.Release(key="a", secret=grant.lease.secret), within=60)
        assert house.totals.value.reserved_bytes == 0


async def test_an_ended_id_may_be_used_again_with_a_larger_fence(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        first = await ask(house.ref, acquire("a"))
        await house.ref.ask(m.Release(key="a", secret=first.lease.secret), within=60)
        second = await ask(house.ref, acquire("a", memory=2 * GIB))
        assert second.lease.fence > first.lease.fence
        with pytest.raises(Foreign):
            await house.ref.ask(m.Renew(key="a", secret=first.lease.secret, ttl_seconds=None), within=60)


async def test_an_expired_lease_frees_its_bytes_once(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        grant = await ask(house.ref, acquire("a", ttl=5))
        await ask(house.ref, acquire("b", ttl=60))
        clock.now += 5.1
        assert await jobs(house) == {"b": 2}
        assert house.totals.value.reserved_bytes == GIB
        with pytest.raises(Gone):
            await house.ref.ask(m.Release(key="a", secret=grant.lease.secret), within=60)
        assert house.totals.value.reserved_bytes == GIB


async def test_an_expired_lease_goes_without_anybody_asking(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.ref, acquire("a", ttl=5))
        clock.now += 6
        with trio.fail_after(5):
            await house.totals.wait_newer(house.totals.version)
        assert house.totals.value.active_jobs == 0


async def test_leases_of_an_ended_incarnation_and_later_ones_expire_without_anybody_asking(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.ref, acquire("a", ttl=5))
        await ask(house.ref, acquire("b", ttl=60))
        await house.crash()
        for seconds, active in ((6, 1), (60, 0)):
            clock.now += seconds
            with trio.fail_after(5):
                while house.totals.value.active_jobs != active:
                    await house.totals.wait_newer(house.totals.version)


async def test_a_renewal_counts_from_now_and_never_beyond_the_longest_time(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        grant = await ask(house.ref, acquire("a", ttl=5))
        clock.now += 4
        renewed = await house.ref.ask(m.Renew(key="a", secret=grant.lease.secret, ttl_seconds=None), within=60)
        assert renewed.expires_at == clock.now + 5
        longest = await house.ref.ask(m.Renew(key="a", secret=grant.lease.secret, ttl_seconds=99999), within=60)
        assert longest.ttl_seconds == 300


async def test_a_clock_that_goes_back_frees_nothing(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.ref, acquire("a", ttl=60))
        clock.now -= 90
        assert await jobs(house) == {"a": 1}


async def test_preflight_answers_as_acquire_would_and_takes_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        for memory, outcome in ((GIB, Outcome.GRANT), (9 * GIB, Outcome.NEVER)):
            judged = await forecast(house, m.Preflight(job_id="a", owner="me", spec=JobSpec(memory_bytes=memory)))
            assert judged.outcome is outcome
        assert house.totals.value.active_jobs == 0
        await ask(house.ref, acquire("b", memory=8 * GIB))
        judged = await forecast(house, m.Preflight(job_id="a", owner="me", spec=JobSpec(memory_bytes=GIB)))
        assert (judged.outcome, judged.reasons[0].holders) == (Outcome.WAIT, ("b",))


async def test_a_crash_of_the_actor_loses_no_lease(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        before = {f"job-{n}": (await ask(house.ref, acquire(f"job-{n}"))).lease for n in range(5)}
        slot = (await ask(house.ref, m.AcquireSlot(provider="OpenAI", owner="me", ttl_seconds=None))).lease
        await house.crash()
        assert await jobs(house) == {key: lease.fence for key, lease in before.items()}
        again = await ask(house.ref, acquire("job-3"))
        assert again.lease.secret == before["job-3"].secret
        with pytest.raises(Refused):
            await ask(house.ref, acquire("too much", memory=4 * GIB))
        await house.ref.ask(m.Release(key=slot.key, secret=slot.secret), within=60)
        assert (await ask(house.ref, acquire("next"))).lease.fence > slot.fence


async def test_counts_go_on_after_a_crash(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await ask(house.ref, acquire("a"))
        house.snapshots.set(snapshot(2, at=trio.current_time()))
        await house.view.wait_newer(house.view.version)
        await house.crash()
        view = await house.ref.ask(m.Describe(), within=60)
        assert view.granted == 1


async def test_a_restart_of_the_program_keeps_the_fences_and_gives_time_to_renew(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, session="one", clock=clock) as house:
        fences = {f"j{n}": (await ask(house.ref, acquire(f"j{n}", 1000, ttl=5))).lease.fence for n in range(50)}
    clock.now += 60  # longer than the leases live: nobody could renew while nobody listened
    async with open_house(tmp_path, session="two", clock=clock) as house:
        assert await jobs(house) == fences
        clock.now += 5.1
        assert await jobs(house) == {}
        assert (await ask(house.ref, acquire("new"))).lease.fence == 51


async def test_what_was_released_or_expired_does_not_come_back_and_renewals_do(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, session="one", clock=clock) as house:
        released = (await ask(house.ref, acquire("released"))).lease
        renewed = (await ask(house.ref, acquire("renewed", ttl=10))).lease
        await ask(house.ref, acquire("expired", ttl=5))
        slot = (await ask(house.ref, m.AcquireSlot(provider="P", owner="me", ttl_seconds=10))).lease
        clock.now += 6
        await house.ref.ask(m.Release(key="released", secret=released.secret), within=60)
        await house.ref.ask(m.Renew(key="renewed", secret=renewed.secret, ttl_seconds=200), within=60)
        await house.ref.ask(m.Renew(key=slot.key, secret=slot.secret, ttl_seconds=200), within=60)
        await house.crash()
        assert await jobs(house) == {"renewed": 2}
    async with open_house(tmp_path, session="two", clock=clock) as house:
        assert await jobs(house) == {"renewed": 2}
        clock.now += 150
        assert await jobs(house) == {"renewed": 2}
        assert house.totals.value.active_providers == ("P",)
        clock.now += 60
        assert await jobs(house) == {}
        assert not house.totals.value.active_providers


async def test_a_crash_opens_no_gate(tmp_path: Path) -> None:
    """What was seen of external use and of the processor is older than the incarnation, and stays."""
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        house.snapshots.set(snapshot(2, at=clock(), used=63 * GIB))
        await ask_until_seen(house)
        clock.now += 1
        house.snapshots.set(snapshot(3, at=clock(), used=0))
        await ask_until_seen(house)
        await house.crash()
        with pytest.raises(Refused):
            await ask(house.ref, acquire("a", memory=2 * GIB))


async def ask_until_seen(house: House) -> None:
    await house.ref.ask(m.Describe(), within=60)


async def test_a_reboot_ends_every_lease_and_fences_go_on(tmp_path: Path) -> None:
    async with open_house(tmp_path, boot="one") as house:
        await ask(house.ref, acquire("a"))
    async with open_house(tmp_path, boot="two", session="two") as house:
        assert await jobs(house) == {}
        assert (await ask(house.ref, acquire("a"))).lease.fence == 2


async def test_what_cannot_be_journalled_is_not_granted(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await ask(house.ref, acquire("a"))
        house.journal.before = StoreUnavailable("no space left on device")
        with pytest.raises(StoreUnavailable):
            await ask(house.ref, acquire("b"))
        assert await jobs(house) == {"a": 1}
        assert house.totals.value.reserved_bytes == GIB


async def test_while_an_end_cannot_be_journalled_one_can_look_but_not_acquire(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.ref, acquire("a", ttl=5))
        house.journal.before = StoreUnavailable("no space left on device")
        clock.now += 6
        assert await jobs(house) == {"a": 1}
        with pytest.raises(StoreUnavailable):
            await ask(house.ref, acquire("b"))
        house.journal.before = None
        assert await jobs(house) == {"a": 1}, "it could not be renewed meanwhile"
        clock.now += 6
        assert await jobs(house) == {}


async def test_provider_slots_are_leases_too(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        take = m.AcquireSlot(provider="OpenAI", owner="me", ttl_seconds=10)
        first = (await ask(house.ref, take)).lease
        await house.ref.ask(take, within=60)
        with pytest.raises(Refused):
            await house.ref.ask(take, within=60)
        assert house.totals.value.active_providers == ("OpenAI",)
        with pytest.raises(Foreign):
            await house.ref.ask(m.Release(key=first.key, secret="no"), within=60)
        with pytest.raises(Gone):
            await house.ref.ask(m.Release(key="other" + first.key, secret=first.secret), within=60)
        clock.now += 11
        assert (await ask(house.ref, take)).lease.fence == 3


async def test_how_long_calls_take_is_learned_from_slots_that_are_given_back_and_survives_a_crash(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:

        async def call(seconds: float) -> None:
            slot = (await ask(house.ref, m.AcquireSlot(provider="OpenAI", owner="me", ttl_seconds=10))).lease
            clock.now += seconds
            if seconds < 10:
                give_back = m.Release(key=slot.key, secret=slot.secret)
                await house.ref.ask(give_back, within=60)

        async def mean() -> float | None:
            (provider,) = (await house.ref.ask(m.Describe(), within=60)).providers
            return provider.mean_call_seconds

        await call(11)
        assert await mean() is None, "nobody said when that call was over"
        await call(2)
        assert await mean() == 2
        await call(4)
        assert await mean() == pytest.approx(2.2)
        version = house.view.version
        house.ref.tell(m.Sampled())
        await house.view.wait_newer(version)
        await house.crash()
        assert await mean() == pytest.approx(2.2)


async def test_an_asker_in_flight_during_a_crash_finds_its_lease_by_asking_again(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.journal.after = ZeroDivisionError("between the journal and the answer")
        with pytest.raises(Lost):
            await ask(house.ref, acquire("a"))
        await house.wait_up(after_generation=1)
        again = await ask(house.ref, acquire("a"))
        assert again.again
        assert house.totals.value.reserved_bytes == GIB


async def test_a_loop_that_stood_still_ends_no_lease(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    """Nobody could renew meanwhile, as after a restart."""
    async with open_house(tmp_path) as house:
        await ask(house.ref, acquire("a", ttl=5))
        mock_clock.jump(600)
        assert await jobs(house) == {"a": 1}
        mock_clock.jump(4)
        assert await jobs(house) == {"a": 1}
        mock_clock.jump(2)
        assert await jobs(house) == {}


async def test_after_a_sleep_of_the_machine_every_lease_has_its_full_time(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        await ask(house.ref, acquire("a", ttl=5))
        clock.now += 4
        house.slept += 3600
        assert await jobs(house) == {"a": 1}
        clock.now += 4
        assert await jobs(house) == {"a": 1}
        clock.now += 2
        assert await jobs(house) == {}


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
async def test_a_wall_clock_that_jumps_a_day_ends_nothing_and_keeps_nothing(tmp_path: Path, jump: float) -> None:
    clock = Clock()
    async with open_house(tmp_path, session="one", clock=clock) as house:
        lease = (await ask(house.ref, acquire("a", ttl=5))).lease
        house.wall_jump = jump
        assert await jobs(house) == {"a": 1}
        assert (await house.ref.ask(m.Renew(key="a", secret=lease.secret), within=60)).expires_at == clock.now + 5
        await house.crash()
        clock.now += 4
        assert await jobs(house) == {"a": 1}
        clock.now += 2
        assert await jobs(house) == {}


async def test_a_lease_ends_by_its_runtime_however_often_it_is_renewed(tmp_path: Path) -> None:
    clock = Clock()
    async with open_house(tmp_path, clock=clock) as house:
        spec = JobSpec(memory_bytes=GIB, max_runtime_seconds=60)
        lease = (await ask(house.ref, m.Acquire(job_id="a", owner="me", spec=spec))).lease
        for _ in range(5):
            clock.now += 11
            lease = await house.ref.ask(m.Renew(key="a", secret=lease.secret), within=60)
        assert lease.expires_at == 160
        clock.now += 6
        assert await jobs(house) == {}
        assert (await house.ref.ask(m.Describe(), within=60)).ended == {"runtime": 1}


async def test_a_batch_is_answered_in_order_and_written_at_once(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        before = house.journal.writes
        operations = (acquire("a"), acquire("a"), acquire("b", memory=9 * GIB), m.Release(key="a", secret="no"))
        first, again, never, foreign = await house.ref.ask(m.Batch(operations=operations), within=60)
        assert isinstance(first, m.Grant)
        assert isinstance(again, m.Grant)
        assert (first.again, again.again) == (False, True)
        assert isinstance(never, NeverFits)
        assert isinstance(foreign, Foreign)
        assert house.journal.writes == before + 1


async def test_a_batch_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        held = (await ask(house.ref, acquire("held"))).lease
        house.journal.before = StoreUnavailable("no space left on device")
        operations = (acquire("a"), m.Release(key="held", secret=held.secret), acquire("b", memory=8 * GIB))
        with pytest.raises(StoreUnavailable):
            await house.ref.ask(m.Batch(operations=operations), within=60)
        house.journal.before = None
        assert await jobs(house) == {"held": 1}
        assert (await house.ref.ask(m.Describe(), within=60)).memory.promised == GIB


async def test_a_lost_connection_ends_its_leases_and_no_others(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        for job, connection in (("a", "one"), ("b", "one"), ("c", "two"), ("d", None)):
            spec = JobSpec(memory_bytes=GIB)
            await ask(house.ref, m.Acquire(job_id=job, owner="me", spec=spec, connection=connection))
        await house.ref.ask(m.Disconnected(connection="one"), within=60)
        assert set(await jobs(house)) == {"c", "d"}


async def test_whoever_came_back_keeps_its_lease_when_its_old_connection_ends(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        for connection in ("old", "new"):
            spec = JobSpec(memory_bytes=GIB)
            await ask(house.ref, m.Acquire(job_id="a", owner="me", spec=spec, connection=connection))
        await house.ref.ask(m.Disconnected(connection="old"), within=60)
        assert set(await jobs(house)) == {"a"}
        await house.ref.ask(m.Disconnected(connection="new"), within=60)
        assert await jobs(house) == {}


async def test_leases_of_processes_that_ended_while_nobody_looked_end_at_the_start(tmp_path: Path) -> None:
    living = identify(os.getpid())
    assert living is not None
    async with open_house(tmp_path, session="one") as house:
        for job in ("a", "b"):
            spec = JobSpec(memory_bytes=GIB)
            await ask(house.ref, m.Acquire(job_id=job, owner="me", spec=spec, process=living))
        assert {(root.pid, root.lease) for root in house.roots.value} == {(os.getpid(), 1), (os.getpid(), 2)}
    async with open_house(tmp_path, session="two") as house:
        assert set(await jobs(house)) == {"a", "b"}
    async with open_house(tmp_path, session="three", dead=frozenset({os.getpid()})) as house:
        assert await jobs(house) == {}
        assert house.roots.value == ()


async def test_a_resize_is_journalled(tmp_path: Path) -> None:
    async with open_house(tmp_path, session="one") as house:
        lease = (await ask(house.ref, acquire("a", memory=4 * GIB))).lease
        await house.ref.ask(m.Renew(key="a", secret=lease.secret, resize=Resize(memory_bytes=GIB)), within=60)
        assert house.totals.value.reserved_bytes == GIB
        with pytest.raises(NeverFits):
            await house.ref.ask(
                m.Renew(key="a", secret=lease.secret, resize=Resize(memory_bytes=9 * GIB)), within=60
            )
        await ask(house.ref, acquire("b", memory=6 * GIB))
        with pytest.raises(Refused):
            await house.ref.ask(
                m.Renew(key="a", secret=lease.secret, resize=Resize(memory_bytes=3 * GIB)), within=60
            )
    async with open_house(tmp_path, session="two") as house:
        assert (await house.ref.ask(m.Describe(), within=60)).memory.promised == 7 * GIB
