"""The runtime inside a program of one's own: no server, no port, a lease for the time of a block."""

import math
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from aura_actors import Runtime, Settings, open_runtime
from aura_actors.config.sections import Admission, Provider, Providers
from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import GpuNeed, JobSpec
from aura_actors.errors import AlreadyServed, Conflict, Draining, InvalidValue, NeverFits, Refused
from aura_actors.messages import admission as m

GIB = 2**30


def settings(folder: Path, **admission: object) -> Settings:
    quiet = Admission(
        cpu_threshold_percent=100,
        memory_threshold_percent=100,
        reserved_for_ui=0,
        job_slots=10,
        memory_limit=2 * GIB,
    )
    return Settings(
        data_dir=folder,
        admission=msgspec.structs.replace(quiet, **admission),
        providers=Providers(by_name={"OpenAI": Provider(max_concurrent=1)}),
    )


async def jobs(runtime: Runtime) -> list[Lease]:
    view = await runtime.parts.admission.ref.ask(m.Describe(), within=5)
    return [job.lease for job in view.jobs]


async def test_a_reservation_lasts_as_long_as_its_block(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve("video-123", memory="1GiB", kind="render") as lease:
            assert (lease.memory_bytes, lease.fence) == (GIB, 1)
            assert runtime.utilization().total_reserved_memory_bytes == GIB
        assert runtime.utilization().total_reserved_memory_bytes == 0


@pytest.mark.parametrize("first", [0, 1])
async def test_a_program_has_its_own_number_of_threads_back_after_two_runtimes(tmp_path: Path, first: int) -> None:
    """In whatever order they end, and whatever their tuners made of it."""
    limiter = trio.to_thread.current_default_thread_limiter()
    before = limiter.total_tokens
    ends, ended = [trio.Event(), trio.Event()], [trio.Event(), trio.Event()]

    async def run(number: int, *, task_status: trio.TaskStatus[None]) -> None:
        async with open_runtime(settings(tmp_path / str(number))):
            task_status.started()
            await ends[number].wait()
        ended[number].set()

    async with trio.open_nursery() as nursery:
        for number in (0, 1):
            await nursery.start(run, number)
            limiter.total_tokens = 17 + number
        for number in (first, 1 - first):
            ends[number].set()
            await ended[number].wait()
    assert limiter.total_tokens == before


@pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit(3), KeyboardInterrupt()])
async def test_what_escapes_from_the_block_comes_out_bare(tmp_path: Path, error: BaseException) -> None:
    """A status of `sys.exit` is the program's, and a refusal can be caught by its name."""
    with pytest.raises(type(error)) as caught:
        async with open_runtime(settings(tmp_path)):
            raise error
    assert caught.value is error


async def test_a_group_that_escapes_from_the_block_is_in_no_other_group(tmp_path: Path) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.RaisesGroup(ZeroDivisionError):
        async with open_runtime(settings(tmp_path)), trio.open_nursery() as nursery:
            nursery.start_soon(fail)


async def test_a_block_that_fails_as_it_is_cancelled_fails(tmp_path: Path) -> None:
    async def fail(scope: trio.CancelScope) -> None:
        scope.cancel()
        try:
            await trio.sleep_forever()
        finally:
            raise ZeroDivisionError

    with trio.CancelScope() as scope, pytest.raises(ZeroDivisionError):
        async with open_runtime(settings(tmp_path)):
            await fail(scope)


