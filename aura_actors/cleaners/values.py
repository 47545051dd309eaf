"""What SQLite holds, as JSON and back, without loss.

Owns the spelling: integers, text and NULL are themselves; a blob is `{"base64": …}`, a real that JSON has no number
for is `{"real": "inf"}`. Refuses text that is no UTF-8: what cannot be spelt must not be archived, nor deleted.
"""

import base64
import math
from typing import TypeAlias

import msgspec

Value: TypeAlias = int | float | str | bytes | None
"""As Python's sqlite3 gives it."""

Row: TypeAlias = tuple[Value, ...]


class Unspeakable(ValueError):
    """Text that is no UTF-8; no JSON can hold it."""


def spell(value: Value) -> object:
    """For JSON."""
    match value:
        case bytes():
            return {"base64": base64.b64encode(value).decode("ascii")}
        case float() if not math.isfinite(value):
            return {"real": str(value)}
        case str() if not _is_text(value):
            raise Unspeakable("text that is no UTF-8")
        case _:
            return value


def understand(spelt: object) -> Value:
    """The inverse of `spell`. Raises `ValueError` for anything else."""
    match spelt:
        case {"base64": str(text)}:
            return base64.b64decode(text, validate=True)
        case {"real": "inf" | "-inf" as text}:
            return float(text)
        case None | int() | float() | str():
            return spelt
        case _:
            raise ValueError("not a value of SQLite")


def encode(values: Row) -> bytes:
    """One row as a line of JSON, without its end."""
    return msgspec.json.encode([spell(value) for value in values])


def decode(line: bytes) -> Row:
    """The inverse of `encode`. Raises `ValueError`."""
    return tuple(understand(spelt) for spelt in msgspec.json.decode(line, type=list[object]))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
