"""One WebSocket connection to the feed, over whatever connects HTTP: TCP, TLS or a unix socket.

Owns the upgrade, whole text messages both ways, and answers to pings. A lost connection is `Unreachable`; why the
daemon closed it, if it said so, is in the text.
"""

import base64
import os
from collections import deque
from http import HTTPStatus
from typing import Any, Final, NoReturn

import anyio
import httpcore2
import httpx2
from wsproto import events
from wsproto.connection import Connection, ConnectionType
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from aura_actors.client.address import CONNECT_SECONDS, Address
from aura_actors.client.answers import error_of
from aura_actors.client.trust import reason_of
from aura_actors.errors import Unreachable, UsageError

READ_BYTES: Final = 65_536
SEND_SECONDS: Final = 5.0
HANDSHAKE_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 45.0
"""The daemon pings every 20 s: one that is silent for longer is not there."""
REFUSED_CODES: Final = (4401, 4403)
"""Token missing or wrong, or one that may not read."""

_LOST = (httpcore2.NetworkError, httpcore2.TimeoutException, LocalProtocolError, RemoteProtocolError)


class WebSocket:
    """An open connection. One task may receive, any may send."""

    def __init__(self, client: httpx2.AsyncClient, response: httpx2.Response, url: str) -> None:
        self._client = client
        self._response = response
        self._stream: Any = response.extensions["network_stream"]
        self._url = url
        self._protocol = Connection(ConnectionType.CLIENT)
        self._sending = anyio.Lock()
        self._parts: list[str] = []
        self._messages: deque[str] = deque()

    async def send(self, *messages: str) -> None:
        """Send them, in one write. Raises Unreachable."""
        try:
            await self._write(b"".join(self._protocol.send(events.TextMessage(data=each)) for each in messages))
        except _LOST as error:
            self._lost(error)

    async def receive(self) -> str:
        """The next message. Raises Unreachable once the connection has ended, UsageError if we were turned away."""
        while not self._messages:
            try:
                data = await self._stream.read(READ_BYTES, SILENCE_SECONDS)
                self._protocol.receive_data(data or None)
                for event in self._protocol.events():
                    await self._take(event)
            except _LOST as error:
                self._lost(error)
        return self._messages.popleft()

    async def aclose(self) -> None:
        """Close at once."""
        with anyio.CancelScope(shield=True):
            await self._response.aclose()
            await self._client.aclose()

    async def _take(self, event: events.Event) -> None:
        match event:
            case events.TextMessage():
                self._parts.append(event.data)
                if event.message_finished:
                    self._messages.append("".join(self._parts))
                    self._parts.clear()
            case events.Ping():
                await self._write(self._protocol.send(event.response()))
            case events.CloseConnection():
                if event.code in REFUSED_CODES:
                    raise UsageError(f"{self._url} turned us away: {event.reason or event.code}")
                raise Unreachable(f"{self._url} closed the connection: {event.reason or event.code}", sent=True)

    async def _write(self, data: bytes) -> None:
        """A message is written whole: whoever is cancelled meanwhile is so afterwards."""
        async with self._sending:
            with anyio.CancelScope(shield=True):
                await self._stream.write(data, SEND_SECONDS)

    def _lost(self, error: Exception) -> NoReturn:
        reason = str(error) or type(error).__name__
        raise Unreachable(f"the connection to {self._url} was lost: {reason}", sent=True) from error


async def open_feed(address: Address) -> WebSocket:
    """Connect to the feed, which is had on a connection of its own alone.

    Raises Unreachable, or what the refusal of the upgrade means.
    """
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    client = address.async_client()
    try:
        return await _upgraded(client, headers, address.url)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await client.aclose()
        raise


async def _upgraded(client: httpx2.AsyncClient, headers: dict[str, str], url: str) -> WebSocket:
    timeout = httpx2.Timeout(HANDSHAKE_SECONDS, connect=CONNECT_SECONDS, pool=None)
    request = client.build_request("GET", "/feed", headers=headers, timeout=timeout)
    try:
        response = await client.send(request, stream=True)
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            return WebSocket(client, response, url)
        content = await response.aread()
    except httpx2.HTTPError as error:
        raise Unreachable(f"no daemon answers at {url}: {reason_of(error)}") from error
    raise error_of(response.status_code, content, url=url)
