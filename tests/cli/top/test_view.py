"""Keys change what is seen; what no key of ours is changes nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.cli.top.view import PARTS, View, keys, press


def test_each_part_has_its_key_and_begins_at_its_top() -> None:
    for key, part in PARTS.items():
        assert press(View(top=5), key, page=10, last=50) == View(part=part)


def test_p_stops_the_time_and_lets_it_go_on() -> None:
    paused = press(View(), "p", page=10, last=50)
    assert paused.paused
    assert press(paused, "p", page=10, last=50) == View()


@pytest.mark.parametrize(
    ("key", "top"), [("j", 21), ("k", 19), (" ", 30), ("b", 10), ("g", 0), ("G", 50), ("x", 20)]
)
def test_scrolling(key: str, top: int) -> None:
    assert press(View(top=20), key, page=10, last=50).top == top


@given(st.integers(0, 100), st.sampled_from("jk bgG"), st.integers(0, 40), st.integers(0, 60))
def test_nobody_scrolls_beyond_an_end(top: int, key: str, page: int, last: int) -> None:
    assert 0 <= press(View(top=top), key, page=page, last=last).top <= last


def test_arrows_and_page_keys_mean_letters() -> None:
    assert keys("\x1b[A\x1b[B\x1bOA\x1b[5~\x1b[6~\x1b[H\x1bOFq") == ["k", "j", "k", "b", " ", "g", "G", "q"]


def test_a_key_that_is_none_of_ours_types_no_letter() -> None:
    assert keys("\x1b[15~\x1b[1;5Cq") == ["q"]


def test_alt_and_a_letter_is_the_letter() -> None:
    assert keys("\x1bp") == ["p"]


@given(st.text(max_size=30))
def test_whatever_is_typed_comes_to_an_end(typed: str) -> None:
    assert len(keys(typed)) <= len(typed)
