"""The queue, sentence by sentence: order, passing, protection, tickets, bounds, and what a look costs."""

import msgspec
import pytest

from aura_actors.domain.waiting import Queue, QueueRule, Waiter
from aura_actors.errors import Refused
from tests.domain.waiting_room import Machine, Need, drain, waiter

RULE = QueueRule()
HIGH, NORMAL, LOW = 0, 1, 2
SMALL, HALF, LARGE = Need(2), Need(8), Need(15)


def queue(*waiters: Waiter, rule: QueueRule = RULE) -> Queue:
    line = Queue(rule)
    for each in waiters:
        line.offer(each)
    return line


def busy(memory: int, until: float | None = None) -> Machine:
    """A machine of 16 of which `memory` is in use until that time, or without a limit."""
    machine = Machine()
    machine.running["running"] = (Need(memory), until)
    return machine


def at(machine: Machine, now: float) -> Machine:
    machine.now = now
    return machine


def keys(waiters: list[Waiter]) -> list[str]:
    return [each.key for each in waiters]


# --- order -------------------------------------------------------------------------------------------------------


def test_of_one_class_the_oldest_starts_first() -> None:
    assert drain(queue(waiter(2, HALF, since=5), waiter(1, HALF, since=4)), at(busy(8), 9)) == ["w1"]


def test_of_one_age_the_first_to_arrive_starts_first() -> None:
    assert drain(queue(waiter(8, HALF), waiter(7, HALF)), busy(8)) == ["w7"]


@pytest.mark.parametrize(("lead", "first"), [(59.0, "high"), (61.0, "normal")])
def test_a_class_weighs_as_much_as_the_age_of_tau(lead: float, first: str) -> None:
    line = queue(waiter(1, HALF, since=0, key="normal"), waiter(2, Need(7), since=lead, rank=HIGH, key="high"))
    assert keys(line.line(lead))[0] == first
    assert drain(line, at(busy(8), lead))[0] == first


def test_two_classes_weigh_twice_as_much_as_one() -> None:
    line = queue(waiter(1, HALF, since=0, rank=LOW), waiter(2, HALF, since=119, rank=HIGH))
    assert drain(line, at(busy(8), 119)) == ["w2"]


@pytest.mark.parametrize(("lead", "first"), [(29.0, "gpu"), (30.0, "cpu")])
def test_while_a_gpu_is_free_whoever_wants_one_has_a_bounded_head_start(lead: float, first: str) -> None:
    line = queue(waiter(1, HALF, key="cpu"), waiter(2, Need(8, gpus=1), since=lead, key="gpu"))
    assert drain(line, at(busy(8), lead)) == [first]


def test_of_equal_shapes_the_one_that_wants_a_gpu_has_the_head_start() -> None:
    line = queue(waiter(1, HALF), waiter(2, HALF, since=1), waiter(3, HALF, since=2, wants_gpu=True))
    assert drain(line, at(busy(8), 2)) == ["w3"]


def test_while_no_gpu_is_free_nobody_has_a_head_start() -> None:
    machine = busy(8)
    machine.running["trainer"] = (Need(0, gpus=1), None)
    line = queue(waiter(1, HALF), waiter(2, Need(8), since=0.5, wants_gpu=True))
    assert drain(line, at(machine, 1)) == ["w1"]


def test_the_head_start_of_a_gpu_goes_behind_the_protected_one() -> None:
    line = queue(waiter(1, LARGE, since=0), waiter(2, Need(8, gpus=1), since=1))
    assert drain(line, at(busy(8), 120)) == []


def test_a_line_names_the_protected_one_and_then_everybody_in_order() -> None:
    line = queue(waiter(1, LARGE, since=0), waiter(2, SMALL, since=100), waiter(3, SMALL, since=90))
    line.next(120, busy(16))
    line.offer(waiter(4, SMALL, since=119, rank=HIGH))
    line.offer(waiter(5, HALF, since=-30, rank=HIGH))
    assert keys(line.line(121)) == ["w1", "w5", "w4", "w3", "w2"]
    assert [line.position(each, 121) for each in line.line(121)] == [1, 2, 3, 4, 5]
    assert keys(line.ahead(waiter(6, SMALL, since=95), 121)) == ["w1", "w5", "w4", "w3"]


# --- passing and protection --------------------------------------------------------------------------------------


def test_a_smaller_one_may_pass_the_oldest() -> None:
    assert drain(queue(waiter(1, LARGE), waiter(2, SMALL)), busy(8)) == ["w2"]


