"""Leases are kept alive by a thread: over a loop that stands still, a daemon that is killed, a clock that jumps."""

import datetime as dt
import math
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from anyio.abc import SocketAttribute, SocketStream

import aura_actors
from aura_actors.client import Lease, Slot, renewal
from aura_actors.client.address import address_of
from aura_actors.client.renewal import Renewer
from aura_actors.errors import Gone, Unavailable, Unreachable
from aura_actors.wire import admission as wire
from tests.client.conftest import Daemon, idle, queued, until

MIB = 2**20
GIB = 2**30
Run = Callable[..., Any]


async def is_sure(lease: Lease) -> bool:
    return lease.lost is None


async def is_later(lease: Lease, before: dt.datetime) -> bool:
    return lease.expires_at > before


def test_a_loop_that_stands_still_for_five_times_the_ttl_keeps_what_it_holds(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura:
            async with aura.reserve("a", memory=MIB, ttl=1) as lease, aura.provider("OpenAI", ttl=1) as slot:
                time.sleep(5)  # noqa: ASYNC251 - the loop is held up, as an application may do
                assert (lease.lost, slot.lost) == (None, None)
                (job,) = (await aura.jobs()).active
                assert (job.job_id, job.fence) == ("a", lease.fence)
                assert [each.active for each in (await aura.providers()).providers] == [1]

    run(program)


def test_the_thread_ends_with_the_connection(run: Run, url: str) -> None:
    def renewing() -> list[str]:
        return [each.name for each in threading.enumerate() if each.name == "aura-renewal"]

    async def program() -> None:
        async with aura_actors.connect(url) as aura:
            assert renewing() == []
            async with aura.reserve("a", memory=MIB), aura.reserve("b", memory=MIB):
                assert renewing() == ["aura-renewal"]
        assert renewing() == []

    run(program)


def test_a_lease_that_was_revoked_is_reported_and_the_block_goes_on(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura, aura.reserve("a", memory=MIB, ttl=1) as lease:
            await aura._calls.ask("POST", "/api/admission/jobs/a/revoke")
            with anyio.fail_after(5):
                assert isinstance(await lease.wait_lost(), Gone)
            with pytest.raises(Gone):
                await lease.ready()
            await anyio.lowlevel.checkpoint()

    run(program)


def test_a_daemon_killed_and_started_again_finds_its_leases_kept(
    run: Run, open_daemon: Callable[..., Daemon]
) -> None:
    daemon = open_daemon()

    async def program() -> None:
        async with aura_actors.connect(daemon.url) as aura:
            async with aura.reserve("a", memory=MIB, ttl=2) as lease, aura.reserve("b", memory=MIB, pid=None):
                daemon.kill()
                await anyio.to_thread.run_sync(daemon.start)
                await anyio.sleep(3)
                assert lease.lost is None
                assert {job.job_id: job.fence for job in (await aura.jobs()).active}["a"] == lease.fence
            assert (await aura.jobs()).active == []

    run(program)


def test_a_daemon_away_for_longer_than_the_ttl_is_reported_and_a_lease_that_lives_is_taken_up_again(
    run: Run, open_daemon: Callable[..., Daemon]
) -> None:
    daemon = open_daemon()

    async def program() -> None:
        async with aura_actors.connect(daemon.url) as aura, aura.reserve("a", memory=MIB, ttl=1) as lease:
            daemon.kill()
            with anyio.fail_after(10):
                assert isinstance(await lease.wait_lost(), Unavailable)
            await anyio.to_thread.run_sync(daemon.start)
            await until(lambda: is_sure(lease))
            assert [job.fence for job in (await aura.jobs()).active] == [lease.fence]

    run(program)


def test_who_waits_is_granted_by_the_next_daemon(run: Run, open_daemon: Callable[..., Daemon]) -> None:
    daemon = open_daemon()

    async def program(end: Callable[[], None]) -> None:
        async with aura_actors.connect(daemon.url) as aura, anyio.create_task_group() as group:
            async with aura.reserve("first", memory=GIB, ttl=5):

                async def wait() -> None:
                    async with aura.reserve("a", memory=MIB, wait=math.inf) as lease:
                        assert lease.fence > 0

                group.start_soon(wait)
                await until(lambda: queued(aura))
                await anyio.to_thread.run_sync(end)
                await anyio.to_thread.run_sync(daemon.start)
                await until(lambda: queued(aura))

    for end in (daemon.kill, daemon.stop):
        run(program, end)


def test_a_block_that_ends_while_the_daemon_is_away_is_given_back_when_it_is_there_again(
    run: Run, open_daemon: Callable[..., Daemon]
) -> None:
    daemon = open_daemon()

    async def program() -> None:
        async with aura_actors.connect(daemon.url) as aura:
            async with aura.reserve("a", memory=MIB):
                daemon.kill()
            with pytest.raises(Unreachable):
                await aura.jobs()
            await anyio.to_thread.run_sync(daemon.start)
            await until(lambda: idle(aura))

    run(program)


def test_a_daemon_that_stands_still_for_a_while_costs_nothing(run: Run, open_daemon: Callable[..., Daemon]) -> None:
    daemon = open_daemon()

    async def program() -> None:
        async with aura_actors.connect(daemon.url) as aura, aura.reserve("a", memory=MIB, ttl=6) as lease:
            daemon.freeze()
            time.sleep(4)  # noqa: ASYNC251 - the loop is frozen as well
            daemon.thaw()
            await anyio.sleep(1)
            assert [job.fence for job in (await aura.jobs()).active] == [lease.fence]

    run(program)


def test_what_is_held_no_longer_is_not_renewed_by_a_daemon_that_hangs(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever leaves waits for the request under way, and not for one after another that nobody answers."""
    monkeypatch.setattr(renewal, "ANSWER_SECONDS", 0.5)
    moment = dt.datetime.now(dt.UTC)

    def slot(number: int) -> Slot:
        grant = wire.Slot(
            provider="p",
            slot_id=f"{number}",
            lease_id=f"{number}",
            fence=number,
            owner="o",
            granted_at=moment,
            expires_at=moment,
            ttl_seconds=0.03,
        )
        return Slot(grant)

    async def program() -> None:
        asked: list[SocketStream] = []
        is_asked = anyio.Event()

        async def hang(stream: SocketStream) -> None:
            async with stream:
                asked.append(stream)
                is_asked.set()
                await anyio.sleep_forever()

        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            port = listener.extra(SocketAttribute.local_port)
            renewer = Renewer(address_of(f"http://127.0.0.1:{port}", None))
            async with anyio.create_task_group() as group:
                group.start_soon(listener.serve, hang)
                for each in [slot(number) for number in range(20)]:
                    renewer.keep(each)
                await is_asked.wait()
                await anyio.to_thread.run_sync(renewer.close)
                group.cancel_scope.cancel()
        assert len(asked) == 1

    run(program)


def test_a_clock_that_jumps_renews_at_once(run: Run, daemon: Daemon) -> None:
    """Where the clock goes on during a suspend: an hour is over, and the lease is renewed before it is reported."""
    now = [0.0]

    async def program() -> None:
        renewer = Renewer(address_of(daemon.url, None), clock=lambda: now[0])
        async with aura_actors.connect(daemon.url) as aura, aura.reserve("a", memory=MIB) as lease:
            before = lease.expires_at
            renewer.keep(lease)
            now[0] = 3600.0
            with renewer._changed:
                renewer._changed.notify()
            await until(lambda: is_later(lease, before))
            assert lease.lost is None
            renewer.close()

    run(program)
