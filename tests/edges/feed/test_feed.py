"""The feed as a client sees it, over real loopback sockets."""

import datetime as dt
import json
import threading
from typing import Any

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection
from websockets.sync.client import connect

from aura_actors.edges.access import Access
from aura_actors.edges.feed import Deadlines, Limits
from aura_actors.edges.tokens import Credential


async def get(websocket: WebSocketConnection) -> Any:
    """The next frame, decoded."""
    with trio.fail_after(10):
        return json.loads(await websocket.get_message())


async def say(websocket: WebSocketConnection, **frame: Any) -> None:
    """Send a frame."""
    await websocket.send_message(json.dumps(frame))


async def subscribe(websocket: WebSocketConnection, *topics: str, **more: Any) -> Any:
    """Subscribe and return the answer."""
    await say(websocket, type="subscribe", topics=topics, **more)
    return await get(websocket)


async def closed(websocket: WebSocketConnection) -> int:
    """Read to the end and return its code."""
    with trio.fail_after(10):
        while True:
            try:
                await websocket.get_message()
            except ConnectionClosed as error:
                return error.reason.code if error.reason is not None else 0


async def test_a_client_is_greeted_and_hears_nothing_more(serve: Any) -> None:
    """Publications and heartbeats are for those who ask."""
    async with serve(deadlines=Deadlines(heartbeat=0.01)) as server, server.client() as websocket:
        hello = await get(websocket)
        told = dt.datetime.fromisoformat(hello.pop("ts"))
        assert abs((told - dt.datetime.now(dt.UTC)).total_seconds()) < 10
        assert hello == {
            "type": "hello",
            "epoch": "e1",
            "topics": ["system", "process", "alerts"],
            "limits": {
                "maxMessageBytes": 4096,
                "minIntervalMs": 1000,
                "maxIntervalMs": 60000,
                "heartbeatSeconds": 0.01,
                "maxWaiting": 256,
                "maxLeases": 1024,
            },
        }
        server.publish("system", 1)
        with trio.move_on_after(0.1) as quiet:
            await websocket.get_message()
        assert quiet.cancelled_caught


async def test_a_subscription_is_answered_then_the_latest_then_what_follows(serve: Any) -> None:
    """In this order; a topic without a value yet sends nothing."""
    async with serve() as server, server.client() as websocket:
        server.publish("system", 6)
        server.publish("system", 7)
        await get(websocket)
        assert await subscribe(websocket, "system", "process") == {
            "type": "subscribed", "topics": ["system", "process"], "recovered": {},
        }  # fmt: skip
        first = await get(websocket)
        assert first == {"type": "snapshot", "topic": "system", "epoch": "e1", "seq": 7, "ts": "t", "data": ""}
        server.publish("process", 1)
        assert [(f["topic"], f["seq"]) for f in [await get(websocket)]] == [("process", 1)]
        server.publish("system", 8)
        assert (await get(websocket))["seq"] == 8


async def test_a_topic_held_already_is_not_sent_again(serve: Any) -> None:
    """Subscribing again answers with everything held."""
    async with serve() as server, server.client() as websocket:
        server.publish("system", 1)
        server.publish("process", 1)
        await get(websocket)
        await subscribe(websocket, "system")
        await get(websocket)
        assert (await subscribe(websocket, "system", "process"))["topics"] == ["system", "process"]
        assert (await get(websocket))["topic"] == "process"


async def test_after_unsubscribe_nothing_of_the_topic_comes(serve: Any) -> None:
    """The other topics go on."""
    async with serve() as server, server.client() as websocket:
        await get(websocket)
        await subscribe(websocket, "system", "process")
        await say(websocket, type="unsubscribe", topics=["system", "system"])
        assert (await get(websocket))["topics"] == ["process"]
        server.publish("system", 1)
        server.publish("process", 1)
        assert (await get(websocket))["topic"] == "process"


