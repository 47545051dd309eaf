"""A folder is made again with the permissions that it had, and nobody else's is changed."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_actors.cleaners.made_again import make_again


@pytest.fixture
def above(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o2770, 0o500])
def test_the_umask_takes_nothing_away_and_stays_what_it_was(tmp_path: Path, above: int, mode: int) -> None:
    before = os.umask(0o077)
    try:
        make_again("made", mode, above)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert permissions(tmp_path / "made") == mode


def test_one_that_somebody_made_meanwhile_keeps_its_permissions(tmp_path: Path, above: int) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    make_again("private", 0o2755, above)
    assert permissions(tmp_path / "private") == 0o700


def test_one_that_a_kill_left_without_its_group_is_completed(tmp_path: Path, above: int) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half").chmod(0o750)
    make_again("half", 0o2750, above)
    assert permissions(tmp_path / "half") == 0o2750


@pytest.mark.parametrize("what", ["file", "link"])
def test_what_is_no_folder_is_in_the_way(tmp_path: Path, above: int, what: str) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    if what == "file":
        (tmp_path / "name").touch()
    else:
        (tmp_path / "name").symlink_to(other)
    with pytest.raises(NotADirectoryError):
        make_again("name", 0o2700, above)
    assert permissions(other) == 0o700
