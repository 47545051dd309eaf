"""Leases and places from end to end, without a clock: what the generated stories do not look at."""

from typing import Any

import msgspec
import pytest

from aura_actors.domain.asked import Waiting
from aura_actors.domain.books import Books
from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import Resize
from aura_actors.domain.providers import ProviderLimits, ProviderNeed
from aura_actors.domain.reasons import Outcome
from aura_actors.domain.waiting import QueueRule
from aura_actors.errors import Conflict, Draining, Foreign, Gone, NeverFits, Refused, SpecChanged
from tests.domain.admission_world import books, ledger, machine, process, request, use


def fresh(used: int = 0, queue: QueueRule | None = None, **changes: Any) -> Books:
    made = books(ledger(**changes), queue)
    made.look(machine(0.0, used))
    return made


def took(of: Books, key: str, memory: int, now: float = 0.0, **changes: Any) -> Lease:
    answer = of.acquire(request(key, memory, **changes), now, wait=False)
    assert isinstance(answer, tuple)
    return answer[0]


def waits(of: Books, key: str, memory: int, now: float = 0.0, **changes: Any) -> Waiting:
    answer = of.acquire(request(key, memory, **changes), now, wait=True)
    assert isinstance(answer, Waiting)
    return answer


def keys(of: Books) -> list[str]:
    return [lease.key for lease in of.leases]


def test_what_a_lease_is_granted() -> None:
    of = fresh()
    lease = took(of, "a", 100, 5.0, ttl_seconds=400, process=process(3), connection="c", max_runtime_seconds=50)
    assert (lease.owner, lease.fence, lease.ttl_seconds, lease.granted_at) == ("anna", 1, 300, 5)
    assert (lease.expires_at, lease.ends_by_runtime_at) == (55, 55)
    assert (lease.process, lease.connection) == (process(3), "c")
    assert took(of, "b", 100, 5.0).expires_at == 35
    assert of.fence == 2


def test_a_suspended_machine_gives_every_lease_its_full_time_again() -> None:
    """Nobody could renew while it slept, and the monotonic clock may have gone on or not."""
    of = fresh()
    took(of, "a", 100, ttl_seconds=10)
    took(of, "limited", 100, max_runtime_seconds=20)
    of.resumed(15.0)
    of.expire(15.0)
    assert keys(of) == ["a", "limited"]
    of.expire(24.75)
    assert keys(of) == ["a"]
    of.expire(25.0)
    assert keys(of) == []


def test_a_wall_clock_that_is_set_back_frees_nothing() -> None:
    walls = iter([1000.0, 0.0])
    of = fresh()
    of._make = msgspec.structs.replace(of._make, wall=lambda: next(walls))
    assert (took(of, "a", 300).granted_timestamp, took(of, "b", 300, 1.0).granted_timestamp) == (1000, 0)
    of.expire(2.0)
    assert (keys(of), of.ledger.memory.room) == (["a", "b"], 200)


def test_a_steady_clock_that_goes_back_ends_nothing_early() -> None:
    of = fresh()
    of.expire(100.0)
    of.look(machine(40.0))
    lease = took(of, "a", 100, 40.0)
    assert lease.expires_at == 130
    assert of.renew("a", lease.secret, 50.0).expires_at == 130
    of.expire(60.0)
    assert keys(of) == ["a"]


def test_a_renewal_keeps_its_time_to_live_unless_it_says_another() -> None:
    of = fresh()
    lease = took(of, "a", 100, ttl_seconds=10)
    assert of.renew("a", lease.secret, 5.0).expires_at == 15
    assert of.renew("a", lease.secret, 5.0, 20).expires_at == 25
    assert of.renew("a", lease.secret, 6.0).expires_at == 26
    assert of.ledger.holdings[lease.fence].lease.expires_at == 26


