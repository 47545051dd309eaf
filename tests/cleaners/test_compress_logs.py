"""Logs are compressed, and go only when what they became is known to be them."""

import gzip
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_actors.cleaners import CompressLogs, Undo, sweep
from aura_actors.cleaners.compress_logs import kind_of_log
from aura_actors.cleaners.in_use import OpenFiles, lease, lease_is_whole
from aura_actors.domain.pins import Pins
from tests.cleaners.household import Household


@pytest.fixture
def logs(house: Household) -> Path:
    """Two logs of one kind, the second written last."""
    folder = house.data_dir / "logs"
    for number, name in enumerate(("app-1.log", "app-2.log"), start=1):
        (folder / name).write_text(f"{name}\n" * 1_000)
        os.utime(folder / name, ns=(number * 10**9, number * 10**9))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".aura-root")


def test_an_old_log_becomes_its_gz_with_its_mode_and_time_and_the_newest_stays(
    house: Household, logs: Path
) -> None:
    (logs / "app-1.log").chmod(0o640)
    text = (logs / "app-1.log").read_bytes()
    swept = house.run(CompressLogs(), days=8)
    assert (swept.outcome, swept.removed, swept.kept) == ("done", 1, {"newest": 1})
    assert names(logs) == ["app-1.log.gz", "app-2.log"]
    packed = logs / "app-1.log.gz"
    assert gzip.decompress(packed.read_bytes()) == text
    assert (packed.stat().st_mode & 0o777, packed.stat().st_mtime_ns) == (0o640, 10**9)
    assert swept.freed_bytes == len(text) - packed.stat().st_size


def test_a_young_log_stays_and_what_is_no_log_too(house: Household, logs: Path) -> None:
    for name in ("notes.txt", "app-1.log.1.gz", "app.log.old"):
        (logs / name).write_text("x")
    assert house.run(CompressLogs(), days=6).removed == 0
    swept = house.run(CompressLogs(), days=8)
    assert (swept.removed, swept.kept) == (1, {"newest": 1, "excluded": 3})


def test_a_log_that_somebody_writes_to_stays(house: Household, logs: Path) -> None:
    with (logs / "app-1.log").open("a"):
        swept = house.run(CompressLogs(), days=8)
    assert swept.kept == {"newest": 1, "in-use": 1}
    assert names(logs) == ["app-1.log", "app-2.log"]


def test_a_log_that_somebody_reads_stays_until_nobody_does(house: Household, logs: Path) -> None:
    with (logs / "app-1.log").open():
        assert house.run(CompressLogs(), days=8).kept == {"newest": 1, "in-use": 1}
        assert names(logs) == ["app-1.log", "app-1.log.gz", "app-2.log"]
    assert house.run(CompressLogs(), days=8).removed == 1
    assert names(logs) == ["app-1.log.gz", "app-2.log"]


