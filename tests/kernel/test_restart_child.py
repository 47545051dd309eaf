"""A child that is restarted on purpose: in order, alone, and at nobody's cost."""

import pytest
import trio
from trio.testing import MockClock

from aura_actors.errors import Gone
from aura_actors.kernel.reports import CrashReport
from aura_actors.kernel.restart import Backoff, RestartIntensity
from aura_actors.kernel.strategy import Strategy
from aura_actors.kernel.supervisor import Supervisor
from tests.kernel.workers import Worker, running, spec, states


async def test_it_ends_and_begins_again_without_its_siblings(autojump_clock: MockClock) -> None:
    log: list[str] = []
    reports: list[CrashReport] = []
    workers = [spec(Worker(name, log)) for name in "ab"]
    supervisor = Supervisor("s", workers, strategy=Strategy.ONE_FOR_ALL, report=reports.append)
    async with running(supervisor):
        await supervisor.restart_child("a")
        await trio.sleep(0.1)
        assert states(supervisor) == {"a": "running", "b": "running"}
        assert log == ["+a", "+b", "-a", "+a"]
        assert reports == []


async def test_it_costs_none_of_the_budget_and_no_delay(autojump_clock: MockClock) -> None:
    log: list[str] = []
    supervisor = Supervisor(
        "s",
        [spec(Worker("a", log))],
        intensity=RestartIntensity(intensity=1, period_seconds=1000),
        backoff=Backoff(first_seconds=30, cap_seconds=30),
        chance=lambda: 0.99,
    )
    async with running(supervisor):
        for _ in range(5):
            await supervisor.restart_child("a")
            await trio.sleep(0.1)
        assert states(supervisor) == {"a": "running"}
        assert log.count("+a") == 6


async def test_one_that_waits_for_its_restart_is_left_alone(autojump_clock: MockClock) -> None:
    log: list[str] = []
    backoff = Backoff(first_seconds=5, cap_seconds=5)
    supervisor = Supervisor("s", [spec(Worker("a", log))], backoff=backoff, chance=lambda: 0.99)
    async with running(supervisor):
        supervisor.crash("a", RuntimeError("on purpose"))
        await trio.sleep(0.1)
        await supervisor.restart_child("a")
        assert states(supervisor) == {"a": "backoff"}
        await trio.sleep(10)
        assert log == ["+a", "-a", "+a"]


async def test_one_that_is_stopped_for_good_meanwhile_stays_stopped(autojump_clock: MockClock) -> None:
    log: list[str] = []
    names = [
        f"w{n}" for n in range(20)
    ]  # which of the two comes to hear of the end first is Trio's chance, for each
    supervisor = Supervisor("s", [spec(Worker(name, log)) for name in [*names, "b"]])
    async with running(supervisor), trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(supervisor.restart_child, name)
            nursery.start_soon(supervisor.stop_child, name)
        await trio.sleep(5)
        assert states(supervisor) == {"b": "running"}
        assert [log.count(f"+{name}") for name in names] == [1] * len(names)


async def test_a_name_that_is_none_is_refused(autojump_clock: MockClock) -> None:
    supervisor = Supervisor("s", [spec(Worker("a", []))])
    async with running(supervisor):
        with pytest.raises(Gone):
            await supervisor.restart_child("b")
