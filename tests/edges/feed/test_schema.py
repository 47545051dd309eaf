"""The published schema says what the feed says, and understands what it understands."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import trio
from trio_websocket import open_websocket_url

from aura_actors.edges.feed.protocol import Mistake, decode
from aura_actors.edges.feed.schema import EVENTS, STATES
from aura_actors.testing import crash, open_test_runtime
from aura_actors.wire.feed import TOPICS
from tests.plain import async_client

SCHEMA = json.loads((resources.files("aura_actors.edges") / "web/static/feed.schema.json").read_text("utf-8"))


def part(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for({**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{name}"}]})


SERVER, CLIENT = part("ServerFrame"), part("ClientFrame")


def test_every_topic_is_described() -> None:
    assert (tuple(STATES), set(EVENTS) <= set(TOPICS)) == (TOPICS, True)


async def test_what_a_running_daemon_says_is_in_the_schema_that_it_serves(tmp_path: Path) -> None:
    """Greeting, answers, a state of every topic, a crash and a decision, an error, a lease."""
    wanted = {"hello", "subscribed", "error", "granted", "event of actors", "event of admission"}
    wanted |= {f"snapshot of {topic}" for topic in TOPICS}
    async with open_test_runtime(tmp_path) as house:
        async with async_client(house.http) as http:
            answer = await http.get("/static/feed.schema.json")
        assert (answer.headers["content-type"], answer.json()) == ("application/json", SCHEMA)
        async with open_websocket_url(house.feed) as websocket:
            await websocket.send_message(json.dumps({"type": "subscribe", "topics": list(TOPICS)}))
            await websocket.send_message('{"type": "subscribe"}')
            await websocket.send_message('{"type": "acquire", "id": 1, "jobId": "a", "memoryBytes": 1}')
            crash(house.runtime, "cleanup")
            with trio.fail_after(20):
                while wanted:
                    frame = json.loads(await websocket.get_message())
                    SERVER.validate(frame)
                    wanted -= {f"{frame['type']} of {frame['topic']}" if "topic" in frame else frame["type"]}


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "snapshot", "topic": "system", "epoch": "e", "seq": 1, "ts": "2026-01-01T00:00:00Z", "data": {}},
        {"type": "snapshot", "topic": "weather", "epoch": "e", "seq": 1, "ts": "2026-01-01T00:00:00Z", "data": {}},
        {"type": "event", "topic": "system", "epoch": "e", "seq": 1, "ts": "2026-01-01T00:00:00Z", "data": {}},
        {"type": "hello"},
        {"type": "nonsense"},
    ],
)
def test_what_no_server_says_is_not_in_it(frame: dict[str, Any]) -> None:
    assert not SERVER.is_valid(frame)


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "subscribe", "topics": ["system"]},
        {"type": "subscribe", "topics": ["system"], "intervalMs": 60_000},
        {"type": "subscribe", "topics": ["system"], "since": {"system": {"epoch": "e", "seq": 0}}},
        {"type": "subscribe", "topics": []},
        {"type": "subscribe", "topics": ["system"], "intervalMs": 0},
        {"type": "subscribe", "topics": ["system"], "intervalMs": 60_001},
        {"type": "subscribe", "topics": ["system"], "since": {"system": {"epoch": "e", "seq": -1}}},
        {"type": "subscribe", "topics": ["system"], "more": 1},
        {"type": "unsubscribe", "topics": ["system"]},
        {"type": "acquire", "id": 7, "jobId": "a", "memoryBytes": 1},
        {"type": "acquire", "id": -1, "jobId": "a"},
        {"type": "acquire", "jobId": "a"},
        {"type": "leave", "id": 7},
        {"type": "sing"},
    ],
)  # fmt: skip
def test_the_schema_and_the_feed_agree_on_what_a_client_may_say(frame: dict[str, Any]) -> None:
    assert CLIENT.is_valid(frame) == (not isinstance(decode(json.dumps(frame), TOPICS), Mistake))