async def test_a_reservation_is_given_back_when_its_block_fails_or_is_cancelled(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        with pytest.raises(ZeroDivisionError):
            async with runtime.reserve("a", memory=GIB):
                raise ZeroDivisionError
        with trio.move_on_after(0.05):
            async with runtime.reserve("b", memory=GIB):
                await trio.sleep_forever()
        assert runtime.utilization().active_jobs == 0


async def test_a_reservation_is_renewed_while_its_block_runs(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path, max_lease_ttl=0.3)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve("a", memory=GIB) as lease:
            await trio.sleep(0.8)  # real time: the lease's own clock is the machine's
            assert runtime.utilization().active_jobs == 1
        async with runtime.reserve("a", memory=GIB) as next_one:
            assert next_one.fence == lease.fence + 1


async def test_a_lease_that_somebody_else_got_meanwhile_is_left_to_them(tmp_path: Path) -> None:
    """The lease ended, another owner took the id: the block goes on, and ends, without harm."""
    async with open_runtime(settings(tmp_path, max_lease_ttl=0.3)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve("a", memory=GIB) as lease:
            ref = runtime.parts.admission.ref
            await ref.ask(m.Release(key="a", secret=lease.lease_id), within=5)
            other = m.Acquire(job_id="a", owner="else", spec=JobSpec(memory_bytes=5))
            theirs = await ref.ask(other, within=5)
            assert isinstance(theirs, m.Grant)
            await trio.sleep(0.15)  # real time: a renewal meets the other's lease
        assert runtime.utilization().total_reserved_memory_bytes == 5


async def test_a_reservation_cancelled_while_it_is_asked_for_holds_nothing(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        with trio.CancelScope() as scope:
            scope.cancel()
            async with runtime.reserve("a", memory=GIB):
                pass
        async with runtime.reserve("b", memory=2 * GIB):
            pass
        assert runtime.utilization().active_jobs == 0


async def test_what_does_not_fit_is_refused_with_reasons(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve("a", memory=2 * GIB):
            with pytest.raises(Refused) as refused:
                async with runtime.reserve("b", memory=1):
                    pass
            assert refused.value.reasons[0].holders == ("a",)
            with pytest.raises(NeverFits):
                async with runtime.reserve("c", memory=3 * GIB):
                    pass
            with pytest.raises(NeverFits):
                async with runtime.reserve("d", memory=1, gpu=True):
                    pass


@pytest.mark.parametrize(
    "wrong",
    [
        {"job_id": ""},
        {"job_id": "a b"},
        {"memory": "2 gigs"},
        {"memory": -1},
        {"cpu": -1},
        {"cpu": "many"},
        {"gpu": {"memory": 5}},
        {"gpu": GpuNeed(count=0)},
        {"units": {"licences": -1}},
        {"providers": "OpenAI"},
        {"providers": ["Open AI"]},
        {"priority": "urgent"},
        {"kind": ""},
        {"wait": "soon"},
        {"wait": math.nan},
        {"max_runtime": 0},
        {"hold_paths": [""]},
        {"hold_paths": [os.fsdecode(b"/\xff")]},
    ],
)
async def test_a_wrong_call_says_what_is_wrong(tmp_path: Path, wrong: Any) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        with pytest.raises(InvalidValue):
            async with runtime.reserve(**{"job_id": "a", "memory": 1, **wrong}):
                pass
        assert runtime.utilization().active_jobs == 0


async def test_a_provider_slot_lasts_as_long_as_its_block(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        async with runtime.provider("OpenAI") as slot:
            assert slot.provider == "OpenAI"
            assert runtime.utilization().active_providers == ["OpenAI"]
            with pytest.raises(Refused):
                async with runtime.provider("OpenAI"):
                    pass
        assert runtime.utilization().active_providers == []


async def test_a_reservation_names_all_that_a_job_can_need(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve(
            "a",
            memory="1MiB",
            cpu=0.25,
            scratch="1kB",
            providers={"OpenAI": 900},
            priority="high",
            kind="render",
            max_runtime="1h",
            hold_paths=[tmp_path],
            process=True,
        ) as lease:
            (job,) = await jobs(runtime)
            spec = job.spec
            assert (spec.cpu_millicores, spec.scratch_bytes, spec.max_runtime_seconds) == (250, 1000, 3600)
            assert (spec.priority, spec.kind, spec.hold_paths) == ("high", "render", (str(tmp_path),))
            assert [(need.name, need.tokens) for need in spec.providers] == [("OpenAI", 900)]
            assert job.process is not None
            assert (job.process.pid, lease.owner) == (os.getpid(), "embedded")


async def test_whose_memory_a_job_uses_is_not_said_unless_asked(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve("a", memory=1):
            (job,) = await jobs(runtime)
            assert job.process is None


async def test_a_block_that_waits_begins_when_there_is_room(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime, trio.open_nursery() as nursery:
        await runtime.wait_ready()
        order = []
        begun = trio.Event()

        async def later() -> None:
            async with runtime.reserve("b", memory=GIB, wait="10m") as lease:
                order.append(lease.job_id)
                begun.set()

        async with runtime.reserve("a", memory=2 * GIB):
            nursery.start_soon(later)
            await trio.sleep(0.1)
            assert runtime.utilization().active_jobs == 1
            order.append("a ends")
        with trio.fail_after(5):
            await begun.wait()
        assert order == ["a ends", "b"]


async def test_a_block_that_waited_long_enough_is_refused_and_gives_its_place_up(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve("a", memory=2 * GIB):
            with pytest.raises(Refused) as refused:
                async with runtime.reserve("b", memory=GIB, wait=0.05):
                    pass
            assert refused.value.reasons[0].holders == ("a",)
            assert (await runtime.parts.admission.ref.ask(m.Describe(), within=5)).queue == ()


async def test_a_block_that_is_cancelled_while_it_waits_leaves_nothing(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve("a", memory=2 * GIB):
            with trio.move_on_after(0.05):
                async with runtime.reserve("b", memory=GIB, wait=math.inf):
                    pass
            assert (await runtime.parts.admission.ref.ask(m.Describe(), within=5)).queue == ()
        async with runtime.reserve("b", memory=2 * GIB):
            pass


async def test_nothing_is_admitted_while_the_runtime_drains(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        await runtime.parts.admission.ref.ask(m.Drain(on=True, by="me"), within=5)
        with pytest.raises(Draining):
            async with runtime.reserve("a", memory=1, wait="1m"):
                pass


async def test_what_a_killed_program_held_is_free_for_the_next_one(tmp_path: Path) -> None:
    """Only one has the data directory, so nobody who lives holds it."""
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        left = m.Acquire(
            job_id="a", owner="embedded", spec=JobSpec(memory_bytes=GIB), ttl_seconds=300, connection="embedded"
        )
        theirs = m.Acquire(job_id="b", owner="else", spec=JobSpec(), ttl_seconds=300)
        for request in (left, theirs):
            await runtime.parts.admission.ref.ask(request, within=5)
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        (job,) = await jobs(runtime)
        assert job.key == "b"


@pytest.mark.parametrize("gpu", [GpuNeed(required=False), {"required": False, "memory_bytes": 5}])
async def test_a_gpu_can_be_described(tmp_path: Path, gpu: Any) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve("a", memory=1, gpu=gpu, gpu_memory="1GiB"):  # goes without where there is none
            (job,) = await jobs(runtime)
            assert job.spec.gpu == GpuNeed(required=False, memory_bytes=GIB)


async def test_what_a_provider_call_used_is_settled_at_the_end_of_the_block(tmp_path: Path) -> None:
    limited = msgspec.structs.replace(
        settings(tmp_path), providers=Providers(by_name={"OpenAI": Provider(tokens_per_minute=1000)})
    )
    async with open_runtime(limited) as runtime:
        await runtime.wait_ready()

        async def available() -> float:
            view = await runtime.parts.admission.ref.ask(m.Describe(), within=5)
            (provider,) = [each for each in view.providers if each.name == "OpenAI"]
            assert provider.tokens_available is not None
            return provider.tokens_available

        before = await available()
        async with runtime.provider("OpenAI", tokens=900) as slot:
            assert before - await available() == pytest.approx(900, abs=20)
            slot.settle(tokens=100)
            slot.settle(outcome="ok")
            assert before - await available() == pytest.approx(900, abs=20)
        assert before - await available() == pytest.approx(100, abs=20)
        async with runtime.provider("OpenAI") as slot:
            with pytest.raises(InvalidValue):
                slot.settle(outcome="splendid")


async def test_the_latest_values_are_read_without_sampling(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        seen = []
        async for frame in runtime.subscribe("system"):
            seen.append(frame.seq)
            if len(seen) == 2:
                break
        assert seen[1] > seen[0]
        handled = runtime.parts.sampler.statistics().handled
        assert runtime.latest.system is not None
        assert runtime.latest.process is not None
        assert [child.name for child in runtime.latest.actors.root.children][:2] == ["sampler", "admission"]
        assert runtime.parts.sampler.statistics().handled == handled


async def test_a_sample_on_demand_is_newer_than_the_last_one(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        before = runtime.parts.snapshots.value
        assert before is not None
        fresh = await runtime.collect_system_metrics()
        assert fresh.seq > before.number


async def test_an_unknown_topic_is_a_wrong_call(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        with pytest.raises(InvalidValue, match="there is system, process"):
            async for _ in runtime.subscribe("weather"):
                pass


async def test_two_runtimes_do_not_share_a_data_directory(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)):
        with pytest.raises(AlreadyServed):
            async with open_runtime(settings(tmp_path)):
                pass
    async with open_runtime(settings(tmp_path)):
        pass


async def test_without_settings_nothing_is_left_behind() -> None:
    async with open_runtime() as first, open_runtime():
        folder = first.parts.settings.data_dir
        assert await trio.Path(folder).is_dir()
    assert not await trio.Path(folder).exists()


async def test_two_blocks_cannot_share_one_reservation(tmp_path: Path) -> None:
    """The end of the inner block would free what the outer one still uses."""
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve("a", memory=1):
            with pytest.raises(Conflict):
                async with runtime.reserve("a", memory=1):
                    pass
            assert runtime.utilization().active_jobs == 1
        async with runtime.reserve("a", memory=1) as lease:
            assert lease.fence == 2
