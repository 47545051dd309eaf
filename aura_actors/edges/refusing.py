"""A refusal as the bytes of an HTTP answer, where no HTTP server is at hand: before an upgrade, before TLS.

Owns the form of that answer and the end of its connection. Who is refused, and why, is decided elsewhere.
"""

from http import HTTPStatus

import msgspec
import trio

from aura_actors.edges.access import Refusal
from aura_actors.edges.connection import Connection
from aura_actors.wire.admission import Problem


async def refuse(connection: Connection, refusal: Refusal, *, within_seconds: float) -> None:
    """Answer with a problem document and close."""
    with trio.move_on_after(within_seconds):
        try:
            await connection.send_all(_answer(refusal))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
    await connection.finish(within_seconds)


def _answer(refusal: Refusal) -> bytes:
    problem = Problem(type="about:blank", title=refusal.title, status=refusal.status, detail=refusal.detail)
    body = msgspec.json.encode(problem)
    lines = [
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in refusal.headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
