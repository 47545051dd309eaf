"""Leases that are bound to real processes end with them, and with nothing else."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from aura_actors.collectors.identity import identify
from aura_actors.domain.needs import JobSpec, ProcessIdentity
from aura_actors.errors import StoreUnavailable
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.process_exit import has_ended
from aura_actors.messages import admission as m
from tests.actors.house import House, acquire, ask, jobs, open_house
from tests.actors.waiters import queue, until

MIB = 2**20


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def identity(process: subprocess.Popen[bytes]) -> ProcessIdentity:
    found = identify(process.pid)
    assert found is not None
    return found


async def bind(house: House, job: str, process: ProcessIdentity) -> m.Grant:
    spec = JobSpec(memory_bytes=MIB)
    return await ask(house.ref, m.Acquire(job_id=job, owner="me", spec=spec, process=process, ttl_seconds=300))


async def until_jobs(house: House, *keys: str) -> None:
    async def there() -> bool:
        return set(await jobs(house)) == set(keys)

    await until(there)


async def test_a_process_that_is_killed_ends_its_leases_and_no_others(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    async with open_house(tmp_path) as house:
        for job in ("a", "b"):
            await bind(house, job, identity(process))
        await ask(house.ref, acquire("c"))
        assert {root.lease for root in house.roots.value} == {1, 2}
        process.kill()
        await until_jobs(house, "c")
        assert house.roots.value == ()
        assert (await house.ref.ask(m.Describe(), within=60)).ended == {"exited": 2}


async def test_what_a_process_held_is_for_those_who_wait(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    async with open_house(tmp_path, slots=1) as house:
        await bind(house, "a", identity(process))
        spec = JobSpec(memory_bytes=MIB)
        await house.ref.ask(m.Acquire(job_id="b", owner="me", spec=spec, wait=True), within=60)
        turn: m.Turn = Latest(None)
        await house.ref.ask(m.Acquire(job_id="c", owner="me", spec=spec, wait=True, turn=turn), within=60)
        process.kill()
        with trio.fail_after(10):
            granted = await turn.wait_newer(0)
        assert isinstance(granted, m.Grant)
        assert await queue(house) == ["b"], "nobody waits there"


async def test_a_process_that_ends_after_a_crash_of_the_actor_is_noticed(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    async with open_house(tmp_path) as house:
        await bind(house, "a", identity(process))
        await house.crash()
        assert {root.lease for root in house.roots.value} == {1}
        process.kill()
        await until_jobs(house)


async def test_an_end_that_cannot_be_written_is_carried_out_once_it_can(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    async with open_house(tmp_path) as house:
        who = identity(process)
        await bind(house, "a", who)
        house.journal.before = StoreUnavailable("no space left on device")
        process.kill()

        async def ended() -> bool:
            return has_ended(who.pid, who.start_ticks)

        await until(ended)
        await trio.sleep(0.3)  # it is noticed, in vain
        assert set(await jobs(house)) == {"a"}
        house.journal.before = None
        await until_jobs(house)


async def test_a_process_that_has_ended_already_holds_nothing_for_long(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    who = identity(process)
    process.kill()
    process.wait()
    async with open_house(tmp_path) as house:
        await bind(house, "a", who)
        await until_jobs(house)


async def test_at_the_start_leases_of_dead_processes_end_and_those_of_living_ones_stay(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:  # noqa: ASYNC220  (at once)
        dying = identity(other)
        async with open_house(tmp_path, session="one") as house:
            await bind(house, "living", identity(process))
            await bind(house, "dying", dying)
        other.kill()
    async with open_house(tmp_path, session="two", dead=frozenset({dying.pid})) as house:
        assert set(await jobs(house)) == {"living"}
        assert [root.pid for root in house.roots.value] == [process.pid]
        process.kill()
        await until_jobs(house)


async def test_the_roots_follow_a_lease_to_its_end(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    async with open_house(tmp_path) as house:
        first = await bind(house, "a", identity(process))
        await bind(house, "b", identity(process))
        assert sorted(root.lease for root in house.roots.value) == [1, 2]
        await house.ref.ask(m.Release(key="a", secret=first.lease.secret), within=60)
        assert [(root.lease, root.pid) for root in house.roots.value] == [(2, process.pid)]
