"""A batch: one question to admission, one result each in order, and nothing is asked where one is no operation."""

from typing import Any

import pytest

from aura_actors.domain.needs import JobSpec, Resize
from aura_actors.domain.reasons import Judgement, Outcome
from aura_actors.errors import Draining, Foreign, NeverFits, Refused, StoreUnavailable
from aura_actors.messages import admission as m

PATH = "/api/admission/batch"
ACQUIRE = {"op": "acquire", "jobId": "a", "memoryBytes": 1, "ttlSeconds": 5}


async def test_each_operation_has_the_status_and_body_that_it_would_have_had_alone(
    open_house: Any, data: Any
) -> None:
    outcomes = (
        m.Grant(lease=data.lease("a"), again=False),
        m.Grant(lease=data.lease("b"), again=True),
        data.lease("c"),
        None,
        m.Forecast(judgement=Judgement(outcome=Outcome.GRANT), position=None, bound_seconds=None),
        Refused("no room", reasons=(data.short,), retry_after_seconds=2.0),
        NeverFits("too large", reasons=(data.short,)),
        Foreign("not yours"),
        Draining("drains"),
    )
    async with open_house() as house:
        house.admission.answers[m.Batch] = outcomes
        answer = await house.client.post(PATH, json={"operations": [ACQUIRE] * len(outcomes)})
        results = answer.json()["results"]
        assert [each["status"] for each in results] == [201, 200, 200, 204, 200, 429, 422, 403, 503]
        assert [each["lease"]["jobId"] for each in results[:3]] == ["a", "b", "c"]
        assert results[3] == {"status": 204}
        assert results[4]["preflight"]["decision"] == "grant"
        assert results[5]["problem"]["retryAfterSeconds"] == 2
        assert results[6]["problem"]["reasons"][0]["dimension"] == "memory"
        assert results[7]["problem"]["type"] == "/problems/foreign"


async def test_whoever_waits_already_is_told_its_place_and_the_others_keep_their_grants(
    open_house: Any, data: Any
) -> None:
    async with open_house() as house:
        house.admission.answers[m.Batch] = (m.Grant(lease=data.lease("y"), again=False), data.queued("x"))
        answer = await house.client.post(PATH, json={"operations": [ACQUIRE] * 2})
        granted, waits = answer.json()["results"]
        assert (answer.status_code, granted["status"], granted["lease"]["jobId"]) == (200, 201, "y")
        assert (waits["status"], waits["ticket"]["jobId"], waits["ticket"]["position"]) == (202, "x", 2)
        assert {*waits} == {"status", "ticket"}


async def test_all_operations_are_one_question(open_house: Any) -> None:
    operations = [
        ACQUIRE,
        {"op": "preflight", "jobId": "a", "requiresGpu": False},
        {"op": "renew", "jobId": "a", "leaseId": "s", "memoryBytes": 3},
        {"op": "release", "jobId": "a", "leaseId": "s"},
    ]
    async with open_house() as house:
        house.admission.answers[m.Batch] = (None,) * 4
        await house.client.post(PATH, json={"operations": operations})
        (asked,) = house.admission.asked
        assert asked.operations == (
            m.Acquire(job_id="a", owner="anonymous", spec=JobSpec(memory_bytes=1), ttl_seconds=5),
            m.Preflight(job_id="a", owner="anonymous", spec=JobSpec(memory_bytes=2048)),
            m.Renew(key="a", secret="s", resize=Resize(memory_bytes=3)),
            m.Release(key="a", secret="s"),
        )


@pytest.mark.parametrize(
    ("operation", "pointer"),
    [
        ({"op": "steal", "jobId": "a"}, "/operations/1/op"),
        ({"jobId": "a"}, "/operations/1"),
        (ACQUIRE | {"memoryBytes": -1}, "/operations/1/memoryBytes"),
        (ACQUIRE | {"waitSeconds": 1}, "/operations/1/waitSeconds"),
        (ACQUIRE | {"pid": 2**31 - 1}, "/operations/1/pid"),
        (ACQUIRE | {"gpu": {"memoryBytes": 1}}, "/operations/1/gpu/memoryBytes"),
        (ACQUIRE | {"estimatedMemoryBytes": 1}, "/operations/1/estimatedMemoryBytes"),
        ({"op": "release", "jobId": "a"}, "/operations/1"),
        (5, "/operations/1"),
    ],
)
async def test_one_bad_operation_refuses_the_whole_body(open_house: Any, operation: Any, pointer: str) -> None:
    async with open_house() as house:
        answer = await house.client.post(PATH, json={"operations": [ACQUIRE, operation, ACQUIRE]})
        assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)
        assert house.admission.asked == []


async def test_an_empty_batch_has_no_results_and_asks_nobody(open_house: Any) -> None:
    async with open_house() as house:
        answer = await house.client.post(PATH, json={"operations": []})
        assert (answer.status_code, answer.json()) == (200, {"results": []})
        assert house.admission.asked == []


async def test_more_operations_than_256_are_refused(open_house: Any) -> None:
    async with open_house() as house:
        answer = await house.client.post(
            PATH, json={"operations": [{"op": "release", "jobId": "a", "leaseId": ""}] * 257}
        )
        assert (answer.status_code, answer.json()["pointer"]) == (422, "/operations")


async def test_a_journal_that_cannot_be_written_refuses_the_batch(open_house: Any) -> None:
    async with open_house() as house:
        house.admission.answers[m.Batch] = StoreUnavailable("disk full")
        answer = await house.client.post(PATH, json={"operations": [ACQUIRE]})
        assert answer.status_code == 503