def test_growth_is_judged_and_all_or_nothing() -> None:
    of = fresh()
    lease = took(of, "a", 300, cpu_millicores=4000)
    took(of, "b", 400)
    with pytest.raises(Refused, match="memory"):
        of.renew("a", lease.secret, 1.0, 60, Resize(memory_bytes=401, cpu_millicores=1000))
    assert of.leases.find("a") == lease
    assert (of.ledger.memory.room, of.ledger.cores.room) == (100, 4000)
    with pytest.raises(NeverFits):
        of.renew("a", lease.secret, 1.0, None, Resize(memory_bytes=801))
    grown = of.renew("a", lease.secret, 1.0, 60, Resize(memory_bytes=400, cpu_millicores=1000))
    assert (grown.fence, grown.spec.memory_bytes, grown.expires_at) == (1, 400, 61)
    assert (of.ledger.memory.room, of.ledger.cores.room) == (0, 7000)


def test_growth_does_not_take_what_is_kept_for_the_protected() -> None:
    of = fresh(queue=QueueRule(protect_after_seconds=5))
    lease = took(of, "a", 300)
    waits(of, "large", 700, 0.0)
    with pytest.raises(Refused, match="kept for large"):
        of.renew("a", lease.secret, 6.0, 60, Resize(memory_bytes=301))


def test_what_a_lease_gives_up_goes_to_those_who_wait() -> None:
    of = fresh()
    lease = took(of, "a", 700)
    waits(of, "b", 300)
    of.renew("a", lease.secret, 1.0, None, Resize(memory_bytes=500))
    of.schedule(1.0)
    assert keys(of) == ["a", "b"]
    assert [granted.key for granted in of.take_changes().granted] == ["b"]


def test_an_end_alone_is_a_change_to_write() -> None:
    of = fresh()
    lease = took(of, "a", 700)
    assert of.take_changes().any
    assert not of.take_changes().any
    of.renew("a", lease.secret, 1.0, None, Resize(memory_bytes=500))
    assert (of.ledger.reserved_bytes, of.take_changes().any) == (500, True)
    of.release("a", lease.secret, 1.0)
    assert (of.ledger.reserved_bytes, of.take_changes().any) == (0, True)


def test_whoever_comes_back_to_its_place_has_its_turn_in_the_same_step() -> None:
    of = fresh()
    lease = took(of, "a", 700)
    waits(of, "b", 300)
    of.abandon("b", 1.0)
    of.release("a", lease.secret, 1.0)
    of.schedule(1.0)
    assert keys(of) == []
    waits(of, "b", 300, 2.0)
    of.schedule(2.0)
    assert keys(of) == ["b"]


def test_a_report_of_what_was_used_lets_others_start() -> None:
    of = fresh(100)
    lease = took(of, "a", 300)
    of.look(machine(1.0, 400))
    waits(of, "b", 300, 1.0)
    of.schedule(1.0)
    assert keys(of) == ["a"]
    of.ready("a", lease.secret)
    of.schedule(1.0)
    assert keys(of) == ["a", "b"]


def test_whoever_waits_has_one_place_however_often_it_asks() -> None:
    of = fresh()
    took(of, "a", 700)
    first = waits(of, "b", 300)
    again = waits(of, "b", 300, 5.0)
    assert (len(of.queue), again.waiter) == (1, first.waiter)
    assert (of.position(first.waiter, 5.0), of.position(of.judge(request("c", 300), 5.0)[1], 5.0)) == (1, 2)


def test_a_place_is_left_by_its_ticket_alone() -> None:
    of = fresh()
    took(of, "a", 700)
    place = waits(of, "b", 300)
    with pytest.raises(Foreign):
        of.check_ticket("b", None)
    with pytest.raises(Gone):
        of.check_ticket("c", place.waiter.secret)
    assert of.check_ticket("b", place.waiter.secret) == place.waiter
    of.leave("b")
    assert (len(of.queue), of.take_changes().dropped) == (0, ["b"])


