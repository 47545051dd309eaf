"""When those who wait have their turn, and what a place is: events that make room, connections, crashes."""

from collections.abc import Callable

import pytest

from aura_actors.domain.asked import Waiting
from aura_actors.domain.books import Books
from aura_actors.domain.needs import GpuNeed
from aura_actors.domain.waiting import QueueRule
from aura_actors.errors import NeverFits, Refused
from tests.domain.admission_world import fresh, keys, ledger, machine, process, request, took, waits

# --- what makes room ---------------------------------------------------------------------------------------------


def test_a_newcomer_does_not_take_what_was_freed_a_moment_ago_from_who_waits() -> None:
    of = fresh()
    lease = took(of, "a", 700)
    waits(of, "b", 300)
    of.release("a", lease.secret, 1.0)
    with pytest.raises(Refused):
        took(of, "c", 700, 1.0)
    assert keys(of) == ["b"]


def test_those_who_wait_have_their_turn_when_use_falls() -> None:
    of = fresh(700)
    waits(of, "b", 300)
    of.schedule(0.0)
    of.look(machine(40.0, 100))
    of.schedule(40.0)
    assert keys(of) == ["b"]


def test_those_who_wait_have_their_turn_when_time_has_passed() -> None:
    of = fresh(busy=85)
    took(of, "young", 0, cpu_millicores=7000)
    waits(of, "b", 0, 1.0)
    of.schedule(1.0)
    assert keys(of) == ["young"]
    of.expire(6.0)
    of.schedule(6.0)
    assert keys(of) == ["young", "b"]


@pytest.mark.parametrize(
    "goes",
    [lambda of: of.leave("large"), lambda of: of.abandon("large", 130.0), lambda of: of.forsake("large", 130.0)],
)
def test_those_behind_the_protected_one_have_their_turn_when_it_gives_up_or_nobody_waits_there(
    goes: Callable[[Books], object],
) -> None:
    of = fresh()
    took(of, "a", 300)
    waits(of, "large", 700)
    of.look(machine(130.0))
    waits(of, "small", 100, 130.0)
    of.schedule(130.0)
    assert keys(of) == ["a"]
    goes(of)
    of.schedule(130.0)
    assert keys(of) == ["a", "small"]


def test_a_place_that_is_forsaken_is_given_up_and_one_that_was_not_after_all_is_attended_by_nobody() -> None:
    of = fresh()
    took(of, "a", 700)
    waits(of, "b", 300)
    of.take_changes()
    of.forsake("b", 1.0)
    assert len(of.queue) == 0
    changes = of.take_changes()
    assert changes.dropped == ["b"]
    changes.take_back()
    assert len(of.queue) == 1
    assert not of.queue.attended("b")


# --- places and connections --------------------------------------------------------------------------------------


def test_who_is_granted_at_once_held_nothing_before() -> None:
    of = fresh()
    first, again = (of.acquire(request("a", 100), 0.0, wait=False) for _ in range(2))
    assert isinstance(first, tuple)
    assert isinstance(again, tuple)
    assert (first[1], again[1]) == (False, True)


@pytest.mark.parametrize("again", ["c2", None])
def test_a_lease_ends_with_the_connection_that_asked_for_it_last_and_with_none_if_that_was_none(
    again: str | None,
) -> None:
    of = fresh()
    took(of, "a", 100, connection="c1")
    took(of, "a", 100, connection=again)
    of.disconnected("c1", 1.0)
    assert keys(of) == ["a"]
    of.disconnected("c2", 1.0)
    assert keys(of) == ([] if again else ["a"])


@pytest.mark.parametrize("again", ["c2", None])
def test_a_place_ends_with_the_connection_that_asked_for_it_last_and_with_none_if_that_was_none(
    again: str | None,
) -> None:
    of = fresh()
    took(of, "all", 800)
    waits(of, "a", 800, connection="c1")
    waits(of, "a", 800, connection=again)
    of.disconnected("c1", 1.0)
    assert len(of.queue) == 1
    of.disconnected("c2", 1.0)
    assert len(of.queue) == (0 if again else 1)


