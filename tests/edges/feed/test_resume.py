"""A client that comes back with `since`: it misses nothing, or is told that it did."""

import json
from typing import Any

import pytest
import trio
import trio.testing
from trio_websocket import WebSocketConnection

from aura_actors.edges.feed import Limits


async def frames(websocket: WebSocketConnection, count: int) -> list[Any]:
    with trio.fail_after(10):
        return [json.loads(await websocket.get_message()) for _ in range(count)]


async def come_back(websocket: WebSocketConnection, since: dict[str, Any], **more: Any) -> Any:
    """Subscribe to what `since` names; the answer, behind the greeting."""
    await websocket.send_message(json.dumps({"type": "subscribe", "topics": list(since), "since": since, **more}))
    hello, answer = await frames(websocket, 2)
    assert (hello["type"], answer["type"]) == ("hello", "subscribed")
    return answer["recovered"]


def at(seq: int, epoch: str = "e1") -> dict[str, Any]:
    return {"epoch": epoch, "seq": seq}


async def test_after_ten_seconds_without_a_connection_every_missed_frame_comes_in_order(serve: Any) -> None:
    """Ten publications at 1 Hz; then goes on what is published, without a hole or a frame twice."""
    async with serve() as server:
        server.publish("system", 1)
        async with server.client() as websocket:
            await websocket.send_message('{"type": "subscribe", "topics": ["system"]}')
            assert (await frames(websocket, 3))[-1]["seq"] == 1
        for seq in range(2, 12):
            server.publish("system", seq)
        async with server.client() as websocket:
            assert await come_back(websocket, {"system": at(1)}) == {"system": True}
            server.publish("system", 12)
            assert [each["seq"] for each in await frames(websocket, 11)] == list(range(2, 13))
        assert server.feed.statistics().recovered_total == 1


async def test_who_has_missed_nothing_is_sent_nothing_twice(serve: Any) -> None:
    async with serve() as server, server.client() as websocket:
        server.publish("system", 7)
        assert await come_back(websocket, {"system": at(7)}) == {"system": True}
        server.publish("system", 8)
        assert [each["seq"] for each in await frames(websocket, 1)] == [8]


@pytest.mark.parametrize(
    "since", [at(200), at(500), at(3, "another start"), at(502)], ids=["too old", "newest", "epoch", "future"]
)
async def test_a_gap_that_cannot_be_closed_is_told_and_the_newest_state_sent(
    serve: Any, since: dict[str, Any]
) -> None:
    """More than 300 frames, another start of the daemon, or a number that was never given."""
    recovers = since == at(500)
    async with serve() as server, server.client() as websocket:
        for seq in range(1, 502):
            server.publish("system", seq)
        assert await come_back(websocket, {"system": since}) == {"system": recovers}
        assert [each["seq"] for each in await frames(websocket, 1)] == [501]
        assert server.feed.statistics().unrecovered_total == (not recovers)


async def test_three_hundred_missed_frames_are_sent_again_and_one_more_is_too_many(serve: Any) -> None:
    for missed, recovered in ((300, True), (301, False)):
        async with serve() as server, server.client() as websocket:
            for seq in range(1, 1 + 400):
                server.publish("system", seq)
            assert await come_back(websocket, {"system": at(400 - missed)}) == {"system": recovered}
            seen = [each["seq"] for each in await frames(websocket, 300 if recovered else 1)]
            assert seen == (list(range(101, 401)) if recovered else [400])


async def test_events_and_states_are_sent_again_in_the_order_of_their_numbers(serve: Any) -> None:
    async with serve() as server, server.client() as websocket:
        for seq in range(1, 7):
            server.publish("alerts", seq, type_="event" if seq % 2 else "snapshot")
        assert await come_back(websocket, {"alerts": at(2)}) == {"alerts": True}
        seen = await frames(websocket, 4)
        assert [(each["seq"], each["type"]) for each in seen] == [
            (3, "event"),
            (4, "snapshot"),
            (5, "event"),
            (6, "snapshot"),
        ]


async def test_each_topic_is_answered_for_itself(serve: Any) -> None:
    """One can be closed, one cannot, one is not come back to but new."""
    async with serve() as server, server.client() as websocket:
        for seq in range(1, 4):
            server.publish("system", seq)
            server.publish("process", seq)
            server.publish("alerts", seq)
        since = {"system": at(2), "process": at(2, "another")}
        await websocket.send_message(
            json.dumps({"type": "subscribe", "topics": ["alerts", "process", "system"], "since": since})
        )
        _, answer, *rest = await frames(websocket, 5)
        assert answer["recovered"] == {"system": True, "process": False}
        assert sorted((each["topic"], each["seq"]) for each in rest) == [
            ("alerts", 3),
            ("process", 3),
            ("system", 3),
        ]


async def test_a_topic_that_is_not_subscribed_to_is_not_recovered(serve: Any) -> None:
    """Nor one that is held already: nothing of it was missed."""
    async with serve() as server, server.client() as websocket:
        server.publish("system", 1)
        await websocket.send_message('{"type": "subscribe", "topics": ["system"]}')
        await frames(websocket, 3)
        for topics in (["alerts"], ["system"]):
            frame = {"type": "subscribe", "topics": topics, "since": {"system": at(1)}}
            await websocket.send_message(json.dumps(frame))
            assert (await frames(websocket, 1))[0]["recovered"] == {"system": False}


async def test_what_is_published_while_missed_frames_are_still_on_their_way_comes_after_them(serve: Any) -> None:
    """A slow client gets all it missed, then the newest state; in between only states are left out."""
    async with serve(limits=Limits(send_buffer_bytes=4096)) as server:
        for seq in range(1, 41):
            server.publish("system", seq, pad=50_000)
        async with server.client() as websocket:
            await websocket.send_message(
                json.dumps({"type": "subscribe", "topics": ["system"], "since": {"system": at(10)}})
            )
            await server.until(lambda: server.feed.statistics().recovered_total == 1)
            for seq in range(41, 61):
                server.publish("system", seq, pad=50_000)
                await trio.testing.wait_all_tasks_blocked()
            seen = [0]
            with trio.fail_after(20):
                while seen[-1] != 60:
                    frame = json.loads(await websocket.get_message())
                    seen += [frame["seq"]] if "seq" in frame else []
        assert seen[1:31] == list(range(11, 41))
        assert seen == sorted(set(seen))
