"""From the settings of cleanup to what its actor takes: the tasks' own options, and the rule of the schedule.

Owns the translation, and which folders of new settings are looked at before these hold. A key and the option that
it sets have the same name, but for units: durations get theirs.
"""

from pathlib import Path
from typing import Any, get_args

import msgspec

from aura_actors.actors.cleanup import CleanupRule, recognise
from aura_actors.cleaners import AnyCleaner, Declined
from aura_actors.config import Settings
from aura_actors.config.section import Section
from aura_actors.domain.schedule import Periods
from aura_actors.domain.snapshot import Snapshot
from aura_actors.domain.watermarks import Marks
from aura_actors.domain.yielding import Load, Manners
from aura_actors.errors import InvalidValue, StoreUnavailable
from aura_actors.messages.admission_view import Totals
from aura_actors.runtime.held import Held
from aura_actors.stores.data_dir import DataDir

_OPTION = {"older_than": "older_than_seconds", "second_look_after": "second_look_after_seconds"}


def cleanup_rule(settings: Settings, data: DataDir) -> CleanupRule:
    """The settings of cleanup as its actor takes them."""
    options = settings.cleanup
    return CleanupRule(
        cleaners=cleaners(settings),
        data_dir=str(data.path),
        journal=str(data.quarantine),
        database=str(options.database or data.application),
        enabled=options.enabled,
        periods=Periods(hourly_seconds=options.hourly, daily_seconds=options.daily, weekly_seconds=options.weekly),
        start_delay_seconds=options.start_delay,
        quarantine_seconds=options.quarantine,
        nice=options.nice,
        marks=Marks(high_percent=options.disk_high_percent, low_percent=options.disk_low_percent),
        manners=Manners(
            cpu_percent=options.yielding.cpu_percent,
            io_percent=options.yielding.io_percent,
            running_jobs=options.yielding.running_jobs,
            patience_periods=options.yielding.patience_periods,
        ),
    )


def cleaners(settings: Settings) -> list[AnyCleaner]:
    """Every task with its options."""
    return [_cleaner(kind, settings) for kind in get_args(AnyCleaner) or (AnyCleaner,)]


def check_roots(old: Settings, new: Settings, held: Held) -> None:
    """Make or recognise the folders to clean up in that only the new settings name. Blocks.

    Raises `InvalidValue`, with the task, where one must not be worked in. Those that the old ones name too are not
    asked: a disk that is not mounted is no reason against other settings.
    """
    data_dir = str(held.data.path)
    known = {path for cleaner in cleaners(old) for path in cleaner.grounds_under(data_dir)}
    for cleaner in cleaners(new):
        for path in cleaner.grounds_under(data_dir):
            if path not in known:
                try:
                    recognise(held.schedule, path, data_dir)
                except (Declined, StoreUnavailable) as refusal:
                    raise InvalidValue(str(refusal), path=f"cleanup.{cleaner.name}") from refusal


def load(snapshot: Snapshot | None, totals: Totals) -> Load:
    """What the sampler saw last, and how many jobs run."""
    waiting = None if snapshot is None or snapshot.pressure is None else snapshot.pressure.io
    return Load(
        cpu_percent=None if snapshot is None else snapshot.cpu.overall_percent,
        io_percent=None if waiting is None or waiting.some is None else waiting.some.avg10_percent,
        running_jobs=totals.active_jobs,
    )


def _cleaner(kind: Any, settings: Settings) -> AnyCleaner:
    tag = kind.__struct_config__.tag
    section = getattr(settings.cleanup, tag.replace("-", "_"))
    try:
        cleaner: AnyCleaner = msgspec.convert({"task": tag, **_options(section)}, kind)
    except msgspec.ValidationError as error:  # settings that were not read, but made
        raise InvalidValue(str(error), path=f"cleanup.{tag}") from None
    return cleaner


def _options(section: Section) -> dict[str, Any]:
    return {_OPTION.get(name, name): _plain(getattr(section, name)) for name in section.__struct_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return _options(value)
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if isinstance(value, Path):
        return str(value)
    return None if value == "" else value