@pytest.mark.parametrize("from_line", [True, False])
def test_the_oldest_is_protected_once_it_was_passed_eight_times(from_line: bool) -> None:
    line, machine, passes = queue(waiter(1, LARGE)), busy(8), 0
    for number in range(2, 40):
        small = waiter(number, SMALL)
        if from_line:
            line.offer(small)
            if drain(line, machine) != [small.key]:
                break
        elif line.may_start(small, 0, machine):
            machine.start(small)
            line.passed_by(small)
        else:
            break
        machine.end(small.key)
        passes += 1
    assert passes == line.passed("w1") == 8
    assert line.protected_at(0) == waiter(1, LARGE)


@pytest.mark.parametrize(("waited", "started"), [(119.9, ["w2"]), (120.0, [])])
def test_the_oldest_is_protected_once_it_waited_two_minutes(waited: float, started: list[str]) -> None:
    line = queue(waiter(1, LARGE, since=7), waiter(2, SMALL, since=8))
    assert drain(line, at(busy(8), 7 + waited)) == started
    assert line.protected == (None if started else waiter(1, LARGE, since=7))


def test_the_whole_vector_of_the_protected_one_is_reserved() -> None:
    line = queue(waiter(1, Need(6, gpus=1)), waiter(2, Need(4)), waiter(3, Need(5), since=1))
    machine = busy(6)
    machine.running["trainer"] = (Need(0, gpus=1), None)
    line.next(120, machine)
    assert drain(line, at(machine, 120)) == ["w2"]


def test_what_the_protected_one_does_not_need_goes_on() -> None:
    line = queue(waiter(1, Need(15)), waiter(2, Need(0, gpus=1)), waiter(3, SMALL))
    assert drain(line, at(busy(8), 120)) == ["w2"]


def test_the_protected_one_starts_as_soon_as_it_fits() -> None:
    line, machine = queue(waiter(1, LARGE)), busy(16)
    line.next(200, machine)
    line.offer(waiter(2, SMALL, since=200, rank=HIGH))
    line.offer(waiter(3, LARGE, since=-500))
    machine.end("running")
    assert drain(line, at(machine, 200)) == ["w1"]


@pytest.mark.parametrize(("limit", "started"), [(80.0, ["w2"]), (80.1, []), (None, [])])
def test_who_ends_before_the_protected_one_could_start_may_pass_it(limit: float | None, started: list[str]) -> None:
    line = queue(waiter(1, LARGE), waiter(2, SMALL, max_runtime_seconds=limit))
    assert drain(line, at(busy(8, until=200), 120)) == started


def test_of_equal_shapes_the_one_that_ends_in_time_may_pass_the_protected_one() -> None:
    line = queue(waiter(1, LARGE), waiter(2, SMALL), waiter(3, SMALL, max_runtime_seconds=80))
    assert drain(line, at(busy(8, until=200), 120)) == ["w3"]


def test_nobody_passes_the_protected_one_while_its_start_is_not_known() -> None:
    line = queue(waiter(1, LARGE), waiter(2, SMALL, max_runtime_seconds=1.0))
    assert drain(line, at(busy(8, until=None), 120)) == []


def test_a_newcomer_may_not_overtake_the_protected_one() -> None:
    line, machine = queue(waiter(1, LARGE)), at(busy(8, until=200), 120)
    assert not line.may_start(waiter(2, SMALL, since=120, rank=HIGH), 120, machine)
    assert line.may_start(waiter(2, SMALL, since=120, max_runtime_seconds=80), 120, machine)
    assert line.may_start(waiter(2, SMALL, since=119), 119, machine)


def test_judging_a_newcomer_changes_nothing() -> None:
    line = queue(waiter(1, LARGE))
    assert not line.may_start(waiter(2, SMALL), 120, busy(8))
    assert (line.protected, line.passed("w1"), len(line)) == (None, 0, 1)


def test_only_starting_behind_the_oldest_passes_it() -> None:
    line = queue(waiter(1, LARGE), waiter(2, SMALL), waiter(3, SMALL))
    line.remove("w2")
    line.passed_by(waiter(4, SMALL, rank=HIGH))
    assert line.passed("w1") == 0
    drain(line, busy(8))
    assert line.passed("w1") == 1


