"""How long a peer may take for what is written to it, by a clock that a test moves."""

from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from aura_actors.edges.connection import Connection
from aura_actors.edges.feed.stream import FrameStream

KIB = 1024


class Link:
    """A connection whose peer takes so many bytes a second, in steps of a second."""

    def __init__(self, *, rate: int) -> None:
        self.rate = rate
        self.taken = 0
        self.aborted = False

    def send_nowait(self, data: bytes) -> int:
        return 0

    async def send_some(self, data: memoryview) -> int:
        await trio.sleep(1)
        self.taken += min(self.rate, len(data))
        return min(self.rate, len(data))

    def abort(self) -> None:
        self.aborted = True


def stream_over(link: Link) -> FrameStream:
    return FrameStream(cast(Any, link), head_bytes=0, send_seconds=5, max_message_bytes=KIB)


def test_the_link_stands_for_a_connection() -> None:
    assert all(hasattr(Connection, name) for name in ("send_nowait", "send_some", "abort"))


async def test_a_peer_that_is_slow_and_reads_gets_a_large_frame_whole(autojump_clock: MockClock) -> None:
    """Half a megabyte at 16 KiB a second is half a minute: a long queue, on a phone far from everything."""
    link = Link(rate=16 * KIB)
    began = trio.current_time()
    await stream_over(link).send_all(bytes(512 * KIB))
    assert (link.taken, trio.current_time() - began, link.aborted) == (512 * KIB, 32, False)


async def test_a_peer_that_takes_less_than_that_is_cut_off(autojump_clock: MockClock) -> None:
    """A trickle holds a connection no longer than silence does."""
    link = Link(rate=8 * KIB)
    with pytest.raises(trio.BrokenResourceError):
        await stream_over(link).send_all(bytes(512 * KIB))
    assert (link.aborted, link.taken < 64 * KIB) == (True, True)


async def test_in_a_hurry_the_whole_frame_has_only_so_long(autojump_clock: MockClock) -> None:
    """However well the peer reads: everybody is being sent home."""
    link = Link(rate=64 * KIB)
    stream = stream_over(link)
    stream.hurry(3.5)
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(bytes(1024 * KIB))
    assert (link.aborted, link.taken) == (True, 3 * 64 * KIB)
