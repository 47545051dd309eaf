"""The journal of the quarantine: what is written down survives, and nothing is kept that is over."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners.journal import Folder, Move
from aura_actors.errors import StoreUnavailable
from aura_actors.stores.quarantine import QuarantineStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[QuarantineStore]:
    made = QuarantineStore(tmp_path / "quarantine.db")
    yield made
    made.close()


def moved(name: str = "a", **fields: Any) -> Move:
    given: dict[str, Any] = {
        "folder": 0,
        "kind": "file",
        "inode": 7,
        "size_bytes": 10,
        "allocated_bytes": 4096,
        "modified_ns": 5,
        "mode": 0o600,
        **fields,
    }
    return Move(name=name, **given)


def test_what_is_intended_is_there_for_the_next_process(store: QuarantineStore, tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff\n")
    haul = store.open_haul("run", "temp-files", f"/srv/{odd}")
    folders = [Folder(1, 0, odd, 0o755), Folder(5, 1, "deeper", 0o700)]
    moves = [moved(odd, folder=5, inode=2**64 - 1), moved("b", kind="directory")]
    seqs = store.intend(haul, folders, moves)
    again = QuarantineStore(tmp_path / "quarantine.db")
    (found,) = again.hauls()
    assert (found.run_id, found.task, found.root) == ("run", "temp-files", f"/srv/{odd}")
    assert again.folders(haul) == folders
    recorded = again.moves(haul, limit=9, settled=False)
    assert [entry.move for entry in recorded] == moves
    assert [(entry.seq, entry.state) for entry in recorded] == [(seq, "intended") for seq in seqs]
    again.close()


def test_numbers_are_never_used_again(store: QuarantineStore) -> None:
    """They are names in quarantine: what lies there must not be taken for something else."""
    haul = store.open_haul("run", "t", "/root")
    (first,) = store.intend(haul, [], [moved()])
    store.settle(purged=[first], now_ns=1)
    store.tidy(1)
    other = store.open_haul("other", "t", "/root")
    (second,) = store.intend(other, [], [moved()])
    assert other > haul
    assert second > first


def test_only_what_lies_in_quarantine_stays_on_record(store: QuarantineStore) -> None:
    haul = store.open_haul("run", "t", "/root")
    seqs = store.intend(haul, [Folder(1, 0, "x", 0o700)], [moved(str(n)) for n in range(4)])
    store.settle(quarantined=seqs[:1], purged=seqs[1:2], restored=seqs[2:3], forgotten=seqs[3:], now_ns=9)
    (left,) = store.moves(haul, limit=9)
    assert (left.seq, left.state, left.since_ns) == (seqs[0], "quarantined", 9)
    store.settle(purged=seqs[:1], now_ns=9)
    assert store.hauls() == []
    store.tidy(9)
    assert store.folders(haul) == []


def test_moves_are_read_in_pages_by_state_and_by_age(store: QuarantineStore) -> None:
    haul = store.open_haul("run", "t", "/root")
    seqs = store.intend(haul, [], [moved(str(n)) for n in range(5)])
    store.settle(quarantined=seqs[:2], now_ns=10)
    store.settle(quarantined=seqs[2:4], now_ns=20)
    assert [entry.seq for entry in store.moves(haul, limit=9, until_ns=10)] == list(seqs[:2])
    assert [entry.seq for entry in store.moves(haul, after=seqs[0], limit=2)] == list(seqs[1:3])
    assert [entry.seq for entry in store.moves(haul, limit=9, settled=False)] == [seqs[4]]
    store.doom(seqs[:1])
    store.put_back(seqs[1:2])
    assert [entry.state for entry in store.moves(haul, limit=9, settled=False)] == [
        "doomed",
        "returning",
        "intended",
    ]


def test_runs_are_told_apart(store: QuarantineStore) -> None:
    for run_id in ("one", "two", "one"):
        store.intend(store.open_haul(run_id, "t", "/root"), [], [moved()])
    assert [haul.number for haul in store.hauls("one")] == [1, 3]
    assert [haul.run_id for haul in store.hauls()] == ["one", "two", "one"]


def test_sightings_remember_the_first_and_forget_what_is_seen_no_more(store: QuarantineStore) -> None:
    assert store.sighted("t", [b"a"], 10, record=False) == [10]
    assert store.sighted("t", [b"a", b"b"], 20, record=True) == [20, 20]
    assert store.sighted("t", [b"a"], 30, record=True) == [20]
    assert store.sighted("other", [b"a"], 30, record=False) == [30]
    store.forget_sightings("t", 30)
    assert store.sighted("t", [b"a", b"b"], 40, record=False) == [20, 40]


def test_a_file_that_cannot_be_used_is_said_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(StoreUnavailable, match=r"broken\.db"):
        QuarantineStore(tmp_path / "broken.db")


def test_reading_a_page_looks_at_nothing_before_it(store: QuarantineStore) -> None:
    """So that the end of a long run costs as much as its beginning."""
    haul = store.open_haul("run", "t", "/root")
    for _ in range(50):
        seqs = store.intend(haul, [], [moved() for _ in range(64)])
        store.settle(quarantined=seqs, now_ns=1)
    plan = store._connection.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM move WHERE haul = 1 AND seq > 5 AND state = 'quarantined' ORDER BY seq"
    ).fetchall()
    assert "move_by_haul" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
