"""Values on their way into the Settings, each with its source. Knows neither files nor the environment."""

from typing import Any

import msgspec

from aura_actors.config.readers import Reader
from aura_actors.config.schema import Path, dotted
from aura_actors.errors import InvalidValue


class Sourced(msgspec.Struct, frozen=True):
    """A value that was read, and the file, variable or option it came from."""

    value: Any
    source: str


Found = dict[Path, Sourced]
"""What was set so far; a later source replaces an earlier one."""


def put(found: Found, path: Path, reader: Reader[Any], value: object, source: str) -> None:
    """Read one value. Raises InvalidValue with the path and the source."""
    try:
        found[path] = Sourced(reader.read(value), source)
    except InvalidValue as error:
        raise named(InvalidValue(str(error), path=dotted(path)), source) from error


def named(error: InvalidValue, source: str) -> InvalidValue:
    """The same refusal, with where the value came from."""
    text = str(error).removeprefix(f"{error.path}: ")
    return InvalidValue(f"{text} (from {source})", path=error.path)
