"""The tree of tables and keys, read off the Settings' own annotations.

Owns which key has which reader, and the "did you mean" of those that do not exist. Knows no value and no source.
"""

import difflib
import functools
from collections.abc import Iterable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import msgspec.structs

from aura_actors.config.readers import Reader
from aura_actors.config.section import Section
from aura_actors.config.sections import Provider, Providers, Settings, Unit, Units
from aura_actors.errors import InvalidValue

Path = tuple[str, ...]
"""The TOML keys from the top to a value."""


NAMED: dict[type[Section], type[Section]] = {Providers: Provider, Units: Unit}
"""Tables in which names are free, and what a table under such a name looks like."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One TOML table: its keys and the tables in it, under their TOML names."""

    struct: type[Section]
    fields: dict[str, str]
    """TOML name to field name, of keys and tables."""
    readers: dict[str, Reader[Any]]
    tables: dict[str, "Table"]
    named: "Table | None" = None
    """What a table under a free name looks like, where names are free; they are kept in `by_name`."""


@functools.cache
def schema() -> Table:
    """The whole configuration."""
    return _table(Settings)


def unknown_key(path: Path, table: Table) -> InvalidValue:
    """The refusal of a key that `table` does not have."""
    hint = did_you_mean(path[-1], (*table.readers, *table.tables))
    return InvalidValue(f"unknown key{hint}", path=dotted(path))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing where none is close."""
    close = difflib.get_close_matches(folded(name), [folded(each) for each in known], n=1)
    return next((f"; did you mean {each}?" for each in known if [folded(each)] == close), "")


def folded(name: str) -> str:
    """The form in which names from the environment are compared."""
    return name.casefold().replace("-", "_")


def dotted(path: Path) -> str:
    """The path as it is written in messages; a key that is not printable is escaped."""
    return ".".join(part.encode("unicode_escape").decode("ascii") for part in path)


def _table(struct: type[Section]) -> Table:
    hints = get_type_hints(struct, include_extras=True)
    fields = {field.encode_name: field.name for field in msgspec.structs.fields(struct)}
    readers = {key: reader for key, name in fields.items() if (reader := _reader(hints[name])) is not None}
    tables = {
        key: _table(hints[name])
        for key, name in fields.items()
        if isinstance(hints[name], type) and issubclass(hints[name], Section)
    }
    each = NAMED.get(struct)
    named = None if each is None else _table(each)
    return Table(struct=struct, fields=fields, readers=readers, tables=tables, named=named)


def _reader(hint: object) -> Reader[Any] | None:
    if get_origin(hint) is not Annotated:
        return None
    return next((extra for extra in get_args(hint)[1:] if isinstance(extra, Reader)), None)