def test_asking_twice_for_the_next_passes_once() -> None:
    line = queue(waiter(1, LARGE), waiter(2, SMALL))
    assert line.next(0, busy(8)) == line.next(0, busy(8)) == waiter(2, SMALL)
    line.remove("w2")
    assert line.passed("w1") == 1


def test_a_higher_class_that_arrives_later_does_not_take_protection_away() -> None:
    line, machine = queue(waiter(1, LARGE, rank=LOW)), at(busy(8), 120)
    line.next(120, machine)
    line.offer(waiter(2, SMALL, since=120, rank=HIGH))
    assert drain(line, machine) == []
    assert line.protected == waiter(1, LARGE, rank=LOW)


def test_a_reading_after_which_the_protected_one_may_still_start_does_not_take_protection_away() -> None:
    line = queue(waiter(1, LARGE, rank=LOW))
    line.next(120, busy(8))
    line.offer(waiter(2, SMALL, since=120, rank=HIGH))
    assert line.doubt(lambda _: True) == []
    assert line.protected == waiter(1, LARGE, rank=LOW)


def test_after_the_protected_one_the_next_oldest_is_protected() -> None:
    line, machine = queue(waiter(1, LARGE), waiter(2, Need(16), since=0)), busy(16)
    line.next(120, machine)
    machine.end("running")
    assert drain(line, at(machine, 120)) == ["w1"]
    assert line.protected == waiter(2, Need(16))


# --- places that nobody attends ----------------------------------------------------------------------------------


def test_an_unattended_place_is_passed_over() -> None:
    line = queue(waiter(1, SMALL), waiter(2, SMALL))
    line.abandon("w1", 0, 60)
    assert drain(line, busy(8)) == ["w2"]
    assert not line.attended("w1")


def test_an_unattended_place_is_never_protected_and_not_passed() -> None:
    line, machine = queue(waiter(1, LARGE), waiter(2, SMALL, since=1), waiter(3, SMALL, since=2)), busy(8)
    line.next(120, machine)
    line.abandon("w1", 120, 600)
    assert drain(line, at(machine, 120)) == ["w2", "w3"]
    assert line.protected is None
    assert line.passed("w1") == 0


def test_whoever_comes_back_has_the_place_it_left() -> None:
    line = queue(waiter(1, HALF), waiter(2, HALF))
    line.abandon("w1", 0, 60)
    assert line.position(waiter(2, HALF), 0) == 2
    line.attend("w1", 59)
    assert line.attended("w1")
    assert drain(line, at(busy(8), 59)) == ["w1"]


def test_whoever_comes_back_takes_protection_from_nobody() -> None:
    line, machine = queue(waiter(1, LARGE), waiter(2, LARGE), waiter(3, LARGE)), at(busy(8), 120)
    line.abandon("w1", 0, 600)
    line.next(120, machine)
    line.attend("w1", 121)
    assert line.protected == waiter(2, LARGE)
    machine.end("running")
    assert drain(line, machine) == ["w2"]


def test_a_place_is_kept_for_the_time_of_its_ticket() -> None:
    line = queue(waiter(1, SMALL), waiter(2, SMALL))
    line.abandon("w1", 10, 60)
    assert keys(line.expired(69.9)) == []
    assert keys(line.expired(70)) == ["w1"]
    assert keys(line.expired(70)) == ["w1"]
    assert keys(line.expired(30)) == []
    line.remove("w1")
    assert line.expired(1e9) == []


def test_the_rule_says_how_long_a_place_is_kept_unless_told_otherwise() -> None:
    line = queue(waiter(1, SMALL))
    line.offer(waiter(2, SMALL, since=5), attended=False)
    line.abandon("w1", 0)
    assert keys(line.expired(60)) == ["w1"]
    assert sorted(keys(line.expired(65))) == ["w1", "w2"]


def test_whoever_comes_back_too_late_stands_last() -> None:
    line = queue(waiter(1, SMALL), waiter(2, SMALL, since=50))
    line.abandon("w1", 0, 60)
    line.attend("w1", 60)
    assert keys(line.line(60)) == ["w2", "w1"]
    assert line.find("w1") == msgspec.structs.replace(waiter(1, SMALL), since=60)
    assert line.expired(1e9) == []


def test_attending_and_leaving_again_changes_nothing_more() -> None:
    line = queue(waiter(1, HALF), waiter(2, HALF))
    line.attend("w1", 0)
    line.abandon("w2", 0, 60)
    line.abandon("w2", 1, 60)
    assert keys(line.expired(60.5)) == []
    assert drain(line, Machine()) == ["w1"]
    line.attend("w2", 2)
    line.attend("w2", 2)
    assert drain(line, Machine()) == ["w2"]
    assert len(line) == 0


