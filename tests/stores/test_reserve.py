"""Space that is kept aside is there when nothing else is."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aura_actors.cleaners.journal import Move
from aura_actors.errors import InvalidValue, StoreUnavailable
from aura_actors.stores import reserve as module
from aura_actors.stores.quarantine import QuarantineStore
from aura_actors.stores.reserve import Reserve


def test_a_reserve_is_given_up_part_by_part_and_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reserve"
    kept = Reserve(path, 8 * 8192)
    kept.renew()
    kept.renew()
    assert path.stat().st_size == 8 * 8192
    assert path.stat().st_blocks * 512 >= 8 * 8192  # it is taken, not only promised
    sizes = []
    while kept.spend():
        sizes.append(path.stat().st_size if path.exists() else 0)
        if len(sizes) == 4:
            kept.renew()
            assert path.stat().st_blocks * 512 >= 8 * 8192  # what was left of it grew
    assert sizes == [n * 8192 for n in (7, 6, 5, 4, 7, 6, 5, 4, 3, 2, 1, 0)]
    assert not path.exists()
    monkeypatch.setattr(Reserve, "_free_bytes", lambda self: 16 * 8192 - 1)
    kept.renew()
    assert not path.exists()


def test_a_reserve_that_cannot_be_had_is_no_error(tmp_path: Path) -> None:
    Reserve(tmp_path / "missing" / "reserve").renew()


def test_the_journal_of_the_quarantine_has_one(tmp_path: Path) -> None:
    QuarantineStore(tmp_path / "quarantine.db").close()
    assert (tmp_path / "quarantine.db-reserve").stat().st_size == module.RESERVED_BYTES
    (tmp_path / "quarantine.db-reserve").unlink()
    QuarantineStore(tmp_path / "quarantine.db", reading=True).close()
    assert not (tmp_path / "quarantine.db-reserve").exists()
    QuarantineStore.look(tmp_path / "quarantine.db").close()
    assert (tmp_path / "quarantine.db-reserve").stat().st_size == module.RESERVED_BYTES


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_BUSY])
def test_what_a_disk_refuses_is_not_tried_again_for_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """What it refused once to make durable may be lost although it says the next time that it is not."""
    store = QuarantineStore(tmp_path / "quarantine.db")
    store.close()
    store = QuarantineStore(tmp_path / "quarantine.db")
    tries = []

    def refused(*_: object) -> None:
        tries.append(1)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr("aura_actors.stores.quarantine.transaction", refused)
    with pytest.raises(StoreUnavailable):
        store.tidy(0)
    store.close()
    assert len(tries) == 1
    assert (tmp_path / "quarantine.db-reserve").stat().st_size == module.RESERVED_BYTES


def test_a_journal_that_was_not_closed_is_read_with_what_is_in_its_log(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.db"
    killed = QuarantineStore(path)
    haul = killed.open_haul("run", "temp-files", "/root")
    killed.intend(
        haul,
        [],
        [Move(folder=0, name="a", kind="file", inode=1, size_bytes=2, allocated_bytes=0, modified_ns=0, mode=0)],
    )
    reading = QuarantineStore(path, reading=True)
    assert reading.unsettled()
    assert {run: held.size_bytes for run, held in reading.held().items()} == {"run": 2}
    reading.close()
    killed.close()


def test_a_journal_of_a_newer_version_is_not_read_either(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.db"
    QuarantineStore(path).close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    for reading in (False, True):
        with pytest.raises(InvalidValue, match="version 99"):
            QuarantineStore(path, reading=reading)
