"""Sessions: leases that end with one connection, pipelined over it."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

import aura_actors
from aura_actors.client import session as sessions
from aura_actors.errors import (
    Conflict,
    Gone,
    InvalidValue,
    NeverFits,
    Refused,
    SpecChanged,
    Unavailable,
    Unreachable,
)
from tests.client.conftest import Daemon, idle, until

MIB = 2**20
GIB = 2**30
Run = Callable[..., Any]


def test_every_verb_works_in_a_session(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura, aura.session() as session:
            async with session.reserve("a", memory=MIB, kind="render") as lease:
                await lease.resize(memory="2MiB")
                await lease.ready()
                assert lease.memory_bytes == 2 * MIB
                assert [job.job_id for job in (await aura.jobs()).active] == ["a"]
                async with aura_actors.connect(url) as other, other.session() as second:
                    with pytest.raises(SpecChanged):
                        async with second.reserve("a", memory=5):
                            pytest.fail("it was granted")
            async with session.provider("OpenAI", tokens=9) as slot:
                slot.settle(tokens=7, outcome="ok")
                with pytest.raises(Refused):
                    async with session.provider("OpenAI"):
                        pytest.fail("it was granted")
            assert (await session.preflight("a", memory="1TiB")).decision == "never"
            assert (await aura.jobs()).active == []

    run(program)


def test_no_two_blocks_of_a_program_hold_the_same_lease_in_a_session_or_without_one(run: Run, url: str) -> None:
    """The first of two that ended would give back what the other one still holds."""

    async def program() -> None:
        async with aura_actors.connect(url) as aura, aura.session() as session:
            for one, another in ((session, session), (aura, session), (session, aura)):
                async with one.reserve("a", memory=MIB):
                    with pytest.raises(Conflict, match="another block"):
                        async with another.reserve("a", memory=MIB):
                            pytest.fail("it was granted")
                    assert [job.job_id for job in (await aura.jobs()).active] == ["a"]
            async with session.reserve("a", memory=MIB):
                pass

    run(program)


def test_a_refusal_in_a_session_comes_with_its_reasons(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura, aura.session() as session, session.reserve("a", memory=GIB):
            for wait in (None, 0.1):
                with pytest.raises(Refused) as refused:
                    async with session.reserve("b", memory=MIB, wait=wait):
                        pytest.fail("it was granted")
                assert refused.value.reasons[0].holders == ["a"]
            with pytest.raises(NeverFits) as never:
                async with session.reserve("b", memory="2GiB"):
                    pytest.fail("it was granted")
            assert never.value.reasons
            with pytest.raises(InvalidValue, match="bytes at a time"):
                async with session.reserve("b", hold_paths=[f"/{'x' * 1000}{n}" for n in range(9)]):
                    pytest.fail("it was granted")

    run(program)


@pytest.mark.parametrize("wait", [None, 0.1])
def test_a_lease_that_is_granted_when_nobody_waits_for_the_answer_any_more_is_given_back(
    run: Run, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, wait: float | None
) -> None:
    monkeypatch.setattr(sessions, "ANSWER_SECONDS" if wait is None else "OVERDUE_SECONDS", 0.2)
    monkeypatch.setattr(sessions, "LEAVE_SECONDS", 0.2)

    async def program() -> None:
        async with aura_actors.connect(daemon.url) as aura, aura.session() as session:
            daemon.freeze()
            try:
                with anyio.fail_after(5), pytest.raises(Unreachable, match=r"did not answer within 0\.[23] s"):
                    async with session.reserve("a", memory=GIB, wait=wait):
                        pytest.fail("it was granted")
                await anyio.sleep(0.3)
            finally:
                daemon.thaw()
            monkeypatch.undo()
            async with session.reserve("b", memory=GIB, wait=5):
                assert [job.job_id for job in (await aura.jobs()).active] == ["b"]

    run(program)


def test_what_a_session_holds_ends_with_it(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura:
            async with aura.session() as session, session.reserve("a", memory=MIB) as lease:
                await session._socket.aclose()
                with anyio.fail_after(5):
                    assert isinstance(await lease.wait_lost(), Unreachable)
                with pytest.raises(Unavailable):
                    async with session.reserve("b", memory=MIB):
                        pytest.fail("it was granted")
            await until(lambda: idle(aura))

    run(program)


def test_a_lease_of_a_session_that_is_revoked_is_reported(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura, aura.session() as session:
            async with session.reserve("a", memory=MIB, ttl=1) as lease:
                await aura._calls.ask("POST", "/api/admission/jobs/a/revoke")
                with anyio.fail_after(25):
                    assert isinstance(await lease.wait_lost(), Gone)

    run(program)


def test_a_killed_daemon_ends_the_session_and_its_questions(run: Run, open_daemon: Callable[..., Daemon]) -> None:
    daemon = open_daemon()

    async def program() -> None:
        async with aura_actors.connect(daemon.url) as aura, aura.session() as session:
            async with session.reserve("a", memory=GIB) as lease:
                async with anyio.create_task_group() as group:

                    async def wait() -> None:
                        with pytest.raises(Unreachable):
                            async with session.reserve("b", memory=MIB, wait="1m"):
                                pytest.fail("it was granted")

                    group.start_soon(wait)
                    await anyio.sleep(0.1)
                    daemon.kill()
                assert isinstance(session.lost, Unreachable)
                assert lease.lost is session.lost

    run(program)
