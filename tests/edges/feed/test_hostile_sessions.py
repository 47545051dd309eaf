"""Clients that ask for leases and break the rules, flood, stall or vanish: each harms only itself."""

import json
import socket
import struct
from typing import Any

import msgspec
import pytest
import trio
from wsproto.frame_protocol import FrameProtocol, Opcode

from aura_actors.edges.access import Access
from aura_actors.edges.feed import Deadlines, Limits, hub
from aura_actors.edges.peer import Caller, caller_of
from aura_actors.messages import admission as m
from tests.edges.feed.sessions import House, opened

UPGRADE = (
    b"GET /feed HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)


def frame(**body: Any) -> bytes:
    """A text frame with a mask of zeros."""
    payload = json.dumps(body).encode()
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack("!H", len(payload))
    return b"\x81" + size + bytes(4) + payload


def acquire(number: int, **body: Any) -> bytes:
    return frame(type="acquire", id=number, **{"jobId": f"j{number}", "memoryBytes": 1, **body})


async def raw(house: House, *, receive_buffer: int | None = None) -> trio.SocketStream:
    sock = trio.socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await sock.connect(("127.0.0.1", house.server.port))
    return trio.SocketStream(sock)


async def check_unharmed(house: House) -> None:
    """Another client is served, and nothing was reported as a failure of ours."""
    async with house.client() as client:
        lease = await client.take("unharmed")
        await client.ask("release", 2, jobId="unharmed", leaseId=lease["leaseId"])
    await house.server.check_alive()
    assert house.server.listener.statistics().failures_total == 0


@pytest.mark.parametrize(
    ("sent", "pointer", "number"),
    [
        ({"type": "acquire", "jobId": "a"}, "/id", None),
        ({"type": "acquire", "id": -1, "jobId": "a"}, "/id", None),
        ({"type": "acquire", "id": 2**53 + 1, "jobId": "a"}, "/id", None),
        ({"type": "acquire", "id": 10**400, "jobId": "a"}, "/id", None),
        ({"type": "acquire", "id": "7", "jobId": "a"}, "/id", None),
        ({"type": "acquire", "id": 7}, "/jobId", 7),
        ({"type": "acquire", "id": 7, "jobId": "a/b"}, "/jobId", 7),
        ({"type": "acquire", "id": 7, "jobId": "a", "memoryBytes": -1}, "/memoryBytes", 7),
        ({"type": "acquire", "id": 7, "jobId": "a", "waitSeconds": 1e9}, "/waitSeconds", 7),
        ({"type": "acquire", "id": 7, "jobId": "a", "connection": "theirs"}, "/connection", 7),
        ({"type": "acquire", "id": 7, "jobId": "a", "memoryBytes": 1, "estimatedMemoryBytes": 1},
         "/estimatedMemoryBytes", 7),
        ({"type": "acquire", "id": 7, "jobId": "a", "pid": 2**31 - 1}, "/pid", 7),
        ({"type": "renew", "id": 7, "jobId": "a"}, "/leaseId", 7),
        ({"type": "releaseSlot", "id": 7, "provider": "p", "slotId": "", "leaseId": "x"}, "/slotId", 7),
        ({"type": "releaseSlot", "id": 7, "provider": "p", "slotId": "s", "leaseId": "x", "outcome": "?"},
         "/outcome", 7),
        ({"type": "disconnected", "id": 7, "connection": "x"}, "/type", 7),
    ],
)  # fmt: skip
async def test_a_wrong_frame_is_pointed_at_by_its_id_where_it_has_one(
    serve: Any, sent: Any, pointer: str, number: int | None
) -> None:
    async with opened(serve) as house, house.client() as client:
        await client.websocket.send_message(json.dumps(sent))
        answer = await client.hear()
        assert (answer["type"], answer["pointer"], answer.get("id")) == ("error", pointer, number)
        assert house.books.live == {}


async def test_an_id_is_used_once_at_a_time(serve: Any) -> None:
    """And again after its last answer."""
    async with opened(serve) as house, house.client() as client:
        lease = await client.take("a", 100, number=2**53)
        assert (await client.ask("acquire", 5, jobId="b", memoryBytes=1, waitSeconds=60))["type"] == "queued"
        answer = await client.ask("acquire", 5, jobId="c", memoryBytes=1, waitSeconds=60)
        assert (answer["type"], answer["pointer"]) == ("error", "/id")
        assert len(house.books.queue) == 1
        await client.say("release", 2**53, jobId="a", leaseId=lease["leaseId"])
        assert {(await client.hear())["id"] for _ in range(2)} == {2**53, 5}
        assert (await client.ask("preflight", 5, jobId="c"))["type"] == "preflight"


@pytest.mark.parametrize("type_", ["renew", "ready", "release"])
async def test_a_job_that_is_not_there_is_gone_and_one_of_others_is_left_alone(serve: Any, type_: str) -> None:
    async with opened(serve) as house, house.client() as theirs, house.client() as client:
        held = await theirs.take("held")
        gone = await client.ask(type_, 1, jobId="nowhere", leaseId="x")
        assert (gone["type"], gone["problem"]["status"]) == ("error", 410)
        foreign = await client.ask(type_, 2, jobId="held", leaseId="x")
        assert (foreign["type"], foreign["problem"]["status"]) == ("error", 403)
        assert house.books.live["held"].secret == held["leaseId"]


async def test_a_wrong_release_of_ones_own_lease_does_not_let_it_go(serve: Any) -> None:
    """It is renewed as before."""
    async with opened(serve) as house, house.client() as client:
        await client.take("a", ttlSeconds=0.3)
        assert (await client.ask("release", 2, jobId="a", leaseId="x"))["type"] == "error"
        before = house.books.live["a"].expires_at
        await house.until(lambda: house.books.live["a"].expires_at > before)


async def test_a_token_without_the_scope_asks_for_nothing(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_reads(*told: Any) -> Caller:
        return msgspec.structs.replace(caller_of(*told), scopes=frozenset({"read"}))

    monkeypatch.setattr(hub, "caller_of", only_reads)
    async with opened(serve, access=Access()) as house, house.client() as client:
        for type_, body in (("acquire", {"jobId": "a"}), ("preflight", {"jobId": "a"}), ("leave", {})):
            answer = await client.ask(type_, 1, **body)
            assert (answer["type"], answer["problem"]["status"]) == ("error", 403)
        assert house.books.handled == []


async def test_thousands_of_pipelined_acquires_are_each_answered(serve: Any) -> None:
    """In batches that are bounded; what has no room is refused."""
    async with opened(serve, capacity_bytes=100) as house:
        async with house.client() as client, trio.open_nursery() as nursery:

            async def write() -> None:
                for number in range(3_000):
                    await client.say("acquire", number, jobId=f"j{number}", memoryBytes=1)

            nursery.start_soon(write)
            answers = [await client.hear() for _ in range(3_000)]
        assert [each["id"] for each in answers] == list(range(3_000))
        assert [each["type"] for each in answers] == ["granted"] * 100 + ["refused"] * 2900
        await house.until(lambda: house.books.live == {})
        await check_unharmed(house)


async def test_a_client_that_does_not_read_its_answers_is_not_read_either(serve: Any) -> None:
    """Of ten thousand that it sends only some are carried out; then it is cut off, and holds nothing."""
    limits = Limits(send_buffer_bytes=4096)
    async with opened(serve, limits=limits, deadlines=Deadlines(send=0.5), capacity_bytes=10**6) as house:
        stream = await raw(house, receive_buffer=2048)
        with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):  # noqa: PT012 - it happens in between
            with trio.fail_after(20):
                await stream.send_all(UPGRADE)
                for number in range(10_000):
                    await stream.send_all(acquire(number))
                await stream.receive_some(0)
                while True:
                    await stream.receive_some(1)
                    await trio.sleep(0.05)
        await house.until(lambda: house.server.feed.statistics().clients == 0)
        assert sum(house.books.batches) < 2000
        assert house.books.live == {}
        await stream.aclose()
        await check_unharmed(house)


async def test_no_more_wait_than_may(serve: Any) -> None:
    async with opened(serve, limits=Limits(max_waiting=3)) as house, house.client() as client:
        await client.take("a", 100, number=0)
        answers = [
            await client.ask("acquire", number, jobId=f"j{number}", memoryBytes=1, waitSeconds=60)
            for number in range(1, 6)
        ]
        assert [each["type"] for each in answers] == ["queued"] * 3 + ["refused"] * 2
        assert answers[3]["problem"]["status"] == 429
        await client.ask("leave", 2)
        again = await client.ask("acquire", 9, jobId="j9", memoryBytes=1, waitSeconds=60)
        assert again["type"] == "queued"


async def test_no_more_is_held_than_may_be(serve: Any) -> None:
    """Asked one by one or at once."""
    async with opened(serve, limits=Limits(max_leases=3)) as house, house.client() as client:
        for number in range(10):
            await client.say("acquire", number, jobId=f"j{number}", memoryBytes=1)
        answers = [await client.hear() for _ in range(10)]
        assert sum(each["type"] == "granted" for each in answers) == 3
        assert len(house.books.live) == 3


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    "sent",
    [
        acquire(1),
        acquire(1)[:20],
        acquire(1) + acquire(2)[:3],
        b"".join(acquire(number) for number in range(300)),
        acquire(1, memoryBytes=100) + acquire(2, waitSeconds=60),
        acquire(1, memoryBytes=100) + acquire(2, waitSeconds=0.01),
        acquire(1, memoryBytes=100) + acquire(2, waitSeconds=60) + frame(type="leave", id=2),
        frame(type="acquireSlot", id=1, provider="p", waitSeconds=1) * 5,
        acquire(1, ttlSeconds=0.001),
        acquire(1) + b"\x88\x80" + bytes(4),
        acquire(1) + b"\x82\x80" + bytes(4),
        acquire(1) + b"\x81\x05nomask",
    ],
)
async def test_a_client_may_vanish_at_any_point_and_leaves_nothing(serve: Any, sent: bytes, reset: bool) -> None:
    async with opened(serve) as house:
        for pause in (0, 0.001, 0.02):
            stream = await raw(house)
            await stream.send_all(UPGRADE + sent)
            await trio.sleep(pause)
            if reset:
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await stream.aclose()
        await house.until(lambda: house.server.listener.statistics().connections == 0)
        assert house.server.feed.statistics().clients == 0
        assert (house.books.live, house.books.queue) == ({}, [])
        await check_unharmed(house)


