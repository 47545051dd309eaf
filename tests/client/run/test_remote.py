"""Patience with a daemon: what it doubts is left out, what may change is asked again, what will not is raised."""

import math
import threading
import time
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from aura_actors.client.exchange import Reply
from aura_actors.client.run import remote
from aura_actors.client.run.lease import NotNow, Report, Waiting
from aura_actors.client.run.remote import Remote
from aura_actors.errors import Conflict, InvalidValue, NeverFits, Unavailable

LEASE = {
    "jobId": "a", "leaseId": "secret", "fence": 3, "owner": "o", "memoryBytes": 5, "cpuCores": 0, "gpus": [],
    "grantedAt": "2026-01-01T00:00:00Z", "expiresAt": "2026-01-01T00:00:30Z", "ttlSeconds": 0.09,
}  # fmt: skip
REASON = {
    "dimension": "memory", "needed": 2, "available": 1, "shortfall": 1, "holders": [], "external": False,
    "text": "no",
}  # fmt: skip
TICKET = {
    "jobId": "a", "ticket": "t", "position": 2, "reasons": [REASON], "retryAfterSeconds": 1, "boundSeconds": None,
    "expiresAt": "2026-01-01T00:00:30Z",
}  # fmt: skip
NEEDS = {"jobId": "a", "memoryBytes": 5, "pid": 7, "cgroup": "/g"}
HEALTHY: tuple[int, Any] = (200, {"status": "live"})


class Script:
    """A transport that answers in order; None: nothing comes back."""

    url = "http://there"

    def __init__(self, *answers: tuple[int, Any] | None) -> None:
        self.answers: list[tuple[int, Any] | None] = [HEALTHY, *answers]
        self.asked: list[tuple[str, str, Mapping[str, object] | None, Mapping[str, str] | None]] = []
        self.within: list[float | None] = []

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0.0,
        within_seconds: float | None = None,
    ) -> Reply:
        self.asked.append((method, path, body, headers))
        self.within.append(within_seconds)
        answer = self.answers.pop(0) if self.answers else None
        if answer is None:
            raise Unavailable("nobody is there")
        return Reply(status=answer[0], content=msgspec.json.encode(answer[1]))

    @property
    def bodies(self) -> list[Any]:
        """Of the acquires."""
        return [body for method, path, body, _ in self.asked if (method, path) == ("POST", remote.JOBS)]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "AGAIN_SECONDS", 0.01)


def acquired(script: Script, wait_seconds: float = 5.0, **needs: object) -> tuple[Any, list[Waiting]]:
    told: list[Waiting] = []
    return Remote(script).acquire({**NEEDS, **needs}, wait_seconds, told.append), told


def test_a_lease_that_is_bound_to_a_process_lives_long_unrenewed() -> None:
    script = Script((201, LEASE))
    claim, _ = acquired(script)
    assert (claim.fence, claim.memory_bytes, claim.attribution) == (3, 5, "cgroup /g")
    assert script.bodies == [{**NEEDS, "ttlSeconds": 300, "waitSeconds": 0.2}]


def test_a_group_that_is_not_believed_is_left_out() -> None:
    script = Script((422, {"pointer": "/cgroup", "detail": "not yours"}), (201, LEASE))
    claim, _ = acquired(script)
    assert claim.attribution == "process tree (not yours)"
    assert "cgroup" not in script.bodies[1]
    assert script.bodies[1]["pid"] == 7


def test_a_process_that_is_not_believed_is_left_out_with_its_group_and_its_long_life() -> None:
    script = Script((422, {"pointer": "/pid", "detail": "another machine"}), (201, LEASE))
    claim, _ = acquired(script)
    assert claim.attribution == "none (another machine)"
    assert not {"pid", "cgroup", "ttlSeconds"} & set(script.bodies[1])


def test_a_place_is_told_of_and_waited_at() -> None:
    script = Script((202, TICKET), (201, LEASE))
    _, told = acquired(script)
    assert [(waiting.position, str(waiting)) for waiting in told] == [(2, "memory: no")]
    assert [body["waitSeconds"] > 1 for body in script.bodies] == [False, True]


@pytest.mark.parametrize("away", [None, (503, {"detail": "drains"}), (429, {"detail": "full"}), (500, {})])
def test_what_may_change_is_asked_again(away: tuple[int, Any] | None) -> None:
    script = Script(away, away, (201, LEASE))
    claim, told = acquired(script)
    assert claim.fence == 3
    assert len(told) == 2


def test_a_daemon_that_was_never_heard_is_not_there() -> None:
    script = Script((201, LEASE))
    script.answers[0] = None
    with pytest.raises(Unavailable, match="nobody is there"):
        acquired(script)


