"""Pressure stall information, from texts and from pretended machines."""

import errno
import os
from typing import Any

import pytest

from aura_actors.collectors.pressure import Pressure, parse
from aura_actors.domain.containment import Stall

SOME = "some avg10=46.12 avg60=48.87 avg300=21.71 total=783018406"
FULL = "full avg10=0.01 avg60=0.03 avg300=0.11 total=52243264"


def test_a_file_is_percents_and_seconds() -> None:
    parsed = parse(f"{SOME}\n{FULL}\n")
    assert parsed is not None
    assert parsed.some == Stall(
        avg10_percent=46.12, avg60_percent=48.87, avg300_percent=21.71, seconds_total=783.018406
    )
    assert parsed.full == Stall(
        avg10_percent=0.01, avg60_percent=0.03, avg300_percent=0.11, seconds_total=52.243264
    )


def test_a_kernel_that_has_no_full_line_for_the_processor_has_none() -> None:
    parsed = parse(SOME)
    assert parsed is not None
    assert parsed.full is None


def test_the_zeros_that_stand_for_an_undefined_full_of_the_processor_are_not_shown(tree: Any) -> None:
    zeros = "full avg10=0.00 avg60=0.00 avg300=0.00 total=0"
    tree.write({f"/proc/pressure/{name}": f"{SOME}\n{zeros}" for name in ("cpu", "memory", "io")})
    reading = Pressure(root=tree.root).read()
    assert reading.cpu is not None
    assert reading.cpu.full is None
    assert reading.memory is not None
    assert reading.memory.full is not None
    assert reading.memory.full.seconds_total == 0


@pytest.mark.parametrize("text", ["", "some\n", "some avg10=x avg60=0 avg300=0 total=0", "some avg10=0.0 total=1"])
def test_a_text_that_says_nothing_is_none(text: str) -> None:
    assert parse(text) is None


def test_a_kernel_without_it_tells_nothing_and_that_is_no_failure(tree: Any) -> None:
    reading = Pressure(root=tree.root).read()
    assert (reading.cpu, reading.memory, reading.io, reading.known) == (None, None, None, False)


@pytest.mark.parametrize("code", [errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES])
@pytest.mark.parametrize("call", ["open", "pread"])
def test_a_kernel_that_refuses_to_say_tells_nothing(
    tree: Any, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    tree.write({f"/proc/pressure/{name}": SOME for name in ("cpu", "memory", "io")})

    def refuse(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, refuse)
    reading = Pressure(root=tree.root).read()
    monkeypatch.undo()
    assert not reading.known


def test_one_resource_may_be_missing(tree: Any) -> None:
    tree.write({"/proc/pressure/io": f"{SOME}\n{FULL}"})
    reading = Pressure(root=tree.root).read()
    assert (reading.cpu, reading.memory, reading.known) == (None, None, True)
    assert reading.io is not None
    assert reading.io.full is not None
