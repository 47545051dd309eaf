"""Keeps secrets out of the log, by the name of a key and by the look of a text. Knows no logging library."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from aura_actors.config.secret import HIDDEN

SECRET_ENDINGS: Final = ("token", "secret", "password", "authorization", "leaseid", "auralease", "ticket", "cookie")
"""A key is secret where its name, in lower case and without punctuation, ends in one of these."""

_IN_TEXT = re.compile(r"(?i)\b(bearer\s+|aura-lease\W+|token=)[^\s&\"',;]+")


def redact(value: object, known: Sequence[str] = ()) -> object:
    """The same value with every secret replaced, at any depth; `known` are texts to hide wherever they stand."""
    if isinstance(value, str):
        return _text(value, known)
    if isinstance(value, bytes):
        return _text(value.decode("utf-8", "backslashreplace"), known)
    if isinstance(value, Mapping):
        return {key: HIDDEN if is_secret(key) and each else redact(each, known) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(each, known) for each in value]
    return value


def is_secret(key: object) -> bool:
    """True for names such as `token`, `lease_id`, `leaseId` and `Authorization`; not for `token_file`."""
    name = key.decode("latin-1") if isinstance(key, bytes) else str(key)
    return re.sub(r"[^a-z]", "", name.casefold()).endswith(SECRET_ENDINGS)


def _text(text: str, known: Sequence[str]) -> str:
    for secret in known:
        text = text.replace(secret, HIDDEN)
    return _IN_TEXT.sub(rf"\g<1>{HIDDEN}", text)
