"""Runs that are wanted or under way: single flight, one at a time, in the order of asking."""

import pytest

from aura_actors.domain.flights import Flight, Flights


def test_a_second_request_of_the_same_mode_finds_the_first_waiting_or_running() -> None:
    flights = Flights()
    first = Flight("1", "cache")
    flights.add(first)
    assert flights.find("sweep", "cache") is first
    assert flights.start_next() is first
    assert flights.find("sweep", "cache") is first
    with pytest.raises(ValueError, match="already"):
        flights.add(Flight("2", "cache"))


def test_a_dry_run_never_joins_a_real_one() -> None:
    flights = Flights()
    flights.add(Flight("1", "cache"))
    assert flights.find("sweep", "cache", dry_run=True) is None


def test_an_undo_never_joins_a_pass_of_the_same_name() -> None:
    flights = Flights()
    flights.add(Flight("1", "cache"))
    assert flights.find("undo", "cache") is None


def test_one_run_at_a_time_in_the_order_of_asking() -> None:
    flights = Flights()
    wanted = [Flight("1", "a"), Flight("2", "b"), Flight("3", "a", dry_run=True), Flight("4", "1", errand="undo")]
    for flight in wanted:
        flights.add(flight)
    assert list(flights) == wanted
    flown = []
    while (started := flights.start_next()) is not None:
        assert flights.start_next() is None
        flown.append(started)
        flights.land()
    assert flown == wanted


def test_a_run_was_asked_for_and_is_not_urgent_unless_it_is_told_so() -> None:
    flight = Flight("1", "a")
    assert (flight.requested, flight.urgent, flight.dry_run) == (True, False, False)


def test_only_what_waits_can_be_withdrawn() -> None:
    flights = Flights()
    first, second = Flight("1", "a"), Flight("2", "b")
    flights.add(first)
    flights.add(second)
    flights.start_next()
    assert flights.withdraw("1") is None
    assert flights.withdraw("2") is second
    assert list(flights) == [first]
    assert flights.withdraw("2") is None