@pytest.mark.parametrize(
    ("status", "problem", "error"),
    [
        (422, {"type": "/problems/never-fits", "detail": "too large"}, NeverFits),
        (422, {"type": "/problems/invalid-value", "pointer": "/kind", "detail": "no"}, InvalidValue),
        (409, {"detail": "theirs"}, Conflict),
        (410, {"detail": "revoked"}, NotNow),
        (401, {}, Unavailable),
        (403, {"detail": "scope"}, Unavailable),
        (404, {}, Unavailable),
        (421, {"detail": "another host"}, Unavailable),
    ],
)
def test_what_will_not_change_is_raised(status: int, problem: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        acquired(Script((status, problem)))
    assert isinstance(raised.value, NotNow) == (error is NotNow)


def test_what_never_fits_is_told_with_how_much_there_is() -> None:
    def reason(dimension: str, needed: float, available: float) -> dict[str, object]:
        about = {"dimension": dimension, "needed": needed, "available": available, "shortfall": needed - available}
        return about | {"holders": [], "external": True, "text": "too much"}

    reasons = [reason("memory", 3 * 2**30, 2**29), reason("cores", 64, 2), reason("gpu", 1, 0)]
    with pytest.raises(NeverFits) as refused:
        acquired(Script((422, {"type": "/problems/never-fits", "detail": "no", "reasons": reasons})))
    assert str(refused.value) == (
        "it never fits here: memory: too much (needs 3.0 GiB of 512.0 MiB); "
        "cores: too much (needs 64 of 2); gpu: too much"
    )


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_server_that_is_no_daemon_is_not_asked_again(status: int) -> None:
    script = Script((status, {"hello": "world"}))
    with pytest.raises(Unavailable, match="http://there answered something that this version does not know"):
        acquired(script)
    assert len(script.bodies) == 1


@pytest.mark.parametrize("wait_seconds", [0.0, 5.0])
@pytest.mark.parametrize(
    "greeting", [(200, {"status": "UP"}), (404, {}), (501, "<html>"), (503, {"detail": "busy"})]
)
def test_who_is_no_daemon_is_told_by_its_greeting(greeting: tuple[int, Any], wait_seconds: float) -> None:
    script = Script()
    script.answers[0] = greeting
    with pytest.raises(
        Unavailable, match=f"no daemon answers at http://there: .* answered {greeting[0]}"
    ) as raised:
        acquired(script, wait_seconds=wait_seconds)
    assert not isinstance(raised.value, NotNow)
    assert not script.bodies


def test_a_daemon_that_turns_us_away_by_our_host_says_so_itself() -> None:
    foreign = {"type": "/problems/x", "title": "Misdirected Request", "status": 421, "detail": "another host"}
    script = Script((421, foreign))
    script.answers[0] = (421, foreign)
    with pytest.raises(Unavailable, match="another host"):
        acquired(script)


def test_a_daemon_that_hangs_keeps_nobody_who_waits_no_longer() -> None:
    script = Script((202, TICKET), None)
    with pytest.raises(NotNow):
        acquired(script, wait_seconds=0.0)
    assert script.within[-1] == remote.LEAVE_SECONDS


def test_a_daemon_that_hangs_keeps_no_command_from_ending_for_long() -> None:
    script = Script((201, LEASE), None)
    keeper = Remote(script)
    keeper.acquire(NEEDS, 0.0, lambda _: None)
    keeper.release(Report())
    assert script.asked[-1][0] == "DELETE"
    assert script.within[-1] == remote.RELEASE_SECONDS


@pytest.mark.parametrize(("wait_seconds", "within"), [(0.0, 5.0), (9.0, 9.0), (math.inf, 15.0)])
def test_whoever_waits_briefly_is_told_soon_that_nobody_answers(wait_seconds: float, within: float) -> None:
    script = Script((201, LEASE))
    acquired(script, wait_seconds=wait_seconds)
    assert script.within[0] == within


def test_when_the_time_is_up_the_place_is_given_up() -> None:
    script = Script((202, TICKET), (204, None))
    with pytest.raises(NotNow, match="memory: no"):
        acquired(script, wait_seconds=0.0)
    assert script.asked[-1] == ("DELETE", f"{remote.JOBS}/a", None, {"Aura-Ticket": "t"})


def test_without_waiting_a_refusal_says_why() -> None:
    with pytest.raises(NotNow, match="no room"):
        acquired(Script((429, {"detail": "no room"})), wait_seconds=0.0)


def test_a_lease_is_renewed_until_it_is_released_with_what_was_seen() -> None:
    script = Script((201, LEASE), (200, LEASE), None, (503, {}), (200, LEASE), *[(200, LEASE)] * 999)
    keeper = Remote(script)
    keeper.acquire(NEEDS, 0.0, lambda _: None)
    keeper.keep(lambda _: pytest.fail("it was not lost"))
    while sum(path.endswith("/renew") for _, path, _, _ in script.asked) < 5:
        time.sleep(0.005)  # of another thread: there is nothing to wait on
    keeper.release(Report(peak_bytes=9, oom_killed=True))
    time.sleep(0.1)
    deleted = [each for each in script.asked if each[0] == "DELETE"]
    assert deleted == [
        ("DELETE", f"{remote.JOBS}/a", {"oomKilled": True, "peakBytes": 9}, {"Aura-Lease": "secret"})
    ]
    keeper.release(Report())
    assert len([each for each in script.asked if each[0] == "DELETE"]) == 1


def test_a_lease_that_ended_is_said_once() -> None:
    lost, said = threading.Event(), []

    def tell(why: str) -> None:
        said.append(why)
        lost.set()

    keeper = Remote(Script((201, LEASE), (410, {"detail": "it is gone"})))
    keeper.acquire(NEEDS, 0.0, lambda _: None)
    keeper.keep(tell)
    assert lost.wait(5)
    keeper.release(Report())
    assert said == ["it is gone"]
