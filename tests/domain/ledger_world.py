"""What the tests of the ledger share: one that was looked at, jobs that hold some of it, and what it says."""

from typing import Any

from aura_actors.domain.books import Books
from aura_actors.domain.ledger import Ledger
from aura_actors.domain.needs import JobSpec
from aura_actors.domain.providers import ProviderNeed
from aura_actors.domain.reasons import Outcome, Shortfall
from tests.domain.admission_world import books, ledger, machine, process, request

CALLS = (ProviderNeed(name="calls", tokens=10),)


def seen(used: int = 0, *, of: Ledger | None = None, **changes: Any) -> Ledger:
    made = ledger() if of is None else of
    made.look(machine(0.0, used, **changes))
    return made


def said(of: Ledger, spec: JobSpec, now: float = 0.0) -> tuple[str, list[str]]:
    judged = of.judge(spec, now)
    assert (of.plan(spec, now) is not None) == (judged.outcome is Outcome.GRANT)
    return judged.outcome.value, [reason.dimension for reason in judged.reasons]


def only(of: Ledger, spec: JobSpec, now: float = 0.0) -> Shortfall:
    (reason,) = of.judge(spec, now).reasons
    return reason


def held(of: Ledger, *needs: JobSpec, processes: tuple[int, ...] = ()) -> Books:
    """Books over it in which jobs `a`, `b`, ... hold those needs."""
    made = books(of)
    for number, spec in enumerate(needs):
        pid = processes[number] if processes else None
        asked = request("abcdefghijklmnop"[number], process=None if pid is None else process(pid))
        made.acquire(type(asked)(key=asked.key, owner="anna", spec=spec, process=asked.process), 0.0, wait=False)
    return made
