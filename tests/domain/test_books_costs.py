"""What a step of many questions costs beside many different ones who wait: looks ahead are shared, and few."""

import pytest

from aura_actors.domain import outlook, room
from aura_actors.domain.books import Books
from tests.domain.admission_world import books, ledger, machine, request, took, waits


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much memory each look ahead was for."""
    asked: list[int] = []
    real = outlook.earliest

    def earliest(*args: object) -> float | None:
        asked.append(args[1].memory_bytes)  # type: ignore[attr-defined]
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(room, "earliest", earliest)
    return asked


def crowded() -> Books:
    of = books(ledger(slots=100))
    of.ledger.slots.resize(100)
    of.look(machine(0.0))
    took(of, "a", 700, max_runtime_seconds=60)
    for size in range(20):
        waits(of, f"w{size}", 200 + size, max_runtime_seconds=60)
    of.take_changes()
    return of


def bound(of: Books, size: int, now: float) -> float | None:
    waiter = of.judge(request("new", size, max_runtime_seconds=60), now)[1]
    return of.bound_seconds(waiter, now)


def test_the_looks_ahead_of_one_step_are_shared(looks: list[int]) -> None:
    of = crowded()
    told = [bound(of, 300 + n % 2, 1.0 + n / 1000) for n in range(10)]
    assert told == pytest.approx([60 + 120 + 21 * 65] * 10, abs=0.01)
    assert len(looks) == 22


@pytest.mark.parametrize("what", ["grant", "end", "look", "written", "later"])
def test_they_are_not_kept_over_whatever_may_change_them(looks: list[int], what: str) -> None:
    of = crowded()
    bound(of, 300, 1.0)
    now = 1.0
    looks.clear()
    match what:
        case "grant":
            took(of, "b", 50, now, max_runtime_seconds=1000)
        case "end":
            of.revoke("a", now)
        case "look":
            of.look(machine(now, 100))
        case "written":
            of.take_changes()
        case _:
            now = 1.5
    bound(of, 300, now)
    assert looks


def test_leaving_makes_those_who_wait_have_another_turn_only_where_a_place_was_protected() -> None:
    of = crowded()
    of.schedule(1.0)
    of.leave("w3")
    assert not of.stirred
    of.expire(200.0)
    of.schedule(200.0)
    assert of.queue.protected is of.queue.find("w0")
    of.leave("w0")
    assert of.stirred
