"""What is admitted as sections: slots, the books by dimension, jobs, the queue with its reasons, providers. Pure.

Owns how reserved stands against used; the rules behind the numbers are the daemon's.
"""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from rich.cells import cell_len
from rich.text import Text

from aura_actors.cli import reasons, text
from aura_actors.cli.text import printable
from aura_actors.cli.top import marks
from aura_actors.cli.top.sight import Sight, span
from aura_actors.cli.top.table import Cell, Column, Section, fit, pair, said, table
from aura_actors.wire.admission import ActiveJob, AdmissionState, Dimension, Provider, QueuedJob

JOB_COLUMNS: Final = (
    Column(name="Job", yields=True),
    Column(name="Owner", yields=True, wide=66),
    Column(name="Kind", yields=True, wide=72),
    Column(name="Reserved", right=True),
    Column(name="Uses", right=True),
    Column(name="Cores", right=True, wide=54),
    Column(name="GPUs", right=True, wide=60),
    Column(name="Priority", wide=60),
    Column(name="Ends in", right=True, wide=46),
)
QUEUE_COLUMNS: Final = (
    Column(name="#", right=True),
    Column(name="Job", yields=True),
    Column(name="Owner", yields=True, wide=66),
    Column(name="Needs", right=True),
    Column(name="Priority", wide=50),
    Column(name="Waited", right=True),
)
LONGEST_NAME: Final = 12
MILLI: Final = 1000
TOLD_IN_FULL: Final = 56
"""From so many cells on there is room for the smaller figures."""
COUNTED_IN_FULL: Final = 72


def work(sight: Sight, width: int) -> Iterator[Section]:
    """All of it, as far as it was heard of."""
    admission, providers = sight.state.admission, sight.state.providers
    if admission is not None:
        yield _admission(sight, admission, width)
        yield _jobs(sight, admission, width)
        yield _queue(sight, admission, width)
    if providers is not None:
        shown = sight.first(len(providers.providers))
        lines = _stacked([_provider(each, width) for each in providers.providers[:shown]], sight, width)
        left = len(providers.providers) - shown
        yield Section(title="Providers", lines=[*(lines or [_none("none used")]), *_more(left)])


def _none(words: str) -> Text:
    return said(words, marks.FAINT)


def _more(count: int) -> list[Text]:
    return [_none(f"and {count} more")] if count > 0 else []


def _admission(sight: Sight, admission: AdmissionState, width: int) -> Section:
    slots = f"{admission.active_jobs} of {admission.max_concurrent_jobs}"
    rows = [
        _Row(name="slots", parts=(admission.active_jobs, 0), whole=admission.max_concurrent_jobs, told=slots),
        *(_books(each, width) for each in admission.dimensions),
    ]
    lines = _stacked(rows, sight, width)
    ours, others = (marks.stack((1, 0), 1, 1, sight.glyphs), marks.stack((0, 1), 1, 1, sight.glyphs))
    lines.append(Text.assemble(ours, (" jobs  ", marks.FAINT), others, (" others", marks.FAINT)))
    if admission.draining:
        lines.append(said("draining: nothing new is admitted", marks.NEAR))
    if admission.brake is not None:
        lines.append(said(f"nothing is granted for now: {admission.brake}", marks.NEAR))
    told = f"{admission.granted_total} granted, {admission.denied_total} denied"
    if width >= TOLD_IN_FULL:
        told += f", {admission.expired_total} expired"
    return Section(title="Admission", aside=told, lines=lines)


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """A name, a stacked bar (ours and others' of a whole), and the same in words."""

    name: str
    parts: tuple[float, float]
    whole: float
    told: str
    overfull: bool = False


def _books(books: Dimension, width: int) -> _Row:
    """Reserved and otherwise used, of what may be used."""
    if books.allowed is None:
        return _Row(name=books.name, parts=(0, 0), whole=0, told=text.UNKNOWN)
    left = 0 if books.headroom is None else books.headroom
    others = books.external + books.ghosts
    told = f"{_amount(books.promised, books.unit)} of {_amount(books.allowed, books.unit)}"
    if width >= COUNTED_IN_FULL:
        told += f", others {_amount(others, books.unit)}, left {_amount(left, books.unit)}"
    parts = (books.promised, others)
    return _Row(name=books.name, parts=parts, whole=books.allowed, told=told, overfull=left < 0)


