"""Statistics of kinds survive, the oldest kinds go first, and a file that cannot be used is named."""

from pathlib import Path

import pytest

from aura_actors.domain.learning import KINDS, History, Run
from aura_actors.errors import StoreUnavailable
from aura_actors.stores.kinds import KindStore


def test_what_is_saved_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    store = KindStore(tmp_path / "kinds.db")
    assert store.known == {}
    histories = {"a": History(runs=[Run(5, 1.5)], kills=1, step_bytes=7), "b": History()}
    store.save(histories)
    store.save({"a": History(runs=[Run(6, 2.5)])})
    store.close()
    again = KindStore(tmp_path / "kinds.db")
    assert again.known == {"b": History(), "a": History(runs=[Run(6, 2.5)])}
    assert list(again.known) == ["b", "a"], "the one heard of last is at the end"
    again.close()


def test_the_kinds_that_were_not_heard_of_for_longest_are_let_go(tmp_path: Path) -> None:
    store = KindStore(tmp_path / "kinds.db")
    store.save({f"k{number}": History() for number in range(KINDS + 3)})
    store.close()
    again = KindStore(tmp_path / "kinds.db")
    assert list(again.known) == [f"k{number}" for number in range(3, KINDS + 3)]
    again.close()


def test_a_file_that_is_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "kinds.db").write_text("not a database, but a text that is long enough to be looked at")
    with pytest.raises(StoreUnavailable, match=r"kinds\.db"):
        KindStore(tmp_path / "kinds.db")


def test_a_file_that_cannot_be_written_raises_and_loses_nothing(tmp_path: Path) -> None:
    store = KindStore(tmp_path / "kinds.db")
    store.close()
    with pytest.raises(StoreUnavailable):
        store.save({"a": History()})
