"""What a client of the comparison does again and again: leases and back, in each of the ways there are to ask.

Owns the requests. Each operation returns how many acquires and releases it was; who repeats it is the load's.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import count

import msgspec

from benchmarks.http_client import Address, Feed, Http, connect
from benchmarks.redis_semaphore import Semaphore

AT_ONCE = 64
JOBS = "/api/admission/jobs"
NUMBERS = count()


class _Held(msgspec.Struct, rename="camel"):
    """What is read of a grant."""

    lease_id: str


class _Answer(msgspec.Struct):
    """One of a batch, or a frame of a session."""

    lease: _Held


class _Results(msgspec.Struct):
    results: list[_Answer]


def wanted(name: str, **more: object) -> dict[str, object]:
    """What a job asks for."""
    return {**more, "jobId": name, "memoryBytes": 1024}


def names(number: int) -> list[str]:
    """New ones."""
    return [f"job-{next(NUMBERS)}" for _ in range(number)]


async def acquire(client: Http) -> Callable[[], Awaitable[tuple[int, bytes]]]:
    """One request; its release is another."""
    (name,) = names(1)
    status, body = await client.request("POST", JOBS, msgspec.json.encode(wanted(name)))
    assert status == 201, body
    secret = msgspec.json.decode(body, type=_Held).lease_id
    return partial(client.request, "DELETE", f"{JOBS}/{name}", lease=secret)


async def single(client: Http) -> int:
    """A lease and back, by two requests."""
    release = await acquire(client)
    status, _ = await release()
    assert status == 204
    return 2


async def acquire_nothing(client: Http) -> Callable[[], Awaitable[tuple[int, bytes]]]:
    """The same request, which nothing comes of."""
    (name,) = names(1)
    await client.request("POST", JOBS, msgspec.json.encode(wanted(name)))
    return partial(client.request, "DELETE", f"{JOBS}/{name}", lease="A" * 24)


async def empty(client: Http) -> int:
    """As `single`, of nothing."""
    release = await acquire_nothing(client)
    await release()
    return 2


async def batch(client: Http) -> int:
    """Many leases and back, by two requests."""
    jobs = names(AT_ONCE)
    asked = [wanted(name, op="acquire") for name in jobs]
    results = await _batch(client, asked)
    held = [answer.lease.lease_id for answer in msgspec.json.decode(results, type=_Results).results]
    await _batch(client, [_back(name, key, op="release") for name, key in zip(jobs, held, strict=True)])
    return 2 * AT_ONCE


async def _batch(client: Http, operations: list[dict[str, object]]) -> bytes:
    status, body = await client.request(
        "POST", "/api/admission/batch", msgspec.json.encode({"operations": operations})
    )
    assert status == 200, body
    return body


def _back(name: str, secret: str, **more: object) -> dict[str, object]:
    return {**more, "jobId": name, "leaseId": secret}


async def session(client: Feed) -> int:
    """Many leases and back, by frames that do not wait for each other's answer."""
    jobs = names(AT_ONCE)
    asked = [wanted(name, type="acquire", id=at) for at, name in enumerate(jobs)]
    held = [msgspec.json.decode(answer, type=_Answer).lease.lease_id for answer in await _frames(client, asked)]
    back = [_back(name, key, type="release", id=at) for at, (name, key) in enumerate(zip(jobs, held, strict=True))]
    assert all(b"released" in answer for answer in await _frames(client, back))
    return 2 * AT_ONCE


async def _frames(client: Feed, frames: list[dict[str, object]]) -> list[bytes]:
    await client.send([msgspec.json.encode(frame) for frame in frames])
    return [await client.text() for _ in frames]


async def redis(client: Semaphore, number: int) -> int:
    """A lease of one dimension and back; several at once are pipelined."""
    jobs = names(number)
    await client.acquire(jobs)
    await client.release(jobs)
    return 2 * number


@contextlib.asynccontextmanager
async def clients(address: Address, number: int) -> AsyncIterator[list[Http]]:
    """So many connections."""
    made = [Http(await connect(address)) for _ in range(number)]
    try:
        yield made
    finally:
        for each in made:
            await each.stream.aclose()


@contextlib.asynccontextmanager
async def feeds(address: Address, number: int) -> AsyncIterator[list[Feed]]:
    """So many sessions."""
    made = [Feed(await connect(address)) for _ in range(number)]
    for each in made:
        await each.upgrade()
    try:
        yield made
    finally:
        for each in made:
            await each.stream.aclose()


@contextlib.asynccontextmanager
async def semaphores(address: Address, number: int) -> AsyncIterator[list[Semaphore]]:
    """So many connections to Redis."""
    made = [Semaphore(await connect(address)) for _ in range(number)]
    for each in made:
        await each.prepare()
    try:
        yield made
    finally:
        for each in made:
            await each.stream.aclose()
