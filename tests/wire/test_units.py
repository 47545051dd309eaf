"""Sizes and durations have one notation, read strictly and written back exactly."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.errors import InvalidValue
from aura_actors.wire import units


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("2GiB", 2 * 1024**3),
        ("500MB", 500_000_000),
        ("1.5KiB", 1536),
        ("64kB", 64_000),
        ("64KB", 64_000),
        ("0B", 0),
        ("1024", 1024),
        (1024, 1024),
        ("0.3KiB", 307),
        ("8PiB", 2**53),
    ],
)
def test_a_size_is_a_number_and_a_unit_or_bytes(text: object, size_bytes: int) -> None:
    assert units.parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "value",
    [
        *["", "GiB", "2 GiB", " 2GiB", "2GiB\n", "2gib", "-1", "1e3", "1_000", "1,5KiB", ".5KiB", "1.5", "0.5B"],
        *["٣KiB", "9PiB", "9" * 5000, -1, 2**53 + 1, 1 << 20_000, 1.0, math.nan, math.inf],
        *[True, False, None, [], b"1"],
    ],
    ids=map(str, itertools.count()),
)
def test_what_is_not_a_size_is_refused_in_one_line(value: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        units.parse_size(value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 160


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("100ms", 0.1),
        ("30s", 30.0),
        ("15m", 900.0),
        ("1h", 3600.0),
        ("7d", 604_800.0),
        ("1.5h", 5400.0),
        ("0.5", 0.5),
        (0.5, 0.5),
        (2, 2.0),
        (0, 0.0),
    ],
)
def test_a_duration_is_a_number_and_a_unit_or_seconds(text: object, seconds: float) -> None:
    assert units.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        *["", "s", "1 s", "1h30m", "1w", "1M", "-1s", "1e3", "nan", "inf", "40000d"],
        *[-0.1, math.nan, math.inf, -math.inf, 10**400, 1 << 20_000, True, False, None, {}],
    ],
    ids=map(str, itertools.count()),
)
def test_what_is_not_a_duration_is_refused_in_one_line(value: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        units.parse_duration(value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 160


def test_a_unit_in_the_wrong_case_is_named() -> None:
    with pytest.raises(InvalidValue, match="did you mean GiB"):
        units.parse_size("2gib")


@given(st.integers(0, units.MAX_BYTES))
def test_a_formatted_size_reads_back_to_itself(size_bytes: int) -> None:
    assert units.parse_size(units.format_size(size_bytes)) == size_bytes


@given(st.floats(0, units.MAX_SECONDS, allow_subnormal=False) | st.integers(0, 10**9).map(float))
def test_a_formatted_duration_reads_back_to_itself(seconds: float) -> None:
    assert units.parse_duration(units.format_duration(seconds)) == seconds


def test_formats_use_the_largest_unit_that_is_exact() -> None:
    assert [units.format_size(size) for size in (0, 1, 2 * 1024**3, 500_000_000, 65_536)] == [
        "0B", "1B", "2GiB", "500MB", "64KiB",
    ]  # fmt: skip
    assert [units.format_duration(seconds) for seconds in (0, 0.1, 90, 900, 86_400, 604_800)] == [
        "0s", "100ms", "90s", "15m", "1d", "7d",
    ]  # fmt: skip
