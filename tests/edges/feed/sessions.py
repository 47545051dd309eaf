"""A session under test: a feed over real sockets, and behind it the toy admission."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from aura_actors.edges.feed import Desk
from aura_actors.messages import admission as m
from aura_actors.testing import RunningActor, run_actor
from tests.edges.feed.toy import Books, Toy


class Client:
    """Frames, decoded; by default of one that asks for leases."""

    def __init__(self, websocket: WebSocketConnection) -> None:
        self.websocket = websocket

    async def say(self, type_: str, number: int, **body: Any) -> None:
        await self.websocket.send_message(json.dumps({"type": type_, "id": number, **body}))

    async def hear(self, *, within: float = 10) -> Any:
        with trio.fail_after(within):
            return json.loads(await self.websocket.get_message())

    async def ask(self, type_: str, number: int, **body: Any) -> Any:
        """Say it, and hear the answer with that id."""
        await self.say(type_, number, **body)
        while (answer := await self.hear()).get("id") != number:
            pass
        return answer

    async def take(self, job_id: str, size: int = 1, number: int = 1, **body: Any) -> Any:
        """A lease that is granted at once."""
        answer = await self.ask("acquire", number, jobId=job_id, memoryBytes=size, **body)
        assert answer["type"] == "granted", answer
        return answer["lease"]

    async def closed(self) -> int:
        with trio.fail_after(10):
            while True:
                try:
                    await self.websocket.get_message()
                except ConnectionClosed as error:
                    return error.reason.code if error.reason is not None else 0


class House:
    """The server, the actor behind it and its books."""

    def __init__(self, server: Any, actor: RunningActor[m.AdmissionMessage], books: Books) -> None:
        self.server = server
        self.actor = actor
        self.books = books

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with self.server.client() as websocket:
            client = Client(websocket)
            assert (await client.hear())["type"] == "hello"
            yield client

    async def until(self, condition: Callable[[], bool]) -> None:
        await self.server.until(condition)


@asynccontextmanager
async def opened(serve: Any, *, capacity_bytes: int = 100, **options: Any) -> AsyncIterator[House]:
    """`async with opened(serve) as house`."""
    books = Books(capacity_bytes)
    async with run_actor(lambda: Toy(books), name="admission") as actor:
        desk = Desk(admission=actor.ref, bytes_per_job=10)
        async with serve(desk=desk, **options) as server:
            yield House(server, actor, books)
