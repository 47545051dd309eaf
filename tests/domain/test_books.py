"""Leases and places from end to end, without a clock: what the generated stories do not look at."""

import msgspec
import pytest

from aura_actors.domain.needs import Resize
from aura_actors.domain.providers import ProviderNeed
from aura_actors.domain.reasons import Outcome
from aura_actors.domain.waiting import QueueRule
from aura_actors.errors import Conflict, Draining, Foreign, Gone, NeverFits, Refused, SpecChanged
from tests.domain.admission_world import books, fresh, keys, machine, process, request, took, use, waits


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


def test_a_lease_of_a_connection_is_not_shortened_by_a_renewal_from_elsewhere() -> None:
    """Whoever keeps it for the connection goes by the time that was granted there; it would expire beside it."""
    of = fresh()
    lease = took(of, "a", 100, ttl_seconds=30, connection="c")
    again = of.renew("a", lease.secret, 5.0, 1)
    assert (again.ttl_seconds, again.expires_at, again.connection) == (30, 35, "c")
    assert of.renew("a", lease.secret, 5.0, 60).ttl_seconds == 60
    of.disconnected("c", 6.0)
    assert keys(of) == []


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
