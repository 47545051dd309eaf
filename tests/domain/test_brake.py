"""The run-time brake."""

import pytest

from aura_actors.domain.brake import brake


@pytest.mark.parametrize(
    ("stalled", "free", "kept", "on"),
    [
        (None, 500, 500, False),
        (None, 499, 500, True),
        (10.0, 500, 500, False),
        (10.1, 500, 500, True),
        (0.0, 0, 0, False),
        (None, -1, 0, True),
    ],
)
def test_it_is_on_above_ten_percent_stalled_or_below_what_is_kept(
    stalled: float | None, free: int, kept: int, on: bool
) -> None:
    assert (brake(stalled, free, kept) is not None) == on


def test_it_says_why() -> None:
    assert brake(34.4, 0, 10) == "all running tasks waited for memory 34 % of the last 10 s"
    assert brake(None, 120_000_000, 500_000_000) == (
        "only 120 MB of memory are free, and 500 MB are kept for the user interface"
    )
    assert "only 0 MB" in (brake(None, -5_000_000, 10) or "")
