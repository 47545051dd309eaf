"""A folder that cannot be the data directory is refused with a sentence that names it."""

import os
from pathlib import Path

import pytest

from aura_actors.errors import InvalidValue
from aura_actors.stores.data_dir import claim


@pytest.mark.parametrize("name", [b"d\xffx", b"x/\xc3\x28/y"])
def test_one_whose_name_is_no_text_is_refused_and_not_made(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    with pytest.raises(InvalidValue, match=r"(?s)\\x.*its name is not UTF-8") as refused:
        claim(path)
    str(refused.value).encode()
    assert list(tmp_path.iterdir()) == []


def test_so_is_one_that_a_name_leads_to_from_such_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / os.fsdecode(b"\xff")
    here.mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(InvalidValue, match="UTF-8"):
        claim(Path("data"))
    assert list(here.iterdir()) == []


def test_any_other_text_will_do(tmp_path: Path) -> None:
    data = claim(tmp_path / "мои данные ✓")
    assert data.path.is_dir()
    data.release()


def test_below_a_working_directory_that_is_gone_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(InvalidValue, match="the data directory data cannot be used: No such file"):
        claim(Path("data"))