@pytest.fixture
def writer(logs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A process that opens the older log for a last line as soon as the lease on it is taken; the ones started."""
    code = f"with open({str(logs / 'app-1.log')!r}, 'a') as log: log.write('the last line\\n')"
    started = list[subprocess.Popen[bytes]]()

    def and_somebody_comes(fd: int) -> str:
        answer = lease(fd)
        if not started:
            started.append(subprocess.Popen([sys.executable, "-c", code]))
            while lease_is_whole(fd):
                time.sleep(0.001)
        return answer

    monkeypatch.setattr("aura_actors.cleaners.hold.lease", and_somebody_comes)
    yield started
    for process in started:
        assert process.wait(10) == 0


@pytest.mark.timeout(60)
def test_who_opens_a_log_as_it_goes_finds_it_at_its_place(
    house: Household, logs: Path, writer: list[subprocess.Popen[bytes]]
) -> None:
    swept = house.run(CompressLogs(), days=8)
    assert writer[0].wait(10) == 0
    assert (swept.outcome, swept.removed, swept.kept) == ("done", 0, {"newest": 1, "in-use": 1})
    assert names(logs) == ["app-1.log", "app-1.log.gz", "app-2.log"]
    assert (logs / "app-1.log").read_text().endswith("app-1.log\nthe last line\n")


def test_a_log_that_went_on_after_it_was_compressed_is_compressed_anew(house: Household, logs: Path) -> None:
    with (logs / "app-1.log").open():
        house.run(CompressLogs(), days=8)
    with (logs / "app-1.log").open("a") as log:
        log.write("more")
    text = (logs / "app-1.log").read_bytes()
    os.utime(logs / "app-2.log")  # the newest again
    swept = house.run(CompressLogs(), days=8)
    assert (swept.removed, swept.failures) == (1, {})
    assert names(logs) == ["app-1.log.gz", "app-2.log"]
    assert gzip.decompress((logs / "app-1.log.gz").read_bytes()) == text
    assert swept.freed_bytes == len(text) - (logs / "app-1.log.gz").stat().st_size


def test_a_gz_of_the_beginning_of_a_log_stays_while_somebody_reads_it(house: Household, logs: Path) -> None:
    (logs / "app-1.log.gz").write_bytes(gzip.compress(b"app-1.log\n" * 10))
    with (logs / "app-1.log.gz").open():
        assert house.run(CompressLogs(), days=8).kept == {"newest": 1, "excluded": 1, "in-use": 1}
    assert gzip.decompress((logs / "app-1.log.gz").read_bytes()) == b"app-1.log\n" * 10
    assert (logs / "app-1.log").exists()


def test_where_the_kernel_grants_no_lease_a_log_waits_in_quarantine(
    house: Household, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who came at the last moment would otherwise write to a file that is deleted."""
    nobody = OpenFiles(frozenset(), frozenset(), complete=True)
    monkeypatch.setattr("aura_actors.cleaners.hold.lease", lambda fd: "unknown")
    monkeypatch.setattr("aura_actors.cleaners.removal.read_open_files", lambda: nobody)
    text = (logs / "app-1.log").read_bytes()
    swept = house.run(CompressLogs(), days=8, run_id="run")
    assert (swept.removed, swept.quarantined, swept.quarantined_bytes) == (1, 1, len(text))
    assert (logs / "app-1.log.gz").exists()
    assert sweep(Undo("run"), house.bench(days=8)).restored == 1
    assert (logs / "app-1.log").read_bytes() == text


OTHERS = {
    "text": b"other",
    "another": gzip.compress(b"other"),
    "longer": gzip.compress(b"app-1.log\n" * 1_001),
    "half": gzip.compress(b"app-1.log\n" * 1_000)[:-5],
}


@pytest.mark.parametrize("kind", ["another", "longer"])
def test_a_log_whose_name_another_one_had_before_it_gets_a_gz_of_its_own(
    house: Household, logs: Path, kind: str
) -> None:
    """As logs do that are rotated by renaming: each of them is `app.log.1` once."""
    (logs / "app-1.log.gz").write_bytes(OTHERS[kind])
    text = (logs / "app-1.log").read_bytes()
    assert house.run(CompressLogs(), days=8, dry_run=True).removed == 1
    swept = house.run(CompressLogs(), days=8)
    assert (swept.removed, swept.failures) == (1, {})
    assert names(logs) == ["app-1.log.19700101T000001Z.gz", "app-1.log.gz", "app-2.log"]
    assert (logs / "app-1.log.gz").read_bytes() == OTHERS[kind]
    assert gzip.decompress((logs / "app-1.log.19700101T000001Z.gz").read_bytes()) == text


def test_a_third_log_of_one_name_and_one_second_stays(house: Household, logs: Path) -> None:
    for name in ("app-1.log.gz", "app-1.log.19700101T000001Z.gz"):
        (logs / name).write_bytes(OTHERS["another"])
    swept = house.run(CompressLogs(), days=8)
    assert (swept.removed, swept.kept["failed"]) == (0, 1)
    assert (logs / "app-1.log").exists()


def test_a_log_is_not_compressed_at_the_price_of_a_full_disk(
    house: Household, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (logs / "app-1.log").write_bytes(os.urandom(3 << 20))
    (logs / "app-2.log").write_text("the newest")
    full = os.fstatvfs(0)
    four_mib = os.statvfs_result([*full[:4], (4 << 20) // full.f_frsize, *full[5:10]])
    monkeypatch.setattr("aura_actors.cleaners.gzipping.os.fstatvfs", lambda fd: four_mib)
    swept = house.run(CompressLogs(), days=8)
    assert (swept.removed, swept.kept) == (0, {"failed": 1, "newest": 1})
    assert "half of what is free" in swept.failures[str(logs / "app-1.log")]
    assert names(logs) == ["app-1.log", "app-2.log"]


def test_a_log_that_is_no_shorter_as_a_gz_frees_nothing(house: Household, logs: Path) -> None:
    (logs / "app-1.log").write_text("x")
    (logs / "app-2.log").write_text("the newest")
    swept = house.run(CompressLogs(), days=8)
    assert (swept.removed, swept.freed_bytes) == (1, 0)


@pytest.mark.parametrize("kind", ["text", "half"])
def test_a_gz_that_is_there_and_does_not_unpack_is_left_with_the_log(
    house: Household, logs: Path, kind: str
) -> None:
    content = OTHERS[kind]
    (logs / "app-1.log.gz").write_bytes(content)
    swept = house.run(CompressLogs(), days=8)
    assert swept.kept["failed"] == 1
    assert list(swept.failures) == [str(logs / "app-1.log")]
    assert (logs / "app-1.log").exists()
    assert (logs / "app-1.log.gz").read_bytes() == content


def test_links_and_hard_links_and_pinned_logs_stay(house: Household, logs: Path, tmp_path: Path) -> None:
    (tmp_path / "precious.log").write_text("keep me")
    (logs / "app-3.log").symlink_to(tmp_path / "precious.log")
    os.link(logs / "app-1.log", house.data_dir / "second name")
    swept = house.run(CompressLogs(), days=8)
    assert (swept.removed, swept.kept) == (0, {"newest": 1, "hard-linked": 1, "excluded": 1})
    (house.data_dir / "second name").unlink()
    pins = Pins([os.path.realpath(logs / "app-1.log")])
    assert house.run(CompressLogs(), days=8, pins=pins).kept["pinned"] == 1
    assert (tmp_path / "precious.log").read_text() == "keep me"


def test_logs_in_folders_have_a_newest_of_their_own(house: Household, logs: Path) -> None:
    (logs / "sub").mkdir()
    (logs / "sub" / "app-0.log").write_text("x")
    swept = house.run(CompressLogs(), days=8)
    assert (swept.removed, swept.kept["newest"]) == (1, 2)


def test_a_dry_run_changes_nothing(house: Household, logs: Path) -> None:
    (logs / ".aura-gz-left").write_text("of a run that died")
    swept = house.run(CompressLogs(), days=8, dry_run=True)
    assert (swept.removed, swept.kept) == (1, {"newest": 1, "excluded": 1})
    assert names(logs) == [".aura-gz-left", "app-1.log", "app-2.log"]
    house.run(CompressLogs(), days=8)
    assert names(logs) == ["app-1.log.gz", "app-2.log"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("app-2024-01-31.log", "app.log"), ("app.log.12", "app.log"), ("app.log-20240131", "app.log")],
)  # fmt: skip
def test_numbers_and_dates_make_no_difference_to_the_kind_of_a_log(name: str, kind: str) -> None:
    assert kind_of_log(name) == kind
