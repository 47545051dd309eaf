"""Askers in the background, and what each of them was told."""

from collections.abc import Awaitable, Callable

import trio

from aura_actors.edges.waiting import acquire as wait_for
from aura_actors.messages import admission as m
from tests.actors.house import House


async def release(house: House, grant: m.Grant) -> None:
    await house.ref.ask(m.Release(key=grant.lease.key, secret=grant.lease.secret), within=60)


async def queue(house: House) -> list[str]:
    return [waiter.key for waiter in (await house.ref.ask(m.Describe(), within=60)).queue]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Other tasks and threads bring it about."""
    for _ in range(10_000):
        if await condition():
            return
        await trio.sleep(0.001)
    raise AssertionError("it did not come to that")


async def until_queued(house: House, *keys: str) -> None:
    async def queued() -> bool:
        return await queue(house) == list(keys)

    await until(queued)


class Waiters:
    """By the key, or the name, that they were started with."""

    def __init__(self, house: House, nursery: trio.Nursery) -> None:
        self._house = house
        self._nursery = nursery
        self.told: dict[str, object] = {}
        self.order: list[str] = []
        self.scopes: dict[str, trio.CancelScope] = {}

    def start(self, request: m.Acquire | m.AcquireSlot, seconds: float = 1000, name: str | None = None) -> str:
        key = name or (request.job_id if isinstance(request, m.Acquire) else request.provider)
        self.scopes[key] = trio.CancelScope()
        self._nursery.start_soon(self._wait, key, request, seconds)
        return key

    async def _wait(self, key: str, request: m.Acquire | m.AcquireSlot, seconds: float) -> None:
        with self.scopes[key]:
            try:
                self.told[key] = await wait_for(self._house.ref, request, wait_seconds=seconds)
            except Exception as error:  # noqa: BLE001  (what it is told is what the test looks at)
                self.told[key] = error
            self.order.append(key)

    async def until(self, count: int) -> None:
        async def told() -> bool:
            return len(self.order) >= count

        await until(told)


async def attended(house: House) -> list[str]:
    """The places at which somebody waits."""
    return [waiter.key for waiter in (await house.ref.ask(m.Describe(), within=60)).queue if waiter.attended]


async def until_attended(house: House, count: int) -> None:
    async def there() -> bool:
        return len(await attended(house)) == count

    await until(there)