async def test_nothing_follows_the_close_frame(serve: Any) -> None:
    """All that was asked before it is answered before it, and it is sent once."""
    async with opened(serve) as house:
        received = await house.server.exchange(
            UPGRADE + acquire(1) + acquire(2) + b"\x88\x82" + bytes(4) + b"\x03\xe8"
        )
        client = FrameProtocol(client=True, extensions=[])
        client.receive_bytes(received.partition(b"\r\n\r\n")[2])
        frames = [each.opcode for each in client.received_frames()]
        assert frames == [Opcode.TEXT] * 3 + [Opcode.CLOSE]


async def test_a_client_that_vanishes_while_its_batch_is_at_work_leaves_nothing(serve: Any) -> None:
    """What is granted to nobody ends with the connection that it was asked from."""
    async with opened(serve) as house:
        gate = trio.Event()

        async def before(message: m.AdmissionMessage) -> None:
            await gate.wait()

        house.books.before = before
        stream = await raw(house)
        await stream.send_all(UPGRADE + acquire(1))
        await house.until(lambda: house.books.handled != [])
        await stream.aclose()
        await trio.sleep(0.1)
        assert house.server.feed.statistics().clients == 1
        gate.set()
        await house.until(lambda: house.server.feed.statistics().clients == 0)
        assert house.books.fence == 1
        assert house.books.live == {}


