"""The upgrade request: whether it is a WebSocket handshake at all, and with which words it is refused.

Owns the rules of RFC 6455 section 4.2.1, judged before the library sees the request, because the library raises on
some malformed headers from a task of its own. Who may connect is `access`'s to say.
"""

import base64
import binascii

from aura_actors.edges.access import Refusal
from aura_actors.edges.head import RequestHead

_DECODED_BY_LIBRARY = (b"connection", b"sec-websocket-extensions", b"sec-websocket-protocol")
_KEY_BYTES = 16


def check(head: RequestHead) -> Refusal | None:
    """None for a handshake that can be accepted."""
    if head.values(b"sec-websocket-version") != [b"13"]:
        version = (("Sec-WebSocket-Version", "13"),)
        return Refusal(426, "Upgrade Required", "The feed speaks WebSocket version 13.", version)
    fault = _fault(head)
    return None if fault is None else Refusal(400, "Bad Request", fault)


def _fault(head: RequestHead) -> str | None:
    if head.version != "1.1":
        return "A WebSocket handshake is an HTTP/1.1 request."
    if "upgrade" not in [token.lower() for token in head.tokens(b"connection")]:
        return "A WebSocket handshake carries Connection: Upgrade."
    if [value.lower() for value in head.values(b"upgrade")] != [b"websocket"]:
        return "A WebSocket handshake carries Upgrade: websocket and no other."
    if not _is_key(head.values(b"sec-websocket-key")):
        return "A WebSocket handshake carries one Sec-WebSocket-Key, 16 bytes in base64."
    if head.values(b"transfer-encoding") or head.values(b"content-length") not in ([], [b"0"]):
        return "A WebSocket handshake has no body."
    if not all(value.isascii() for name in _DECODED_BY_LIBRARY for value in head.values(name)):
        return "A WebSocket handshake's headers are ASCII."
    return None


def _is_key(values: list[bytes]) -> bool:
    try:
        return len(values) == 1 and len(base64.b64decode(values[0], validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False