@pytest.mark.parametrize("other", ["c1", None])
def test_a_place_is_theirs_who_still_wait_there_once_the_connection_that_asked_for_it_last_is_gone(
    other: str | None,
) -> None:
    """Also where the step in which it went could not be written, and is told again."""
    of = fresh()
    took(of, "all", 800)
    waits(of, "a", 800, connection=other)
    waits(of, "a", 800, connection="c2")
    of.take_changes()
    for _ in range(2):
        of.disconnected("c2", 1.0, lambda key: [other] if key == "a" else [])
        assert len(of.queue) == 1
        of.take_changes().take_back()
    of.disconnected("c2", 1.0, lambda key: [other])
    of.disconnected("c1", 1.0)
    assert len(of.queue) == (0 if other else 1)


def test_a_connection_that_does_not_wait_takes_no_place_over() -> None:
    of = fresh()
    took(of, "all", 800)
    waits(of, "a", 800)
    assert isinstance(of.acquire(request("a", 800, connection="c1"), 1.0, wait=False), Waiting)
    of.disconnected("c1", 1.0)
    assert len(of.queue) == 1


def test_a_place_that_was_asked_for_again_without_a_connection_ends_with_none_though_nobody_waits_there() -> None:
    of = fresh()
    took(of, "all", 800)
    waits(of, "a", 800, connection="c1")
    assert isinstance(of.acquire(request("a", 800), 1.0, wait=False), Waiting)
    of.disconnected("c1", 1.0)
    assert len(of.queue) == 1


def test_what_can_never_start_gets_no_place_and_who_gets_one_is_told_to_all_who_look() -> None:
    of = fresh()
    took(of, "all", 800)
    with pytest.raises(NeverFits):
        of.acquire(request("huge", 2000), 0.0, wait=True)
    waits(of, "b", 300)
    assert of.take_changes().queued == ["b"]


def test_a_connection_that_came_back_in_a_step_that_cannot_be_written_did_not() -> None:
    of = fresh()
    took(of, "held", 700, connection="c1")
    waits(of, "a", 300, connection="c1")
    of.take_changes()
    took(of, "held", 700, connection="c2")
    waits(of, "a", 300, connection="c2")
    of.take_changes().take_back()
    of.disconnected("c2", 1.0)
    assert (keys(of), len(of.queue)) == (["held"], 1)
    of.disconnected("c1", 1.0)
    assert (keys(of), len(of.queue)) == ([], 0)


def test_a_process_that_ends_takes_nobody_elses_lease_with_it() -> None:
    of = fresh()
    took(of, "a", 100, process=process(1))
    took(of, "b", 100, process=process(2))
    of.exited(process(1), 1.0)
    assert keys(of) == ["b"]


def test_a_place_that_cannot_be_written_is_none() -> None:
    of = fresh()
    took(of, "a", 700)
    of.take_changes()
    waits(of, "b", 300)
    of.take_changes().take_back()
    assert len(of.queue) == 0
    waits(of, "b", 301)


def test_a_grant_from_the_queue_that_cannot_be_written_leaves_a_place_that_is_attended() -> None:
    of = fresh()
    lease = took(of, "a", 700)
    waits(of, "b", 300)
    of.take_changes()
    of.release("a", lease.secret, 1.0)
    of.schedule(1.0)
    assert keys(of) == ["b"]
    of.take_changes().take_back()
    assert (keys(of), of.queue.attended("b")) == (["a"], True)


def test_grants_that_cannot_be_written_are_taken_back_into_a_line_that_was_made_shorter() -> None:
    of = fresh()
    lease = took(of, "a", 700)
    for key in "bcd":
        waits(of, key, 200)
    of.take_changes()
    of.queue.resize(1)
    of.release("a", lease.secret, 1.0)
    of.schedule(1.0)
    assert keys(of) == ["b", "c", "d"]
    of.take_changes().take_back()
    assert (keys(of), [waiter.key for waiter in of.queue.line(1.0)]) == (["a"], ["b", "c", "d"])