async def test_an_interval_is_every_nth_publication(serve: Any) -> None:
    """Of a sampler that publishes every 10 s here, so that nothing comes by time alone."""
    async with serve(sampler_interval_seconds=10) as server, server.client() as websocket:
        await get(websocket)
        await subscribe(websocket, "system", intervalMs=20_000)
        for seq in range(1, 6):
            server.publish("system", seq)
            await server.until(lambda: server.feed.statistics().frames_sent_total >= 2)
            await trio.testing.wait_all_tasks_blocked()
        assert [(await get(websocket))["seq"] for _ in range(3)] == [1, 3, 5]


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("{", ""),
        ('{"type":"subscribe","topics":["weather"]}', "/topics/0"),
        ('{"type":"x"}', "/type"),
        ("[" * 4000, ""),
    ],
)
async def test_a_mistake_is_answered_and_the_connection_stays(serve: Any, text: str, pointer: str) -> None:
    """Nothing of the wrong frame is carried out."""
    async with serve() as server, server.client() as websocket:
        await get(websocket)
        await websocket.send_message(text)
        error = await get(websocket)
        assert (error["type"], error["pointer"]) == ("error", pointer)
        assert (await subscribe(websocket, "system"))["topics"] == ["system"]


async def test_a_subscribed_client_hears_heartbeats_in_silence(serve: Any) -> None:
    """As data, because browsers cannot see pings, and in spite of pings."""
    async with serve(deadlines=Deadlines(heartbeat=0.05, ping=0.02)) as server, server.client() as websocket:
        await get(websocket)
        await subscribe(websocket, "system")
        assert await get(websocket) == {"type": "heartbeat"}
        assert await get(websocket) == {"type": "heartbeat"}
        server.publish("system", 1)
        assert (await get(websocket))["type"] in {"snapshot", "heartbeat"}


async def test_events_are_never_conflated_and_precede_the_snapshot_that_follows_them(serve: Any) -> None:
    """Published in one go, read one by one."""
    async with serve() as server, server.client() as websocket:
        await get(websocket)
        await subscribe(websocket, "alerts")
        for seq in range(1, 51):
            server.publish("alerts", seq, type_="event")
        server.publish("alerts", 51)
        frames = [await get(websocket) for _ in range(51)]
        assert [frame["seq"] for frame in frames] == list(range(1, 52))
        assert [frame["type"] for frame in frames] == ["event"] * 50 + ["snapshot"]


async def test_events_of_topics_not_held_are_not_sent(serve: Any) -> None:
    """Nor do they count as unread."""
    async with serve(limits=Limits(event_capacity=4)) as server, server.client() as websocket:
        await get(websocket)
        await subscribe(websocket, "system")
        for seq in range(20):
            server.publish("alerts", seq, type_="event")
            await trio.testing.wait_all_tasks_blocked()
        server.publish("system", 1)
        assert (await get(websocket))["topic"] == "system"


async def test_events_that_were_gone_before_they_could_be_passed_on_end_the_connection(serve: Any) -> None:
    """More of them at once than are kept; who listens to something else does not care."""
    async with serve() as server, server.client() as listener, server.client() as other:
        for websocket, topic in ((listener, "alerts"), (other, "system")):
            await get(websocket)
            await subscribe(websocket, topic)
        for seq in range(1, 400):
            server.publish("alerts", seq, type_="event")
            server.publish("system", seq)
        assert await closed(listener) == 4008
        assert (await get(other))["seq"] == 399


async def test_a_binary_message_is_refused(serve: Any) -> None:
    """1003."""
    async with serve() as server, server.client() as websocket:
        await get(websocket)
        await websocket.send_message(b"\x00")
        assert await closed(websocket) == 1003


@pytest.mark.parametrize("text", ["x" * 4097, "ö" * 2049, "x" * 100_000])
async def test_a_message_above_4_kib_is_refused(serve: Any, text: str) -> None:
    """1009; bytes count, not characters."""
    async with serve() as server, server.client() as websocket:
        await get(websocket)
        await websocket.send_message(text)
        assert await closed(websocket) == 1009
        await server.check_alive()


async def test_a_message_of_exactly_4_kib_is_read(serve: Any) -> None:
    """It is a mistake like any other."""
    async with serve() as server, server.client() as websocket:
        await get(websocket)
        await websocket.send_message("x" * 4096)
        assert (await get(websocket))["type"] == "error"


