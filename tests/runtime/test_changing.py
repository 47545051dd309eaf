"""New settings hold in a running runtime as far as they can; what is held and who waits stay as they are."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from aura_actors import Runtime, Settings, open_runtime
from aura_actors.config.cleanup import Cleanup, TempFiles
from aura_actors.config.secret import Secret
from aura_actors.config.sections import Admission, Alerts, Http, Log, Provider, Providers
from aura_actors.errors import InvalidValue, Refused, UsageError
from aura_actors.messages import admission as m
from aura_actors.runtime import changing, cleaning
from aura_actors.runtime.changing import Changed, change, check, differences, merged

GIB = 2**30
QUIET = Admission(
    cpu_threshold_percent=100, memory_threshold_percent=100, reserved_for_ui=0, job_slots=10, memory_limit=2 * GIB
)
ONE_CALL = Providers(by_name={"OpenAI": Provider(max_concurrent=1)})


def settings(folder: Path, **sections: Any) -> Settings:
    return Settings(data_dir=folder, **{"admission": QUIET, "providers": ONE_CALL, **sections})


@asynccontextmanager
async def ready(started: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(started) as runtime:
        await runtime.wait_ready()
        yield runtime


async def jobs(runtime: Runtime) -> list[str]:
    view = await runtime.parts.admission.ref.ask(m.Describe(), within=5)
    return [job.lease.key for job in view.jobs]


# --- which keys -----------------------------------------------------------------------------------------


def test_what_differs_is_named_by_its_key(tmp_path: Path) -> None:
    before = settings(tmp_path, http=Http(token=Secret("a")))
    after = settings(
        tmp_path,
        http=Http(token=Secret("b"), port=1),
        providers=Providers(by_name={"OpenAI": Provider(max_concurrent=2), "Other": Provider(adaptive=True)}),
    )
    assert differences(before, after) == (
        "http.port", "http.token", "providers.OpenAI.max_concurrent", "providers.Other.adaptive",
    )  # fmt: skip
    assert differences(before, before) == ()


def test_where_a_value_came_from_is_no_difference(tmp_path: Path) -> None:
    assert differences(settings(tmp_path), settings(tmp_path, sources={"http.port": "a file"})) == ()


def test_places_and_sizes_of_what_is_built_in_wait_for_the_next_start(tmp_path: Path) -> None:
    new = settings(
        tmp_path / "elsewhere",
        http=Http(port=1, allowed_hosts=("a.example",)),
        admission=msgspec.structs.replace(QUIET, bytes_per_job=1, job_slots=3),
        alerts=Alerts(cpu_percent=50.0),
        cleanup=Cleanup(daily=60.0),
        log=Log(level="debug"),
    )
    held = merged(settings(tmp_path), new)
    assert differences(held, new) == ("admission.bytes_per_job", "data_dir", "http.port")
    assert differences(settings(tmp_path), held) == (
        "admission.job_slots", "alerts.cpu_percent", "cleanup.daily", "http.allowed_hosts", "log.level",
    )  # fmt: skip


# --- in a running runtime -------------------------------------------------------------------------------


async def test_a_lease_stays_and_whoever_waits_is_granted_in_the_new_room(tmp_path: Path) -> None:
    async with ready(settings(tmp_path)) as runtime, runtime.reserve("a", memory="2GiB"):
        granted = trio.Event()

        async def wait() -> None:
            async with runtime.reserve("b", memory="2GiB", wait="1m"):
                granted.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            while not runtime.parts.seen.queue:  # noqa: ASYNC110
                await trio.sleep(0.01)  # for the runtime's own threads
            roomier = msgspec.structs.replace(QUIET, memory_limit=4 * GIB)
            changed = await change(runtime.parts, settings(tmp_path, admission=roomier))
            assert changed == Changed(now=("admission.memory_limit",), at_next_start=())
            with trio.fail_after(10):
                await granted.wait()
        assert await jobs(runtime) == ["a"]


async def test_a_smaller_budget_takes_nothing_away(tmp_path: Path) -> None:
    async with ready(settings(tmp_path)) as runtime, runtime.reserve("a", memory="2GiB"):
        smaller = msgspec.structs.replace(QUIET, memory_limit=GIB)
        await change(runtime.parts, settings(tmp_path, admission=smaller))
        with pytest.raises(Refused):
            async with runtime.reserve("b", memory="512MiB"):
                pass
        assert await jobs(runtime) == ["a"]


async def test_slots_at_a_provider_follow_and_those_that_are_held_stay(tmp_path: Path) -> None:
    async with ready(settings(tmp_path)) as runtime, runtime.provider("OpenAI"):
        two = Providers(by_name={"OpenAI": Provider(max_concurrent=2)})
        await change(runtime.parts, settings(tmp_path, providers=two))
        async with runtime.provider("OpenAI", wait="10s"):
            assert runtime.parts.seen.providers.find("OpenAI").slots.used == 2


async def test_whoever_watches_the_alerts_is_told_the_new_thresholds(tmp_path: Path) -> None:
    calm = Alerts(cpu_percent=100.0, memory_percent=100.0)  # nothing is exceeded: there is no other news
    async with ready(settings(tmp_path, alerts=calm)) as runtime:
        told = runtime.parts.topics["alerts"]
        seen = told.version
        await change(runtime.parts, settings(tmp_path, alerts=Alerts(cpu_percent=100.0, memory_percent=99.0)))
        with trio.fail_after(10):
            publication = await told.wait_newer(seen)
        assert publication is not None
        thresholds = msgspec.json.decode(publication.data)["thresholds"]
        assert [each["threshold"] for each in thresholds] == [100.0, 99.0, 85.0]


async def test_whoever_is_open_to_others_keeps_its_token_as_long_as_its_address(tmp_path: Path) -> None:
    exposed = Http(host="0.0.0.0", token=Secret("a"))
    async with ready(settings(tmp_path, http=exposed)) as runtime:
        with pytest.raises(UsageError, match=r"serve on 0\.0\.0\.0 without a token"):
            await check(runtime.parts, settings(tmp_path, http=Http(host="127.0.0.1")))
        await check(runtime.parts, settings(tmp_path, http=Http(host="127.0.0.1", token=Secret("b"))))


async def test_what_did_not_change_restarts_nothing(tmp_path: Path) -> None:
    async with ready(settings(tmp_path)) as runtime:
        changed = await change(runtime.parts, settings(tmp_path, alerts=Alerts(cpu_percent=50.0)))
        assert changed.now == ("alerts.cpu_percent",)
        assert {node.restarts for node in runtime.parts.supervisor.nodes()} == {0}


def restarts(runtime: Runtime) -> dict[str, int]:
    return {node.name: node.restarts for node in runtime.parts.supervisor.nodes() if node.restarts}


async def test_cleanup_goes_by_its_new_settings_and_nobody_else_is_restarted(tmp_path: Path) -> None:
    async with ready(settings(tmp_path)) as runtime:
        seen = runtime.parts.cleanup_state.version
        less = Cleanup(hourly=60.0, temp_files=TempFiles(enabled=False))
        await check(runtime.parts, settings(tmp_path, cleanup=less))
        changed = await change(runtime.parts, settings(tmp_path, cleanup=less))
        assert changed == Changed(now=("cleanup.hourly", "cleanup.temp-files.enabled"), at_next_start=())
        with trio.fail_after(10):
            state = await runtime.parts.cleanup_state.wait_newer(seen)
        tasks = {task.task: task for task in state.tasks}
        assert (tasks["temp-files"].enabled, tasks["cache"].every_seconds[0]) == (False, 60.0)
        assert restarts(runtime) == {"cleanup": 1}


@pytest.mark.parametrize("bad", ["ours", "file", "unmade"])
async def test_a_root_that_must_not_be_worked_in_is_refused_before_anything_changes(
    tmp_path: Path, bad: str
) -> None:
    (tmp_path / "file").write_text("")
    roots = {
        "ours": (str(tmp_path), "contains the program's own data"),
        "file": (str(tmp_path / "file"), "cannot be prepared: File exists"),
        "unmade": (str(tmp_path / "file" / "below"), "cannot be prepared: Not a directory"),
    }
    root, reason = roots[bad]
    async with ready(settings(tmp_path / "data")) as runtime:
        wrong = settings(tmp_path / "data", cleanup=Cleanup(temp_files=TempFiles(root=Path(root))))
        with pytest.raises(InvalidValue, match=reason) as caught:
            await check(runtime.parts, wrong)
        assert str(caught.value).startswith(f"cleanup.temp-files: {root} ")


async def test_a_disk_that_is_not_mounted_is_no_reason_against_other_settings(tmp_path: Path) -> None:
    away = TempFiles(root=tmp_path / "disk" / "temp")
    async with ready(settings(tmp_path / "data", cleanup=Cleanup(temp_files=away))) as runtime:
        (tmp_path / "disk").rename(tmp_path / "away")
        await check(runtime.parts, settings(tmp_path / "data", cleanup=Cleanup(temp_files=away, daily=60.0)))


async def test_a_disk_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    monkeypatch.setattr(cleaning, "check_roots", lambda *_: answer.wait(30))
    monkeypatch.setattr(changing, "FOLDERS_SECONDS", 0.01)
    async with ready(settings(tmp_path)) as runtime:
        try:
            with pytest.raises(InvalidValue, match="did not answer"):
                await check(runtime.parts, settings(tmp_path, cleanup=Cleanup(daily=60.0)))
        finally:
            answer.set()
