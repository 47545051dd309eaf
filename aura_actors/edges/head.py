"""The first bytes of a connection: which of the two servers on our port they are for.

Owns the decision and the parsed head of a feed request. Pure: it is handed all bytes seen so far and says whether
it needs more. Everything that cannot become `GET {root_path}/feed` goes to the HTTP server at once, so that only
would-be feed clients are waited for; TLS bytes and junk are the HTTP server's to answer. HTTP/2 without TLS is
refused: Hypercorn has no idle deadline for such a connection until its first request is complete.
"""

import enum
import re

import h11
import msgspec

MAX_HEAD_BYTES = 16 * 1024
_PREFACE = b"PRI * HTTP/2.0"
_HEAD_END = re.compile(rb"\r?\n\r?\n")


class RequestHead(msgspec.Struct, frozen=True):
    """A complete request head. Header names are in lower case; `size` is its length on the wire in bytes."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[bytes, bytes], ...]
    size: int

    def values(self, name: bytes) -> list[bytes]:
        """All values of one header (`name` in lower case), in order."""
        return [value for header, value in self.headers if header == name]

    def tokens(self, name: bytes) -> list[str]:
        """A comma-separated header as a list."""
        pieces = b",".join(self.values(name)).split(b",")
        return [piece.strip().decode("latin-1") for piece in pieces if piece.strip()]


class Other(enum.Enum):
    """Not the feed's."""

    HTTP = enum.auto()
    HTTP2 = enum.auto()


def route(data: bytes, *, feed_path: str) -> Other | RequestHead | None:
    """Decide by the bytes seen so far; None: more are needed.

    A `RequestHead` means: the feed, and this is its request.
    """
    if data and _PREFACE.startswith(data[: len(_PREFACE)]):
        return Other.HTTP2 if len(data) >= len(_PREFACE) else None
    start = b"GET " + feed_path.encode("ascii")
    if len(data) <= len(start):
        return None if start.startswith(data) else Other.HTTP
    if not data.startswith(start) or data[len(start) : len(start) + 1] not in (b" ", b"?"):
        return Other.HTTP
    end = _HEAD_END.search(data, 0, MAX_HEAD_BYTES)
    if end is None:
        return None if len(data) < MAX_HEAD_BYTES else Other.HTTP
    head = parse(data[: end.end()])
    if head is None or "websocket" not in [token.lower() for token in head.tokens(b"upgrade")]:
        return Other.HTTP
    return head


def parse(data: bytes) -> RequestHead | None:
    """Read one request head as strictly as both servers will; None where it is malformed."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
    try:
        parser.receive_data(data)
        event = parser.next_event()
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.Request):
        return None
    return RequestHead(
        method=event.method.decode("ascii"),
        target=event.target.decode("ascii"),
        version=event.http_version.decode("ascii"),
        headers=tuple(event.headers),
        size=len(data),
    )