async def test_the_stop_says_goodbye(serve: Any) -> None:
    """1001 to every client."""
    async with serve() as server, server.client() as one, server.client() as other:
        await get(one)
        await subscribe(other, "system")
        server.stopping.set()
        assert [await closed(one), await closed(other)] == [1001, 1001]


async def test_too_many_clients_are_told_to_come_later(serve: Any) -> None:
    """Accepted, then closed with 1013; a place that becomes free can be taken."""
    for limits in (Limits(max_clients=1), Limits(max_clients_per_address=1)):
        async with serve(limits=limits) as server:
            async with server.client() as websocket:
                await get(websocket)
                async with server.client() as late:
                    assert await closed(late) == 1013
                assert server.feed.statistics().clients == 1
                assert server.feed.statistics().refused_total == 1
            await server.until(lambda: server.feed.statistics().clients == 0)
            async with server.client() as websocket:
                assert (await get(websocket))["type"] == "hello"


async def test_a_token_is_taken_from_the_header_or_the_subprotocol(serve: Any) -> None:
    """Browsers can only do the latter; the answer selects our protocol and never repeats the token."""
    async with serve(access=Access(token="s3cret")) as server:
        async with server.client(extra_headers=[(b"Authorization", b"Bearer s3cret")]) as websocket:
            assert (await get(websocket))["type"] == "hello"
        async with server.client(subprotocols=["aura.v1", "bearer.s3cret"]) as websocket:
            assert (await get(websocket))["type"] == "hello"
            assert websocket.subprotocol == "aura.v1"


@pytest.mark.parametrize(
    "options",
    [{}, {"extra_headers": [(b"Authorization", b"Bearer wrong")]}, {"subprotocols": ["aura.v1", "bearer.wrong"]}],
)
async def test_without_the_token_the_upgraded_connection_is_closed(serve: Any, options: Any) -> None:
    """4401, which a browser can see, unlike a refused handshake; and no hello before it."""
    async with serve(access=Access(token="s3cret")) as server, server.client(**options) as websocket:
        with trio.fail_after(10), pytest.raises(ConnectionClosed) as ended:
            await websocket.get_message()
        assert ended.value.reason is not None
        assert ended.value.reason.code == 4401


async def test_a_token_that_may_not_read_gets_no_feed(serve: Any) -> None:
    """4403, which the page tells apart from a wrong token."""
    access = Access(credentials=(Credential(name="ci", token="s3cret", scopes=frozenset({"admit", "operate"})),))
    shown = [(b"Authorization", b"Bearer s3cret")]
    async with serve(access=access) as server, server.client(extra_headers=shown) as websocket:
        with trio.fail_after(10), pytest.raises(ConnectionClosed) as ended:
            await websocket.get_message()
        assert ended.value.reason is not None
        assert ended.value.reason.code == 4403


async def test_a_session_knows_its_caller_and_what_they_may_do(serve: Any) -> None:
    access = Access(credentials=(Credential(name="ci", token="s3cret", scopes=frozenset({"read", "admit"})),))
    shown = [(b"Authorization", b"Bearer s3cret")]
    async with serve(access=access) as server, server.client(extra_headers=shown) as websocket:
        assert (await get(websocket))["type"] == "hello"
        (session,) = server.feed._clients
        assert (session.caller.token_name, session.caller.scopes) == ("ci", {"read", "admit"})
        assert (session.caller.host, session.caller.local_port) == ("127.0.0.1", server.port)


async def test_behind_a_trusted_proxy_clients_are_counted_by_their_own_address(serve: Any) -> None:
    access = Access(trusted_proxies=("127.0.0.1",))
    async with serve(access=access, limits=Limits(max_clients_per_address=1)) as server:
        one, other = ([(b"X-Forwarded-For", f"192.0.2.{last}".encode())] for last in (1, 2))
        async with server.client(extra_headers=one) as first, server.client(extra_headers=other) as second:
            assert [(await get(each))["type"] for each in (first, second)] == ["hello", "hello"]
            async with server.client(extra_headers=one) as third:
                with trio.fail_after(10), pytest.raises(ConnectionClosed) as ended:
                    await third.get_message()
                assert ended.value.reason is not None
                assert ended.value.reason.code == 1013


