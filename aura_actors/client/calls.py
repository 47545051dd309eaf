"""One request and its answer, in the program's own loop.

Owns what becomes of a request that gets no answer: one sentence, and whether the daemon may have seen it. Repeats
nothing, except that a connection which the daemon had closed while it was idle is not the request's fault.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from http import HTTPStatus
from typing import Final, TypeVar

import anyio
import httpx2
import msgspec

from aura_actors.client.absence import Absence
from aura_actors.client.address import CONNECT_SECONDS, Address
from aura_actors.client.answers import decoded, error_of
from aura_actors.client.trust import reason_of
from aura_actors.errors import Unreachable

ANSWER_SECONDS: Final = 15.0
"""For an answer, beyond the time that the daemon was asked to wait."""
AT_ONCE: Final = 32
"""Requests that are under way, beside those that wait for their turn there: more would only wait for each other,
each on a connection of its own."""

T = TypeVar("T")


class Calls:
    """The requests of one program to one daemon, as many at once as it likes."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[httpx2.AsyncClient] = []
        self._turns = anyio.Semaphore(AT_ONCE)
        self.absence = Absence()
        """Of the daemon, as far as these requests tell."""

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: msgspec.Struct | Mapping[str, object] | None = None,
        secret: Mapping[str, str] | None = None,
        within: float = ANSWER_SECONDS,
        waits: bool = False,
    ) -> httpx2.Response:
        """The answer, if it is one of success. Raises what the problem document names, or `Unreachable`.

        `waits`: the daemon may take its time, and nobody else waits for it to answer; `within` is then for all of
        it, else for each step.
        """
        headers = dict(secret or {})
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(body)
        timeout = httpx2.Timeout(within, connect=CONNECT_SECONDS, pool=None)
        url = self._address.url
        turn: AbstractAsyncContextManager[object] = nullcontext() if waits else self._turns
        try:
            with anyio.fail_after(within if waits else None):
                async with turn, self._connection() as client:
                    answer = await client.request(method, path, content=content, headers=headers, timeout=timeout)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Unreachable(f"no daemon answers at {url}: {reason_of(error)}") from error
        except (httpx2.TimeoutException, TimeoutError) as error:
            raise Unreachable(f"the daemon at {url} did not answer within {within:.3g} s", sent=True) from error
        except httpx2.HTTPError as error:
            raise Unreachable(f"the connection to {url} was lost: {reason_of(error)}", sent=True) from error
        if answer.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            raise error_of(answer.status_code, answer.content, url=url)
        self.absence.is_over()
        return answer

    async def get(self, path: str, kind: type[T]) -> T:
        """What is there, as that Struct."""
        return decoded((await self.ask("GET", path)).content, kind)

    async def post(self, path: str, body: msgspec.Struct | Mapping[str, object], kind: type[T]) -> T:
        """The answer, as that Struct."""
        return decoded((await self.ask("POST", path, body=body)).content, kind)

    async def aclose(self) -> None:
        """Close what is open."""
        with anyio.CancelScope(shield=True):
            while self._idle:
                await self._idle.pop().aclose()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[httpx2.AsyncClient]:
        """A client with one connection, for one request: the library's own pool looks at all of them for each."""
        client = self._idle.pop() if self._idle else self._address.async_client()
        kept = False
        try:
            yield client
            kept = len(self._idle) < AT_ONCE
        finally:
            if kept:
                self._idle.append(client)
            else:
                with anyio.CancelScope(shield=True):
                    await client.aclose()