def test_an_operator_ends_leases_and_places() -> None:
    of = fresh()
    took(of, "a", 700)
    waits(of, "b", 300)
    of.revoke("b", 1.0)
    of.revoke("a", 1.0)
    with pytest.raises(Gone):
        of.revoke("a", 1.0)
    changes = of.take_changes()
    assert ([ended.how for ended in changes.ended], changes.dropped) == (["revoked"], ["b"])


def test_how_a_lease_ended_is_told() -> None:
    of = fresh()
    over = took(of, "expires", 10, ttl_seconds=5)
    took(of, "runs", 10, max_runtime_seconds=5)
    took(of, "exits", 10, process=process(1))
    took(of, "hangs up", 10, connection="c")
    waits(of, "waits", 800, connection="c")
    of.exited(process(1), 1.0)
    of.disconnected("c", 1.0)
    of.expire(5.0)
    of.give_up(over, 5.0)
    changes = of.take_changes()
    assert {ended.lease.key: ended.how for ended in changes.ended} == {
        "expires": "expired",
        "runs": "runtime",
        "exits": "exited",
        "hangs up": "disconnected",
    }
    assert (changes.dropped, len(of.leases)) == (["waits"], 0)


def test_a_grant_that_nobody_heard_of_is_given_back() -> None:
    of = fresh()
    of.give_up(took(of, "a", 700), 1.0)
    assert (keys(of), of.ledger.memory.room) == ([], 800)


def test_while_draining_nobody_new_is_admitted_and_those_who_wait_are_sent_away() -> None:
    of = fresh()
    lease = took(of, "a", 700)
    waits(of, "b", 300)
    of.drain(True)
    assert (len(of.queue), keys(of)) == (0, ["a"])
    with pytest.raises(Draining):
        of.acquire(request("c", 1), 1.0, wait=True)
    assert of.judge(request("c", 1), 1.0)[0].outcome is Outcome.WAIT
    assert of.renew("a", lease.secret, 1.0).expires_at == 31
    of.drain(False)
    assert took(of, "c", 1, 1.0).key == "c"


def test_a_drain_that_cannot_be_written_sends_nobody_away() -> None:
    of = fresh()
    took(of, "a", 700)
    waits(of, "b", 300)
    of.take_changes()
    of.drain(True)
    of.take_changes().take_back()
    assert (of.draining, len(of.queue)) == (False, 1)


def test_a_place_that_nobody_attended_is_not_attended_when_its_end_is_taken_back() -> None:
    """It would be granted to nobody, or be protected for ever."""
    of = fresh(queue=QueueRule(ticket_ttl_seconds=10))
    took(of, "a", 700)
    waits(of, "b", 300)
    of.abandon("b", 1.0)
    of.take_changes()
    of.expire(20.0)
    of.take_changes().take_back()
    assert not of.queue.attended("b")
    of.expire(20.25)
    assert len(of.queue) == 0


def test_a_step_that_is_taken_back_leaves_every_lease_and_place_as_it_was() -> None:
    of = fresh()
    lease = took(of, "a", 500, cpu_millicores=1000, units=(("lic", 1),))
    waits(of, "b", 400)
    of.take_changes()
    rooms = [account.room for account in of.ledger.accounts]
    of.renew("a", lease.secret, 1.0, 100, Resize(memory_bytes=100, units=()))
    of.schedule(1.0)
    took(of, "c", 10, 1.0)
    of.release("a", lease.secret, 1.0)
    of.take_changes().take_back()
    assert (list(of.leases), [w.key for w in of.queue.line(1.0)]) == ([lease], ["b"])
    assert [account.room for account in of.ledger.accounts] == rooms
    assert of.ledger.slots.used == 1


def test_a_release_that_cannot_be_written_leaves_the_lease() -> None:
    of = fresh()
    lease = took(of, "a", 500)
    of.take_changes()
    of.release("a", lease.secret, 1.0)
    of.take_changes().take_back()
    assert (list(of.leases), of.ledger.memory.room) == ([lease], 300)