def _stacked(rows: Sequence[_Row], sight: Sight, width: int) -> list[Text]:
    """Their bars begin and end in one column each."""
    label = min(LONGEST_NAME, max((cell_len(printable(row.name)) for row in rows), default=0))
    words = max((cell_len(row.told) for row in rows), default=0)
    room = max(4, width - label - words - 2)
    lines = []
    for row in rows:
        bar = marks.stack(row.parts, row.whole, room, sight.glyphs, overfull=row.overfull)
        lines.append(pair(Text.assemble(fit(said(row.name), label), " ", bar, no_wrap=True), row.told, width))
    return lines


def _amount(value: int, unit: str) -> str:
    if unit == "bytes":
        return text.size(value)
    return f"{value / MILLI:.1f}" if unit == "millicores" else str(value)


def _jobs(sight: Sight, admission: AdmissionState, width: int) -> Section:
    active = admission.active
    shown = sight.first(len(active))
    lines = table(JOB_COLUMNS, (_job(each, sight) for each in active[:shown]), width) if active else []
    used = [job.measured_bytes for job in active if job.measured_bytes is not None]
    aside = f"{text.size(sum(job.memory_bytes for job in active))} reserved"
    if used:
        aside = f"uses {text.size(sum(used))}, {aside}"
    return Section(
        title=f"Jobs {admission.active_jobs}",
        aside=aside if active else "",
        lines=[*(lines or [_none("none runs")]), *_more(len(active) - shown)],
    )


def _job(job: ActiveJob, sight: Sight) -> list[Cell]:
    over = job.measured_bytes is not None and job.measured_bytes > job.memory_bytes
    left = sight.until(job.expires_at)
    return [
        job.job_id,
        job.owner,
        job.kind or text.UNKNOWN,
        text.size(job.memory_bytes),
        Text(text.size(job.measured_bytes), style=marks.HIGH if over else ""),
        f"{job.cpu_cores:g}",
        str(len(job.gpus)) if job.gpus else text.UNKNOWN,
        job.priority,
        span(left) if left > 0 else "now",
    ]


def _queue(sight: Sight, admission: AdmissionState, width: int) -> Section:
    """Each waiter, and below it what is in its way."""
    shown = sight.first(len(admission.queue))
    waiting = admission.queue[:shown]
    header, *rows = table(QUEUE_COLUMNS, map(_waiter, waiting), width)
    lines = [header] if waiting else [_none("nobody waits")]
    for row, job in zip(rows, waiting, strict=True):
        lines.append(row)
        for reason in reasons.lines(job.reasons):
            folded = textwrap.wrap(reason, max(1, width - 3)) if sight.rows is None else [reason]
            lines.extend(said(f"   {each}", marks.FAINT) for each in folded)
    return Section(title=f"Queue {admission.queued_jobs}", lines=[*lines, *_more(len(admission.queue) - shown)])


def _waiter(job: QueuedJob) -> list[Cell]:
    return [
        str(job.position),
        Text(printable(job.job_id), style="bold" if job.protected else "" if job.attended else marks.FAINT),
        job.owner,
        text.size(job.memory_bytes),
        job.priority,
        span(job.waited_seconds),
    ]


def _provider(provider: Provider, width: int) -> _Row:
    told = f"{provider.active} of {provider.max_concurrent}"
    if provider.queued:
        told += f", {provider.queued} wait"
    if width >= TOLD_IN_FULL and provider.requests_available is not None:
        told = f"{provider.requests_available} requests left, {told}"
    if width >= TOLD_IN_FULL and provider.tokens_available is not None:
        told = f"{provider.tokens_available} tokens left, {told}"
    return _Row(name=provider.name, parts=(provider.active, 0), whole=provider.max_concurrent, told=told)
