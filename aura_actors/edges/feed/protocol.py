"""The feed's messages: what a client's text means, and where it is at fault.

Owns the decoding of client frames, the JSON pointer of an error, and the encoding of our answers. Pure; knows no
connection and keeps no state.
"""

import re
from collections.abc import Collection

import msgspec

from aura_actors.wire import feed as wire
from aura_actors.wire.mismatch import in_words
from aura_actors.wire.session import FrameId


class _Numbered(msgspec.Struct, frozen=True):
    """All that is looked at of a frame that is at fault."""

    id: FrameId


_decoder = msgspec.json.Decoder(wire.ClientFrame)
_numbered = msgspec.json.Decoder(_Numbered)
_encoder = msgspec.json.Encoder()

_PLACE = re.compile(r" - at `\$(?P<path>[^`]*)`\Z")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_MEMBER = re.compile(r"Object (?:contains unknown|missing required) field `(?P<name>[^`]*)`")


class Mistake(msgspec.Struct, frozen=True):
    """Why a client's frame is not carried out. `pointer` is a JSON pointer (RFC 6901) into it."""

    pointer: str
    detail: str
    id: FrameId | None = None
    """The frame's, where it has one."""


def decode(text: str, topics: Collection[str]) -> wire.ClientFrame | Mistake:
    """Read one client frame; every topic in it must be one of `topics`."""
    try:
        frame: wire.ClientFrame = _decoder.decode(text)
    except msgspec.ValidationError as error:
        return _mistake(str(error), _id(text))
    except (msgspec.DecodeError, UnicodeError) as error:
        return Mistake("", f"malformed JSON: {error}")
    except RecursionError:
        return Mistake("", "malformed JSON: nested too deep")
    if isinstance(frame, wire.Subscribe | wire.Unsubscribe):
        return _unknown_topic(frame, topics) or frame
    return frame


def error_frame(mistake: Mistake) -> wire.ErrorFrame:
    """What the client is told of it."""
    number = msgspec.UNSET if mistake.id is None else mistake.id
    return wire.ErrorFrame(pointer=mistake.pointer, detail=mistake.detail, id=number)


def encode(frame: msgspec.Struct) -> bytes:
    """One of the server's frames as JSON text."""
    return _encoder.encode(frame)


def _unknown_topic(frame: wire.Subscribe | wire.Unsubscribe, topics: Collection[str]) -> Mistake | None:
    for index, topic in enumerate(frame.topics):
        if topic not in topics:
            return Mistake(f"/topics/{index}", f"there is no topic {topic!r}")
    if isinstance(frame, wire.Subscribe) and isinstance(frame.since, dict):
        for topic in frame.since:
            if topic not in topics:
                return Mistake(f"/since/{_escaped(topic)}", f"there is no topic {topic!r}")
    return None


def _id(text: str) -> FrameId | None:
    try:
        return _numbered.decode(text).id
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _mistake(text: str, number: FrameId | None) -> Mistake:
    """Turn `... - at `$.topics[0]`` into pointer and detail; a named member belongs to the pointer."""
    place = _PLACE.search(text)
    detail = text[: place.start()] if place else text
    steps: list[str] = []
    if place:
        path = place["path"].partition("[...]")[0]  # the value of some key; msgspec does not say which
        steps = [name or index for name, index in _STEP.findall(path)]
        complete = path == place["path"]
    else:
        complete = True
    member = _MEMBER.match(detail)
    if member and complete:
        steps.append(member["name"])
    return Mistake("".join(f"/{_escaped(step)}" for step in steps), in_words(detail), number)


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
