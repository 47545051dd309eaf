"""Secrets that nobody can guess, in text that a header and a URL take as it is.

Owns their length and their supply. Whose they are, and who may see them, is known elsewhere.
"""

import secrets
from collections.abc import Iterator

SECRET_BYTES = 18
"""A multiple of three: so many make a text without a rest, and many together one that can be cut."""
AT_ONCE = 64
"""To ask the operating system is half of what a secret costs, and the text most of the rest."""


def unguessable() -> Iterator[str]:
    """One after another, without an end."""
    length = len(secrets.token_urlsafe(SECRET_BYTES))
    while True:
        many = secrets.token_urlsafe(SECRET_BYTES * AT_ONCE)
        yield from (many[at : at + length] for at in range(0, len(many), length))
