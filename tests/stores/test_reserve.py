"""Space that is kept aside is there when nothing else is."""

from pathlib import Path

import pytest

from aura_actors.stores import reserve as module
from aura_actors.stores.quarantine import QuarantineStore
from aura_actors.stores.reserve import Reserve


def test_a_reserve_is_kept_while_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "reserve"
    kept = Reserve(path, 8192)
    kept.renew()
    kept.renew()
    assert path.stat().st_size == 8192
    assert path.stat().st_blocks * 512 >= 8192  # it is taken, not only promised
    kept.spend()
    assert path.exists()
    monkeypatch.setattr(Reserve, "_free_bytes", lambda self: 8191)
    kept.spend()
    assert not path.exists()
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
