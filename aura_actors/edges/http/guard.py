"""The guard in front of the application: judges every request before anything is routed.

Owns nothing but the order: Host, Origin, token, then the application, which is told who calls. An upgrade that
reaches HTTP came on a connection that was used before, or to a path that is not the feed; it is answered 426.
"""

from typing import Any

import msgspec

from aura_actors.collectors.identity import Peer
from aura_actors.edges.access import Access, Refusal, judge
from aura_actors.edges.http.api import CALLER
from aura_actors.edges.http.problems import problem
from aura_actors.edges.http_server import PEER
from aura_actors.edges.peer import caller_of
from aura_actors.edges.tokens import Standing


class Guard:
    """An ASGI application that lets through what `access` does not refuse."""

    def __init__(self, app: Any, access: Access) -> None:
        self._app = app
        self.access = access
        """May be replaced: it is asked for every request."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, one upgrade or the lifespan."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if not scope["path"].startswith("/"):
            await self._refuse(NOT_A_PATH, send, "http.response")
            return
        scheme = scope["scheme"].replace("ws", "http", 1) if scope["type"] == "websocket" else scope["scheme"]
        judged = judge(self.access, path=scope["path"], headers=scope["headers"], scheme=scheme)
        if scope["type"] == "websocket":
            await self._refuse_upgrade(judged if isinstance(judged, Refusal) else UPGRADE_ELSEWHERE, send)
        elif isinstance(judged, Refusal):
            await self._refuse(judged, send, "http.response")
        else:
            await self._app(self._introduced(scope, judged), receive, send)

    def _introduced(self, scope: Any, standing: Standing) -> Any:
        """The scope with its caller, who replaces whatever was there under that name."""
        state = scope.get("state", {})
        peer = state.get(PEER) or Peer()
        caller = caller_of(standing, peer, scope["headers"], self.access.trusted_proxies)
        return {**scope, "state": {**state, CALLER: caller}}

    async def _refuse_upgrade(self, refusal: Refusal, send: Any) -> None:
        await self._refuse(refusal, send, "websocket.http.response", (b"connection", b"close"))

    async def _refuse(self, refusal: Refusal, send: Any, kind: str, *more: tuple[bytes, bytes]) -> None:
        answer = problem(refusal.status, refusal.detail)
        body = msgspec.json.encode(answer.body)
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode()) for name, value in refusal.headers),
            *more,
        ]
        await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
        await send({"type": f"{kind}.body", "body": body, "more_body": False})


NOT_A_PATH = Refusal(400, "Bad Request", "The request target is not a path that begins with a slash.")
UPGRADE_ELSEWHERE = Refusal(
    426,
    "Upgrade Required",
    "WebSocket upgrades are taken at /feed, as the first request of a connection.",
    (("Upgrade", "websocket"),),
)
