"""Jobs over HTTP: each answer of admission has its status, each body and header becomes one message."""

import os
from typing import Any

import pytest

from aura_actors.domain.needs import JobSpec, ProcessIdentity, Resize
from aura_actors.domain.reasons import Judgement, Outcome
from aura_actors.errors import (
    AskTimeout,
    Conflict,
    Draining,
    Foreign,
    Gone,
    NeverFits,
    Refused,
    SpecChanged,
    StoreUnavailable,
)
from aura_actors.messages import admission as m
from aura_actors.messages.admission_view import JobView, WaiterView

PATH = "/api/admission/jobs"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("error", "status", "kind", "retry"),
    [
        (Conflict("held"), 409, "conflict", None),
        (SpecChanged("another"), 422, "spec-changed", None),
        (NeverFits("too large", reasons=()), 422, "never-fits", None),
        (Refused("no room", retry_after_seconds=2.2), 429, "no-room", "3"),
        (Draining("drains"), 503, "draining", "1"),
        (StoreUnavailable("disk"), 503, "unavailable", "1"),
        (AskTimeout("slow"), 503, "unavailable", "1"),
    ],
)
async def test_every_refusal_has_its_status_and_type(
    open_house: Any, error: Exception, status: int, kind: str, retry: str | None
) -> None:
    async with open_house() as house:
        house.admission.answers[m.Acquire] = error
        answer = await house.client.post(PATH, json={"jobId": "a"})
        assert answer.status_code == status
        assert answer.json()["type"] == f"/problems/{kind}"
        assert answer.headers.get("retry-after") == retry
        assert answer.headers["content-type"] == "application/problem+json"


