"""Publications as WebSocket frames: framed once, the same bytes for every client.

Owns the framing of whole messages from the server (pure). Knows no connection.
"""

import enum
import struct

import msgspec
from wsproto.frame_protocol import FrameProtocol

from aura_actors.messages.topics import Publication

_TEXT = 0x81
"""The first byte of a whole text message: the last fragment, opcode 1."""


class Close(enum.IntEnum):
    """Why a connection ends: RFC 6455 codes and, from 4000 on, ours."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    TEXT_ONLY = 1003
    NO_CODE = 1005
    LOST = 1006
    NOT_UTF8 = 1007
    TOO_BIG = 1009
    TRY_LATER = 1013
    MISSED_EVENTS = 4008
    TOKEN_REFUSED = 4401
    SCOPE_REFUSED = 4403


class Framed(msgspec.Struct, frozen=True):
    """A publication as it goes to clients."""

    topic: str
    seq: int
    is_event: bool
    frame: bytes


def framed(publication: Publication) -> Framed:
    """The publication, whole, in one frame."""
    frame = text_frame(publication.payload)
    return Framed(publication.topic, publication.seq, publication.is_event, frame)


def text_frame(payload: bytes) -> bytes:
    """A whole text message from the server: one unmasked frame (RFC 6455, 5.2). `payload` is UTF-8."""
    size = len(payload)
    if size < 126:
        header = bytes((_TEXT, size))
    elif size < 2**16:
        header = struct.pack("!BBH", _TEXT, 126, size)
    else:
        header = struct.pack("!BBQ", _TEXT, 127, size)
    return header + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A close message from the server. `Close.NO_CODE` is only a name for none: RFC 6455 forbids it on the wire."""
    return bytes(FrameProtocol(client=False, extensions=[]).close(None if code == Close.NO_CODE else code, reason))


PING = bytes(FrameProtocol(client=False, extensions=[]).ping())
"""One for everybody: what matters is that a pong comes, not which."""
