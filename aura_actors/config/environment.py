"""Settings from the environment: `AURA_SECTION__KEY`, and `AURA__KEY` for a key outside every section.

Owns how a name becomes a path: only names with `__` are settings (`AURA_URL` and `AURA_TOKEN` belong to the client
commands); case does not matter, and `_` matches `-`. A value is read as a TOML literal where that gives what the
key expects, else as the text it is.
"""

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from aura_actors.config.found import Found, Sourced, named
from aura_actors.config.readers import Reader
from aura_actors.config.schema import Path, dotted, folded, schema, unknown_key
from aura_actors.config.sections import PROVIDER_NAME
from aura_actors.errors import InvalidValue

PREFIX = "AURA_"


def from_environment(environ: Mapping[str, str], found: Found) -> None:
    """Put every setting of `environ` into `found`. Raises InvalidValue with the path and the variable's name."""
    variables: dict[Path, str] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or "__" not in name[len(PREFIX) - 1 :]:
            continue
        source = name.encode("unicode_escape").decode("ascii")
        try:
            path, reader = _resolve(name, found)
            _only_one(path, source, variables)
            found[path] = Sourced(_value(environ[name], reader, dotted(path)), source)
        except InvalidValue as error:
            raise named(error, source) from error


def _only_one(path: Path, source: str, variables: dict[Path, str]) -> None:
    other = variables.setdefault(path, source)
    if other != source:
        raise InvalidValue(f"is set by {other} too; keep one of the two", path=dotted(path))


def _resolve(name: str, found: Found) -> tuple[Path, Reader[Any]]:
    """The key that a variable's name means, and its reader."""
    text = name[len(PREFIX) :]
    parts = text[1:].split("__") if text.startswith("_") else text.split("__")
    table, path = schema(), Path()
    for part in parts[:-1]:
        key = _match(part, table.tables)
        if key is not None:
            table = table.tables[key]
        elif table.named is not None:
            key = _match(part, _names_below(path, found)) or PROVIDER_NAME.read(part)
            table = table.named
        else:
            raise unknown_key((*path, part.casefold()), table)
        path = (*path, key)
    key = _match(parts[-1], table.readers)
    if key is None:
        raise unknown_key((*path, parts[-1].casefold()), table)
    return (*path, key), table.readers[key]


def _match(part: str, names: Iterable[str]) -> str | None:
    return next((name for name in names if folded(name) == folded(part)), None)


def _names_below(path: Path, found: Found) -> list[str]:
    """The free names already in use below `path`."""
    return [at[len(path)] for at in found if at[: len(path)] == path and len(at) == len(path) + 2]


def _value(text: str, reader: Reader[Any], path: str) -> object:
    """The text as what the key expects; a literal of the wrong kind is reported as that literal."""
    reason: InvalidValue | None = None
    for candidate in (*_literal(text), text):
        try:
            return reader.read(candidate)
        except InvalidValue as error:
            reason = reason or error
    raise InvalidValue(str(reason), path=path)


def _literal(text: str) -> tuple[object, ...]:
    """The one TOML value that `text` is, or nothing."""
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return ()
    return (document["value"],) if len(document) == 1 else ()
