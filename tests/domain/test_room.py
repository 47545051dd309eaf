"""What the queue may know of the ledger: who fits, and what may be promised of the time when somebody will."""

from typing import Any

import pytest

from aura_actors.domain.external import GHOST_SECONDS
from aura_actors.domain.ledger import Ledger
from aura_actors.domain.needs import GpuNeed
from aura_actors.domain.room import LedgerRoom, PromiseRoom
from aura_actors.domain.waiting import Waiter
from tests.domain.admission_world import books, gpu, gpus, ledger, machine, request

SOON = GHOST_SECONDS
"""Memory comes back so long after its job's end."""


def running(*limits: float | None, **changes: Any) -> Ledger:
    """A ledger in which jobs of 100 units each began at 0, with those limits of their runtime."""
    made = ledger()
    made.look(machine(**changes))
    leases = books(made)
    for number, limit in enumerate(limits):
        leases.acquire(request(f"job {number}", 100, max_runtime_seconds=limit), 0.0, wait=False)
    return made


def waiter(memory: int = 0, **need: Any) -> Waiter:
    return books().judge(request("new", memory, **need), 0.0)[1]


def promised(of: Ledger, memory: int = 0, *, protected: bool = False) -> float | None:
    return PromiseRoom(of, 1.0, protected=protected).earliest(waiter(memory))


def test_where_nobody_runs_room_is_promised_as_soon_as_memory_comes_back() -> None:
    assert promised(running()) == 1 + SOON


@pytest.mark.parametrize(("limits", "longest"), [((None,), 0), ((None, 40), 40), ((40, 20), 40)])
def test_those_who_arrive_later_may_run_as_long_as_anybody_now(limits: Any, longest: float) -> None:
    of = running(*limits)
    assert promised(of) == 1 + longest + SOON
    assert promised(of, protected=True) == 1 + SOON


def test_no_sooner_is_promised_than_what_runs_makes_way() -> None:
    assert promised(running(50, 40), 700, protected=True) == 40 + SOON
    assert promised(running(50, 40), 701, protected=True) == 50 + SOON
    assert promised(running(None, 40), 701, protected=True) is None


def test_the_plan_is_that_of_the_last_one_that_fits() -> None:
    of = running(None)
    room = LedgerRoom(of, 0.0)
    assert room.fits(waiter(700), None)
    assert room.plan is not None
    assert room.plan.charges[of.memory] == 700
    assert not room.fits(waiter(701), None)
    assert room.plan is None


def test_nobody_fits_into_what_is_kept_for_another() -> None:
    room = LedgerRoom(running(), 0.0)
    assert room.reserved(None) is None
    assert room.fits(waiter(300), waiter(500))
    assert not room.fits(waiter(301), waiter(500))


def test_a_device_is_free_while_nobody_is_on_it() -> None:
    of = ledger()
    assert not LedgerRoom(of, 0.0).gpu_free()
    of.look(machine(gpu=gpus(gpu(0))))
    assert LedgerRoom(of, 0.0).gpu_free()
    books(of).acquire(request("a", gpu=GpuNeed()), 0.0, wait=False)
    assert not LedgerRoom(of, 0.0).gpu_free()
