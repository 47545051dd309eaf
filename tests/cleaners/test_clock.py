"""What stamps say is believed only where it keeps a file.

Clocks that jump while the program runs are the schedule's affair; here a file's own stamps are wrong.
"""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cleaners import TempFiles
from aura_actors.cleaners.birth import born_ns

DAY_NS = 86_400 * 10**9


def test_a_file_of_the_future_stays_and_is_reported(yard: Any) -> None:
    path = yard.file("a")
    ahead_ns = yard.later_ns(hours=1_000)
    os.utime(path, ns=(ahead_ns, ahead_ns))
    assert yard.sweep().kept == {"future": 1}


def test_a_clock_that_was_set_back_makes_everything_young_or_of_the_future(yard: Any) -> None:
    yard.file("a")
    assert yard.sweep(hours=-1).kept == {"future": 1}
    assert yard.sweep(hours=0).kept == {"young": 1}


@pytest.mark.parametrize("mtime_ns", [0, 1, -DAY_NS])
def test_a_modification_time_of_long_ago_alone_makes_no_file_old(yard: Any, mtime_ns: int) -> None:
    """An archive that was just unpacked has the stamps of when it was packed, or none."""
    path = yard.file("a")
    os.utime(path, ns=(mtime_ns, mtime_ns))
    assert yard.sweep(hours=23).kept == {"young": 1}
    assert yard.sweep(hours=25).removed == 1


def test_a_file_that_was_born_just_now_is_young_whatever_its_other_stamps(
    yard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock was set back when it was written, and is right again."""
    yard.file("a")
    monkeypatch.setattr("aura_actors.cleaners.walk.born_ns", lambda *_: yard.later_ns(hours=47))
    assert yard.sweep().kept == {"young": 1}


def test_birth_is_asked_for_only_where_the_other_stamps_are_old(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.file("a")
    monkeypatch.setattr("aura_actors.cleaners.walk.born_ns", lambda *_: pytest.fail("asked"))
    assert yard.sweep(hours=23).kept == {"young": 1}


def test_birth_is_what_the_file_system_says(tmp_path: Path) -> None:
    before = time.time_ns()
    made = tmp_path / "a\n\udcff"
    made.touch()
    os.utime(made, ns=(0, 0))
    fd = os.open(tmp_path, os.O_RDONLY)
    born = born_ns(fd, made.name)
    assert born_ns(fd, "missing") == 0
    os.close(fd)
    if born == 0:
        pytest.skip("this file system, or this kernel, does not say when a file was born")
    assert abs(born - before) < 10 * 10**9


def test_what_is_of_any_age_goes_also_when_it_is_of_the_future(yard: Any) -> None:
    yard.file("a")
    assert yard.run(TempFiles(older_than_seconds=0), hours=0.1).removed == 1
