"""What the keyboard changes: which sections are seen, how far they are scrolled, whether time stands still.

Owns what each key does; the table is what the footer shows. Pure.
"""

from typing import Final, Literal

import msgspec

Part = Literal["all", "machine", "jobs", "cleanup", "actors"]
PARTS: Final[dict[str, Part]] = {"0": "all", "1": "machine", "2": "jobs", "3": "cleanup", "4": "actors"}
"""By key."""
QUIT: Final = "q"
PAUSE: Final = "p"
_SEQUENCES: Final = {
    "\x1b[A": "k", "\x1b[B": "j", "\x1bOA": "k", "\x1bOB": "j", "\x1b[5~": "b", "\x1b[6~": " ", "\x1b[H": "g",
    "\x1b[F": "G", "\x1bOH": "g", "\x1bOF": "G", "\x1b[1~": "g", "\x1b[4~": "G",
}  # fmt: skip
"""What a terminal sends for keys that are no letters, and the letter that means the same."""
_LONGEST: Final = max(map(len, _SEQUENCES))


class View(msgspec.Struct, frozen=True, kw_only=True):
    """How it is looked at."""

    part: Part = "all"
    paused: bool = False
    top: int = 0
    """The first line that is seen."""


def keys(typed: str) -> list[str]:
    """The letters that were meant; a sequence that is none of ours is left out whole."""
    found = []
    while typed:
        if typed[0] != "\x1b":
            found.append(typed[0])
            typed = typed[1:]
            continue
        sequence = next((typed[:size] for size in range(_LONGEST, 1, -1) if typed[:size] in _SEQUENCES), None)
        if sequence is not None:
            found.append(_SEQUENCES[sequence])
        typed = typed[len(sequence) :] if sequence is not None else _behind(typed)
    return found


def _behind(typed: str) -> str:
    """What follows an unknown sequence: it ends with a letter or a tilde."""
    if typed[1:2] not in ("[", "O"):
        return typed[1:]
    end = next(
        (place for place, char in enumerate(typed) if place > 1 and (char.isalpha() or char == "~")), len(typed)
    )
    return typed[end + 1 :]


def press(view: View, key: str, *, page: int, last: int) -> View:
    """After this key; `page` is how many lines are seen at once, `last` the furthest that one may scroll."""
    if key in PARTS:
        return msgspec.structs.replace(view, part=PARTS[key], top=0)
    if key == PAUSE:
        return msgspec.structs.replace(view, paused=not view.paused)
    top = min(view.top, last)
    places = {"j": top + 1, "k": top - 1, " ": top + page, "b": top - page, "g": 0, "G": last}
    return msgspec.structs.replace(view, top=max(0, min(last, places.get(key, top))))
