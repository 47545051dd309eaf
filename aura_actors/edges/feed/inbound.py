"""A limit on what a client may make us hold: the size of a message, in bytes, before anybody assembles it.

Owns the reading of frame headers, for that purpose and to see pongs. The library below limits characters, and only
after it has stored them; it would also keep an endless row of empty fragments. Judges no other rule of the
protocol.
"""

_FIN, _OPCODE, _MASKED, _LENGTH = 0x80, 0x0F, 0x80, 0x7F
_FIRST_CONTROL, _PONG = 0x8, 0xA
_MAX_FRAGMENTS = 1024


class InboundLimit:
    """Counts the bytes and fragments of the message under way."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._header = bytearray()
        self._payload_left = 0
        self._message_bytes = 0
        self._fragments = 0
        self.pongs = 0
        """How many have begun."""

    def admits(self, data: bytes) -> bool:
        """Follow the next bytes of the stream; False once a message announces more than it may have."""
        at = 0
        while at < len(data):
            if self._payload_left:
                step = min(self._payload_left, len(data) - at)
                self._payload_left -= step
                at += step
                continue
            self._header.append(data[at])
            at += 1
            if len(self._header) == _header_size(self._header) and not self._begin_frame():
                return False
        return True

    def _begin_frame(self) -> bool:
        first, self._payload_left = self._header[0], _payload_size(self._header)
        self._header.clear()
        if first & _OPCODE >= _FIRST_CONTROL:
            self.pongs += first & _OPCODE == _PONG
            return self._payload_left <= self._max_bytes
        self._message_bytes += self._payload_left
        self._fragments += 1
        fits = self._message_bytes <= self._max_bytes and self._fragments <= _MAX_FRAGMENTS
        if first & _FIN:
            self._message_bytes = self._fragments = 0
        return fits


def _extended_bytes(header: bytearray) -> int:
    return {126: 2, 127: 8}.get(header[1] & _LENGTH, 0)


def _header_size(header: bytearray) -> int:
    if len(header) < 2:
        return 2
    return 2 + _extended_bytes(header) + (4 if header[1] & _MASKED else 0)


def _payload_size(header: bytearray) -> int:
    extended = _extended_bytes(header)
    return int.from_bytes(header[2 : 2 + extended], "big") if extended else header[1] & _LENGTH
