"""Publications as WebSocket frames: framed once, the same bytes for every client.

Owns the framing of whole text and close messages and the cache of frames. Knows no connection.
"""

import enum
from collections import OrderedDict

from wsproto.frame_protocol import FrameProtocol

from aura_actors.messages.topics import Publication

_KEPT_EVENTS = 32


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


def text_frame(payload: bytes) -> bytes:
    """A whole text message from the server: one unmasked frame. `payload` is UTF-8."""
    return bytes(FrameProtocol(client=False, extensions=[]).send_data(payload.decode()))


def close_frame(code: int, reason: str = "") -> bytes:
    """A close message from the server. `Close.NO_CODE` is only a name for none: RFC 6455 forbids it on the wire."""
    return bytes(FrameProtocol(client=False, extensions=[]).close(None if code == Close.NO_CODE else code, reason))


class FrameCache:
    """Frames of one snapshot of each topic and of the last few events."""

    def __init__(self) -> None:
        self._snapshots: dict[str, tuple[Publication, bytes]] = {}
        self._events: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def snapshot(self, publication: Publication) -> bytes:
        """The frame of a snapshot. One is kept per topic, the last that was asked for."""
        cached = self._snapshots.get(publication.topic)
        if cached is not None and cached[0] is publication:
            return cached[1]
        frame = text_frame(publication.payload)
        self._snapshots[publication.topic] = (publication, frame)
        return frame

    def event(self, publication: Publication) -> bytes:
        """The frame of an event."""
        key = (publication.topic, publication.seq)
        frame = self._events.get(key)
        if frame is None:
            frame = self._events[key] = text_frame(publication.payload)
            if len(self._events) > _KEPT_EVENTS:
                self._events.popitem(last=False)
        return frame
