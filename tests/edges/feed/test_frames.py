"""Publications as frames."""

import pytest
from wsproto.frame_protocol import FrameProtocol

from aura_actors.edges.feed.frames import FrameCache, close_frame, text_frame
from aura_actors.messages.topics import Publication


def publication(topic: str, seq: int) -> Publication:
    """With a payload that names it."""
    return Publication(topic=topic, seq=seq, data=b"", payload=f"{topic}-{seq}-ö".encode())


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_text_frame_is_read_back_by_a_client(size: int) -> None:
    """In every length notation."""
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(text_frame(b"x" * size))
    [frame] = client.received_frames()
    assert (frame.payload, frame.message_finished) == ("x" * size, True)


def test_a_close_frame_carries_code_and_reason() -> None:
    """Ours too."""
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(close_frame(4008, "events were missed"))
    [frame] = client.received_frames()
    assert frame.payload == (4008, "events were missed")


def test_a_publication_is_framed_once_for_everybody() -> None:
    """The very same bytes object."""
    cache, newest = FrameCache(), publication("system", 2)
    assert cache.snapshot(newest) is cache.snapshot(newest)
    assert cache.event(newest) is cache.event(newest)
    assert cache.snapshot(publication("system", 1)) == text_frame(b"system-1-\xc3\xb6")
    assert cache.snapshot(newest) == text_frame(newest.payload)


def test_the_cache_stays_small() -> None:
    """However many events pass."""
    cache = FrameCache()
    first = publication("alerts", 0)
    frame = cache.event(first)
    for seq in range(1, 100):
        cache.event(publication("alerts", seq))
    assert cache.event(first) is not frame
    assert cache.event(first) == frame
