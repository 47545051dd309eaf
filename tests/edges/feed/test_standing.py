"""What becomes of who is connected when the tokens change: as SIGHUP does it."""

from typing import Any

import pytest

from aura_actors.edges.access import Access
from aura_actors.edges.tokens import Credential
from aura_actors.wire.scopes import Scope
from tests.edges.feed.sessions import Client, opened

SHOWN = {"extra_headers": [(b"Authorization", b"Bearer s3cret")]}


def access(*scopes: Scope) -> Access:
    """One that opens so much to `s3cret`, and everything to another token."""
    mine = (Credential(name="ci", token="s3cret", scopes=frozenset(scopes)),) if scopes else ()
    return Access(credentials=(*mine, Credential(name="other", token="0ther")))


@pytest.mark.parametrize(("left", "code"), [((), 4401), (("admit",), 4403)])
async def test_whose_token_opens_the_feed_no_more_is_sent_away(
    serve: Any, left: tuple[Scope, ...], code: int
) -> None:
    """And what it held has ended with its connection, as ever."""
    async with opened(serve, access=access("read", "admit")) as house:
        async with house.server.client(**SHOWN) as websocket:
            client = Client(websocket)
            await client.take("a")
            house.server.feed.access = access(*left)
            assert await client.closed() == code
        await house.until(lambda: not house.books.live)


async def test_who_needed_no_token_is_sent_away_once_one_is_needed(serve: Any) -> None:
    async with opened(serve, access=Access()) as house, house.client() as client:
        house.server.feed.access = Access(token="s3cret")
        assert await client.closed() == 4401


async def test_whose_token_opens_less_stays_and_may_do_less(serve: Any) -> None:
    """What it held it holds: it is asked for each frame, as HTTP asks for each request."""
    async with opened(serve, access=access("read", "admit")) as house, house.server.client(**SHOWN) as websocket:
        client = Client(websocket)
        await client.take("a")
        house.server.feed.access = access("read")
        answer = await client.ask("acquire", 2, jobId="b", memoryBytes=1)
        assert (answer["type"], answer["problem"]["status"]) == ("error", 403)
        assert list(house.books.live) == ["a"]
        house.server.feed.access = access("read", "admit")
        await client.take("b", number=3)


async def test_tokens_that_did_not_change_change_nothing(serve: Any) -> None:
    async with opened(serve, access=access("read", "admit")) as house, house.server.client(**SHOWN) as websocket:
        client = Client(websocket)
        await client.take("a")
        house.server.feed.access = access("read", "admit")
        await client.take("b", number=2)
