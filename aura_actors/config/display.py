"""Settings as a TOML file again, with the source of each value beside it. Owns the layout; shows no secret."""

from collections.abc import Iterator
from typing import Any

from aura_actors.config.readers import Reader, quoted
from aura_actors.config.schema import Path, Table, dotted, schema
from aura_actors.config.secret import HIDDEN, Secret
from aura_actors.config.section import Section
from aura_actors.config.sections import Settings
from aura_actors.config.tokens import holds_secret, tokens_toml


def to_toml(settings: Settings, *, hide_secrets: bool = True) -> str:
    """Every key with its value and its source; the text loads again.

    A key without a value is a comment, and so is a hidden token: a file made from this text must not serve with
    `***`. A token that came from `token_file` is left to that file.
    """
    lines = list(_lines(settings, schema(), (), settings.sources, hide_secrets))
    return "\n".join(lines).lstrip("\n") + "\n"


def _lines(
    section: Section, table: Table, path: Path, sources: dict[str, str], hide_secrets: bool
) -> Iterator[str]:
    if path:
        yield ""
        yield f"[{'.'.join(map(_key, path))}]"
    for key, reader in table.readers.items():
        value: Any = getattr(section, table.fields[key])
        source = sources.get(dotted((*path, key)))
        if value is None:
            yield f"# {key} is not set"
        elif isinstance(value, Secret) and source is None:
            yield f'# {key} = "{HIDDEN}"  # in token_file'
        elif hide_secrets and holds_secret(value):
            yield f"# {key} = {reader.toml(value)}  # {source}"
        elif isinstance(value, Secret) and hide_secrets:
            yield f'# {key} = "{HIDDEN}"  # {source}'
        else:
            yield f"{key} = {_revealed(value, reader)}  # {source or 'default'}"
    for key, inner in table.tables.items():
        yield from _lines(getattr(section, table.fields[key]), inner, (*path, key), sources, hide_secrets)
    if table.named is not None:
        named: dict[str, Section] = section.by_name  # type: ignore[attr-defined]  # `named` tables have it
        for name, each in named.items():
            yield from _lines(each, table.named, (*path, name), sources, hide_secrets)


def _revealed(value: Any, reader: Reader[Any]) -> str:
    if isinstance(value, Secret):
        return quoted(value.reveal())
    return tokens_toml(value, hide_secrets=False) if holds_secret(value) else reader.toml(value)


def _key(part: str) -> str:
    return part if part.replace("-", "").replace("_", "").isalnum() and part.isascii() else quoted(part)
