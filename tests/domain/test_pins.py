"""What a pin covers: itself, everything below, and, as directories, everything above."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.pins import FREE, Pins


def test_a_pin_covers_itself_and_everything_below() -> None:
    pins = Pins(["/data/temp/job"])
    assert pins.cover("/data/temp/job")
    assert pins.cover("/data/temp/job/deep/below")
    assert not pins.cover("/data/temp")
    assert not pins.cover("/data/temp/jobs")


def test_directories_on_the_way_to_a_pin_are_held_and_not_covered() -> None:
    pins = Pins(["/data/temp/job"])
    assert [pins.hold(path) for path in ("/", "/data", "/data/temp", "/data/other")] == [True, True, True, False]


def test_a_scope_is_walked_one_name_at_a_time() -> None:
    scope = Pins(["/data/temp/a/b"]).at("/data/temp")
    assert not scope.covered
    assert scope.enter("x") is FREE
    assert scope.enter("a").enter("b").covered
    assert scope.enter("a").enter("b").enter("anything").covered


def test_a_pin_below_a_pin_adds_nothing() -> None:
    assert Pins(["/a/b", "/a"]).cover("/a/c")
    assert Pins(["/a", "/a/b"]).cover("/a/c")


def test_the_root_of_everything_can_be_pinned() -> None:
    assert Pins(["/"]).cover("/any/thing")


@pytest.mark.parametrize("path", ["relative", "", "/a/../b"])
def test_a_path_that_is_not_absolute_and_normal_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        Pins([path])


def test_a_path_of_twenty_thousand_steps_needs_no_recursion() -> None:
    deep = "/a" * 20_000
    pins = Pins([deep])
    assert pins.cover(deep + "/file")
    assert not pins.cover(deep[:-2])


PATHS = st.lists(st.lists(st.sampled_from("abc"), max_size=4).map(lambda steps: "/" + "/".join(steps)), max_size=6)


@given(pinned=PATHS, asked=PATHS)
def test_pins_agree_with_comparing_every_path(pinned: list[str], asked: list[str]) -> None:
    pins = Pins(pinned)
    for path in asked:
        below = f"{path.rstrip('/')}/"
        covered = any(f"{pin.rstrip('/')}/" in (below[: len(f"{pin.rstrip('/')}/")],) for pin in pinned)
        leads = any(pin.startswith(below) for pin in pinned)
        assert pins.cover(path) == covered
        assert pins.hold(path) == (covered or leads)


@given(one=PATHS, other=PATHS, asked=PATHS)
def test_what_either_pins_is_pinned_by_both_together(one: list[str], other: list[str], asked: list[str]) -> None:
    pins, both = (Pins(one), Pins(other)), Pins(one) | Pins(other)
    for path in asked:
        assert both.cover(path) == any(each.cover(path) for each in pins)
        assert both.hold(path) == any(each.hold(path) for each in pins)
