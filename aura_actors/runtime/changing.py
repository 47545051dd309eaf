"""New settings for a runtime that runs: what of them holds at once, and what waits for the next start.

Owns which keys are which, and how each reaches the part that goes by it. Admission is restarted for its own: it
takes over leases and waiters as after a crash, and nobody loses anything. So is cleanup for its own, where a run
that is under way ends in order first. Reads no file.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
import trio

from aura_actors.config import Settings
from aura_actors.config.section import Section
from aura_actors.errors import InvalidValue
from aura_actors.runtime import cleaning, rules
from aura_actors.runtime.parts import Parts

ACCESS: Final = ("token", "token_file", "tokens", "allowed_hosts", "allowed_origins", "trusted_proxies")
"""Keys of `[http]` that hold at once: for what is asked and who connects from then on."""
BUILT_IN: Final = ("bytes_per_job",)
"""Keys of `[admission]` that the edges go by too."""
FOLDERS_SECONDS: Final = 5.0
"""Whoever waits longer for a folder waits for a disk that is not there."""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """Dotted keys whose values are others than before."""

    now: tuple[str, ...]
    """They hold."""
    at_next_start: tuple[str, ...]
    """They do not yet."""


async def check(parts: Parts, new: Settings) -> None:
    """Whether these settings can hold here, which their text alone does not say. Raises `InvalidValue`."""
    settings = merged(parts.settings, new)
    if settings.cleanup == parts.settings.cleanup:
        return
    try:
        with trio.fail_after(FOLDERS_SECONDS):
            await trio.to_thread.run_sync(
                cleaning.check_roots,
                parts.settings,
                settings,
                parts.held,
                limiter=parts.threads.limiter("cleanup-roots"),
                abandon_on_cancel=True,
            )
    except trio.TooSlowError:
        text = f"a folder that is to be cleaned up did not answer within {FOLDERS_SECONDS:g} s"
        raise InvalidValue(text, path="cleanup") from None


async def change(parts: Parts, new: Settings) -> Changed:
    """Go by these settings, which `check` has nothing against, as far as that can be done in a running runtime."""
    old = parts.settings
    settings = parts.settings = merged(old, new)
    parts.alerts.change(rules.thresholds(settings))
    for door in parts.doors:
        door.access = rules.access(settings, parts.sockets)
    if (settings.admission, settings.providers) != (old.admission, old.providers):
        rules.retune(parts.seen, settings)
        await parts.supervisor.restart_child("admission")
    if settings.cleanup != old.cleanup:
        await parts.supervisor.restart_child("cleanup")
    return Changed(now=differences(old, settings), at_next_start=differences(settings, new))


def merged(old: Settings, new: Settings) -> Settings:
    """The old settings with everything of the new ones that can hold at once."""
    return msgspec.structs.replace(
        old,
        http=msgspec.structs.replace(old.http, **{key: getattr(new.http, key) for key in ACCESS}),
        admission=msgspec.structs.replace(new.admission, **{key: getattr(old.admission, key) for key in BUILT_IN}),
        providers=new.providers,
        alerts=new.alerts,
        cleanup=new.cleanup,
        log=new.log,
    )


def differences(before: Settings, after: Settings) -> tuple[str, ...]:
    """Dotted keys that differ, sorted; of a table with free names those that only one of them has, too."""
    left, right = dict(_flat(before, "")), dict(_flat(after, ""))
    return tuple(sorted(key for key in {*left, *right} if left.get(key) != right.get(key)))


def _flat(section: Section, path: str) -> Iterator[tuple[str, object]]:
    for field in msgspec.structs.fields(section):
        value, key = getattr(section, field.name), f"{path}{field.encode_name}"
        if isinstance(value, Section):
            yield from _flat(value, f"{key}.")
        elif field.name == "by_name":
            for name, each in value.items():
                yield from _flat(each, f"{path}{name}.")
        elif field.name != "sources":
            yield key, value
