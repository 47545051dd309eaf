"""Leases over the feed, as a client sees them: what is answered, what waits, and what ends with the connection."""

import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from aura_actors.domain.needs import JobSpec
from aura_actors.edges.feed import Deadlines
from aura_actors.errors import StoreUnavailable
from aura_actors.messages import admission as m
from tests.edges.feed.sessions import Client, House, opened


async def test_every_answer_carries_the_id_of_what_was_asked(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        lease = await client.take("a", 60, number=7, kind="render")
        assert (lease["jobId"], lease["memoryBytes"], lease["owner"]) == ("a", 60, "anonymous")
        held = {"jobId": "a", "leaseId": lease["leaseId"]}
        renewed = await client.ask("renew", 8, **held, ttlSeconds=60)
        assert (renewed["type"], renewed["lease"]["fence"]) == ("renewed", lease["fence"])
        assert (await client.ask("ready", 9, **held))["type"] == "renewed"
        forecast = await client.ask("preflight", 10, jobId="b", memoryBytes=50)
        assert (forecast["type"], forecast["preflight"]["decision"]) == ("preflight", "wait")
        assert await client.ask("release", 11, **held) == {"type": "released", "id": 11}
        assert house.books.live == {}


async def test_the_same_acquire_again_finds_the_lease(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        first = await client.ask("acquire", 1, jobId="a", memoryBytes=1)
        again = await client.ask("acquire", 2, jobId="a", memoryBytes=1)
        assert (first["again"], again["again"]) == (False, True)
        assert first["lease"]["leaseId"] == again["lease"]["leaseId"]


async def test_a_job_that_names_no_size_asks_for_the_usual_one(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        answer = await client.ask("acquire", 1, jobId="a")
        assert answer["lease"]["memoryBytes"] == 10


async def test_a_refusal_says_why_and_what_http_would_have_said(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        await client.take("a", 90)
        full = await client.ask("acquire", 2, jobId="b", memoryBytes=20)
        assert (full["type"], full["problem"]["status"]) == ("refused", 429)
        assert full["problem"]["reasons"][0]["holders"] == ["a"]
        assert full["problem"]["retryAfterSeconds"] == 1.0
        never = await client.ask("acquire", 3, jobId="b", memoryBytes=101)
        assert (never["type"], never["problem"]["type"]) == ("refused", "/problems/never-fits")
        taken = await client.ask("acquire", 4, jobId="a", owner="else", memoryBytes=1)
        assert (taken["type"], taken["problem"]["status"]) == ("error", 409)


async def test_a_slot_at_a_provider_is_taken_and_settled(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        granted = await client.ask("acquireSlot", 1, provider="OpenAI", tokens=900)
        slot = granted["slot"]
        assert slot["provider"] == "OpenAI"
        held = {"provider": "OpenAI", "slotId": slot["slotId"], "leaseId": slot["leaseId"]}
        answer = await client.ask("releaseSlot", 2, **held, outcome="throttled", tokens=731)
        assert answer["type"] == "released"
        (release,) = house.books.released
        assert (release.outcome, release.tokens) == ("throttled", 731)


# --- groups ----------------------------------------------------------------------------------------------------


async def test_frames_that_are_there_already_are_one_batch(serve: Any) -> None:
    """One that is at it holds the others up; what has come meanwhile is asked at once, in order."""
    async with opened(serve) as house, house.client() as client:
        gate = trio.Event()

        async def before(message: m.AdmissionMessage) -> None:
            await gate.wait()

        house.books.before = before
        await client.say("acquire", 0, jobId="j0", memoryBytes=1)
        await house.until(lambda: house.books.handled != [])
        for number in range(1, 31):
            await client.say("acquire", number, jobId=f"j{number}", memoryBytes=1)
        await trio.sleep(0.2)  # real time: the frames travel
        gate.set()
        answers = [await client.hear() for _ in range(31)]
        assert [answer["id"] for answer in answers] == list(range(31))
        assert house.books.batches == [1, 30]
        assert list(house.books.live) == [f"j{number}" for number in range(31)]


async def test_a_batch_is_bounded(serve: Any) -> None:
    async with opened(serve, capacity_bytes=1000) as house, house.client() as client:
        async with trio.open_nursery() as nursery:

            async def write() -> None:
                for number in range(500):
                    await client.say("acquire", number, jobId=f"j{number}", memoryBytes=1)

            nursery.start_soon(write)
            for _ in range(500):
                assert (await client.hear())["type"] == "granted"
        assert max(house.books.batches) <= 64
        assert sum(house.books.batches) == 500


async def test_one_that_fails_stops_no_other_of_its_batch(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        for number, (job_id, size) in enumerate((("a b", 1), ("b", 1), ("c", 1000))):
            await client.say("acquire", number, jobId=job_id, memoryBytes=size)
        answers = {answer["id"]: answer for answer in [await client.hear() for _ in range(3)]}
        assert [answers[number]["type"] for number in range(3)] == ["error", "granted", "refused"]
        assert answers[0]["pointer"] == "/jobId"


async def test_where_admission_fails_each_is_told_and_the_session_goes_on(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:

        async def before(message: m.AdmissionMessage) -> None:
            raise StoreUnavailable("disk full")

        house.books.before = before
        answer = await client.ask("acquire", 1, jobId="a")
        assert (answer["type"], answer["problem"]["status"], answer["detail"]) == ("error", 503, "disk full")

        async def crash(message: m.AdmissionMessage) -> None:
            house.books.before = _at_once
            raise ZeroDivisionError

        house.books.before = crash
        answer = await client.ask("acquire", 2, jobId="a")
        assert (answer["type"], answer["problem"]["status"]) == ("error", 503)
        assert (await client.ask("acquire", 3, jobId="a"))["type"] == "granted"


async def _at_once(message: m.AdmissionMessage) -> None:
    pass


# --- waiting ---------------------------------------------------------------------------------------------------


async def test_who_waits_is_told_the_place_at_once_and_the_grant_later(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        lease = await client.take("a", 100)
        await client.say("acquire", 2, jobId="b", memoryBytes=50, waitSeconds=60)
        await client.say("acquire", 3, jobId="c", memoryBytes=50, waitSeconds=60)
        places = [await client.hear(), await client.hear()]
        assert [(each["type"], each["id"], each["position"]) for each in places] == [
            ("queued", 2, 1),
            ("queued", 3, 2),
        ]
        assert places[0]["reasons"][0]["holders"] == ["a"]
        await client.say("release", 4, jobId="a", leaseId=lease["leaseId"])
        answers = [await client.hear() for _ in range(3)]
        assert {(each["type"], each["id"]) for each in answers} == {("released", 4), ("granted", 2), ("granted", 3)}


async def test_who_does_not_wait_for_a_job_that_waits_already_is_refused_and_loses_nothing(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client, house.client() as other:
        lease = await client.take("a", 100)
        await client.ask("acquire", 2, jobId="b", memoryBytes=50, waitSeconds=60)
        for asking in (client, other):
            answer = await asking.ask("acquire", 3, jobId="b", memoryBytes=50)
            assert (answer["type"], answer["problem"]["status"]) == ("refused", 429)
            assert answer["problem"]["reasons"][0]["holders"] == ["a"]
        assert list(house.books.live) == ["a"]
        await client.say("release", 3, jobId="a", leaseId=lease["leaseId"])
        answers = [await client.hear(), await client.hear()]
        assert {(each["type"], each["id"]) for each in answers} == {("released", 3), ("granted", 2)}


async def test_while_one_waits_others_are_answered(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        await client.take("a", 100)
        await client.ask("acquire", 2, jobId="b", memoryBytes=50, waitSeconds=60)
        assert (await client.ask("preflight", 3, jobId="c", memoryBytes=1))["type"] == "preflight"


async def test_who_waited_long_enough_is_refused_with_the_reasons(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        await client.take("a", 100)
        assert (await client.ask("acquire", 2, jobId="b", memoryBytes=50, waitSeconds=0.1))["type"] == "queued"
        answer = await client.hear()
        assert (answer["type"], answer["id"], answer["problem"]["status"]) == ("refused", 2, 429)
        assert answer["problem"]["reasons"][0]["holders"] == ["a"]
        assert len(house.books.of(m.Abandon)) == 1


async def test_who_leaves_gives_the_place_up(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        await client.take("a", 100)
        await client.ask("acquire", 2, jobId="b", memoryBytes=50, waitSeconds=60)
        assert await client.ask("leave", 2) == {"type": "left", "id": 2}
        assert house.books.queue == []
        gone = await client.ask("leave", 2)
        assert (gone["type"], gone["problem"]["status"]) == ("error", 410)


async def test_a_place_outlives_a_restart_of_admission(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        lease = await client.take("a", 100)
        await client.ask("acquire", 2, jobId="b", memoryBytes=50, waitSeconds=60)
        house.actor.crash()
        await house.actor.wait_generation(2)
        await house.until(lambda: len(house.books.queue) == 1)
        await client.say("release", 3, jobId="a", leaseId=lease["leaseId"])
        answers = [await client.hear(), await client.hear()]
        assert {(each["type"], each["id"]) for each in answers} == {("released", 3), ("granted", 2)}


async def test_what_is_granted_after_a_wait_is_kept_alive(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        lease = await client.take("a", 100)
        await client.ask("acquire", 2, jobId="b", memoryBytes=50, waitSeconds=60, ttlSeconds=0.3)
        await client.ask("release", 3, jobId="a", leaseId=lease["leaseId"])
        await house.until(lambda: len(_renewals(house, "b")) >= 2)


# --- keeping alive ---------------------------------------------------------------------------------------------


def _renewals(house: House, key: str) -> list[m.Renew]:
    batches = [each.operations for each in house.books.handled if isinstance(each, m.Batch)]
    return [each for batch in batches for each in batch if isinstance(each, m.Renew) and each.key == key]


async def test_the_server_renews_what_a_live_connection_holds(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        await client.take("a", ttlSeconds=0.3)
        await house.until(lambda: len(_renewals(house, "a")) >= 3)
        assert house.books.live["a"].expires_at > trio.current_time()


async def test_what_was_given_back_is_not_renewed(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        lease = await client.take("a", ttlSeconds=0.3)
        await client.ask("release", 2, jobId="a", leaseId=lease["leaseId"])
        await trio.sleep(0.25)
        assert _renewals(house, "a") == []


async def test_a_release_that_could_not_be_written_leaves_the_lease_alive(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        lease = await client.take("a", ttlSeconds=0.3)

        async def before(message: m.AdmissionMessage) -> None:
            house.books.before = _at_once
            raise StoreUnavailable("disk full")

        house.books.before = before
        answer = await client.ask("release", 2, jobId="a", leaseId=lease["leaseId"])
        assert answer["type"] == "error"
        await house.until(lambda: len(_renewals(house, "a")) >= 1)


async def test_a_lease_that_somebody_ended_is_told_of(serve: Any) -> None:
    async with opened(serve) as house, house.client() as client:
        lease = await client.take("a", ttlSeconds=0.3)
        await house.actor.ref.ask(m.Revoke(job_id="a", by="me"), within=5)
        ended = await client.hear()
        assert (ended["type"], ended["key"], ended["fence"]) == ("ended", "a", lease["fence"])
        assert "no live lease" in ended["detail"]


# --- the end ---------------------------------------------------------------------------------------------------


async def _close(house: House, client: Client) -> None:
    await client.websocket.aclose()


async def _vanish(house: House, client: Client) -> None:
    await client.websocket._stream.aclose()


async def _reset(house: House, client: Client) -> None:
    stream: Any = client.websocket._stream
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


async def _break_a_rule(house: House, client: Client) -> None:
    await client.websocket.send_message(b"binary")


async def _stop(house: House, client: Client) -> None:
    house.server.stopping.set()


WAYS = [_close, _vanish, _reset, _break_a_rule, _stop]


@pytest.mark.parametrize("way", WAYS)
async def test_all_of_a_session_ends_with_its_connection(
    serve: Any, way: Callable[[House, Client], Awaitable[None]]
) -> None:
    """Leases, slots and places; told before the feed counts the client as gone."""
    async with opened(serve) as house:
        other = m.Acquire(job_id="other", owner="else", spec=JobSpec(memory_bytes=1), connection="theirs")
        await house.actor.ref.ask(other, within=5)
        async with house.client() as client:
            await client.take("a", 99)
            await client.ask("acquireSlot", 2, provider="OpenAI")
            await client.ask("acquire", 3, jobId="b", memoryBytes=50, waitSeconds=60)
            await way(house, client)
            await house.until(lambda: house.server.feed.statistics().clients == 0)
            assert list(house.books.live) == ["other"]
            assert house.books.queue == []
        assert house.server.listener.statistics().failures_total == 0


async def test_a_client_that_answers_no_ping_loses_its_leases(serve: Any) -> None:
    async with opened(serve, deadlines=Deadlines(ping=0.05, pong=0.2)) as house:
        sock = trio.socket.socket()
        await sock.connect(("127.0.0.1", house.server.port))
        stream = trio.SocketStream(sock)
        await stream.send_all(UPGRADE + masked(b'{"type":"acquire","id":1,"jobId":"a"}'))
        await house.until(lambda: "a" in house.books.live)
        await house.until(lambda: house.server.feed.statistics().slow_disconnects_total == 1)
        await house.until(lambda: house.server.feed.statistics().clients == 0)
        assert house.books.live == {}
        await stream.aclose()


async def test_a_client_that_is_killed_loses_its_leases(serve: Any) -> None:
    script = (
        "import sys; from websockets.sync.client import connect\n"
        "with connect(sys.argv[1]) as feed:\n"
        '    feed.recv(); feed.send(\'{"type":"acquire","id":1,"jobId":"a"}\'); feed.recv(); feed.recv()\n'
    )
    async with opened(serve) as house:
        process = subprocess.Popen([sys.executable, "-c", script, house.server.url])  # noqa: ASYNC220
        try:
            await house.until(lambda: "a" in house.books.live)
        finally:
            process.kill()
            process.wait()
        await house.until(lambda: house.server.feed.statistics().clients == 0)
        assert house.books.live == {}


async def test_a_reader_that_holds_nothing_is_no_news_for_admission(serve: Any) -> None:
    async with opened(serve) as house:
        async with house.client() as client:
            await client.websocket.send_message('{"type":"subscribe","topics":["system"]}')
            await client.hear()
        await house.until(lambda: house.server.feed.statistics().clients == 0)
        assert house.books.handled == []


async def test_admission_hears_of_the_end_though_it_crashes_at_it(serve: Any) -> None:
    async with opened(serve) as house:
        crashes = 2

        async def before(message: m.AdmissionMessage) -> None:
            nonlocal crashes
            if isinstance(message, m.Disconnected) and crashes:
                crashes -= 1
                raise ZeroDivisionError if crashes else StoreUnavailable("disk full")

        house.books.before = before
        async with house.client() as client:
            await client.take("a")
        await house.until(lambda: house.server.feed.statistics().clients == 0)
        assert house.books.live == {}
        assert len(house.books.of(m.Disconnected)) == 3
        assert len(house.actor.crashes) == 1


async def test_a_session_that_admission_does_not_answer_holds_up_the_stop_for_a_bounded_time(serve: Any) -> None:
    async with opened(serve, deadlines=Deadlines(leave=0.3)) as house:
        held = trio.Event()

        async def before(message: m.AdmissionMessage) -> None:
            if isinstance(message, m.Disconnected):
                await held.wait()

        async with house.client() as client:
            await client.take("a")
            house.books.before = before
            began = trio.current_time()
            house.server.stopping.set()
            await house.until(lambda: house.server.listener.statistics().connections == 0)
            assert trio.current_time() - began < 2
        held.set()


async def test_what_was_asked_before_the_close_is_carried_out(serve: Any) -> None:
    """A client that gives a slot back and goes need not wait for the answer."""
    async with opened(serve) as house:
        async with house.client() as client:
            slot = (await client.ask("acquireSlot", 1, provider="OpenAI"))["slot"]
            held = {"provider": "OpenAI", "slotId": slot["slotId"], "leaseId": slot["leaseId"]}
            await client.say("releaseSlot", 2, **held, outcome="ok", tokens=5)
            await client.websocket.aclose()
        await house.until(lambda: house.server.feed.statistics().clients == 0)
        assert [each.tokens for each in house.books.released] == [5]


UPGRADE = (
    b"GET /feed HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)


def masked(payload: bytes) -> bytes:
    """A text frame with a mask of zeros."""
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload
