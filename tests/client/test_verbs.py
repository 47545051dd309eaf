"""Every verb of the SDK, on both loops, over TCP and the unix socket, against a real daemon."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import anyio
import msgspec
import pytest

import aura_actors
from aura_actors.client.address import address_of
from aura_actors.client.calls import Calls
from aura_actors.errors import (
    Conflict,
    Draining,
    Foreign,
    InvalidValue,
    NeverFits,
    Refused,
    SpecChanged,
    Unreachable,
    UsageError,
)
from aura_actors.wire.metrics import SystemMetrics
from tests.client.conftest import Daemon, idle, queued, until

MIB = 2**20
GIB = 2**30
Run = Callable[..., Any]


async def test_verbs_are_the_same_as_those_of_the_embedded_runtime() -> None:
    from inspect import signature

    from aura_actors.wire.arguments import Needs

    embedded = set(signature(aura_actors.Runtime.reserve).parameters) - {"self", "job_id", "wait", "process"}
    assert embedded == set(Needs.__annotations__)
    assert set(signature(aura_actors.Runtime.provider).parameters) <= set(
        signature(aura_actors.Aura.provider).parameters
    )


def test_a_lease_lasts_as_long_as_its_block(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura:
            async with aura.reserve(
                "a", memory="256MiB", cpu=0.5, priority="high", kind="render", max_runtime="1h", hold_paths=["/x"]
            ) as lease:
                (job,) = (await aura.jobs()).active
                assert (job.job_id, job.fence, job.memory_bytes) == ("a", lease.fence, lease.memory_bytes)
                assert (job.cpu_cores, job.priority, job.kind) == (0.5, "high", "render")
                assert job.max_runtime_seconds == 3600
                assert (lease.memory_bytes, lease.gpus, lease.lost) == (256 * MIB, [], None)
                assert (lease.expires_at - lease.granted_at).total_seconds() == pytest.approx(
                    lease.ttl_seconds, abs=1
                )
                assert lease.lease_id not in repr(lease)
            assert (await aura.jobs()).active == []
            async with aura.reserve("a", memory="256MiB") as again:
                assert again.fence == lease.fence + 1

    run(program)


def test_this_process_is_named_unless_told_otherwise(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura:

            async def pid_of(**options: Any) -> int | None:
                async with aura.reserve("a", memory=MIB, **options):
                    return (await aura.jobs()).active[0].pid

            assert await pid_of() == os.getpid()
            assert await pid_of(pid=None) is None
            child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # noqa: ASYNC220
            try:
                assert await pid_of(pid=child.pid) == child.pid
            finally:
                child.communicate(b"\n")
            with pytest.raises(InvalidValue, match="no such process"):
                await pid_of(pid=child.pid)

    run(program)


def test_a_lease_ends_with_the_process_that_took_it(daemon: Daemon, run: Run) -> None:
    script = (
        "import anyio, os, aura_actors, sys\n"
        "async def main():\n"
        "    async with aura_actors.connect(sys.argv[1]) as aura:\n"
        "        async with aura.reserve('a', memory=1):\n"
        "            os.kill(os.getpid(), 9)\n"
        "anyio.run(main)\n"
    )
    subprocess.run([sys.executable, "-c", script, daemon.url], timeout=20, check=False)

    async def program() -> None:
        async with aura_actors.connect(daemon.url) as aura:
            await until(lambda: idle(aura))

    run(program)


def test_a_lease_can_be_resized_and_declared_ready(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura, aura.reserve("a", memory=MIB) as lease:
            await lease.resize(memory="2MiB", cpu=0.25)
            await lease.ready()
            assert (lease.memory_bytes, lease.cpu_cores) == (2 * MIB, 0.25)
            with pytest.raises(NeverFits) as never:
                await lease.resize(memory="1PiB")
            assert never.value.reasons[0].dimension == "memory"
            assert lease.memory_bytes == 2 * MIB

    run(program)


def test_a_refusal_comes_with_its_reasons(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url, owner="me") as aura, aura.reserve("a", memory=GIB):
            with pytest.raises(Refused) as refused:
                async with aura.reserve("b", memory=MIB):
                    pytest.fail("it was granted")
            (reason,) = refused.value.reasons
            assert (reason.dimension, reason.holders, reason.shortfall) == ("memory_limit", ["a"], MIB)
            assert refused.value.retry_after_seconds is not None
            with pytest.raises(Refused, match=r"within 0.2 s") as waited:
                async with aura.reserve("b", memory=MIB, wait="200ms"):
                    pytest.fail("it was granted")
            assert waited.value.reasons[0].holders == ["a"]
            assert (await aura.jobs()).queue == []
            with pytest.raises(NeverFits) as never:
                async with aura.reserve("b", memory="2GiB", wait="1h"):
                    pytest.fail("it was granted")
            assert never.value.reasons[0].needed == 2 * GIB
            with pytest.raises(Conflict, match="another block"):
                async with aura.reserve("a", memory=GIB):
                    pytest.fail("it was granted")

    run(program)


def test_what_another_program_holds_is_told_apart(run: Run, daemon: Daemon) -> None:
    async def program() -> None:
        async with (
            aura_actors.connect(daemon.url, owner="one") as one,
            aura_actors.connect(daemon.url, owner="one") as same,
            aura_actors.connect(daemon.url, owner="two") as two,
            one.reserve("a", memory=MIB) as lease,
        ):
            with pytest.raises(Conflict):
                async with two.reserve("a", memory=MIB):
                    pytest.fail("it was granted")
            with pytest.raises(SpecChanged):
                async with same.reserve("a", memory=2 * MIB):
                    pytest.fail("it was granted")
            lease.grant = msgspec.structs.replace(lease.grant, lease_id="another")
            with pytest.raises(Foreign):
                await lease.ready()

    run(program)
    # The block above could not release with that secret: its lease ends by its time.
    _wait_until_idle(daemon, run)


def _wait_until_idle(daemon: Daemon, run: Run) -> None:
    async def program() -> None:
        async with aura_actors.connect(daemon.url) as aura:
            for job in (await aura.jobs()).active:
                await aura._calls.ask("POST", f"/api/admission/jobs/{job.job_id}/revoke")

    run(program)


@pytest.mark.parametrize(
    "wrong",
    [
        {"job_id": ""}, {"job_id": "a b"}, {"memory": "2 gigs"}, {"cpu": -1}, {"gpu": {"memory": 5}},
        {"units": {"licences": -1}}, {"providers": "OpenAI"}, {"priority": "urgent"}, {"wait": "soon"},
        {"max_runtime": 0}, {"hold_paths": [""]}, {"ttl": 0}, {"pid": 0}, {"units": 3}, {"gpu": 3},
        {"providers": 3},
        {"hold_paths": 3}, {"hold_paths": "/tmp"}, {"hold_paths": [1]}, {"hold_paths": [b"/"]},
        {"hold_paths": ["/caf\udce9"]}, {"job_id": "."}, {"job_id": ".."},
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named_before_anything_is_sent(run: Run, wrong: Any) -> None:
    async def program() -> None:
        async with aura_actors.connect("http://127.0.0.1:1") as aura:
            with pytest.raises(InvalidValue):
                async with aura.reserve(**{"job_id": "a", "memory": 1, **wrong}):
                    pytest.fail("it was granted")

    run(program)


def test_a_misspelt_argument_is_a_type_error(run: Run) -> None:
    async def program() -> None:
        async with aura_actors.connect("http://127.0.0.1:1") as aura:
            with pytest.raises(TypeError, match="memroy"):
                async with aura.reserve("a", memroy=1):  # type: ignore[call-arg]
                    pytest.fail("it was granted")

    run(program)


def test_a_block_that_waits_begins_when_there_is_room(run: Run, url: str) -> None:
    async def program() -> None:
        order: list[str] = []
        async with aura_actors.connect(url) as aura:

            async def second() -> None:
                async with aura.reserve("b", memory=GIB, wait="1m") as lease:
                    order.append(f"b{lease.fence - first.fence}")

            async with anyio.create_task_group() as group, aura.reserve("a", memory=GIB) as first:
                group.start_soon(second)
                await until(lambda: queued(aura))
                order.append("a")
        assert order == ["a", "b1"]

    run(program)


def test_a_wait_is_several_requests_that_keep_one_place(
    run: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aura_actors.client.asking.Asking.__init__.__kwdefaults__", {"poll_seconds": 0.1})

    async def program() -> None:
        async with aura_actors.connect(url) as aura:

            async def second(*, task_status: Any) -> None:
                task_status.started()
                async with aura.reserve("b", memory=GIB, wait="1m"):
                    pass

            async with anyio.create_task_group() as group, aura.reserve("a", memory=GIB):
                await group.start(second)
                await anyio.sleep(0.5)
                (place,) = (await aura.jobs()).queue
                assert place.waited_seconds >= 0.4

    run(program)


def test_a_provider_slot_lasts_as_long_as_its_block_and_is_settled(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura:
            async with aura.provider("OpenAI", tokens=900) as slot:
                assert slot.provider == "OpenAI"
                with pytest.raises(InvalidValue):
                    slot.settle(outcome="lovely")
                slot.settle(tokens=731)
                slot.settle(outcome="ok")
                assert (slot.used.tokens, slot.used.outcome) == (731, "ok")
                with pytest.raises(Refused) as refused:
                    async with aura.provider("OpenAI"):
                        pytest.fail("it was granted")
                assert refused.value.reasons
            (provider,) = [each for each in (await aura.providers()).providers if each.name == "OpenAI"]
            assert (provider.active, provider.available) == (0, 1)
            with pytest.raises(InvalidValue):
                async with aura.provider("Open AI"):
                    pytest.fail("it was granted")

    run(program)


def test_a_preflight_takes_nothing(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura:
            assert (await aura.preflight(memory=MIB)).decision == "grant"
            assert (await aura.preflight(memory="1TiB", gpu=True)).decision == "never"
            assert (await aura.jobs()).active == []

    run(program)


def test_the_machine_is_looked_at(run: Run, url: str) -> None:
    async def program() -> None:
        async with aura_actors.connect(url) as aura:
            with anyio.fail_after(10):
                async for frame in aura.subscribe("system"):
                    sample = msgspec.json.decode(frame.data, type=SystemMetrics)
                    break
            assert (await aura.system()).memory.total_bytes == sample.memory.total_bytes
            assert (await aura.process()).thread_pool is not None
            assert (await aura.utilization()).active_jobs == 0
            assert await aura.alerts() is not None

    run(program)


def test_draining_and_tokens_have_errors_of_their_own(run: Run, open_daemon: Callable[..., Daemon]) -> None:
    daemon = open_daemon(AURA_HTTP__TOKEN="s3cret")

    async def program() -> None:
        async with aura_actors.connect(daemon.url) as nobody:
            with pytest.raises(UsageError, match=r"[Tt]oken"):
                await nobody.jobs()
            with pytest.raises(UsageError, match=r"[Tt]oken"):
                await anext(nobody.subscribe("system"))
        async with aura_actors.connect(daemon.url, token="s3cret") as aura:
            assert "s3cret" not in repr(aura._address)
            await anext(aura.subscribe("system"))
            await aura._calls.ask("POST", "/api/admission/drain", body={"on": True})
            for wait in (None, "1m"):
                with pytest.raises(Draining):
                    async with aura.reserve("a", memory=MIB, wait=wait):
                        pytest.fail("it was granted")

    run(program)


def test_where_no_daemon_answers_one_sentence_says_so(run: Run, tmp_path: Any) -> None:
    async def program() -> None:
        for url in ("http://127.0.0.1:1", f"unix:{tmp_path}/nothing"):
            async with aura_actors.connect(url) as aura:
                with pytest.raises(Unreachable, match=f"no daemon answers at {url}"):
                    async with aura.reserve("a"):
                        pytest.fail("it was granted")
                with pytest.raises(Unreachable):
                    await anext(aura.subscribe("system"))
                with pytest.raises(Unreachable):
                    async with aura.session():
                        pytest.fail("it was opened")

    run(program)


@pytest.mark.parametrize("url", ["unix:/a ?b#c%41", "unix:///a ?b#c%41", "unix:/a ?b#c%41/"])
def test_the_path_of_a_unix_socket_is_taken_as_it_is(url: str) -> None:
    assert address_of(url, None, {}).socket_path == "/a ?b#c%41"


@pytest.mark.parametrize(
    "url", ["ftp://x", "http://", "unix:relative", "http://u:p@x", "http://[", "nothing", "http://x:0"]
)
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidValue):
        async with aura_actors.connect(url):
            pass


def test_what_escapes_from_the_block_comes_out_bare(run: Run, url: str) -> None:
    async def program() -> None:
        with pytest.raises(ZeroDivisionError):
            async with aura_actors.connect(url) as aura, aura.reserve("a", memory=MIB):
                raise ZeroDivisionError
        async with aura_actors.connect(url) as aura:
            assert (await aura.jobs()).active == []

    run(program)


def test_a_defect_in_one_question_reaches_its_caller_and_ends_nothing_else(
    run: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Calls, method: str, path: str, **rest: Any) -> Any:
        if getattr(rest.get("body"), "job_id", "") == "broken":
            raise ZeroDivisionError
        return await ask(self, method, path, **rest)

    async def program() -> None:
        async with aura_actors.connect(url) as aura, aura.reserve("a", memory=MIB):
            with pytest.raises(ZeroDivisionError):
                async with aura.reserve("broken", memory=MIB):
                    pytest.fail("it was granted")
            assert [job.job_id for job in (await aura.jobs()).active] == ["a"]

    ask = Calls.ask
    monkeypatch.setattr(Calls, "ask", broken)
    run(program)


def test_using_it_loads_no_server(daemon: Daemon) -> None:
    code = (
        "import sys, asyncio, aura_actors\n"
        "async def main():\n"
        "    async with aura_actors.connect(sys.argv[1]) as aura, aura.reserve('a', memory=1):\n"
        "        async with aura.session(): pass\n"
        "asyncio.run(main())\n"
        "server = 'trio_websocket quart hypercorn psutil structlog aura_actors.domain aura_actors.edges'.split()\n"
        "print([name for name in server if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, daemon.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "[]"
