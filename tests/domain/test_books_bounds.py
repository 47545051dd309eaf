"""When somebody who waits is promised to start, and where nobody can say."""

from typing import Any

import msgspec
import pytest

from aura_actors.domain.books import Books
from aura_actors.domain.providers import ProviderLimits, ProviderNeed
from aura_actors.domain.waiting import QueueRule
from tests.domain.admission_world import fresh, machine, process, request, took, use, waits


def bound(of: Books, now: float, **need: Any) -> float | None:
    spec = need.pop("memory", 0)
    waiter = of.judge(request("new", spec, **need), now)[1]
    return of.bound_seconds(waiter, now)


def test_a_bound_is_told_where_all_that_runs_is_limited() -> None:
    """Until it is protected, as long as the longest limit of those who run; memory comes back 5 s later at most."""
    of = fresh(queue=QueueRule(protect_after_seconds=10, class_seconds=5))
    took(of, "a", 300, max_runtime_seconds=40)
    took(of, "b", 300, max_runtime_seconds=20)
    assert bound(of, 4.0, memory=400) == 5 + 10 + 40 + 5
    waiting = waits(of, "large", 400, 4.0).waiter
    assert of.bound_seconds(waiting, 4.0) == 5 + 10 + 40 + 5
    assert of.bound_seconds(waiting, 13.75) == 5.25 + 40 + 5
    assert of.bound_seconds(waiting, 15.0) == 5 + 5


def test_a_bound_counts_every_lease_that_must_end_first() -> None:
    of = fresh(queue=QueueRule(protect_after_seconds=0))
    for key, limit in (("a", 40), ("b", 20), ("c", 30)):
        took(of, key, 250, max_runtime_seconds=limit)
    assert of.bound_seconds(waits(of, "new", 300, 0.0).waiter, 0.0) == 25
    assert of.bound_seconds(of.queue.line(0.0)[0], 10.0) == 15
    of.leave("new")
    assert of.bound_seconds(waits(of, "new", 550, 0.0).waiter, 0.0) == 35
    of.leave("new")
    assert of.bound_seconds(waits(of, "new", 551, 0.0).waiter, 0.0) == 45


def test_a_ghost_is_no_reason_to_promise_nothing() -> None:
    of = fresh(100, queue=QueueRule(protect_after_seconds=0))
    ends = took(of, "ends", 300, process=process(1))
    took(of, "runs", 300, max_runtime_seconds=20)
    of.look(machine(1.0, 400, groups=(use([ends.fence], 300),)))
    of.release("ends", ends.secret, 1.0)
    waiter = waits(of, "large", 600, 1.0).waiter
    assert of.reasons(waiter, 1.0)[0].holders == ("runs",)
    assert of.bound_seconds(waiter, 1.0) == 19 + 5
    of.leave("large")
    (reason,) = of.reasons(waits(of, "last", 401, 1.0).waiter, 1.0)
    assert (reason.external, reason.holders) == (False, ("runs",))


def test_jobs_that_have_just_ended_are_named_as_the_reason_and_not_as_others() -> None:
    of = fresh(100)
    ends = took(of, "ends", 300, process=process(1))
    of.look(machine(1.0, 400, groups=(use([ends.fence], 300),)))
    of.release("ends", ends.secret, 1.0)
    (reason,) = of.reasons(waits(of, "large", 600, 1.0).waiter, 1.0)
    assert (reason.external, reason.text) == (False, "jobs that have just ended have not given the memory back yet")


@pytest.mark.parametrize("why", ["unlimited", "external", "busy", "stale", "brake"])
def test_no_bound_is_told_where_nobody_can_say(why: str) -> None:
    of = fresh(busy=85)
    limit = None if why == "unlimited" else 20
    took(of, "a", 700, max_runtime_seconds=limit, cpu_millicores=8000 * (why == "busy"))
    if why == "external":
        of.look(machine(0.0, 500))
    if why == "brake":
        of.look(machine(0.0, 0, stalled_percent=50.0))
    now = 31.0 if why == "stale" else 0.0
    assert bound(of, now, memory=400) is None


def test_no_bound_is_told_where_a_rate_is_limited() -> None:
    one = ProviderLimits(max_concurrent=1)
    rated, metered = (msgspec.structs.replace(one, **{f"{x}_per_minute": 9}) for x in ("requests", "tokens"))
    limits = {"calls": rated, "tokens": metered, "b": one}
    of = fresh(limits=limits, queue=QueueRule(protect_after_seconds=10, class_seconds=0))
    took(of, "a", 0, max_runtime_seconds=20, providers=(ProviderNeed(name="b"),))
    assert bound(of, 0.0, providers=(ProviderNeed(name="calls"),)) is None
    assert bound(of, 0.0, providers=(ProviderNeed(name="tokens"),)) is None
    assert bound(of, 0.0, providers=(ProviderNeed(name="B"),)) == 10 + 20 + 5


def test_slots_and_units_come_back_with_their_leases() -> None:
    of = fresh(slots=2, queue=QueueRule(protect_after_seconds=10, class_seconds=0))
    of.ledger.slots.resize(2)
    took(of, "a", 0, max_runtime_seconds=20, units=(("lic", 3),))
    took(of, "b", 0, max_runtime_seconds=20)
    assert bound(of, 5.0) == 10 + 20 + 5
    waiting = waits(of, "c", 0, 5.0, units=(("lic", 1),)).waiter
    assert of.bound_seconds(waiting, 15.0) == 5 + 5


def test_only_the_protected_one_is_promised_that_nobody_gets_in_its_way() -> None:
    of = fresh(queue=QueueRule(protect_after_seconds=10, class_seconds=0))
    took(of, "a", 700, max_runtime_seconds=40)
    large = waits(of, "large", 800, 0.0, max_runtime_seconds=5).waiter
    small = waits(of, "small", 300, 1.0, max_runtime_seconds=7).waiter
    assert of.bound_seconds(large, 12.0) == 28 + 5
    assert of.bound_seconds(small, 12.0) == 2 * (40 + 5)
