"""What the publisher says besides snapshots: alerts, crashes and dead letters, as events that nobody misses."""

from pathlib import Path
from typing import Any

import msgspec
import trio

from aura_actors.kernel.cell import DeadLetter
from aura_actors.messages.backlog import Backlog
from aura_actors.messages.incidents import KEPT_LETTERS, Incidents
from aura_actors.runtime.parts import Surroundings
from aura_actors.testing import Machine, crash, open_test_runtime
from aura_actors.wire import actors


async def test_an_alert_is_an_event_when_it_is_raised_and_when_it_is_over(tmp_path: Path) -> None:
    machine = Machine(memory_bytes=1000, available_bytes=500)
    async with open_test_runtime(tmp_path, surroundings=Surroundings(collectors=machine.collectors)) as house:
        events = Events(house.runtime.parts.backlog)
        with trio.fail_after(10):
            machine.available_bytes = 50
            raised = await events.next("alerts")
            machine.available_bytes = 900
            over = await events.next("alerts")
    assert (raised["data"]["name"], raised["data"]["value"], raised["data"]["clearedAt"]) == ("memory", 95.0, None)
    assert over["data"]["clearedAt"] is not None
    assert over["data"]["raisedAt"] == raised["data"]["raisedAt"]


async def test_the_snapshot_of_alerts_says_what_is_watched(tmp_path: Path) -> None:
    calm = Machine(memory_bytes=1000, available_bytes=500)  # the real one may be busy, which is an alert
    async with open_test_runtime(tmp_path, surroundings=Surroundings(collectors=calm.collectors)) as house:
        publication = house.runtime.parts.topics["alerts"].value
    assert publication is not None
    told = msgspec.json.decode(publication.data)
    assert told["active"] == []
    assert [(each["name"], each["threshold"], each["unit"]) for each in told["thresholds"]] == [
        ("cpu", 90.0, "%"),
        ("memory", 85.0, "%"),
        ("gpu", 85.0, "°C"),
    ]
    assert told["thresholds"][0]["clearedBelow"] == 85.0


async def test_a_crash_and_its_dead_letters_are_events_of_the_topic_actors(tmp_path: Path) -> None:
    async with open_test_runtime(tmp_path) as house:
        parts = house.runtime.parts
        events = Events(parts.backlog)
        with house.runtime.dead_letters.subscribe(100) as letters:
            crash(house.runtime, "cleanup")
            with trio.fail_after(10):
                crashed = await events.next("actors")
                parts.incidents.buried(DeadLetter(actor="cleanup", message=b"secret", reason="a reason"))
                lost = await events.next("actors")
                letter = await letters.receive()
    assert crashed["type"] == "event"
    assert crashed["data"] | {"retrySeconds": 0} == {
        "event": "crashed",
        "child": "cleanup",
        "generation": 1,
        "error": "RuntimeError: crashed on purpose",
        "retrySeconds": 0,
    }
    assert lost["data"] == {
        "event": "deadLetters",
        "count": 1,
        "latest": [{"actor": "cleanup", "message": "bytes", "reason": "a reason"}],
    }
    assert lost["seq"] > crashed["seq"]
    assert letter == DeadLetter(actor="cleanup", message=b"secret", reason="a reason")


class Events:
    """The events of every topic since it was made, one after the other."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._read = {topic: backlog.newest(topic) for topic in backlog.topics}

    async def next(self, topic: str) -> dict[str, Any]:
        while True:
            version = self._backlog.added.version
            for publication in self._backlog.after(topic, self._read[topic]) or ():
                self._read[topic] = publication.seq
                if publication.is_event:
                    frame: dict[str, Any] = msgspec.json.decode(publication.payload)
                    return frame
            await self._backlog.added.wait_newer(version)


def test_a_flood_of_dead_letters_is_one_event_with_the_number_and_the_newest() -> None:
    incidents = Incidents()
    for n in range(1000):
        incidents.buried(DeadLetter(actor="a", message=n, reason=str(n)))
    (event,) = incidents.drain()
    assert isinstance(event, actors.DeadLetters)
    assert (event.count, len(event.latest), event.latest[-1].reason) == (1000, KEPT_LETTERS, "999")
    assert incidents.drain() == []
    incidents.buried(DeadLetter(actor="a", message=0, reason="one more"))
    (event,) = incidents.drain()
    assert isinstance(event, actors.DeadLetters)
    assert (event.count, len(event.latest)) == (1, 1)
    assert incidents.dead_letters_total == 1001


async def test_a_flood_of_dead_letters_and_of_decisions_is_one_event_a_second_each(tmp_path: Path) -> None:
    async with open_test_runtime(tmp_path) as house:
        parts = house.runtime.parts
        lost, decided = Events(parts.backlog), Events(parts.backlog)
        with trio.fail_after(10):
            for n in range(500):
                parts.incidents.buried(DeadLetter(actor="a", message=n, reason="flood"))
                parts.seen.decisions.denied("job", "me", never=False, detail="flood", timestamp=0.0)
                if n % 50 == 0:
                    await trio.sleep(0.005)
            letters: list[int] = []
            while sum(letters) < 500:
                letters.append((await lost.next("actors"))["data"]["count"])
            denials: list[int] = []
            while sum(denials) < 500:
                denials.append((await decided.next("admission"))["data"]["counts"]["refused"])
    assert (len(letters), len(denials)) == (2, 2), "the first at once, all others when a second is over"
