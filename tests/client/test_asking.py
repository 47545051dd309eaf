"""What is asked again, and which process is named: against a daemon that plays a part."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import msgspec
import pytest
from anyio.abc import SocketAttribute, SocketStream

import aura_actors
from aura_actors.client import asking
from aura_actors.client.needs import job_body
from aura_actors.client.process import Process
from aura_actors.errors import Draining, InvalidValue, Unavailable, Unreachable
from aura_actors.wire.admission import AcquireBody

Run = Callable[..., Any]
LEASE = {
    "jobId": "a", "leaseId": "s", "fence": 7, "owner": "o", "memoryBytes": 1, "cpuCores": 0, "gpus": [],
    "grantedAt": "2026-01-01T00:00:00Z", "expiresAt": "2026-01-01T00:00:30Z", "ttlSeconds": 30,
}  # fmt: skip
TICKET = {
    "jobId": "a", "ticket": "t", "position": 1, "reasons": [], "retryAfterSeconds": 1,
    "expiresAt": "2026-01-01T00:00:30Z",
}  # fmt: skip


def answer(status: int, body: object) -> bytes:
    content = msgspec.json.encode(body)
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(content)) + content


def problem(status: int, kind: str, **rest: object) -> bytes:
    return answer(status, {"type": f"/problems/{kind}", "title": "t", "status": status, "detail": "d", **rest})


async def play(script: list[bytes], program: Callable[[str], Awaitable[None]]) -> int:
    """A daemon that gives each connection the next answer (nothing: it is cut), and 204 in the end."""
    served = 0

    async def serve(stream: SocketStream) -> None:
        nonlocal served
        async with stream:
            await stream.receive()
            said = script[served] if served < len(script) else b"HTTP/1.1 204 X\r\nConnection: close\r\n\r\n"
            served += 1
            if said:
                await stream.send(said)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, serve)
            await program(f"http://127.0.0.1:{port}")
            group.cancel_scope.cancel()
    return served


async def reserve(url: str, wait: str | None = None) -> None:
    async with aura_actors.connect(url) as aura, aura.reserve("a", pid=None, wait=wait) as lease:
        assert lease.fence == 7


def test_an_acquire_whose_answer_was_lost_is_asked_again(run: Run) -> None:
    assert run(play, [b"", b"", answer(200, LEASE)], reserve) == 4


@pytest.mark.parametrize("kind", ["unavailable", "draining"])
def test_who_waits_asks_a_daemon_that_comes_and_goes_again(run: Run, kind: str) -> None:
    async def waiting(url: str) -> None:
        await reserve(url, "10s")

    assert run(play, [problem(503, kind), b"", answer(201, LEASE)], waiting) == 4


@pytest.mark.parametrize("between", [[answer(202, TICKET)], [b""], []], ids=["a place", "nobody", "held"])
def test_who_waits_outlives_one_restart_after_another(
    run: Run, between: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each daemon that ends says that it drains, the next one to a question that it had held."""
    if not between:
        monkeypatch.setattr(asking, "AT_ONCE_SECONDS", -60.0)  # every answer took longer than that

    async def waiting(url: str) -> None:
        await reserve(url, "10s")

    ends = problem(503, "draining", retryAfterSeconds=1.0)
    script = [*[ends, *between] * 3, answer(201, LEASE)]
    assert run(play, script, waiting) == len(script) + 1


def test_a_daemon_that_says_twice_running_that_it_drains_is_believed(run: Run) -> None:
    async def waiting(url: str) -> None:
        with pytest.raises(Draining):
            await reserve(url, "10s")

    assert run(play, [problem(503, "draining")] * 2, waiting) == 2


def test_who_does_not_wait_is_told_at_once(run: Run) -> None:
    async def program(url: str) -> None:
        with pytest.raises(Unavailable):
            await reserve(url)

    assert run(play, [problem(503, "unavailable")], program) == 1


@pytest.mark.parametrize("drips", [False, True], ids=["nothing", "an answer without an end"])
@pytest.mark.parametrize("verb", ["reserve", "provider"])
def test_a_daemon_that_hangs_keeps_nobody_longer_than_the_wait_that_was_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, verb: str, drips: bool
) -> None:
    monkeypatch.setattr(asking, "OVERDUE_SECONDS", 0.3)

    async def hang(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            while drips:
                await stream.send(b"H")
                await anyio.sleep(0.05)
            await anyio.sleep_forever()

    async def program() -> None:
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as group,
        ):
            group.start_soon(listener.serve, hang)
            url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
            with anyio.fail_after(5):
                async with aura_actors.connect(url) as aura:
                    with pytest.raises(Unreachable, match=r"did not answer within 0\.[34]"):
                        async with getattr(aura, verb)("a", pid=None, wait=0.1):
                            pytest.fail("it was granted")
            group.cancel_scope.cancel()

    run(program)


def test_an_answer_of_somebody_else_is_one_sentence(run: Run) -> None:
    async def program(url: str) -> None:
        with pytest.raises(Unavailable, match="500, and not as an aura daemon"):
            await reserve(url)
        with pytest.raises(Unavailable, match="does not know"):
            await reserve(url)

    run(play, [answer(500, "hello"), answer(200, {"hello": 1})], program)


class Daemon:
    """Believes a process only as often as it is told to."""

    def __init__(self, *believes: bool) -> None:
        self.believes = list(believes)
        self.pids: list[int | None] = []

    async def ask(self, body: AcquireBody) -> str:
        self.pids.append(body.pid)
        if body.pid is not None and not self.believes.pop(0):
            raise InvalidValue("no", path="/pid")
        return "granted"


BODY = job_body("a", owner=None)


async def test_our_own_process_is_named_no_more_once_it_is_not_believed() -> None:
    daemon, process = Daemon(False), Process(is_told=True)
    for _ in range(2):
        assert await process.named(BODY, "own", daemon.ask) == "granted"
    assert [pid is None for pid in daemon.pids] == [False, True, True]


async def test_a_process_that_was_believed_is_named_again_though_it_is_not_believed_once() -> None:
    daemon, process = Daemon(True, False, True), Process(is_told=True)
    for _ in range(3):
        await process.named(BODY, "own", daemon.ask)
    assert [pid is None for pid in daemon.pids] == [False, False, True, False]


async def test_a_daemon_on_another_machine_is_told_of_no_process() -> None:
    daemon = Daemon()
    await Process(is_told=False).named(BODY, "own", daemon.ask)
    assert daemon.pids == [None]


async def test_a_process_that_was_given_and_is_not_believed_is_an_error() -> None:
    with pytest.raises(InvalidValue):
        await Process(is_told=True).named(BODY, 5, Daemon(False).ask)


def test_a_lost_connection_says_that_the_question_had_gone_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aura_actors.client.asking.LOST_SECONDS", 0.1)

    async def program(url: str) -> None:
        with pytest.raises(Unreachable) as lost:
            await reserve(url)
        assert lost.value.sent

    run(play, [b""] * 20, program)
