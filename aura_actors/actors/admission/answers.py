"""What is answered to whoever does not get what it asks for, or not yet: why, how long, and when to come again.

Owns these answers, and that denials are counted and told. Decides nothing; who is told, and when, is the actor's.
"""

from aura_actors.actors.admission.given import Environment, Seen
from aura_actors.domain.asked import Asked, Waiting
from aura_actors.domain.books import Books
from aura_actors.domain.reasons import Outcome, Shortfall
from aura_actors.domain.waiting import QueueRule
from aura_actors.errors import AuraError, Draining, Gone, NeverFits, Refused
from aura_actors.messages import admission as m


class Answers:
    """In the words of the messages, from the books as they are."""

    def __init__(self, books: Books, rule: QueueRule, seen: Seen, environment: Environment) -> None:
        self._books = books
        self._rule = rule
        self._seen = seen
        self._environment = environment

    def denied(self, error: Refused | NeverFits, asked: Asked) -> AuraError:
        """A refusal, counted and told."""
        dimension = error.reasons[0].dimension if error.reasons else "none"
        denied, never = self._seen.counts.denied, isinstance(error, NeverFits)
        denied[dimension] = denied.get(dimension, 0) + 1
        self._seen.decisions.denied(
            asked.key, asked.owner, never=never, detail=str(error), timestamp=self._environment.wall()
        )
        for need in asked.spec.providers:
            self._books.ledger.providers.find(need.name).denied += 1
        if isinstance(error, NeverFits):
            return error
        return Refused(str(error), reasons=error.reasons, retry_after_seconds=self._later(error.reasons))

    def queued(self, waiting: Waiting) -> m.Queued:
        """The place of somebody who waits."""
        now, waiter = self._environment.clock(), waiting.waiter
        return m.Queued(
            key=waiter.key,
            ticket=waiter.secret,
            position=self._books.position(waiter, now),
            reasons=waiting.reasons,
            retry_after_seconds=self._later(waiting.reasons),
            bound_seconds=self._books.bound_seconds(waiter, now),
            expires_at=now + self._rule.ticket_ttl_seconds,
        )

    def sent_away(self, key: str) -> AuraError:
        """Why a place is nobody's any more."""
        if self._books.draining:
            return Draining("nothing new is admitted for now")
        return Gone(f"the place of {key} was given up or revoked")

    def forecast(self, message: m.Preflight) -> m.Forecast:
        """What the same acquire would be answered. Raises `Conflict` or `SpecChanged`."""
        now = self._environment.clock()
        asked = Asked(key=message.job_id, owner=message.owner, spec=message.spec, process=message.process)
        judgement, waiter = self._books.judge(asked, now)
        if judgement.outcome is not Outcome.WAIT:
            return m.Forecast(judgement=judgement, position=None, bound_seconds=None)
        return m.Forecast(
            judgement=judgement,
            position=self._books.position(waiter, now),
            bound_seconds=self._books.bound_seconds(waiter, now),
        )

    def _later(self, reasons: tuple[Shortfall, ...]) -> float:
        """A second at least, later where a rule knows; those who were refused together do not return together."""
        known = max((reason.retry_after_seconds or 0.0 for reason in reasons), default=0.0)
        return max(1.0, known) + 2.0 * self._environment.chance()
