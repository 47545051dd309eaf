"""What the admission actor is given: its rule, the world around it, and what outlives one of its incarnations."""

from collections.abc import Callable

import msgspec

from aura_actors.actors.admission.turns import Turns
from aura_actors.domain.asked import Asked, TtlRule
from aura_actors.domain.busy_gate import BusyGate
from aura_actors.domain.held_paths import HeldPaths
from aura_actors.domain.ledger import LedgerRule
from aura_actors.domain.needs import ProcessIdentity
from aura_actors.domain.providers import Providers
from aura_actors.domain.runs import Runs
from aura_actors.domain.waiting import Queue, QueueRule
from aura_actors.domain.window import Window
from aura_actors.messages.admission_view import Counts
from aura_actors.messages.decisions import Decisions


class AdmissionRule(msgspec.Struct, frozen=True, kw_only=True):
    """The configured part of admission."""

    ledger: LedgerRule
    ttl: TtlRule
    queue: QueueRule = QueueRule()
    scratch_path: str | None = None


class Seen(msgspec.Struct, kw_only=True):
    """What outlives an incarnation: a crash opens no gate, refills no budget, and costs nobody a place in line."""

    gate: BusyGate
    providers: Providers
    queue: Queue
    windows: dict[str, Window] = {}
    asked: dict[str, Asked] = {}
    turns: Turns = msgspec.field(default_factory=Turns)
    counts: Counts = msgspec.field(default_factory=Counts)
    decisions: Decisions = msgspec.field(default_factory=Decisions)
    runs: Runs = msgspec.field(default_factory=Runs)
    held_paths: HeldPaths = msgspec.field(default_factory=HeldPaths)
    draining: bool = False
    began: bool = False
    """An incarnation was ready; the next ones have leases to take over, and wait for the journal."""
    owed: bool = False
    """There was a time in which nobody could renew: every lease gets its full time again before any ends."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Time, chance and processes. `clock` is monotonic and the same in every process of this boot."""

    clock: Callable[[], float]
    boot_clock: Callable[[], float]
    """Goes on while the machine sleeps."""
    wall: Callable[[], float]
    secret: Callable[[], str]
    chance: Callable[[], float]
    look_again: Callable[[], None]
    """Somebody gives back what somebody else waits for: a sample is wanted soon."""
    alive: Callable[[ProcessIdentity], bool]
    """Whether that very process lives. Blocking."""
