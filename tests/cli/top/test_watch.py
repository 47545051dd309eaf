"""Following a daemon that wants us no more."""

from typing import Any, Self

import pytest

from aura_actors.cli.top.watch import Watch
from aura_actors.errors import Unavailable, UsageError
from aura_actors.wire.metrics import History


class TurnedAway:
    """A client and its subscription, to whom the daemon says why it closes."""

    trouble = None

    def subscribe(self, *topics: str, interval: float) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        raise UsageError("http://host turned us away: token missing or wrong")


async def test_a_token_that_is_taken_away_is_no_wrong_call() -> None:
    """Exit status 3, as where it was wrong from the start."""
    watch, aura = Watch("http://host", History(topic="system", epoch="e", entries=[])), TurnedAway()
    with pytest.raises(Unavailable, match="turned us away"):
        await watch.follow(aura, 1.0)  # type: ignore[arg-type]  # as much of a client as is asked for
