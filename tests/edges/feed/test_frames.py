"""Publications as frames."""

import pytest
from wsproto.frame_protocol import FrameProtocol, Opcode

from aura_actors.edges.feed.frames import PING, close_frame, framed, text_frame
from aura_actors.messages.topics import Publication


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


def test_a_ping_asks_for_a_pong() -> None:
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(PING)
    [frame] = client.received_frames()
    assert (frame.opcode, frame.payload) == (Opcode.PING, b"")


def test_a_framed_publication_is_its_payload_in_one_frame() -> None:
    payload = "system-1-ö".encode()
    known = framed(Publication(topic="system", seq=1, data=b"", payload=payload, is_event=True))
    assert (known.topic, known.seq, known.is_event, known.frame) == ("system", 1, True, text_frame(payload))
