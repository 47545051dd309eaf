"""From a file, the environment and options to Settings; the later of them wins, key by key.

Owns the order, the checks that concern two keys, and the source that every refusal names. What a value may be is
the readers' business. Blocks: it reads the file, and those of tokens.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import msgspec.structs

from aura_actors.config.environment import from_environment
from aura_actors.config.found import Found, named, put
from aura_actors.config.readers import echo
from aura_actors.config.schema import Path as KeyPath
from aura_actors.config.schema import Table, dotted, schema, unknown_key
from aura_actors.config.sections import PROVIDER_NAME, Settings
from aura_actors.config.tokens import read_token, with_files_read
from aura_actors.errors import InvalidValue


def load(
    path: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, object],
    *,
    option_names: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of this file (None: no file), this environment and these overrides.

    `overrides` are by dotted key (`http.port`); None means that the option was not given. `option_names` says what
    to call each in a refusal (`--port`). Raises InvalidValue with one sentence, its path and its source.
    """
    found: Found = {}
    if path is not None:
        source = str(path).encode("unicode_escape").decode("ascii")
        _from_table(_parse(path, source), schema(), (), source, found)
    from_environment(environ, found)
    for key, value in overrides.items():
        if value is not None:
            _override(key, value, (option_names or {}).get(key, "an override"), found)
    settings: Settings = _assemble(schema(), (), found)
    return _checked(_with_tokens(settings), found)


def _parse(path: Path, source: str) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InvalidValue(f"cannot read {source}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InvalidValue(f"{source} is not UTF-8 (at line {line})") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidValue(f"{source} is not TOML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise InvalidValue(f"{source} is nested too deeply") from error
    except ValueError as error:  # an integer of more digits than Python reads
        raise InvalidValue(f"{source} holds a number that is far too long") from error


def _from_table(raw: Mapping[str, object], table: Table, path: KeyPath, source: str, found: Found) -> None:
    for key, value in raw.items():
        here = (*path, key)
        inner = table.tables.get(key)
        if inner is None and isinstance(value, dict) and key not in table.readers:
            inner = _named_table(here, table, source, found)
        if key in table.readers:
            put(found, here, table.readers[key], value, source)
        elif inner is None:
            raise named(unknown_key(here, table), source)
        elif not isinstance(value, dict):
            raise InvalidValue(f"expected a table, got {echo(value)} (from {source})", path=dotted(here))
        else:
            _from_table(value, inner, here, source, found)


def _named_table(here: KeyPath, table: Table, source: str, found: Found) -> Table | None:
    """The table under a free name; a name that differs from another one only in case is refused."""
    if table.named is None:
        return None
    try:
        name = PROVIDER_NAME.read(here[-1])
    except InvalidValue as error:
        raise InvalidValue(f"{error} (from {source})", path=dotted(here)) from error
    for other in found:
        same = other[:-2] == here[:-1] and other[-2] != name and other[-2].casefold() == name.casefold()
        if len(other) == len(here) + 1 and same:
            text = f"differs from {other[-2]} only in case; keep one of the two (from {source})"
            raise InvalidValue(text, path=dotted(here))
    return table.named


def _override(key: str, value: object, source: str, found: Found) -> None:
    path = tuple(key.split("."))
    table: Table | None = schema()
    for part in path[:-1]:
        table = None if table is None else table.tables.get(part, table.named)
    if table is None or path[-1] not in table.readers:
        raise named(unknown_key(path, table or schema()), source)
    put(found, path, table.readers[path[-1]], value, source)


def _assemble(table: Table, path: KeyPath, found: Found) -> Any:
    values: dict[str, Any] = {
        table.fields[key]: found[(*path, key)].value for key in table.readers if (*path, key) in found
    }
    for key, inner in table.tables.items():
        values[table.fields[key]] = _assemble(inner, (*path, key), found)
    if table.named is not None:
        depth = len(path)
        names = dict.fromkeys(at[depth] for at in found if at[:depth] == path and len(at) == depth + 2)
        values["by_name"] = {name: _assemble(table.named, (*path, name), found) for name in names}
    if table is schema():
        values["sources"] = {dotted(at): each.source for at, each in found.items()}
    return table.struct(**values)


def _with_tokens(settings: Settings) -> Settings:
    """The tokens themselves where only their files are named."""
    http, sources = settings.http, settings.sources
    if http.token_file is not None:
        if http.token is not None:
            both = f"{sources['http.token']} and {sources['http.token_file']}"
            raise InvalidValue(
                f"give http.token or http.token_file, not both (from {both})", path="http.token_file"
            )
        http = msgspec.structs.replace(http, token=read_token(http.token_file, sources["http.token_file"]))
    if http.tokens:
        named_ones = with_files_read(http.tokens, http.token, sources["http.tokens"])
        http = msgspec.structs.replace(http, tokens=named_ones)
    return msgspec.structs.replace(settings, http=http)


def _checked(settings: Settings, found: Found) -> Settings:
    """What no key can know alone."""
    admission, sampler, cleanup = settings.admission, settings.sampler, settings.cleanup
    if admission.lease_ttl > admission.max_lease_ttl:
        raise _pair("admission.lease_ttl", "admission.max_lease_ttl", found)
    if sampler.interval > sampler.history:
        raise _pair("sampler.interval", "sampler.history", found)
    if cleanup.disk_low_percent > cleanup.disk_high_percent:
        raise _pair("cleanup.disk_low_percent", "cleanup.disk_high_percent", found)
    return settings


def _pair(small: str, large: str, found: Found) -> InvalidValue:
    sources = [found[at].source for key in (small, large) if (at := tuple(key.split("."))) in found]
    error = InvalidValue(f"must not be more than {large}", path=small)
    return named(error, " and ".join(dict.fromkeys(sources)))
