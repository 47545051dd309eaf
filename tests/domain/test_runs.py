"""One lease of a kind becomes one run: its peak, how it ended, and a report that may come a moment late."""

from typing import Any

import pytest

from aura_actors.domain.changes import Ended, How
from aura_actors.domain.learning import Learning
from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec
from aura_actors.domain.runs import RunReport, Runs

MIB = 2**20
GRACE_SECONDS = 2.0


def lease(key: str = "a", kind: str | None = "k", slots: int = 1) -> Lease:
    return Lease(
        key=key, owner="o", secret="s", fence=7, spec=JobSpec(memory_bytes=100 * MIB, kind=kind, job_slots=slots),
        ttl_seconds=30, granted_at=10, expires_at=40, granted_timestamp=0,
    )  # fmt: skip


class Memory:
    """Says of every group that it uses this much."""

    def __init__(self) -> None:
        self.most = 0

    def use_of(self, group: str | None) -> Any:
        return type("Use", (), {"most": self.most})


def seen(runs: Runs, held: Lease, *amounts: int) -> None:
    memory, holding = Memory(), type("Holding", (), {"lease": held, "group": type("Group", (), {"key": "g"})})
    for memory.most in amounts:
        runs.look([holding], memory)  # type: ignore[arg-type,list-item]  # as much of them as is looked at


def only(runs: Runs) -> Any:
    (known,) = runs.learned
    return known


def test_the_highest_use_that_was_measured_is_the_peak() -> None:
    runs = Runs()
    seen(runs, lease(), 5 * MIB, 9 * MIB, 2 * MIB)
    runs.ended([Ended(lease(), "released")], 15)
    assert set(runs.settle(15)) == {"k"}
    known = only(runs)
    assert (known.runs, known.peak_p50_bytes, known.runtime_p50_seconds) == (1, 9 * MIB, 5)


def test_a_lease_whose_processes_are_not_known_is_not_measured() -> None:
    runs = Runs()
    runs.look([type("Holding", (), {"lease": lease(), "group": None})], Memory())  # type: ignore[arg-type,list-item]
    runs.ended([Ended(lease(), "released")], 15)
    assert not runs.settle(15)


def test_a_run_is_entered_once_however_short_it_was_and_however_little_it_used() -> None:
    runs = Runs()
    seen(runs, lease(), 0)
    runs.ended([Ended(lease(), "released")], 10.25)
    assert set(runs.settle(10.25)) == {"k"}
    assert not runs.settle(11)
    known = only(runs)
    assert (known.runs, known.peak_p95_bytes, known.runtime_p95_seconds) == (1, 0, 0.25)


def test_a_report_that_knows_more_than_was_measured_counts() -> None:
    runs = Runs()
    seen(runs, lease(), 5 * MIB)
    assert not runs.report(lease(), "a", "s", RunReport(peak_bytes=8 * MIB))
    runs.ended([Ended(lease(), "released")], 15)
    runs.settle(15)
    assert only(runs).peak_p50_bytes == 8 * MIB


def test_after_its_process_ended_a_report_is_waited_for() -> None:
    runs = Runs()
    seen(runs, lease(), 5 * MIB)
    runs.ended([Ended(lease(), "exited")], 15)
    assert not runs.settle(15 + GRACE_SECONDS / 2)
    assert runs.report(None, "a", "s", RunReport(peak_bytes=8 * MIB))
    assert runs.settle(15 + GRACE_SECONDS / 2)
    assert only(runs).peak_p50_bytes == 8 * MIB
    assert only(runs).runtime_p50_seconds == 5


def test_without_a_report_what_was_measured_counts_after_a_moment() -> None:
    runs = Runs()
    seen(runs, lease(), 5 * MIB)
    runs.ended([Ended(lease(), "exited")], 15)
    assert runs.settle(15 + GRACE_SECONDS)
    assert only(runs).peak_p50_bytes == 5 * MIB


def test_a_second_report_and_one_under_another_secret_are_not_taken() -> None:
    runs = Runs()
    runs.ended([Ended(lease(), "exited")], 15)
    assert not runs.report(None, "a", "other", RunReport(peak_bytes=1))
    assert not runs.report(None, "a", None, RunReport(peak_bytes=1))
    assert not runs.report(None, "b", "s", RunReport(peak_bytes=1))
    assert runs.report(None, "a", "s", RunReport(peak_bytes=2))
    assert not runs.report(None, "a", "s", RunReport(peak_bytes=3))


def test_a_run_that_was_killed_for_want_of_memory_steps_the_reservation_up() -> None:
    runs = Runs()
    runs.report(lease(), "a", "s", RunReport(peak_bytes=100 * MIB, oom_killed=True))
    runs.ended([Ended(lease(), "released")], 15)
    assert runs.settle(15)
    assert (only(runs).runs, only(runs).kills, only(runs).reserve_bytes) == (0, 1, 150 * MIB)


@pytest.mark.parametrize("how", ["expired", "revoked", "disconnected", "runtime"])
def test_a_lease_that_ended_otherwise_says_nothing_of_its_run(how: How) -> None:
    runs = Runs()
    seen(runs, lease(), 5 * MIB)
    runs.ended([Ended(lease(), how)], 15)
    assert not runs.settle(100)
    assert runs.learned == ()


def test_what_is_of_no_kind_or_no_job_is_not_remembered() -> None:
    runs = Runs()
    for other in (lease(kind=None), lease("b", slots=0)):
        seen(runs, other, 5 * MIB)
        runs.report(other, other.key, "s", RunReport(peak_bytes=5 * MIB))
        runs.ended([Ended(other, "released")], 15)
    assert not runs.settle(100)
    assert runs.learned == ()


def test_a_run_of_which_nothing_was_seen_is_no_run() -> None:
    runs = Runs()
    runs.ended([Ended(lease(), "released")], 15)
    assert not runs.settle(15)
    assert runs.learned == ()


def test_what_was_known_goes_on() -> None:
    first = Runs()
    seen(first, lease(), 5 * MIB)
    first.ended([Ended(lease(), "released")], 15)
    second = Runs(Learning(first.settle(15)))
    seen(second, lease(), 7 * MIB)
    second.ended([Ended(lease(), "released")], 15)
    second.settle(15)
    assert (only(second).runs, only(second).peak_p95_bytes) == (2, 7 * MIB)