UPGRADE = (
    b"GET /feed HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)


def with_header(line: bytes) -> bytes:
    """The upgrade with one more header."""
    return UPGRADE[:-2] + line + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (with_header(b"Origin: http://evil.example"), b"403"),
        (with_header(b"Origin: null"), b"403"),
        (UPGRADE.replace(b"localhost", b"evil.example"), b"421"),
        (UPGRADE.replace(b"localhost", b"user@localhost"), b"400"),
        (with_header(b"Host: localhost"), b"400"),
        (UPGRADE.replace(b"Host: localhost\r\n", b""), b"400"),
        (UPGRADE.replace(b"Version: 13", b"Version: 9"), b"426"),
        (UPGRADE.replace(b"Sec-WebSocket-Version: 13\r\n", b""), b"426"),
        (UPGRADE.replace(b"TNeQ==", b"TNe"), b"400"),
        (UPGRADE.replace(b"TNeQ==", b"TN\xf6=="), b"400"),
        (UPGRADE.replace(b"keep-alive, Upgrade", b"keep-alive"), b"400"),
        (UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"), b"400"),
        (with_header(b"Content-Length: 5"), b"400"),
        (with_header(b"Transfer-Encoding: chunked"), b"400"),
        (with_header(b"Sec-WebSocket-Protocol: \xff\xfe"), b"400"),
        (with_header(b"Upgrade: h2c"), b"400"),
    ],
)
async def test_a_foreign_or_malformed_handshake_is_refused_as_http(
    serve: Any, request_: bytes, status: bytes
) -> None:
    """Host and Origin before the token is looked at; the body says why."""
    async with serve(access=Access(token="s3cret")) as server:
        answer = await server.exchange(request_)
        assert answer.split()[1] == status
        assert server.feed.statistics().clients == 0
        assert server.listener.statistics().failures_total == 0


async def test_our_own_page_may_connect(serve: Any) -> None:
    """Its origin is the address it was loaded from."""
    async with serve() as server:
        origin = f"http://127.0.0.1:{server.port}".encode()
        async with server.client(extra_headers=[(b"Origin", origin)]) as websocket:
            assert (await get(websocket))["type"] == "hello"


async def test_an_independent_client_understands_us(serve: Any) -> None:
    """The `websockets` library, in a thread: handshake, snapshot, ping both ways, close."""
    async with serve(deadlines=Deadlines(ping=0.02)) as server:
        server.publish("system", 3, pad=70_000)

        def talk() -> list[Any]:
            with connect(server.url, subprotocols=["aura.v1"], proxy=None) as websocket:  # type: ignore[list-item] # its Subprotocol is a NewType of str
                frames = [json.loads(websocket.recv(10))]
                websocket.send(json.dumps({"type": "subscribe", "topics": ["system"]}))
                frames += [json.loads(websocket.recv(10)) for _ in range(2)]
                assert websocket.ping().wait(10)
                threading.Event().wait(0.1)
                return [frame["type"] for frame in frames] + [websocket.subprotocol]

        with trio.fail_after(20):
            seen = await trio.to_thread.run_sync(talk)
        assert seen == ["hello", "subscribed", "snapshot", "aura.v1"]
        await server.until(lambda: server.feed.statistics().clients == 0)
        assert server.feed.statistics().slow_disconnects_total == 0


async def test_counters_add_up(serve: Any) -> None:
    """One client, three data frames."""
    async with serve() as server, server.client() as websocket:
        server.publish("system", 1)
        await get(websocket)
        await subscribe(websocket, "system")
        await get(websocket)
        statistics = server.feed.statistics()
        assert (statistics.clients, statistics.accepted_total, statistics.frames_sent_total) == (1, 1, 3)
        assert (statistics.refused_total, statistics.conflated_total, statistics.slow_disconnects_total) == (
            0,
            0,
            0,
        )