async def test_new_is_201_and_the_same_again_200(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        for again, status in ((False, 201), (True, 200)):
            house.admission.answers[m.Acquire] = m.Grant(lease=data.lease(), again=again)
            answer = await house.client.post(PATH, json={"jobId": "a"})
            assert answer.status_code == status
            assert answer.json() == {
                "jobId": "a", "leaseId": "s3cret", "fence": 7, "owner": "anonymous", "memoryBytes": 5,
                "cpuCores": 0, "gpus": [], "ttlSeconds": 30, "grantedAt": "2023-11-14T22:13:20Z",
                "expiresAt": "2023-11-14T22:13:50Z",
            }  # fmt: skip


async def test_who_does_not_wait_is_asked_about_without_a_place_in_the_queue(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        house.admission.answers[m.Acquire] = m.Grant(lease=data.lease(), again=False)
        await house.client.post(PATH, json={"jobId": "a", "owner": "me", "ttlSeconds": 9})
        asked = await house.admission.until(m.Acquire)
        assert (asked.wait, asked.owner, asked.ttl_seconds, asked.process) == (False, "me", 9, None)
        assert asked.spec == JobSpec(memory_bytes=2048)


async def test_a_process_is_told_from_a_later_one_with_its_id(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        house.admission.answers[m.Acquire] = m.Grant(lease=data.lease(), again=False)
        await house.client.post(PATH, json={"jobId": "a", "pid": os.getpid()})
        process = (await house.admission.until(m.Acquire)).process
        assert isinstance(process, ProcessIdentity)
        assert process.pid == os.getpid()
        assert process.start_ticks > 0
        assert process.resident_bytes > 0


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (PATH, {"jobId": "a", "pid": 2**31 - 1}, "/pid"),
        (PATH, {"jobId": "a", "units": {"a": "x"}}, "/units"),
        (PATH, {"jobId": "a", "units": {"a b": 1}}, "/units"),
        (PATH, {"jobId": "a", "gpu": {"count": 0}}, "/gpu/count"),
        (PATH, {"jobId": "a", "providers": [{"name": "x"}, {"name": ""}]}, "/providers/1/name"),
        (PATH, {"jobId": "a", "holdPaths": ["/x", "y"]}, "/holdPaths/1"),
        (PATH, {"jobId": "a", "holdPaths": ["/x\0"]}, "/holdPaths/0"),
        (PATH, {"jobId": "a", "waitSeconds": 3601}, "/waitSeconds"),
        (PATH, {"jobId": "a", "requiresGpu": True, "gpu": {"preferred": True}}, "/gpu/preferred"),
        (f"{PATH}/a/renew", {"cpuCores": -1}, "/cpuCores"),
        ("/api/providers/x/slots", {"pid": 2**31 - 1}, "/pid"),
        ("/api/providers/x/slots", {"tokens": -1}, "/tokens"),
        ("/api/providers/x/slots/1/renew", {"memoryBytes": 1}, "/memoryBytes"),
        ("/api/admission/drain", {"on": 1}, "/on"),
    ],
)
async def test_a_wrong_value_is_422_with_its_place(open_house: Any, path: str, body: Any, pointer: str) -> None:
    async with open_house() as house:
        answer = await house.client.post(path, json=body)
        assert (answer.status_code, answer.json().get("pointer")) == (422, pointer)
        assert house.admission.asked == []


async def test_the_lists_show_jobs_and_waiters_but_no_slots_and_no_secrets(open_house: Any, data: Any) -> None:
    def waiter(key: str) -> WaiterView:
        return WaiterView(
            key=key, owner="o", priority="low", kind=None, memory_bytes=4, position=1, waited_seconds=1.23456,
            attended=True, protected=False, reasons=(data.short,),
        )  # fmt: skip

    active = [
        JobView(lease=data.lease("a", gpus=("g",)), measured_bytes=3, attribution="tree"),
        JobView(lease=data.slot(), measured_bytes=None, attribution="none"),
    ]
    async with open_house() as house:
        house.admission.answers[m.Describe] = data.view(jobs=active, queue=(waiter("b"), waiter("openai/2")))
        answer = await house.client.get(PATH)
        jobs = answer.json()
        assert "s3cret" not in answer.text
        assert [job["jobId"] for job in jobs["active"]] == ["a"]
        assert [job["jobId"] for job in jobs["queue"]] == ["b"]
        assert (jobs["active"][0]["measuredBytes"], jobs["active"][0]["attribution"]) == (3, "tree")
        assert jobs["active"][0]["gpus"] == [{"index": None, "uuid": "g"}]
        assert (jobs["queue"][0]["waitedSeconds"], jobs["queue"][0]["reasons"][0]["holders"]) == (1.235, ["a"])
        assert (await house.client.get(f"{PATH}/a")).json() == jobs["active"][0]
        assert (await house.client.get(f"{PATH}/b")).json() == jobs["queue"][0]
        assert (await house.client.get(f"{PATH}/c")).status_code == 404


async def test_the_list_of_jobs_says_whether_nothing_new_is_admitted(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        for draining in (True, False):
            house.admission.answers[m.Describe] = data.view(draining=draining)
            jobs: dict[str, object] = {"active": [], "queue": []}
            assert (await house.client.get(PATH)).json() == (jobs | {"draining": True} if draining else jobs)


async def test_a_renewal_may_change_what_is_held(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        house.admission.answers[m.Renew] = data.lease()
        body = {"ttlSeconds": 60, "memoryBytes": 1, "cpuCores": 2}
        answer = await house.client.post(f"{PATH}/a/renew", json=body, headers={"Aura-Lease": "s"})
        assert answer.status_code == 200
        asked = await house.admission.until(m.Renew)
        assert asked == m.Renew(
            key="a", secret="s", ttl_seconds=60, resize=Resize(memory_bytes=1, cpu_millicores=2000)
        )
        await house.client.post(f"{PATH}/a/renew")
        assert await house.admission.until(m.Renew, 2) == m.Renew(key="a", secret=None)


@pytest.mark.parametrize(("error", "status"), [(Gone("over"), 410), (Foreign("not yours"), 403)])
async def test_renew_ready_and_release_tell_gone_from_foreign(open_house: Any, error: Any, status: int) -> None:
    async with open_house() as house:
        for kind in (m.Renew, m.Ready, m.Release, m.Leave):
            house.admission.answers[kind] = error
        for path, headers in (("/a", {}), ("/a", {"Aura-Ticket": "t"}), ("/a", {"Aura-Lease": "s"})):
            assert (await house.client.delete(PATH + path, headers=headers)).status_code == status
        for path in ("/a/renew", "/a/ready"):
            assert (await house.client.post(PATH + path)).status_code == status


async def test_delete_gives_back_a_lease_or_a_place_as_the_header_says(open_house: Any) -> None:
    async with open_house() as house:
        house.admission.answers |= {m.Release: None, m.Leave: None}
        assert (await house.client.delete(f"{PATH}/a", headers={"Aura-Lease": "s"})).status_code == 204
        assert (await house.client.delete(f"{PATH}/a", headers={"Aura-Ticket": "t"})).status_code == 204
        both = {"Aura-Lease": "s", "Aura-Ticket": "t"}
        assert (await house.client.delete(f"{PATH}/a", headers=both)).status_code == 400
        assert house.admission.asked == [m.Release(key="a", secret="s"), m.Leave(key="a", ticket="t")]


async def test_ready_shows_the_lease(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        house.admission.answers[m.Ready] = data.lease()
        answer = await house.client.post(f"{PATH}/a/ready", headers={"Aura-Lease": "s"})
        assert (answer.status_code, answer.json()["jobId"]) == (200, "a")
        assert house.admission.asked == [m.Ready(key="a", secret="s")]


async def test_preflight_says_place_and_bound(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        judgement = Judgement(outcome=Outcome.WAIT, reasons=(data.short,))
        house.admission.answers[m.Preflight] = m.Forecast(judgement=judgement, position=3, bound_seconds=60.5)
        answer = (await house.client.post("/api/admission/preflight", json={"jobId": "a", "waitSeconds": 5})).json()
        assert (answer["decision"], answer["position"], answer["boundSeconds"]) == ("wait", 3, 60.5)
        assert [type(asked) for asked in house.admission.asked] == [m.Preflight]


async def test_an_operator_may_revoke_and_drain(open_house: Any) -> None:
    async with open_house() as house:
        house.admission.answers |= {m.Revoke: None, m.Drain: None}
        assert (await house.client.post(f"{PATH}/a/revoke")).status_code == 204
        answer = await house.client.post("/api/admission/drain", json={"on": True})
        assert (answer.status_code, answer.json()) == (200, {"on": True})
        assert house.admission.asked == [m.Revoke(job_id="a", by="anonymous"), m.Drain(on=True, by="anonymous")]
        house.admission.answers[m.Revoke] = Gone("no such job")
        assert (await house.client.post(f"{PATH}/a/revoke")).status_code == 410


async def test_a_slot_is_released_with_what_the_call_was_like(open_house: Any, data: Any) -> None:
    async with open_house() as house:
        house.admission.answers |= {m.Release: None, m.Renew: data.slot()}
        slot, mine = "/api/providers/OpenAI/slots/1", {"Aura-Lease": "s"}
        answer = await house.client.post(f"{slot}/renew", json={"ttlSeconds": 9}, headers=mine)
        assert (answer.status_code, answer.json()["slotId"]) == (200, "1")
        body = b'{"outcome": "throttled", "tokens": 12}'
        assert (await house.client.request("DELETE", slot, content=body, headers=mine | JSON)).status_code == 204
        assert (await house.client.delete(slot, headers=mine)).status_code == 204
        assert house.admission.asked == [
            m.Renew(key="openai/1", secret="s", ttl_seconds=9),
            m.Release(key="openai/1", secret="s", outcome="throttled", tokens=12),
            m.Release(key="openai/1", secret="s"),
        ]


async def test_a_name_that_is_refused_is_told_what_it_may_be(open_house: Any) -> None:
    async with open_house() as house:
        body = (await house.client.post(PATH, json={"jobId": "a b"})).json()
        assert body["detail"] == "Expected letters, digits and ._:-, but neither . nor .. (at /jobId)"
        body = (await house.client.get(f"{PATH}/a%20b")).json()
        assert body["detail"] == "jobId in the path: Expected letters, digits and ._:-, but neither . nor .."


async def test_a_wrong_method_is_told_the_right_ones(open_house: Any) -> None:
    async with open_house() as house:
        answer = await house.client.put(f"{PATH}/a", json={})
        assert answer.status_code == 405
        assert answer.json()["detail"] == "this path takes DELETE, GET, HEAD"
