"""Somebody who waits for more than there is any more: sent away, or at least in nobody's way."""

import pytest

from aura_actors.domain.books import Books
from aura_actors.domain.gpu import GpuState
from aura_actors.domain.needs import GpuNeed
from aura_actors.domain.waiting import QueueRule
from tests.domain.admission_world import fresh, gpu, gpus, keys, ledger, machine, took, waits

AT_ONCE = QueueRule(protect_after_seconds=1)
FORGOTTEN = GpuState(status="unavailable", reason="the probe failed")
RELEASED = GpuState(status="released")
PARTLY = GpuState(status="ok", reason="the driver of AMD does not answer")


def waiting(of: Books) -> list[str]:
    return [waiter.key for waiter in of.queue.line(0.0)]


def test_whoever_no_longer_fits_a_lowered_limit_is_sent_away_and_others_start() -> None:
    before = fresh(limit=400, queue=AT_ONCE)
    took(before, "a", 300)
    waits(before, "big", 350)
    waits(before, "small", 150)
    before.take_changes()
    after = Books(before._ttl, ledger(limit=200), before.queue, before._asked, before._make)
    after.look(machine(5.0))
    after.schedule(5.0)
    changes = after.take_changes()
    assert (changes.dropped, keys(after), waiting(after)) == (["big"], ["small"], [])
    (reason,) = changes.never["big"].reasons
    assert (reason.dimension, reason.needed, reason.available) == ("memory_limit", 350, 200)


def test_whoever_no_longer_fits_a_lowered_limit_is_sent_away_though_no_reading_came_since() -> None:
    before = fresh(limit=400)
    took(before, "a", 300)
    waits(before, "big", 350)
    before.take_changes()
    after = Books(before._ttl, ledger(limit=200), before.queue, before._asked, before._make)
    after.expire(1.0)
    after.schedule(1.0)
    assert (after.take_changes().dropped, waiting(after)) == (["big"], [])


def test_whoever_no_longer_fits_a_smaller_machine_is_sent_away_by_the_reading() -> None:
    of = fresh(queue=AT_ONCE)
    took(of, "a", 300)
    waits(of, "big", 600)
    waits(of, "small", 590)
    of.take_changes()
    of.look(machine(5.0, levels=[("machine", 745, 0)]))
    of.schedule(5.0)
    assert (of.take_changes().dropped, waiting(of)) == (["big"], ["small"])
    assert of.queue.protected_at(5.0) is of.queue.find("small")


def test_whoever_was_not_sent_away_after_all_is_sent_away_by_the_next_step() -> None:
    of = fresh()
    took(of, "a", 300)
    waits(of, "big", 600)
    of.take_changes()
    of.look(machine(5.0, levels=[("machine", 500, 0)]))
    of.schedule(5.0)
    of.take_changes().take_back()
    assert waiting(of) == ["big"]
    of.expire(5.25)
    of.schedule(5.25)
    assert (of.take_changes().dropped, waiting(of)) == (["big"], [])


def test_whoever_waits_for_a_device_that_was_taken_out_is_sent_away() -> None:
    of = fresh()
    of.look(machine(1.0, gpu=gpus(gpu(0), gpu(1))))
    took(of, "a", 300, 1.0, gpu=GpuNeed(exclusive=True))
    waits(of, "two", 0, 1.0, gpu=GpuNeed(count=2))
    waits(of, "would rather", 700, 1.0, gpu=GpuNeed(count=2, required=False))
    of.take_changes()
    of.look(machine(2.0, gpu=gpus(gpu(0))))
    of.schedule(2.0)
    assert of.take_changes().dropped == ["two"]


@pytest.mark.parametrize("state", [FORGOTTEN, RELEASED, PARTLY])
def test_whoever_waits_for_a_device_that_nobody_can_see_now_waits_on_and_is_in_nobodys_way(state: GpuState) -> None:
    of = fresh(queue=AT_ONCE)
    of.look(machine(1.0, 500, gpu=gpus(gpu(0, used=90))))
    waits(of, "wants one", 200, 1.0, gpu=GpuNeed(memory_bytes=50))
    of.expire(3.0)
    of.schedule(3.0)
    assert of.queue.protected is of.queue.find("wants one")
    of.look(machine(4.0, 500, gpu=state))
    of.schedule(4.0)
    assert (waiting(of), of.queue.protected_at(4.0)) == (["wants one"], None)
    took(of, "small", 200, 4.0)
    of.look(machine(40.0, 500, gpu=gpus(gpu(0, used=90))))
    of.schedule(40.0)
    assert of.queue.protected is of.queue.find("wants one")
    of.look(machine(41.0, 100, gpu=gpus(gpu(0))))
    of.look(machine(80.0, 100, gpu=gpus(gpu(0))))
    of.schedule(80.0)
    assert "wants one" in keys(of)
