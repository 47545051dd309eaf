"""New settings for a runtime that runs: what of them holds at once, and what waits for the next start.

Owns which keys are which, and how each reaches the part that goes by it. Admission is restarted for its own: it
takes over leases and waiters as after a crash, and nobody loses anything. So is cleanup for its own, where a run
that is under way ends in order first. Reads no file.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
import trio

from aura_actors.config import Settings, check_exposure
from aura_actors.config.certificate import CERT, Certificate, read_certificate
from aura_actors.config.section import Section
from aura_actors.errors import InvalidValue
from aura_actors.runtime import cleaning, rules
from aura_actors.runtime.parts import Parts

ACCESS: Final = ("token", "token_file", "tokens", "allowed_hosts", "allowed_origins", "trusted_proxies")
"""Keys of `[http]` that hold at once: for what is asked and who connects from then on."""
CERTIFICATE: Final = ("tls_cert", "tls_key")
"""Keys of `[http]` that hold at once, for who connects from then on, where TLS was spoken before and still is."""
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


async def check(parts: Parts, new: Settings) -> Certificate | None:
    """Whether these settings can hold here, which their text alone does not say. Raises `UsageError`.

    The certificate that they name, as its files are now.
    """
    settings = merged(parts.settings, new)
    check_exposure(settings)  # the token would be another at once, the address only at the next start
    await _check_folders(parts, settings)
    return await trio.to_thread.run_sync(read_certificate, new, limiter=parts.threads.limiter("certificate"))


async def _check_folders(parts: Parts, settings: Settings) -> None:
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


async def change(parts: Parts, new: Settings, certificate: Certificate | None = None) -> Changed:
    """Go by these settings, which `check` has nothing against, as far as that can be done in a running runtime.

    `certificate` is what `check` has read.
    """
    old = parts.settings
    settings = parts.settings = merged(old, new)
    renewed = _show(parts, certificate)
    parts.alerts.change(rules.thresholds(settings))
    for door in parts.doors:
        door.access = rules.access(settings, parts.sockets)
    if (settings.admission, settings.providers) != (old.admission, old.providers):
        rules.retune(parts.seen, settings)
        await parts.supervisor.restart_child("admission")
    if settings.cleanup != old.cleanup:
        await parts.supervisor.restart_child("cleanup")
    now = tuple(sorted({*differences(old, settings), *renewed}))
    return Changed(now=now, at_next_start=differences(settings, new))


def _show(parts: Parts, certificate: Certificate | None) -> tuple[str, ...]:
    """Show this certificate to who connects from now on. The key whose file holds another one than before."""
    before = parts.certificate
    if before is None or certificate is None or before.digest == certificate.digest:
        return ()
    parts.certificate = certificate
    return (CERT,)


def merged(old: Settings, new: Settings) -> Settings:
    """The old settings with everything of the new ones that can hold at once."""
    tls = CERTIFICATE if old.http.scheme == new.http.scheme else ()
    return msgspec.structs.replace(
        old,
        http=msgspec.structs.replace(old.http, **{key: getattr(new.http, key) for key in (*ACCESS, *tls)}),
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
