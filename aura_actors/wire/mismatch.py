"""What msgspec finds wrong with a value, in words for whoever sent it.

Owns the translation of patterns: a name that is refused is told which characters it may have, not the expression
that says so. Everything else is msgspec's own sentence. Knows no body and no answer.
"""

from aura_actors.wire.requests import JOB_ID, NAME, PATH

_SAID = {
    JOB_ID: "letters, digits and ._:-, but neither . nor ..",
    NAME: "letters, digits and ._-, but neither . nor ..",
    PATH: "an absolute path",
}


def in_words(text: str) -> str:
    """The same sentence, with words in place of the expression that a text did not match."""
    for pattern, words in _SAID.items():
        text = text.replace(f"`str` matching regex {pattern!r}", words)
    return text