def test_a_renewal_that_cannot_be_written_extends_nothing() -> None:
    of = fresh()
    lease = took(of, "a", 500)
    of.take_changes()
    of.renew("a", lease.secret, 10.0)
    of.take_changes().take_back()
    assert (of.leases.find("a"), of.ledger.holdings[lease.fence].lease) == (lease, lease)


def test_the_same_request_finds_its_lease_and_another_of_that_id_changes_nothing() -> None:
    of = fresh()
    lease = took(of, "a", 500)
    again = of.acquire(request("a", 500), 5.0, wait=False)
    assert isinstance(again, tuple)
    assert (again[1], again[0].fence, again[0].expires_at) == (True, lease.fence, 35)
    for error, other in (
        (Conflict, request("a", 500, owner="berta")),
        (SpecChanged, request("a", 501)),
        (SpecChanged, request("a", 500, process=process(1))),
    ):
        with pytest.raises(error):
            of.acquire(other, 6.0, wait=False)
        with pytest.raises(error):
            of.judge(other, 6.0)
    assert list(of.leases) == [again[0]]


def test_a_place_is_another_requests_no_more_than_a_lease_is() -> None:
    of = fresh()
    took(of, "a", 700)
    waits(of, "b", 300)
    with pytest.raises(Conflict):
        of.acquire(request("b", 300, owner="berta"), 1.0, wait=True)
    with pytest.raises(SpecChanged):
        of.judge(request("b", 301), 1.0)


def test_a_newcomer_that_starts_before_the_oldest_has_passed_it() -> None:
    of = fresh(queue=QueueRule(pass_limit=2))
    took(of, "a", 700)
    waits(of, "large", 300)
    took(of, "small", 10)
    took(of, "smaller", 10)
    with pytest.raises(Refused, match="kept for large"):
        took(of, "late", 10)
    assert of.queue.passed("large") == 2


def test_a_lease_that_expires_while_its_process_lives_becomes_external_use() -> None:
    of = fresh(100)
    lease = took(of, "a", 300, process=process(1), ttl_seconds=10)
    of.look(machine(1.0, 400, groups=(use([lease.fence], 300),)))
    of.expire(10.0)
    assert (of.ledger.memory.ghosts, of.ledger.memory.room) == (300, 400)
    for at in range(10, 16):
        of.look(machine(float(at), 400))
    assert (of.ledger.memory.ghosts, of.ledger.memory.external, of.ledger.memory.room) == (0, 400, 400)


def test_leases_from_before_a_restart_are_held_and_fences_go_on() -> None:
    old = took(fresh(), "a", 700)
    of = books()
    of.restore([old], 41, 1.0)
    of.look(machine(1.0, 0))
    assert (of.ledger.memory.room, of.leases.check("a", old.secret)) == (100, old)
    assert took(of, "b", 100, 1.0).fence == 42


def test_provider_slots_from_before_a_restart_are_taken_and_only_the_end_of_a_call_is_timed() -> None:
    need = (ProviderNeed(name="calls"),)
    before = fresh()
    job, call = took(before, "job", 0, providers=need), took(before, "call", 0, providers=need, job_slots=0)
    of = books()
    of.restore([job, call], 2, 0.0)
    of.look(machine(0.0))
    provider = of.ledger.providers.find("calls")
    assert (provider.slots.used, provider.granted) == (2, 0)
    of.release("job", job.secret, 7.0)
    assert (provider.slots.used, provider.mean_call_seconds) == (1, None)
    of.release("call", call.secret, 9.0)
    assert (provider.slots.used, provider.mean_call_seconds) == (0, 9.0)
    took(of, "lost", 0, 9.0, providers=need, job_slots=0)
    of.revoke("lost", 10.0)
    assert (provider.slots.used, provider.mean_call_seconds) == (0, 9.0)


# --- when there will be room -------------------------------------------------------------------------------------


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
