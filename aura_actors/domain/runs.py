"""From a lease of some kind to one run in the statistics: its peak while it lives, how it ended, what was reported.

Owns what is remembered between a grant and the entry in `learning`. A lease that ended with its process is entered
a moment later, because whoever started it may know the peak better and needs that moment to say so. `now` is
monotonic seconds.
"""

import hmac
from collections.abc import Iterable, Mapping

import msgspec

from aura_actors.domain.accounts import Measured
from aura_actors.domain.changes import Ended
from aura_actors.domain.holding import Holding
from aura_actors.domain.learning import History, Learned, Learning, Run
from aura_actors.domain.leases import Lease

GRACE_SECONDS = 2.0
"""How long a run that ended with its process waits for a report."""


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever started a run saw of it."""

    peak_bytes: int | None = None
    oom_killed: bool = False


class _Over(msgspec.Struct):
    """A run that ended and is not entered yet."""

    lease: Lease
    ended_at: float
    until: float
    """A report is waited for until then."""
    peak_bytes: int | None
    report: RunReport | None


class Runs:
    """What outlives an incarnation of who uses it: the statistics, the peaks of the living, those just ended."""

    def __init__(self, learning: Learning | None = None) -> None:
        self._learning = learning or Learning()
        self._peaks: dict[int, int] = {}
        self._reports: dict[int, RunReport] = {}
        self._over: dict[str, _Over] = {}

    @property
    def learned(self) -> tuple[Learned, ...]:
        """Every kind, by name."""
        return tuple(sorted(self._learning, key=lambda known: known.kind))

    def look(self, holdings: Iterable[Holding], memory: Measured) -> None:
        """Take in what is used now by those that are of some kind."""
        for holding in holdings:
            if holding.group is None or not _counts(holding.lease):
                continue
            use = memory.use_of(holding.group.key)
            if use is not None:
                fence = holding.lease.fence
                self._peaks[fence] = max(self._peaks.get(fence, 0), use.most)

    def report(self, lease: Lease | None, key: str, secret: str | None, report: RunReport) -> bool:
        """A report came with a release; True if it is of a run that has ended already, under this secret."""
        if lease is not None:
            self._reports[lease.fence] = report
            return False
        over = self._over.get(key)
        if over is None or secret is None or over.report is not None:
            return False
        if not hmac.compare_digest(secret.encode(), over.lease.secret.encode()):
            return False
        over.report = report
        return True

    def ended(self, ended: Iterable[Ended], now: float) -> None:
        """Leases ended. Those that were revoked or not renewed say nothing of their runs."""
        for each in ended:
            fence = each.lease.fence
            peak, report = self._peaks.pop(fence, None), self._reports.pop(fence, None)
            if each.how not in ("released", "exited") or not _counts(each.lease):
                continue
            until = now if each.how == "released" else now + GRACE_SECONDS
            self._over[each.lease.key] = _Over(each.lease, now, until, peak, report)

    def settle(self, now: float) -> Mapping[str, History]:
        """Enter those that have had their time; the histories that changed by it, to be kept."""
        changed = set()
        for key, over in [*self._over.items()]:
            if over.report is None and now < over.until:
                continue
            del self._over[key]
            if self._enter(over):
                changed.add(over.lease.spec.kind or "")
        histories = self._learning.histories
        return {kind: histories[kind] for kind in changed if kind in histories}

    def _enter(self, over: _Over) -> bool:
        spec, report = over.lease.spec, over.report or RunReport()
        assert spec.kind is not None
        if report.oom_killed:
            self._learning.killed(spec.kind, spec.memory_bytes)
            return True
        seen = [peak for peak in (over.peak_bytes, report.peak_bytes) if peak is not None]
        if seen:
            runtime_seconds = max(0.0, over.ended_at - over.lease.granted_at)
            self._learning.finished(spec.kind, Run(max(seen), runtime_seconds))
        return bool(seen)


def _counts(lease: Lease) -> bool:
    return lease.is_job and lease.spec.kind is not None