def test_newcomers_whose_start_cannot_be_written_passed_nobody() -> None:
    of = fresh(queue=QueueRule(pass_limit=2))
    took(of, "a", 300)
    waits(of, "large", 600)
    of.take_changes()
    for now in (1.0, 2.0, 3.0):
        took(of, "newcomer", 50, now)
        of.take_changes().take_back()
    assert of.queue.protected_at(3.0) is None
    for key in ("first", "second"):
        took(of, key, 50, 4.0)
    assert of.queue.protected_at(4.0) is of.queue.find("large")


def test_starts_that_cannot_be_written_passed_nobody() -> None:
    of = fresh(queue=QueueRule(pass_limit=3))
    took(of, "a", 300)
    waits(of, "large", 600)
    lease = took(of, "b", 500)
    waits(of, "small", 100)
    of.take_changes()
    for now in (1.0, 2.0, 3.0):
        of.release("b", lease.secret, now)
        of.schedule(now)
        took(of, "newcomer", 100, now)
        assert keys(of) == ["a", "small", "newcomer"]
        of.take_changes().take_back()
    assert (of.queue.passed("large"), of.queue.protected_at(3.0)) == (1, None), "by b alone"


def test_whoever_was_protected_is_so_again_when_its_start_cannot_be_written() -> None:
    of = fresh(queue=QueueRule(pass_limit=1))
    lease = took(of, "a", 300)
    waits(of, "large", 600)
    took(of, "small", 100)
    of.schedule(0.0)
    of.take_changes()
    of.release("a", lease.secret, 1.0)
    of.schedule(1.0)
    assert keys(of) == ["small", "large"]
    of.take_changes().take_back()
    assert (of.queue.protected and of.queue.protected.key) == "large"


def test_a_place_that_was_not_given_up_after_all_is_kept_as_long_as_before() -> None:
    of = fresh()
    took(of, "a", 700)
    waits(of, "b", 300)
    of.take_changes()
    of.abandon("b", 50.0)
    of.leave("b")
    of.take_changes().take_back()
    assert [waiter.key for waiter in of.queue.expired(109.0)] == []
    assert [waiter.key for waiter in of.queue.expired(110.0)] == ["b"]


def test_whoever_wants_a_device_is_known_to_the_queue_by_that() -> None:
    of = fresh()
    wants = [of.judge(request("a", gpu=need), 0.0)[1].wants_gpu for need in (GpuNeed(), None)]
    assert wants == [True, False]


def test_while_draining_the_reason_is_that_and_no_amount() -> None:
    of = fresh()
    of.drain(True)
    (reason,) = of.judge(request("a", 100), 0.0)[0].reasons
    assert (reason.dimension, reason.needed, reason.available) == ("draining", 1, 0)


def test_arrivals_go_on_being_numbered_in_books_that_are_opened_anew() -> None:
    before = fresh()
    took(before, "a", 700)
    numbers = [waits(before, key, 300).waiter.number for key in "bc"]
    after = Books(before._ttl, ledger(), before.queue, before._asked, before._make)
    after.look(machine(1.0, 700))
    assert waits(after, "d", 300, 1.0).waiter.number > max(numbers)


def test_a_lease_that_was_written_down_before_a_crash_has_no_place_any_more() -> None:
    before = fresh()
    lease = took(before, "a", 700)
    waits(before, "b", 300)
    before.take_changes()
    before.release("a", lease.secret, 1.0)
    before.schedule(1.0)
    granted = before.leases.find("b")
    assert granted is not None
    before.take_changes().take_back()
    after = Books(before._ttl, ledger(), before.queue, before._asked, before._make)
    after.restore([granted], granted.fence, 1.0)
    after.look(machine(1.0))
    assert (keys(after), len(after.queue)) == (["b"], 0)
    after.release("b", granted.secret, 2.0)
    assert took(after, "b", 300, 2.0).fence > granted.fence
