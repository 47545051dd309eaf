"""What admission decided and the publisher has not said yet.

Owns the memory between the two, which outlives every incarnation of both and is bounded: decisions are counted by
outcome, and the newest few are kept. Knows neither sockets nor JSON; no secret comes in.
"""

from collections import deque
from collections.abc import Sequence

from aura_actors.domain.leases import Lease
from aura_actors.kernel.latest import Latest
from aura_actors.messages.public.forms import utc
from aura_actors.wire.decisions import Decision, DecisionsMade, Outcome

KEPT = 20


class Decisions:
    """`timestamp` is Unix seconds."""

    def __init__(self) -> None:
        self.news = Latest(0)
        """Set with the first decision behind a `drain`: a flood of them wakes its reader once."""
        self._counts: dict[Outcome, int] = {}
        self._latest: deque[Decision] = deque(maxlen=KEPT)

    def about(self, leases: Sequence[Lease], outcome: Outcome, timestamp: float) -> None:
        """Each of these leases began or ended."""
        if leases:
            self._count(outcome, len(leases))
            at = utc(timestamp)
            self._latest.extend(
                Decision(at=at, outcome=outcome, key=lease.key, owner=lease.owner, fence=lease.fence, detail=None)
                for lease in leases[-KEPT:]
            )

    def denied(self, key: str, owner: str, *, never: bool, detail: str, timestamp: float) -> None:
        """Somebody was told no, now or for ever; `detail` says why."""
        self._add("never" if never else "refused", timestamp, key, owner, detail)

    def drained(self, *, on: bool, timestamp: float) -> None:
        """Nothing new is admitted, or is again."""
        self._add("draining" if on else "admitting", timestamp, None, None, None)

    def _add(
        self, outcome: Outcome, timestamp: float, key: str | None, owner: str | None, detail: str | None
    ) -> None:
        self._count(outcome, 1)
        self._latest.append(
            Decision(at=utc(timestamp), outcome=outcome, key=key, owner=owner, fence=None, detail=detail)
        )

    def _count(self, outcome: Outcome, more: int) -> None:
        if not self._counts:
            self.news.set(self.news.value + 1)
        self._counts[outcome] = self._counts.get(outcome, 0) + more

    def drain(self) -> list[DecisionsMade]:
        """What was decided since the last call, as one event of the topic `admission`; none where nothing was."""
        if not self._counts:
            return []
        made = DecisionsMade(counts=self._counts, latest=list(self._latest))
        self._counts = {}
        self._latest.clear()
        return [made]
