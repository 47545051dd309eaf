"""What a program gives to `reserve` and is not acceptable is refused with the name of the argument."""

from typing import Any

import pytest

from aura_actors.errors import InvalidValue
from aura_actors.wire.arguments import checked, needs_fields, seconds_of
from aura_actors.wire.requests import NeedsBody


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"memory": "12XB"}, "memory"),
        ({"scratch": -1}, "scratch"),
        ({"gpu_memory": "much"}, "gpu_memory"),
        ({"gpu": {"memory_bytes": "much"}}, "gpu.memory_bytes"),
        ({"max_runtime": "soon"}, "max_runtime"),
    ],
)
def test_a_refusal_begins_with_the_argument_that_is_wrong(wrong: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        needs_fields(**wrong)
    assert (refused.value.path, str(refused.value).partition(": ")[0]) == (place, place)


def test_a_wait_that_is_no_duration_says_that_it_is_the_wait() -> None:
    with pytest.raises(InvalidValue, match=r'^wait: "soon" is not a duration'):
        seconds_of("soon")


def test_no_wait_is_none_and_infinity_stays() -> None:
    assert (seconds_of(None), seconds_of(0), seconds_of("1m"), seconds_of(float("inf"))) == (0, 0, 60, float("inf"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"jobId": "a b"}, "Expected letters, digits and ._:-, but neither . nor .. - at `$.jobId`"),
        ({"jobId": ".."}, "Expected letters, digits and ._:-, but neither . nor .. - at `$.jobId`"),
        ({"jobId": "a", "kind": "b:c"}, "Expected letters, digits and ._-, but neither . nor .. - at `$.kind`"),
        ({"jobId": "a", "holdPaths": ["b"]}, "Expected an absolute path - at `$.holdPaths[0]`"),
    ],
)
def test_a_name_that_is_refused_is_told_what_it_may_be_and_no_expression(
    body: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        checked(body, NeedsBody)
    assert str(refused.value) == words
