"""How one value is read and written: each kind of key has a reader.

A reader turns a TOML value (or the same thing from the environment) into the plain number, text or path that the
Settings hold, refuses everything else with one sentence, and writes the value back as a TOML literal. It does not
know which key it reads: the loader adds the path and the source.
"""

import ipaddress
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from aura_actors.config.secret import HIDDEN, Secret
from aura_actors.errors import InvalidValue
from aura_actors.wire import units

T = TypeVar("T")
_ECHO_LIMIT = 60
_HUGE_BITS = 256
"""Python refuses to write out an integer of some thousand digits."""


class Reader(ABC, Generic[T]):
    """One kind of value."""

    @abstractmethod
    def read(self, value: object) -> T:
        """The value, checked and in its plain form. Raises InvalidValue without a path."""

    @abstractmethod
    def toml(self, value: T) -> str:
        """The TOML literal that reads back to `value`."""


class Flag(Reader[bool]):
    """true or false."""

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise InvalidValue(f"expected true or false, got {echo(value)}")
        return value

    def toml(self, value: bool) -> str:
        return "true" if value else "false"


class Whole(Reader[int]):
    """An integer within closed limits."""

    def __init__(self, minimum: int, maximum: int | None = None) -> None:
        self._minimum, self._maximum = minimum, maximum

    def read(self, value: object) -> int:
        limits = f"from {self._minimum} to {self._maximum}" if self._maximum else f"of at least {self._minimum}"
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidValue(f"expected a whole number {limits}, got {echo(value)}")
        if value < self._minimum or (self._maximum is not None and value > self._maximum):
            raise InvalidValue(f"expected a whole number {limits}, got {echo(value)}")
        return value

    def toml(self, value: int) -> str:
        return str(value)


class WholeOr(Reader[T]):
    """An integer, or one word in its place."""

    def __init__(self, word: str, minimum: int) -> None:
        self._word, self._minimum = word, minimum

    def read(self, value: object) -> T:
        is_number = isinstance(value, int) and not isinstance(value, bool) and value >= self._minimum
        if not is_number and value != self._word:
            wanted = f'"{self._word}" or a whole number of at least {self._minimum}'
            raise InvalidValue(f"expected {wanted}, got {echo(value)}")
        return value  # type: ignore[return-value]  # T is the union of the word's literal and int, checked above

    def toml(self, value: T) -> str:
        return json.dumps(value)


class Number(Reader[float]):
    """A number above `above` and at most `maximum`."""

    def __init__(self, *, above: float, maximum: float) -> None:
        self._above, self._maximum = above, maximum

    def read(self, value: object) -> float:
        wanted = f"a number above {self._above:g} and at most {self._maximum:g}"
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InvalidValue(f"expected {wanted}, got {echo(value)}")
        if not self._above < value <= self._maximum:  # also refuses nan
            raise InvalidValue(f"expected {wanted}, got {echo(value)}")
        return float(value)

    def toml(self, value: float) -> str:
        return str(int(value)) if value.is_integer() else repr(value)


class Size(Reader[int]):
    """Bytes, in the notation of `wire.units`."""

    def __init__(self, minimum_bytes: int = 0) -> None:
        self._minimum = minimum_bytes

    def read(self, value: object) -> int:
        size = units.parse_size(value)
        if size < self._minimum:
            raise InvalidValue(f"must be at least {units.format_size(self._minimum)}, got {echo(value)}")
        return size

    def toml(self, value: int) -> str:
        return quoted(units.format_size(value))


class Duration(Reader[float]):
    """Seconds, in the notation of `wire.units`."""

    def __init__(self, minimum_seconds: float = 0.0) -> None:
        self._minimum = minimum_seconds

    def read(self, value: object) -> float:
        seconds = units.parse_duration(value)
        if seconds < self._minimum:
            raise InvalidValue(f"must be at least {units.format_duration(self._minimum)}, got {echo(value)}")
        return seconds

    def toml(self, value: float) -> str:
        return quoted(units.format_duration(value))


