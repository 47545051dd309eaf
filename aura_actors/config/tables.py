"""A list of small tables under one key, such as `children = [{ table = "uploads" }]`.

Owns how such a list is read into frozen Structs and written back; the Struct says which keys an entry has.
"""

from typing import TypeVar

import msgspec

from aura_actors.config.readers import Reader, echo, quoted
from aura_actors.errors import InvalidValue

S = TypeVar("S", bound=msgspec.Struct)


class TablesOf(Reader[tuple[S, ...]]):
    """Tables with the keys of `kind`, whose values are texts."""

    def __init__(self, kind: type[S]) -> None:
        self._kind = kind

    def read(self, value: object) -> tuple[S, ...]:
        if not isinstance(value, list | tuple):
            raise InvalidValue(f"expected a list of tables with {self._keys()}, got {echo(value)}")
        return tuple(self._entry(number, each) for number, each in enumerate(value, 1))

    def toml(self, value: tuple[S, ...]) -> str:
        return f"[{', '.join(map(_inline, value))}]"

    def _entry(self, number: int, value: object) -> S:
        try:
            return msgspec.convert(value, self._kind, strict=True)
        except msgspec.ValidationError as error:
            raise InvalidValue(f"entry {number} is not as it should be: {error}; it has {self._keys()}") from error

    def _keys(self) -> str:
        return ", ".join(self._kind.__struct_fields__)


def _inline(entry: msgspec.Struct) -> str:
    parts = [
        f"{key} = {quoted(str(each))}" for key, each in msgspec.structs.asdict(entry).items() if each is not None
    ]
    return f"{{ {', '.join(parts)} }}"
