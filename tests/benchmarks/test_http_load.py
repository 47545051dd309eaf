"""The load of the HTTP benchmark, against servers that are a sleep."""

from collections.abc import Awaitable, Callable

import trio
from trio.testing import MockClock

from benchmarks.http_load import closed_loop, open_loop, tails


async def nothing() -> None:
    """What follows an operation that needs nothing."""


def answering(seconds: Callable[[], float]) -> Callable[[], Awaitable[Callable[[], Awaitable[None]]]]:
    """A client whose server takes so long."""

    async def ask() -> Callable[[], Awaitable[None]]:
        await trio.sleep(seconds())
        return nothing

    return ask


async def test_operations_of_clients_that_work_at_once_are_all_counted(autojump_clock: MockClock) -> None:
    async def operation() -> int:
        await trio.sleep(0.1)
        return 2

    assert round(await closed_loop([operation] * 8, 10.0)) == 160


async def test_a_stall_is_charged_to_every_request_that_was_due_meanwhile(autojump_clock: MockClock) -> None:
    def seconds() -> float:
        return 5.0 if 2.0 <= trio.current_time() - began < 2.2 else 0.0

    began = trio.current_time()
    latencies = await open_loop([answering(seconds)], 100.0, 20.0)
    assert sum(latency > 1.0 for latency in latencies) > 300


async def test_a_quick_server_is_late_for_nobody(autojump_clock: MockClock) -> None:
    latencies = await open_loop([answering(lambda: 0.0)] * 16, 100.0, 20.0)
    assert max(latencies) < 1e-6


async def test_arrivals_come_as_often_as_was_asked_whoever_answers(autojump_clock: MockClock) -> None:
    slow = await open_loop([answering(lambda: 0.5)] * 4, 100.0, 20.0)
    quick = await open_loop([answering(lambda: 0.0)] * 4, 100.0, 20.0)
    assert len(slow) == len(quick)
    assert 1_800 < len(quick) < 2_200


def test_tails_are_of_the_highest_rank() -> None:
    found = tails([number / 1e3 for number in range(1_000)])
    assert (found.p50, found.p99, found.p999, found.most) == (500.0, 990.0, 999.0, 999.0)
