"""What is read ahead of one client: so much, in groups, to the end."""

from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked
from trio_websocket import CloseReason, ConnectionClosed

from aura_actors.edges.feed.frames import Close
from aura_actors.edges.feed.inbox import GROUP, Inbox


class Scripted:
    """A connection that has these messages, and then ends with this code."""

    def __init__(self, messages: list[Any], code: int | None = None) -> None:
        self.messages = messages
        self._reason = None if code is None else CloseReason(code, None)

    async def get_message(self) -> Any:
        await trio.lowlevel.checkpoint()
        if not self.messages:
            raise ConnectionClosed(self._reason)
        return self.messages.pop(0)


async def groups(messages: list[Any], code: int | None = None) -> tuple[list[list[str]], int]:
    """All groups, each taken when all that may be read ahead was read."""
    inbox = Inbox()
    connection: Any = Scripted(messages, code)
    taken: list[list[str]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.fill, connection)
        while True:
            await wait_all_tasks_blocked()
            if not (group := await inbox.group()):
                return taken, inbox.ended
            taken.append(group)


async def test_what_is_there_is_one_group_and_a_group_is_bounded() -> None:
    taken, _ = await groups([str(number) for number in range(2 * GROUP + 10)])
    assert [len(each) for each in taken][:1] == [GROUP]
    assert max(len(each) for each in taken) == GROUP
    assert [text for group in taken for text in group] == [str(number) for number in range(2 * GROUP + 10)]


async def test_no_more_is_read_than_fits() -> None:
    inbox = Inbox()
    connection: Any = Scripted(["x"] * 1000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.fill, connection)
        await wait_all_tasks_blocked()
        assert 1000 - len(connection.messages) == GROUP + 1
        nursery.cancel_scope.cancel()


async def test_the_end_comes_after_all_that_was_sent_before_it() -> None:
    assert await groups(["a", "b"], 1001) == ([["a", "b"]], 1001)
    assert await groups(["a"]) == ([["a"]], Close.LOST)
    assert await groups(["a", b"binary", "b"], 1000) == ([["a"]], Close.TEXT_ONLY)