class Text(Reader[str]):
    """A text, with a pattern where not everything will do; `wanted` says in words what the pattern allows."""

    def __init__(self, pattern: str = r"(?s).*", wanted: str = "a text") -> None:
        self._pattern, self._wanted = re.compile(pattern), wanted

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not is_unicode(value) or not self._pattern.fullmatch(value):
            raise InvalidValue(f"expected {self._wanted}, got {echo(value)}")
        return value

    def toml(self, value: str) -> str:
        return quoted(value)


class Choice(Reader[str]):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def read(self, value: object) -> str:
        if value not in self._words:
            raise InvalidValue(f"expected one of {', '.join(self._words)}, got {echo(value)}")
        return str(value)

    def toml(self, value: str) -> str:
        return quoted(value)


class ListOf(Reader[tuple[T, ...]]):
    """A list whose items all have one kind; `single` also takes one bare item for a list of one."""

    def __init__(self, item: Reader[T], *, single: bool = False, minimum_items: int = 0) -> None:
        self._item, self._single, self._minimum_items = item, single, minimum_items

    def read(self, value: object) -> tuple[T, ...]:
        if self._single and isinstance(value, str):
            value = [value]
        if not isinstance(value, list | tuple):
            raise InvalidValue(f'expected a list such as ["a", "b"], got {echo(value)}')
        if len(value) < self._minimum_items:
            raise InvalidValue("expected a list with at least one item, got an empty one")
        return tuple(dict.fromkeys(self._item.read(item) for item in value))

    def toml(self, value: tuple[T, ...]) -> str:
        return f"[{', '.join(self._item.toml(item) for item in value)}]"


class Network(Reader[str]):
    """An IP address or a network such as 10.0.0.0/8, or one `word` in its place."""

    def __init__(self, word: str) -> None:
        self._word = word

    def read(self, value: object) -> str:
        if value == self._word:
            return self._word
        try:
            if isinstance(value, str):
                return str(ipaddress.ip_network(value, strict=False))
        except ValueError:
            pass
        wanted = f'an address, a network such as "10.0.0.0/8" or "{self._word}"'
        raise InvalidValue(f"expected {wanted}, got {echo(value)}")

    def toml(self, value: str) -> str:
        return quoted(value)


class FilePath(Reader[Path]):
    """A path; a leading `~` is the home folder, a relative one starts at the working directory."""

    def read(self, value: object) -> Path:
        if isinstance(value, Path):
            value = str(value)
        if not isinstance(value, str) or not value or "\0" in value or not is_unicode(value):
            raise InvalidValue(f"expected a path, got {echo(value)}")
        try:
            return Path(value).expanduser()
        except RuntimeError as error:
            raise InvalidValue(f"the home folder in {echo(value)} is not known") from error

    def toml(self, value: Path) -> str:
        return quoted(str(value))


class Token(Reader[Secret]):
    """A bearer token. Its errors never repeat the value."""

    _SENDABLE = re.compile(r"[!-~]+")

    def read(self, value: object) -> Secret:
        if not isinstance(value, str):
            raise InvalidValue("a token must be a text")
        if not value:
            raise InvalidValue("the token is empty; remove the key to serve without one, on loopback only")
        if not self._SENDABLE.fullmatch(value):
            raise InvalidValue("a token must be printable ASCII without spaces, or no client could send it")
        return Secret(value)

    def toml(self, value: Secret) -> str:
        return quoted(HIDDEN)


def quoted(text: str) -> str:
    """`text` as a TOML basic string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def is_unicode(text: str) -> bool:
    """False where bytes that are not UTF-8 came in through the environment or a file name."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def echo(value: object) -> str:
    """The value as a short printable part of an error sentence."""
    names: dict[type, Callable[[], str]] = {
        dict: lambda: "a table",
        list: lambda: "a list",
        tuple: lambda: "a list",
    }
    if type(value) in names:
        return names[type(value)]()
    if isinstance(value, int) and value.bit_length() > _HUGE_BITS:
        return "a huge number"
    if isinstance(value, bool):
        return str(value).lower()
    shown = json.dumps(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= _ECHO_LIMIT else f"{shown[:_ECHO_LIMIT]}…"
