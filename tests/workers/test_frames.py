"""Frames on a pipe: whole, or refused."""

import io

import pytest

from aura_actors.workers.frames import MAX_FRAME_BYTES, BrokenFrame, read_frame, write_frame


def test_frames_come_out_as_they_went_in_and_then_the_end() -> None:
    pipe = io.BytesIO()
    for content in (b"one", b"", bytes(100_000)):
        write_frame(pipe, content)
    pipe.seek(0)
    assert [read_frame(pipe) for _ in range(4)] == [b"one", b"", bytes(100_000), None]


@pytest.mark.parametrize("bytes_", [b"\0\0", b"\0\0\0\5half", b"\xff\xff\xff\xff"])
def test_half_a_frame_and_a_giant_are_refused(bytes_: bytes) -> None:
    with pytest.raises(BrokenFrame):
        read_frame(io.BytesIO(bytes_))


def test_nothing_of_a_frame_that_is_too_long_is_written() -> None:
    pipe = io.BytesIO()
    with pytest.raises(BrokenFrame):
        write_frame(pipe, bytes(MAX_FRAME_BYTES + 1))
    assert pipe.getvalue() == b""
