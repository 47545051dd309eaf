"""The runtime inside a program of one's own: no server, no port, a lease for the time of a block."""

from pathlib import Path

import msgspec
import pytest
import trio

from aura_actors import Settings, open_runtime
from aura_actors.config.sections import Admission, Provider, Providers
from aura_actors.domain.ledger import JobSpec
from aura_actors.errors import AlreadyServed, Conflict, InvalidValue, NeverFits, Refused
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


async def test_a_reservation_lasts_as_long_as_its_block(tmp_path: Path) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve("video-123", memory="1GiB", kind="render") as lease:
            assert (lease.memory_bytes, lease.fence) == (GIB, 1)
            assert runtime.utilization().total_reserved_memory_bytes == GIB
        assert runtime.utilization().total_reserved_memory_bytes == 0


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
    async with open_runtime(settings(tmp_path, lease_ttl=0.3)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve("a", memory=GIB):
            renewals = runtime.parts.admission.statistics().handled
            await trio.sleep(0.8)  # real time: the lease's own clock is the machine's
            assert runtime.utilization().active_jobs == 1
            assert runtime.parts.admission.statistics().handled > renewals


async def test_a_lease_that_somebody_else_got_meanwhile_is_left_to_them(tmp_path: Path) -> None:
    """The loop stalled, the lease ended, another owner took the id: the block goes on, and ends, without harm."""
    async with open_runtime(settings(tmp_path, lease_ttl=0.3)) as runtime:
        await runtime.wait_ready()
        async with runtime.reserve("a", memory=GIB) as lease:
            ref = runtime.parts.admission.ref
            await ref.ask(m.Release(job_id="a", secret=lease.lease_id), within=5)
            other = m.Acquire(job_id="a", owner="else", spec=JobSpec(memory_bytes=5), ttl_seconds=60)
            theirs = (await ref.ask(other, within=5)).lease
            await trio.sleep(0.3)  # real time: two renewals meet the other's lease
        assert runtime.utilization().total_reserved_memory_bytes == 5
        await ref.ask(m.Release(job_id="a", secret=theirs.secret), within=5)


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


@pytest.mark.parametrize(("job_id", "memory"), [("", 1), ("a b", 1), ("a", "2 gigs"), ("a", -1)])
async def test_a_wrong_call_says_what_is_wrong(tmp_path: Path, job_id: str, memory: int | str) -> None:
    async with open_runtime(settings(tmp_path)) as runtime:
        await runtime.wait_ready()
        with pytest.raises(InvalidValue):
            async with runtime.reserve(job_id, memory=memory):
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