# --- coming and going --------------------------------------------------------------------------------------------


def test_a_full_queue_refuses_and_says_so() -> None:
    line = queue(waiter(1, SMALL), waiter(2, SMALL), rule=QueueRule(limit=2))
    line.abandon("w1", 0, 60)
    assert line.full
    with pytest.raises(Refused) as refused:
        line.offer(waiter(3, SMALL))
    assert [(short.dimension, short.needed, short.available) for short in refused.value.reasons] == [
        ("queue", 1, 0)
    ]
    assert line.find("w3") is None
    line.remove("w1")
    line.offer(waiter(3, SMALL))


def test_a_queue_has_1024_places_unless_told_otherwise() -> None:
    line = queue(*(waiter(number, SMALL) for number in range(1023)))
    assert not line.full
    line.offer(waiter(1023, SMALL))
    assert line.full


def test_whoever_comes_again_and_gives_up_passes_nobody() -> None:
    line = queue(waiter(1, LARGE), waiter(2, SMALL))
    assert line.next(0, busy(8)) == line.remove("w2")
    line.offer(waiter(3, SMALL, key="w2"))
    line.remove("w2")
    assert line.passed("w1") == 1


def test_a_key_waits_once() -> None:
    line = queue(waiter(1, SMALL))
    with pytest.raises(ValueError, match="waits already"):
        line.offer(waiter(2, SMALL, key="w1"))


def test_whoever_gave_up_never_starts() -> None:
    line = queue(waiter(1, SMALL), waiter(2, SMALL))
    assert line.remove("w1") == waiter(1, SMALL)
    assert line.find("w1") is None
    assert drain(line, Machine()) == ["w2"]
    with pytest.raises(KeyError):
        line.remove("w1")


def test_a_protected_one_that_gives_up_leaves_nothing_reserved() -> None:
    line, machine = queue(waiter(1, LARGE), waiter(2, SMALL, since=1)), at(busy(8), 120)
    assert drain(line, machine) == []
    line.remove("w1")
    assert drain(line, machine) == ["w2"]


def test_a_ticket_is_not_in_the_text_of_a_waiter() -> None:
    assert "ticket" not in repr(waiter(1, SMALL))


# --- what is promised --------------------------------------------------------------------------------------------


def test_the_bound_is_class_and_patience_and_one_longest_runtime_for_each_turn() -> None:
    line = queue(
        waiter(1, LARGE, since=0, max_runtime_seconds=40), waiter(2, LARGE, since=4, max_runtime_seconds=9)
    )
    line.offer(waiter(3, SMALL, since=5, max_runtime_seconds=50))
    machine = at(busy(8, until=40), 10)
    assert line.bound_seconds(waiter(2, LARGE, since=4), 10, machine) == (60 + 120 - 6) + 2 * 50
    assert line.bound_seconds(waiter(9, LARGE, since=10, rank=LOW), 10, machine) == (120 + 120) + 4 * 50


def test_what_runs_longest_counts_as_much_as_who_waits() -> None:
    line = queue(waiter(1, LARGE, since=0))
    assert line.bound_seconds(waiter(1, LARGE), 10, at(busy(8, until=400), 10)) == (60 + 120 - 10) + 390


def test_who_is_protected_waits_for_what_runs_and_no_longer() -> None:
    line = queue(waiter(1, LARGE), waiter(2, SMALL, max_runtime_seconds=None))
    assert line.bound_seconds(waiter(1, LARGE), 120, at(busy(8, until=150), 120)) == 30
    assert line.bound_seconds(waiter(1, LARGE), 120, at(busy(8), 120)) is None
    assert line.bound_seconds(waiter(1, LARGE), 120, at(Machine(), 120)) == 0


def test_who_waits_behind_the_protected_one_is_promised_its_turn_after_it() -> None:
    line = queue(waiter(1, LARGE, max_runtime_seconds=40), waiter(2, SMALL, max_runtime_seconds=9))
    assert line.bound_seconds(waiter(2, SMALL), 120, at(busy(8, until=150), 120)) == (60 + 120 - 120) + 2 * 40
    assert line.bound_seconds(waiter(2, SMALL), 300, at(busy(8, until=310), 300)) == 2 * 40


