"""`[[http.tokens]]`: named tokens, each for some scopes.

Owns what an entry may hold, how a token comes out of its file, and that no two tokens are the same. No refusal
repeats a token, so none repeats a value that could be one. Reading the files blocks.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from aura_actors.config.readers import FilePath, ListOf, Reader, Token, echo, quoted
from aura_actors.config.secret import HIDDEN, Secret
from aura_actors.errors import InvalidValue
from aura_actors.wire.scopes import SCOPES, Scope

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEYS = ("name", "scopes", "token", "token_file")


class HttpToken(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. Its name is the owner of all leases that are taken with it."""

    name: str
    scopes: tuple[Scope, ...]
    token: Secret | None = None
    """None until `token_file` was read."""
    token_file: Path | None = None


class _Scopes(Reader[Scope]):
    """One scope. Does not echo, because what was put there may be the token."""

    def read(self, value: object) -> Scope:
        for scope in SCOPES:
            if value == scope:
                return scope
        raise InvalidValue(f"expected scopes out of {', '.join(sorted(SCOPES))}")

    def toml(self, value: Scope) -> str:
        return quoted(value)


_SCOPES: ListOf[Scope] = ListOf(_Scopes(), minimum_items=1)
_FILE, _TOKEN = FilePath(), Token()


class Tokens(Reader[tuple[HttpToken, ...]]):
    """The list of entries, from `[[http.tokens]]` or written in one line."""

    def read(self, value: object) -> tuple[HttpToken, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(each, dict) for each in value):
            raise InvalidValue("expected tables [[http.tokens]] with name, scopes and token or token_file")
        tokens = tuple(_entry(number, each) for number, each in enumerate(value, 1))
        _no_two([token.name for token in tokens], "have the same name")
        return tokens

    def toml(self, value: tuple[HttpToken, ...]) -> str:
        return tokens_toml(value, hide_secrets=True)


def holds_secret(value: object) -> bool:
    """True where a token is written in the list itself."""
    return isinstance(value, tuple) and any(
        isinstance(each, HttpToken) and each.token_file is None for each in value
    )


def tokens_toml(tokens: Sequence[HttpToken], *, hide_secrets: bool) -> str:
    """The list in one line; a token that came from its file is left to that file."""
    return f"[{', '.join(_table(each, hide_secrets) for each in tokens)}]"


def with_files_read(tokens: Sequence[HttpToken], single: Secret | None, source: str) -> tuple[HttpToken, ...]:
    """Every entry with its token. Raises InvalidValue where a file has none, or two tokens are the same."""
    filled = tuple(
        each
        if each.token_file is None
        else msgspec.structs.replace(each, token=read_token(each.token_file, source, "http.tokens"))
        for each in tokens
    )
    texts = [each.token.reveal() for each in filled if each.token is not None]
    try:
        _no_two([*texts, *(() if single is None else (single.reveal(),))], "are the same")
    except InvalidValue as error:
        raise InvalidValue(f"{error} (from {source})", path="http.tokens") from None
    return filled


def read_token(file: Path, source: str, path: str = "http.token_file") -> Secret:
    """The token in a file, without the line end. Raises InvalidValue; never repeats what the file holds."""
    try:
        return _TOKEN.read(file.read_bytes().decode("utf-8").strip())
    except OSError as error:
        reason = f"cannot read {echo(str(file))}: {error.strerror or error}"
    except UnicodeDecodeError:
        reason = f"{echo(str(file))} is not a text"
    except InvalidValue as error:
        reason = f"{echo(str(file))}: {error}"
    raise InvalidValue(f"{reason} (from {source})", path=path)


def _entry(number: int, table: dict[str, Any]) -> HttpToken:
    fault = _fault(table)
    if fault is not None:
        raise InvalidValue(f"token {number} {fault}")
    try:
        return HttpToken(
            name=table["name"],
            scopes=_SCOPES.read(table["scopes"]),
            token=_TOKEN.read(table["token"]) if "token" in table else None,
            token_file=_FILE.read(table["token_file"]) if "token_file" in table else None,
        )
    except InvalidValue as error:
        raise InvalidValue(f"token {number}: {error}") from None


def _fault(table: dict[str, Any]) -> str | None:
    if any(key not in _KEYS for key in table):
        return f"has an unknown key; there are {', '.join(_KEYS)}"
    if "scopes" not in table:
        return "has no scopes"
    name = table.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return "needs a name of 1 to 64 letters, digits and ._-"
    return "needs one of token and token_file" if ("token" in table) is ("token_file" in table) else None


def _table(token: HttpToken, hide_secrets: bool) -> str:
    if token.token_file is not None:
        last = f"token_file = {_FILE.toml(token.token_file)}"
    else:
        shown = HIDDEN if hide_secrets or token.token is None else token.token.reveal()
        last = f"token = {quoted(shown)}"
    return f"{{ name = {quoted(token.name)}, scopes = {_SCOPES.toml(token.scopes)}, {last} }}"


def _no_two(texts: Sequence[str], fault: str) -> None:
    if len(set(texts)) < len(texts):
        raise InvalidValue(f"two tokens {fault}")
