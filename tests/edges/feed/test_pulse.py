"""When a client is sent a ping or a heartbeat, and when it counts as gone."""

import math

from aura_actors.edges.feed.pulse import Pulse
from aura_actors.edges.feed.shared import Deadlines

DEADLINES = Deadlines(heartbeat=10, ping=20, pong=10)


def ping(pulse: Pulse, now: float, pongs: int) -> bool:
    """As a session does whose socket takes it at once."""
    due = pulse.ping_due(now, pongs)
    if due:
        pulse.pinged(now, pongs)
    return due


def test_a_ping_is_sent_after_twenty_seconds_and_twenty_after_that() -> None:
    """If it was answered meanwhile."""
    pulse = Pulse(DEADLINES, 0)
    assert (ping(pulse, 19.9, 0), pulse.next_look(100)) == (False, 20)
    assert (ping(pulse, 20, 0), pulse.next_look(100)) == (True, 30)
    assert (ping(pulse, 30, 1), pulse.next_look(100)) == (False, 40)
    assert ping(pulse, 40, 1)


def test_a_client_without_a_pong_for_ten_seconds_is_lost() -> None:
    """The answer to an earlier ping is none to this one."""
    pulse = Pulse(DEADLINES, 0)
    assert not pulse.lost(1000, 0)
    assert ping(pulse, 20, 7)
    assert [pulse.lost(now, pongs) for now, pongs in ((29.9, 7), (30, 7), (30, 8))] == [False, True, False]


def test_while_a_ping_is_out_there_is_no_other() -> None:
    pulse = Pulse(Deadlines(ping=1, pong=10), 0)
    assert ping(pulse, 1, 0)
    assert not any(ping(pulse, now, 0) for now in range(2, 11))


def test_a_ping_that_waits_behind_a_large_frame_is_not_out_yet() -> None:
    """The client that reads it slowly has not had it, and cannot have answered."""
    pulse = Pulse(DEADLINES, 0)
    assert pulse.ping_due(20, 0)
    assert (pulse.lost(35, 0), pulse.next_look(100)) == (False, 40)
    assert (pulse.pinged(35, 0), pulse.next_look(100)) == (45, 45)
    assert [pulse.lost(now, 0) for now in (44.9, 45)] == [False, True]


def test_a_late_look_after_a_pong_sends_the_next_ping_at_once() -> None:
    pulse = Pulse(DEADLINES, 0)
    assert ping(pulse, 20, 0)
    assert ping(pulse, 100, 1)


def test_silence_is_broken_by_heartbeats_once_the_client_has_subscribed() -> None:
    """Pings are none: a browser cannot see them."""
    pulse = Pulse(DEADLINES, 0)
    assert not pulse.heartbeat_due(1000, 0)
    pulse.begin_heartbeats()
    assert [pulse.heartbeat_due(now, 5) for now in (14.9, 15)] == [False, True]
    assert [pulse.next_look(sent_at) for sent_at in (5, 11)] == [15, 20]


def test_without_deadlines_nothing_is_ever_due() -> None:
    pulse = Pulse(Deadlines(heartbeat=math.inf, ping=math.inf), 0)
    pulse.begin_heartbeats()
    assert (pulse.next_look(0), pulse.heartbeat_due(1e9, 0), ping(pulse, 1e9, 0)) == (math.inf, False, False)
