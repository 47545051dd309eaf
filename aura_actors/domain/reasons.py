"""What a request is answered, and why not: the words in which every rule of admission speaks.

Owns these words alone. Which rule says what is in the file of that rule.
"""

import enum
from collections.abc import Iterable

import msgspec

from aura_actors.errors import NeverFits, Refused

HOLDERS_NAMED = 10


class Outcome(enum.Enum):
    """What a request would be answered now."""

    GRANT = "grant"
    WAIT = "wait"
    NEVER = "never"


class Shortfall(msgspec.Struct, frozen=True, kw_only=True):
    """One dimension in which a request does not fit. `external`: nobody that was admitted is in the way."""

    dimension: str
    needed: float
    available: float
    holders: tuple[str, ...] = ()
    """Keys of the leases in the way, the largest first, `HOLDERS_NAMED` at most."""
    external: bool = False
    text: str
    retry_after_seconds: float | None = None
    """When this may have changed, where the rule knows."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The decision and, unless it is a grant, every reason for it."""

    outcome: Outcome
    reasons: tuple[Shortfall, ...] = ()


def refusal(judgement: Judgement) -> Refused | NeverFits:
    """The same as an error."""
    text = "; ".join(f"{reason.dimension}: {reason.text}" for reason in judgement.reasons)
    error = NeverFits if judgement.outcome is Outcome.NEVER else Refused
    return error(text, reasons=judgement.reasons)


def judged(never: Iterable[Shortfall], wait: Iterable[Shortfall]) -> Judgement:
    """A request that can never be met is told so and nothing else; one that must wait hears every reason."""
    if reasons := tuple(never):
        return Judgement(outcome=Outcome.NEVER, reasons=reasons)
    if reasons := tuple(wait):
        return Judgement(outcome=Outcome.WAIT, reasons=reasons)
    return Judgement(outcome=Outcome.GRANT)
