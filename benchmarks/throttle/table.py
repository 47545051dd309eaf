"""Results as tables, as the aims' figures, and as one line of progress. Measures nothing."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from benchmarks.report import Report
from benchmarks.throttle.conductor import Conductor
from benchmarks.throttle.outcome import ATTEMPT_FIELDS, Outcome, Summary, ratio, summarise
from benchmarks.throttle.variants import OURS

BASE = "reservation"
HEAD = (
    "policy",
    "lost (honest)",
    "OOM kills (honest)",
    "hogs killed",
    "makespan s (range)",
    "vs reservation",
    "in use (useful) %",
    "wait p50/p99/max s",
    "max wait, largest",
    "overcommitted s",
    "false denials",
    "freed to granted p50/max s",
)


class ThrottleReport(Report, frozen=True, kw_only=True):
    """Figures of the aims, a summary of every policy in every scenario, and every run."""

    summaries: list[Summary]
    runs: list[Outcome]

    def _parts(self) -> dict[str, Any]:
        return {
            **super()._parts(),
            "attempt_fields": ATTEMPT_FIELDS,
            "summaries": _rounded(msgspec.to_builtins(self.summaries)),
            "runs": _rounded(msgspec.to_builtins(self.runs)),
        }

    def to_text(self) -> str:
        """Tables, then the figures."""
        plain = Report(name=self.name, ratios=_plain(self.ratios), figures=_plain(self.figures), notes=self.notes)
        empty = "\n".join([self.name, *(f"  {note}" for note in self.notes)])
        return "\n".join([*tables(self.runs), plain.to_text() if plain.figures else empty])


T = TypeVar("T")


def _plain(figures: dict[str, T]) -> dict[str, T]:
    """Those of the aims; the tables show the others."""
    return {name: value for name, value in figures.items() if ":" not in name}


def report(runs: Sequence[Outcome], notes: Iterable[str]) -> ThrottleReport:
    """What the runs say. The plain keys are of the first scenario and the plain policy of ours."""
    scenarios = list(dict.fromkeys(run.scenario for run in runs))
    ratios: dict[str, float | None] = {}
    figures: dict[str, float] = {}
    for scenario in scenarios:
        prefix = "" if scenario == scenarios[0] else f"{scenario}: "
        for policy in [p for p in policies(runs, scenario) if p.partition("+")[0] == OURS]:
            name = prefix + ("" if policy == OURS else f"{policy}: ")
            mine, base = of(runs, scenario, policy), of(runs, scenario, BASE)
            ratios[f"{name}makespan_vs_reservation_only"] = ratio(mine, base, "makespan_seconds")
            ratios[f"{name}max_wait_vs_fifo"] = ratio(mine, base, "max_wait_seconds")
            summary = summarise(mine)
            figures[f"{name}overcommitted_seconds"] = summary.overcommitted_seconds
            figures[f"{name}false_denials"] = summary.false_denials
            figures[f"{name}freed_to_granted_p50_seconds"] = summary.freed_to_granted_p50_seconds
            figures[f"{name}freed_to_granted_p99_seconds"] = summary.freed_to_granted_p99_seconds
            figures[f"{name}oom_kills"] = summary.oom_kills_worst
        if guide := of(runs, scenario, "guide"):
            figures[f"{prefix}oom_kills_guide"] = summarise(guide).oom_kills
    return ThrottleReport(
        name="throttle",
        ratios=ratios,
        figures=figures,
        notes=list(notes),
        summaries=[
            summarise(of(runs, scenario, policy)) for scenario in scenarios for policy in policies(runs, scenario)
        ],
        runs=list(runs),
    )


def of(runs: Iterable[Outcome], scenario: str, policy: str) -> list[Outcome]:
    """Those of one policy in one scenario."""
    return [run for run in runs if (run.scenario, run.policy) == (scenario, policy)]


def policies(runs: Iterable[Outcome], scenario: str) -> list[str]:
    """In the order in which they were run."""
    return list(dict.fromkeys(run.policy for run in runs if run.scenario == scenario))


def tables(runs: Sequence[Outcome]) -> Iterable[str]:
    """One for each scenario, in Markdown."""
    for scenario in dict.fromkeys(run.scenario for run in runs):
        rows = [HEAD, tuple("---" for _ in HEAD)]
        for policy in policies(runs, scenario):
            mine = of(runs, scenario, policy)
            rows.append(_row(summarise(mine), ratio(mine, of(runs, scenario, BASE), "makespan_seconds")))
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
        first = summarise(of(runs, scenario, policies(runs, scenario)[0]))
        yield f"**{scenario}**: {first.jobs} jobs, {first.backend}, seeds: {first.seeds}\n"
        yield from (_line(row, widths) for row in rows)
        yield ""


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"


def _row(summary: Summary, versus: float | None) -> tuple[str, ...]:
    low, high = summary.makespan_range_seconds
    return (
        summary.policy,
        f"{summary.lost:g} ({summary.lost_honest_worst})" + (f", {summary.stuck} stuck" if summary.stuck else ""),
        f"{summary.oom_kills:g} ({summary.oom_kills_honest_worst})",
        f"{summary.hogs_killed}",
        f"{summary.makespan_seconds:.1f} ({low:.1f}-{high:.1f})",
        "" if versus is None else f"{versus:.2f}",
        f"{100 * summary.utilisation:.0f} ({100 * summary.useful_utilisation:.0f})",
        f"{summary.wait_p50_seconds:.1f}/{summary.wait_p99_seconds:.1f}/{summary.wait_max_seconds:.1f}",
        f"{summary.wait_max_of_largest_seconds:.1f}",
        f"{summary.overcommitted_seconds:.1f}",
        f"{summary.false_denials:g}",
        f"{summary.freed_to_granted_p50_seconds:.2f}/{summary.freed_to_granted_max_seconds:.2f}",
    )


def _rounded(value: Any) -> Any:
    """Milliseconds are exact enough to keep."""
    match value:
        case float():
            return round(value, 3)
        case list() | tuple():
            return [_rounded(each) for each in value]
        case dict():
            return {key: _rounded(each) for key, each in value.items()}
        case _:
            return value


class Progress:
    """One line on a terminal that is written over; nothing anywhere else."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._told_at = float("-inf")

    def run(self, text: str) -> None:
        """A run begins."""
        self._text = text
        self._told_at = float("-inf")

    def tell(self, conductor: Conductor, now: float) -> None:
        """How it goes."""
        if not self._shown or 0 <= now - self._told_at < 0.2:
            return
        self._told_at = now
        fates = conductor.fates()
        killed = fates["killed"] + fates["capped"]
        bar = f"{conductor.used_bytes / conductor.workload.room.limit_bytes:4.0%}"
        text = f"{self._text} {now:5.1f} s  memory {bar}  running {conductor.running}  waiting {conductor.waiting}"
        sys.stderr.write(f"\r\x1b[K{text}  finished {fates['finished']}  killed {killed}")
        sys.stderr.flush()

    def done(self) -> None:
        """Nothing is left on the line."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
