"""Bearer tokens: which one a request shows, and what it may do with it.

Owns the comparison, which takes as long for a wrong token as for a right one. Knows no path and no connection; how
a token is shown is the same for HTTP and the feed.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Sequence

import msgspec

from aura_actors.wire.scopes import SCOPES, Scope

Headers = Sequence[tuple[bytes, bytes]]
"""Name and value as they came; names in any case."""

_BEARER = re.compile(rb"(?i:bearer) +(?P<token>[^ ]+)\Z")
_PROTOCOL_PREFIX = "bearer."
_ENCODED_PREFIX = "bearer64."


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A token that is accepted, with its name and what it opens. The name is None for the one of `[http] token`."""

    token: str
    name: str | None = None
    scopes: frozenset[Scope] = SCOPES

    def __repr__(self) -> str:
        """Without the token: a log line may hold this."""
        return f"Credential(name={self.name!r}, scopes={sorted(self.scopes)!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """As `__repr__`: msgspec's own would show the token."""
        return [("name", self.name), ("scopes", sorted(self.scopes))]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a request may do, and under which token's name."""

    token_name: str | None = None
    scopes: frozenset[Scope] = frozenset()


STRANGER = Standing()
"""Nobody we know: may do what is open to all."""
TRUSTED = Standing(scopes=SCOPES)
"""Anybody, where no token is asked for."""


def authenticate(
    credentials: Sequence[Credential], *, headers: Headers, subprotocols: Sequence[str] = ()
) -> Standing | None:
    """What the token that is shown opens; None where it is missing or wrong. Without credentials all is open.

    The token is taken from one `Authorization: Bearer` header or, for browsers, which cannot set headers on a
    WebSocket, from a proposed subprotocol `bearer.TOKEN`; a token with characters that may not stand there, such as
    `/` and `=`, comes as `bearer64.` and its base64url (RFC 4648, 5) without padding.
    """
    if not credentials:
        return TRUSTED
    shown = _shown(headers, subprotocols)
    if shown is None:
        return None
    found: Standing | None = None
    for each in credentials:  # to the end, whichever it is
        if hmac.compare_digest(shown, each.token.encode()):
            found = Standing(token_name=each.name, scopes=each.scopes)
    return found


def header_values(headers: Headers, wanted: bytes) -> list[bytes]:
    """All values of one header (`wanted` in lower case), in order."""
    return [value.strip(b" \t") for name, value in headers if name.lower() == wanted]


def _shown(headers: Headers, subprotocols: Sequence[str]) -> bytes | None:
    values = header_values(headers, b"authorization")
    if values:
        match = _BEARER.match(values[0]) if len(values) == 1 else None
        return match["token"] if match else None
    tokens = [token for each in subprotocols if (token := _from_protocol(each)) is not None]
    return tokens[0] if len(tokens) == 1 else None


def _from_protocol(name: str) -> bytes | None:
    """The token in the name of a subprotocol; None where there is none."""
    if name.startswith(_PROTOCOL_PREFIX):
        return name.removeprefix(_PROTOCOL_PREFIX).encode()
    if not name.startswith(_ENCODED_PREFIX):
        return None
    text = name.removeprefix(_ENCODED_PREFIX)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return b""  # nobody's
