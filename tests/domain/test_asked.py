"""Whether a request is the one that was made before, and for how long a lease is granted."""

from typing import Any

import pytest

from aura_actors.domain.asked import TtlRule
from aura_actors.errors import Conflict, SpecChanged
from tests.domain.admission_world import process, request


@pytest.mark.parametrize("by", [None, process(5)])
def test_a_request_may_be_repeated(by: Any) -> None:
    request("a", 100, process=by).check_same(request("a", 100, process=by))


def test_a_process_is_the_same_whatever_it_uses_meanwhile() -> None:
    request("a", process=process(5, resident=9)).check_same(request("a", process=process(5)))


@pytest.mark.parametrize(("one", "other"), [(process(5), process(6)), (process(5), None), (None, process(5))])
def test_another_process_is_another_request(one: Any, other: Any) -> None:
    with pytest.raises(SpecChanged):
        request("a", process=one).check_same(request("a", process=other))


def test_another_amount_is_another_request_and_another_owner_is_told_nothing_of_it() -> None:
    with pytest.raises(SpecChanged, match="held with another specification"):
        request("a", 101).check_same(request("a", 100))
    with pytest.raises(Conflict, match="held by another owner"):
        request("a", 101).check_same(request("a", 100, owner="bert"))


@pytest.mark.parametrize(("asked", "granted"), [(None, 30), (0, 30), (5, 5), (300, 300), (301, 300)])
def test_a_lease_lives_as_long_as_was_asked_but_not_longer_than_the_rule_allows(
    asked: float | None, granted: float
) -> None:
    assert TtlRule().granted(asked) == granted
