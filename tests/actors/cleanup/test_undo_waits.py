"""An undo that takes long: whoever asked over HTTP is told what to ask for, and nothing of it is lost."""

from types import SimpleNamespace
from typing import Any, cast

import trio
from trio.testing import MockClock

from aura_actors.edges.http import cleanup
from aura_actors.edges.http.api import Answer, Call
from aura_actors.kernel.ref import Ref
from aura_actors.messages.cleanup import CleanupMessage
from aura_actors.wire.cleanup import CleanupReport, RunStarted
from tests.actors.cleanup.house import House, ask_run, report_of
from tests.actors.cleanup.test_undo import fill_quarantine


class Client:
    """One who asks over HTTP, without the socket."""

    def __init__(self, ref: Ref[CleanupMessage], nursery: trio.Nursery) -> None:
        self._ref = ref
        self._nursery = nursery
        self.answers: list[Answer] = []

    def undo(self, run_id: str) -> None:
        self._nursery.start_soon(self._ask, cleanup.undo_run, run_id)

    async def show(self, run_id: str) -> Answer:
        await self._ask(cleanup.show_run, run_id)
        return self.answers.pop()

    async def _ask(self, operation: Any, run_id: str) -> None:
        services = SimpleNamespace(cleanup=self._ref, audit=self._audit)
        caller = SimpleNamespace(name="me", owner=None)
        call = SimpleNamespace(services=services, path={"runId": run_id}, query={}, caller=caller)
        self.answers.append(await operation(cast("Call", call)))

    async def _audit(self, *_: object) -> None:
        return


async def test_after_five_minutes_the_client_is_told_which_run_to_ask_for_and_finds_its_report(
    house: House, mock_clock: MockClock, monkeypatch: Any
) -> None:
    monkeypatch.setattr(cleanup, "owner", lambda call: "me")
    house.script.takes = True
    async with house.life() as ref, trio.open_nursery() as nursery:
        taken = await report_of(await ask_run(ref))
        house.script.gate = trio.Event()  # a step that does not come back: a file on a disk that is slow to answer
        client = Client(ref, nursery)
        client.undo(taken.run_id)
        await house.pass_time(mock_clock, 299)
        assert client.answers == []
        await house.pass_time(mock_clock, 2)
        (answer,) = client.answers
        assert answer.status == 202
        started = answer.body
        assert isinstance(started, RunStarted)
        assert started.run_id != taken.run_id

        waiting = await client.show(started.run_id)
        assert (waiting.status, waiting.body) == (202, RunStarted(run_id=started.run_id))
        client.undo(taken.run_id)  # whoever asks again waits for the same undo
        await house.pass_time(mock_clock, 1)
        house.script.gate.set()
        await house.pass_time(mock_clock, 1)
        *_, again = client.answers
        found = await client.show(started.run_id)
        assert isinstance(found.body, CleanupReport)
        assert (found.status, found.body.run_id, found.body.restored) == (200, taken.run_id, 1)
        assert again.body == found.body
        assert len([begin for begin in house.script.begun if type(begin.work).__name__ == "Undo"]) == 1


async def test_an_undo_waits_for_the_run_before_it_and_a_disk_that_hangs_fails_it_with_a_sentence(
    house: House, mock_clock: MockClock, monkeypatch: Any
) -> None:
    monkeypatch.setattr(cleanup, "owner", lambda call: "me")
    house.script.takes = True
    async with house.life() as ref, trio.open_nursery() as nursery:
        taken = await report_of(await ask_run(ref))
        fill_quarantine(house, taken.run_id)
        house.script.gate = trio.Event()
        client = Client(ref, nursery)
        before = await ask_run(ref)
        client.undo(taken.run_id)
        await house.pass_time(mock_clock, 301)
        started = client.answers.pop().body
        assert isinstance(started, RunStarted)
        await house.pass_time(mock_clock, 300)  # the run before it gives up after ten minutes
        assert (await report_of(before)).outcome == "failed"
        assert (await client.show(started.run_id)).status == 202
        await house.pass_time(mock_clock, 601)  # and so does the undo
        found = (await client.show(started.run_id)).body
        assert isinstance(found, CleanupReport)
        assert (found.outcome, found.restored) == ("failed", 0)
        assert "does a disk hang?" in str(found.detail)
        house.script.gate.set()
        client.undo(taken.run_id)  # what it did not put back is there as before
        await house.pass_time(mock_clock, 1)
        (answer,) = client.answers
        assert isinstance(answer.body, CleanupReport)
        assert (answer.body.outcome, answer.body.restored) == ("done", 1)
