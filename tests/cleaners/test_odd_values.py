"""Whatever names, records and stamps an application has, a run comes to its end, and what it says can be sent."""

import gzip
import os
from pathlib import Path

import msgspec
import pytest

from aura_actors.cleaners import (
    ArchiveProjects,
    Books,
    Cache,
    Cleaner,
    CompressLogs,
    FailedProjects,
    OrphanedUploads,
    Swept,
    TempFiles,
)
from aura_actors.cleaners.printable import LONGEST_TEXT
from aura_actors.workers import sweep_frames as f
from aura_actors.workers.frames import MAX_FRAME_BYTES
from tests.cleaners.household import Household


def sent(swept: Swept) -> f.Ended:
    """As it arrives at the other end of the pipe."""
    frame = msgspec.msgpack.encode(f.Ended(swept=swept, quarantine={}))
    assert len(frame) <= MAX_FRAME_BYTES
    return msgspec.msgpack.decode(frame, type=f.Ended)


def test_a_failure_about_a_name_that_is_no_text_can_be_sent(house: Household) -> None:
    logs = os.fsencode(house.data_dir / "logs")
    taken = (b"caf\xe9.log.1.gz", b"caf\xe9.log.1.19700101T000001Z.gz")
    for number, name in enumerate((b"caf\xe9.log.1", b"caf\xe9.log.2", *taken), start=1):
        path = Path(os.fsdecode(logs + b"/" + name))
        path.write_bytes(gzip.compress(b"other") if name.endswith(b"gz") else b"text")
        os.utime(path, ns=(number * 10**9, number * 10**9))
    told = sent(house.run(CompressLogs(), days=8)).swept
    ((path_told, text),) = told.failures.items()
    assert path_told.endswith("/caf\\xe9.log.1")
    assert text == "caf\\xe9.log.1.19700101T000001Z.gz is there already, with another content"


def test_a_run_that_fails_at_a_name_that_is_no_text_says_where(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise OSError(5, "Input/output error", "caf\udce9")

    monkeypatch.setattr("aura_actors.cleaners.compress_logs.Walk.steps", broken)
    told = sent(house.run(CompressLogs())).swept
    assert (told.outcome, told.detail) == ("failed", "caf\\xe9: Input/output error")


@pytest.mark.parametrize("ident", ["CAST(x'636166e9' AS TEXT)", "printf('%.*c', 10000000, 'x')"])
def test_a_project_with_any_text_for_a_key_can_be_told_of(
    house: Household, ident: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.project("p1", "failed")
    house.db.execute(f"UPDATE projects SET id = {ident}")

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("aura_actors.cleaners.failed_projects.probe", broken)
    told = sent(house.run(FailedProjects(), days=4)).swept
    ((key, text),) = told.failures.items()
    assert text == "Input/output error"
    assert key.startswith("projects: ")
    assert key.isprintable()
    assert len(key.encode()) <= LONGEST_TEXT + 3


def test_a_listing_of_the_longest_names_fits_into_a_reply(house: Household) -> None:
    folder = os.fsencode(house.data_dir / "temp")
    for _ in range(4):
        folder += b"/" + b"\xff" * 240
    Path(os.fsdecode(folder)).mkdir(parents=True)
    for number in range(1_500):
        os.close(os.open(folder + b"/%05d" % number, os.O_CREAT | os.O_WRONLY))
    swept = house.run(TempFiles(), days=3, dry_run=True, books=Books(list_at_most=2_000))
    assert (swept.outcome, swept.removed) == ("done", 1_504)
    assert 500 < len(sent(swept).swept.listing) < 1_504


@pytest.mark.parametrize(
    ("stamp", "kept"),
    [("9e999", "future"), ("1e300", "future"), ("'soon'", "future"), ("'nan'", "future"), ("x'00'", "future"),
     ("-9e999", None), ("-1e300", None), ("NULL", None)],
)  # fmt: skip
def test_a_stamp_that_is_no_time_keeps_its_entry_and_one_before_all_times_does_not(
    house: Household, stamp: str, kept: str | None
) -> None:
    (house.data_dir / "cache" / "x").write_text("x")
    house.db.execute("DROP TABLE cache_entries")
    house.db.execute("CREATE TABLE cache_entries (path TEXT, used_at)")  # the application's own, less strict
    house.db.execute(f"INSERT INTO cache_entries VALUES ('x', {stamp})")
    swept = house.run(Cache(), days=5)
    assert (swept.outcome, swept.kept) == ("done", {} if kept is None else {kept: 1})


@pytest.mark.parametrize("cleaner", [FailedProjects(), ArchiveProjects()], ids=lambda cleaner: cleaner.name)
def test_a_project_whose_path_cannot_be_a_path_stays_and_the_others_go(house: Household, cleaner: Cleaner) -> None:
    status = "failed" if isinstance(cleaner, FailedProjects) else "completed"
    house.project("p1", status)
    house.project("p2", status)
    house.db.execute("UPDATE projects SET path = 'p1' || char(0), updated_at = updated_at - 9 WHERE id = 'p1'")
    swept = house.run(cleaner, days=8)
    assert (swept.outcome, swept.kept) == ("done", {"outside": 1})
    assert house.status("p1") == status
    assert not (house.data_dir / "projects" / "p2").exists()


def test_a_reference_that_cannot_be_a_path_refers_to_nothing(house: Household) -> None:
    house.project("p1", "running")
    house.upload("p1", "used")
    (house.data_dir / "uploads" / "orphan").write_text("x")
    house.db.execute("INSERT INTO uploads (project_id, path, created_at) VALUES ('p1', 'a' || char(0), 0)")
    assert house.run(OrphanedUploads(), days=3).kept == {"seen-once": 1, "referenced": 1}


def test_an_upload_that_cannot_be_a_path_keeps_no_project_from_its_archive(house: Household) -> None:
    house.project("p1")
    house.db.execute("INSERT INTO uploads (project_id, path, created_at) VALUES ('p1', 'a' || char(0), 0)")
    assert house.run(ArchiveProjects(), days=8).outcome == "done"
    assert house.status("p1") == "archived"
