"""Which cleanup task goes next: of those that are due, while the machine is calm or busy.

Owns the choice: nothing beside a run that is under way, a pause between two scheduled runs, the task that closes a
pass after all others of its period (within the same patience), and whoever has been due for longest first. When one
task is due is `schedule`'s rule, what is busy `yielding`'s. Reads no clock.
"""

from collections.abc import Mapping, Sequence

import msgspec

from aura_actors.domain.schedule import Timing, wait_seconds
from aura_actors.domain.yielding import Manners, may_wait

GAP_SECONDS = 60.0
"""Between the end of one run and the start of the next scheduled one."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One task and when it was last through (unix seconds)."""

    timing: Timing
    finished_at: float | None
    again_at: float | None = None
    """When it is tried again before its time (unix seconds): the last run was not to be, or could not."""


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """The moment of the choice."""

    wall: float
    """Unix seconds."""
    since_open_seconds: float
    since_run_seconds: float
    """Since the last run of any kind ended; infinite where there was none."""
    busy: bool


def waits(standings: Sequence[Standing], hour: Hour, start_delay_seconds: float) -> dict[str, float]:
    """Seconds until each enabled task is due, 0 or less when it is."""
    return {each.timing.task: _wait(each, hour, start_delay_seconds) for each in standings if each.timing.enabled}


def _wait(each: Standing, hour: Hour, start_delay_seconds: float) -> float:
    wait = wait_seconds(
        each.timing,
        each.finished_at,
        wall=hour.wall,
        since_open_seconds=hour.since_open_seconds,
        start_delay_seconds=start_delay_seconds,
    )
    if each.again_at is None:
        return wait
    return min(wait, max(each.again_at - hour.wall, start_delay_seconds - hour.since_open_seconds))


def choose(
    standings: Sequence[Standing], hour: Hour, *, start_delay_seconds: float, manners: Manners
) -> str | None:
    """The task to start now; None where none is due, or the machine is busy and all that are due can wait.

    Called while nothing runs. Coalesced: however long nobody looked, a task is due once.
    """
    if hour.since_run_seconds < GAP_SECONDS:
        return None
    left = waits(standings, hour, start_delay_seconds)
    due = {
        each.timing.task: left[each.timing.task]
        for each in standings
        if left.get(each.timing.task, 1.0) <= 0
        and not (
            (hour.busy or (each.timing.last_of_pass and _pass_goes_on(each, standings)))
            and may_wait(left[each.timing.task], each.timing.period_seconds, manners)
        )
    }
    return most_overdue(due)


def most_overdue(waits: Mapping[str, float]) -> str | None:
    """The task that has been due for longest, by `wait_seconds` of each; None when none is due."""
    due = [(wait, task) for task, wait in waits.items() if wait <= 0]
    return min(due)[1] if due else None


def _pass_goes_on(last: Standing, standings: Sequence[Standing]) -> bool:
    """Whether another task of the same period has not been through since `last` was."""
    others = [
        each
        for each in standings
        if each is not last
        and each.timing.enabled
        and each.timing.period_seconds == last.timing.period_seconds
        and not each.timing.last_of_pass
    ]
    since = float("-inf") if last.finished_at is None else last.finished_at
    return any(each.finished_at is None or each.finished_at <= since for each in others)