def test_where_nothing_runs_and_nobody_waits_only_patience_is_promised() -> None:
    assert queue().bound_seconds(waiter(1, SMALL), 0, Machine()) == 60 + 120


def test_who_waits_without_a_limit_is_named_as_the_reason_for_no_bound() -> None:
    line = queue(waiter(1, SMALL), waiter(2, SMALL, max_runtime_seconds=5))
    bound = line.bound(waiter(2, SMALL), 0, busy(16, until=9))
    assert (bound.seconds, bound.unlimited) == (None, "w1")


class Counting(Machine):
    """Counts how often it is asked to look ahead."""

    def __init__(self, memory: int = 16) -> None:
        super().__init__(memory)
        self.looks = 0

    def earliest(self, each: Waiter) -> float | None:
        self.looks += 1
        return super().earliest(each)


def test_a_bound_that_cannot_be_told_costs_no_look_ahead() -> None:
    room = Counting()
    assert queue(waiter(1, LARGE), waiter(2, HALF)).bound_seconds(waiter(3, SMALL), 0, room) is None
    assert room.looks == 0
    line = queue(*(waiter(n, Need(2 + n % 8), max_runtime_seconds=9) for n in range(20)))
    room.running["a"] = (Need(16), None)
    assert (line.bound_seconds(waiter(30, SMALL), 0, room), room.looks) == (None, 1)


def test_a_bound_is_told_only_where_few_different_ones_are_ahead() -> None:
    room = Counting(100)
    sizes = [waiter(n, Need(1 + n), max_runtime_seconds=9) for n in range(32)]
    assert queue(*sizes).bound_seconds(waiter(99, Need(1)), 0, room) is not None
    assert room.looks == 32
    assert queue(*sizes).bound_seconds(waiter(99, Need(99)), 0, room) is None
    assert room.looks == 32


def test_there_is_no_bound_while_nobody_knows_when_what_runs_ends() -> None:
    line = queue(waiter(1, LARGE, max_runtime_seconds=5), waiter(2, SMALL, max_runtime_seconds=5))
    bound = line.bound(waiter(2, SMALL), 0, busy(10, until=None))
    assert (bound.seconds, bound.unlimited) == (None, None)


# --- what a look costs -------------------------------------------------------------------------------------------


def test_a_look_asks_once_for_each_shape_however_many_wait() -> None:
    shapes = [Need(9 + n, max(1, n % 3)) for n in range(8)]
    line, machine = queue(*(waiter(n, shapes[n % 8], since=n, rank=n // 8 % 3) for n in range(1024))), busy(8)
    assert line.next(1024, machine) is None
    assert line.protected is not None
    assert len(machine.asked) == len(set(machine.asked))
    assert sum(1 for _, behind in machine.asked if behind) <= 8
    assert len(machine.asked) <= 9


def test_a_look_goes_by_groups_and_not_by_waiters() -> None:
    looked: list[Waiter] = []

    def shape(each: Waiter) -> Need:
        looked.append(each)
        return Need(*each.spec)

    line = Queue(RULE, shape)
    for n in range(1024):
        line.offer(waiter(n, Need(9 + n % 8), since=n, rank=n // 8 % 3))
    looked.clear()
    assert line.next(1024, busy(8)) is None
    assert len(looked) <= 3 * 8 + 1


def test_the_oldest_is_passed_whatever_the_order_of_arrival() -> None:
    line = queue(waiter(1, SMALL, since=9, rank=LOW), waiter(2, LARGE, since=0), waiter(3, HALF, since=2))
    assert drain(line, at(busy(14), 10)) == ["w1"]
    assert [line.passed("w2"), line.passed("w3")] == [1, 0]


def test_what_does_not_matter_for_fitting_can_be_left_out_of_the_shape() -> None:
    line, machine = Queue(RULE, shape=lambda each: each.spec[0]), busy(8)
    for n in range(100):
        line.offer(waiter(n, Need(9, slots=n)))
    assert line.next(0, machine) is None
    assert len(machine.asked) == 1


def test_a_shorter_line_takes_nobodys_place() -> None:
    line = queue(waiter(1, SMALL), waiter(2, SMALL), rule=QueueRule(limit=2))
    line.resize(1)
    assert len(line) == 2
    with pytest.raises(Refused):
        line.offer(waiter(3, SMALL))
    line.resize(3)
    line.offer(waiter(3, SMALL))
    assert len(line) == 3
