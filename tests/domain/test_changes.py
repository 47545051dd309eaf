"""What one step has to write and to tell, and what is left of it when it is taken back."""

from aura_actors.domain.providers import Provider, ProviderLimits, ProviderNeed
from tests.domain.admission_world import fresh, took, waits

CALL = (ProviderNeed(name="calls", tokens=10),)
LIMITS = {"calls": ProviderLimits(max_concurrent=2, requests_per_minute=5, tokens_per_minute=30)}


def told(provider: Provider) -> float | None:
    """How long calls take there."""
    return provider.mean_call_seconds


def test_a_new_lease_is_one_that_began_and_is_written() -> None:
    of = fresh()
    lease = took(of, "a", 100)
    changes = of.take_changes()
    assert (changes.begun, changes.written, changes.erased) == ([lease], {lease.fence: lease}, [])


def test_a_lease_that_began_and_ended_in_one_step_is_not_written() -> None:
    of = fresh()
    lease = took(of, "a", 100)
    of.release("a", lease.secret, 0.0)
    changes = of.take_changes()
    assert (changes.written, changes.erased) == ({}, [lease.fence])


def test_a_grant_from_the_queue_that_ends_in_the_same_step_is_a_place_that_was_dropped() -> None:
    of = fresh()
    lease = took(of, "a", 700)
    waits(of, "b", 300)
    waits(of, "c", 300)
    of.release("a", lease.secret, 1.0)
    of.schedule(1.0)
    of.revoke("b", 1.0)
    changes = of.take_changes()
    assert ([granted.key for granted in changes.granted], changes.dropped) == (["c"], ["b"])


def test_an_end_beside_a_grant_from_the_queue_drops_nobodys_place() -> None:
    of = fresh()
    first, second = took(of, "a", 500), took(of, "x", 100)
    waits(of, "b", 300)
    of.release("a", first.secret, 1.0)
    of.schedule(1.0)
    of.release("x", second.secret, 1.0)
    changes = of.take_changes()
    assert ([granted.key for granted in changes.granted], changes.dropped) == (["b"], [])


def test_the_only_grant_from_the_queue_that_ends_in_the_same_step_is_none() -> None:
    of = fresh()
    lease = took(of, "a", 700)
    waits(of, "b", 300)
    of.release("a", lease.secret, 1.0)
    of.schedule(1.0)
    of.revoke("b", 1.0)
    changes = of.take_changes()
    assert (changes.granted, changes.dropped) == ([], ["b"])


def test_a_call_that_is_taken_back_burnt_no_rate() -> None:
    of = fresh(limits=LIMITS)
    took(of, "a", 0, providers=CALL)
    of.take_changes().take_back()
    provider = of.ledger.providers.find("calls")
    assert (provider.available_requests(0.0), provider.available_tokens(0.0), provider.granted) == (5, 30, 0)


def test_a_call_whose_end_is_taken_back_is_still_to_be_reported() -> None:
    of = fresh(limits=LIMITS)
    lease = took(of, "a", 0, providers=CALL, job_slots=0)
    of.take_changes()
    provider = of.ledger.providers.find("calls")
    of.release("a", lease.secret, 3.0, "ok", 25)
    assert told(provider) == 3
    of.take_changes().take_back()
    assert (provider.slots.used, provider.available_tokens(0.0)) == (1, 20)
    assert told(provider) is None