async def test_a_granted_place_whose_client_just_left_is_free_again(serve: Any) -> None:
    """Leave and grant may cross: it is told `left` or `granted`, and books agree."""
    async with opened(serve) as house, house.client() as client:
        for number in range(10, 40, 2):
            lease = await client.take("a", 100, number=0)
            await client.ask("acquire", number, jobId="b", memoryBytes=1, waitSeconds=60)
            await client.say("leave", number)
            await client.say("release", number + 1, jobId="a", leaseId=lease["leaseId"])
            last = [await client.hear(), await client.hear()]
            (answer,) = [each for each in last if each["id"] == number]
            if answer["type"] == "granted":
                await client.ask("release", 1, jobId="b", leaseId=answer["lease"]["leaseId"])
            else:
                assert answer["type"] == "left"
            assert house.books.live == {}


async def test_sessions_do_not_renew_for_each_other(serve: Any) -> None:
    """Each name of a connection is new, and long."""
    async with opened(serve) as house:
        for number in range(3):
            async with house.client() as client:
                await client.take(f"j{number}")
        await house.until(lambda: len(house.books.of(m.Disconnected)) == 3)
        names = {each.connection for each in house.books.of(m.Disconnected) if isinstance(each, m.Disconnected)}
        assert len(names) == 3
        assert min(map(len, names)) >= 24
