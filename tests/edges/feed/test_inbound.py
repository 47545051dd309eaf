"""What a client may make us hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from aura_actors.edges.feed.inbound import InboundLimit

TEXT, MORE, BINARY, PING = 0x1, 0x0, 0x2, 0x9


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A masked frame with a mask of zeros."""
    first = bytes([(0x80 if fin else 0) | opcode])
    size = len(payload)
    if size < 126:
        return first + bytes([0x80 | size]) + bytes(4) + payload
    if size < 65_536:
        return first + b"\xfe" + size.to_bytes(2, "big") + bytes(4) + payload
    return first + b"\xff" + size.to_bytes(8, "big") + bytes(4) + payload


def test_messages_up_to_the_limit_pass() -> None:
    """Any number of them, of every length notation."""
    limit = InboundLimit(100_000)
    for size in (0, 1, 125, 126, 65_535, 65_536, 100_000):
        assert limit.admits(frame(TEXT, bytes(size)))
        assert limit.admits(frame(BINARY, bytes(size)))


def test_a_message_above_the_limit_is_noticed_by_its_header() -> None:
    """Before any of its payload arrives."""
    assert not InboundLimit(4096).admits(frame(TEXT, bytes(4097))[:8])
    assert not InboundLimit(4096).admits(b"\x81\xff" + (2**62).to_bytes(8, "big") + bytes(4))


def test_fragments_count_together() -> None:
    """With pings between them; the next message starts at nothing."""
    limit = InboundLimit(10)
    assert limit.admits(frame(TEXT, b"12345", fin=False) + frame(PING, b"123456") + frame(MORE, b"12345"))
    assert limit.admits(frame(TEXT, b"1234567890", fin=False))
    assert not limit.admits(frame(MORE, b"1", fin=False))


def test_endless_empty_fragments_are_noticed() -> None:
    """They have no bytes, but each is kept by whoever assembles the message."""
    limit = InboundLimit(4096)
    assert limit.admits(frame(TEXT, b"", fin=False))
    verdicts = [limit.admits(frame(MORE, b"", fin=False)) for _ in range(1100)]
    assert verdicts[1000]
    assert not verdicts[-1]


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(1, 7))
def test_the_verdict_does_not_depend_on_how_the_bytes_are_cut(messages: list[bytes], piece: int) -> None:
    """A client's own framing, cut anywhere."""
    client = FrameProtocol(client=True, extensions=[])
    wire = b"".join(bytes(client.send_data(message)) for message in messages)
    limit = InboundLimit(200)
    verdict = all(limit.admits(wire[at : at + piece]) for at in range(0, len(wire), piece))
    if all(len(message) <= 200 for message in messages):
        assert verdict
    elif len(messages) == 1:
        assert not verdict


@pytest.mark.parametrize("opcode", [0x3, 0xB, 0xF])
def test_reserved_opcodes_are_somebody_elses_to_judge(opcode: int) -> None:
    """Only sizes count here."""
    assert InboundLimit(10).admits(frame(opcode, b"x"))
