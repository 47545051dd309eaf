"""Long polls over real sockets: nothing cuts them, a client that goes leaves nothing, the daemon's end answers."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import trio

from aura_actors.edges.listener import Timing
from aura_actors.errors import AuraError, Draining, Gone
from aura_actors.messages import admission as m

PATH = "/api/admission/jobs"
WAITING = {"jobId": "a", "waitSeconds": 3600}


def request(body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - the other side of a socket has its own time
            await trio.sleep(0.002)


async def test_a_turn_that_comes_is_answered_201(open_house: Any, data: Any) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        house.admission.answers[m.Acquire] = data.queued()
        answers: list[httpx2.Response] = []

        async def wait() -> None:
            answers.append(await house.client.post(PATH, json=WAITING))

        nursery.start_soon(wait)
        asked = await house.admission.until(m.Acquire)
        assert asked.wait
        asked.turn.set(m.Grant(lease=data.lease(), again=False))
        await until(lambda: answers)
        assert (answers[0].status_code, answers[0].json()["leaseId"]) == (201, "s3cret")
        assert not [each for each in house.admission.asked if isinstance(each, m.Forsake | m.Abandon)]


async def test_the_idle_timer_does_not_cut_a_request_that_waits(open_house: Any, data: Any) -> None:
    async with open_house(timing=Timing(keep_alive=0.05, head=0.05, send=0.05)) as house:
        house.admission.answers |= {m.Acquire: data.queued(), m.Abandon: data.queued()}
        answer = await house.client.post(PATH, json={"jobId": "a", "waitSeconds": 0.5})
        assert answer.status_code == 202


async def test_a_client_that_goes_away_while_it_waits_gives_its_place_up(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        house.admission.answers[m.Acquire] = data.queued()
        stream = await house.raw()
        await stream.send_all(request(WAITING))
        asked = await house.admission.until(m.Acquire)
        await stream.aclose()
        assert (await house.admission.until(m.Forsake)).turn is asked.turn


async def test_a_client_that_is_reset_while_it_waits_gives_its_place_up(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        house.admission.answers[m.Acquire] = data.queued()
        stream = await house.raw()
        await stream.send_all(request(WAITING))
        asked = await house.admission.until(m.Acquire)
        stream.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        stream.socket.close()
        assert (await house.admission.until(m.Forsake)).turn is asked.turn


async def test_a_client_that_sent_more_behind_a_waiting_request_is_missed_all_the_same(
    open_house: Any, data: Any
) -> None:
    async with open_house() as house:
        house.admission.answers[m.Acquire] = data.queued()
        stream = await house.raw()
        await stream.send_all(request(WAITING) + b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        asked = await house.admission.until(m.Acquire)
        await stream.aclose()
        assert (await house.admission.until(m.Forsake)).turn is asked.turn


async def test_the_end_of_the_daemon_answers_whoever_waits_503(open_house: Any, data: Any) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        house.admission.answers[m.Acquire] = data.queued()
        answers: list[httpx2.Response] = []

        async def wait() -> None:
            answers.append(await house.client.post(PATH, json=WAITING))

        for _ in range(20):
            nursery.start_soon(wait)
        await house.admission.until(m.Acquire, 20)
        started = trio.current_time()
        house.stop.set()
        await until(lambda: len(answers) == 20)
        assert trio.current_time() - started < 1
        assert {(answer.status_code, answer.json()["type"]) for answer in answers} == {(503, "/problems/draining")}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
        await house.admission.until(m.Forsake, 20)


@pytest.mark.parametrize(("error", "status"), [(Draining("drained"), 503), (Gone("revoked"), 410)])
async def test_a_place_that_is_taken_away_is_answered_as_the_turn_says(
    open_house: Any, data: Any, error: AuraError, status: int
) -> None:
    async with open_house() as house, trio.open_nursery() as nursery:
        house.admission.answers[m.Acquire] = data.queued()
        answers: list[httpx2.Response] = []

        async def wait() -> None:
            answers.append(await house.client.post(PATH, json=WAITING))

        nursery.start_soon(wait)
        (await house.admission.until(m.Acquire)).turn.set(error)
        await until(lambda: answers)
        assert answers[0].status_code == status


async def test_still_waiting_at_the_end_is_a_ticket_that_keeps_the_place(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        house.admission.answers |= {m.Acquire: data.queued(), m.Abandon: data.queued(position=1)}
        answer = await house.client.post(PATH, json={"jobId": "a", "waitSeconds": 0.05})
        ticket = answer.json()
        assert (answer.status_code, answer.headers["retry-after"]) == (202, "2")
        assert (ticket["jobId"], ticket["ticket"], ticket["position"]) == ("a", "t1cket", 1)
        assert (ticket["boundSeconds"], ticket["reasons"][0]["shortfall"]) == (60, 3)
        assert ticket["expiresAt"] == "2023-11-14T22:13:50Z"
        assert not [each for each in house.admission.asked if isinstance(each, m.Forsake | m.Leave)]


async def test_a_slot_that_still_waits_at_the_end_leaves_the_queue(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        place = data.queued("openai/1")
        house.admission.answers |= {m.AcquireSlot: place, m.Abandon: place, m.Leave: None}
        answer = await house.client.post("/api/providers/OpenAI/slots", json={"waitSeconds": 0.05, "tokens": 9})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
        assert answer.json()["reasons"][0]["dimension"] == "memory"
        left = await house.admission.until(m.Leave)
        assert (left.key, left.ticket) == ("openai/1", "t1cket")
        assert (await house.admission.until(m.AcquireSlot)).tokens == 9


async def test_a_slot_granted_at_the_very_end_is_a_slot(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        grant = m.Grant(lease=data.slot(), again=False)
        house.admission.answers |= {m.AcquireSlot: data.queued("openai/1"), m.Abandon: grant}
        answer = await house.client.post("/api/providers/OpenAI/slots", json={"waitSeconds": 0.05})
        assert (answer.status_code, answer.json()["slotId"], answer.json()["provider"]) == (201, "1", "OpenAI")
