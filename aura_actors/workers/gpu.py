"""The GPU probe: a process of its own that is asked about every device and ends when its parent does.

Owns the loop over its pipes. Nothing is decided here: whoever asks decides when, and ends a probe that hangs. Its
standard output carries frames only; what a driver prints there goes to standard error.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from aura_actors.workers import pci
from aura_actors.workers.amd import Amd
from aura_actors.workers.frames import Device, Sample, Sampled, read_frame, write_frame

if TYPE_CHECKING:
    from aura_actors.workers.nvml import Nvidia


class Prober:
    """Every device of this machine, whoever made it. `root` is `/`, or the folder that stands for it."""

    def __init__(self, root: Path) -> None:
        self._amd = Amd(root)
        self._nvidia = _nvidia(root) if pci.nvidia_expected(root) else None

    def sample(self, now: float) -> Sampled:
        """Look at every device; `now` is monotonic seconds."""
        devices: list[Device] = []
        problem: str | None = None
        if self._nvidia is not None:
            devices, problem = self._nvidia.sample(now)
        return Sampled(devices=[*devices, *self._amd.sample()], problems=[] if problem is None else [problem])

    def close(self) -> None:
        """Let go of the drivers."""
        if self._nvidia is not None:
            self._nvidia.close()


def _nvidia(root: Path) -> "Nvidia":
    from aura_actors.workers.nvml import Nvidia  # 4 MB and 25 ms that other machines need not spend

    return Nvidia(root)


def serve(prober: Prober, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the requests end."""
    decode = msgspec.msgpack.Decoder(Sample).decode
    encode = msgspec.msgpack.Encoder().encode
    while (frame := read_frame(requests)) is not None:
        decode(frame)
        write_frame(replies, encode(prober.sample(time.monotonic())))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as `python -m aura_actors.workers.gpu`."""
    parser = argparse.ArgumentParser(prog="aura_actors.workers.gpu", description="answers frames on its pipes")
    parser.add_argument("--root", type=Path, default=Path("/"))
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us in order
    signal.signal(signal.SIGTERM, _leave)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    prober = Prober(options.root)
    try:
        with suppress(BrokenPipeError):  # the parent is gone
            serve(prober, sys.stdin.buffer, replies)
    finally:
        prober.close()


def _leave(number: int, frame: FrameType | None) -> None:
    """In order: the driver's handles must be closed, or it can be neither unloaded nor reset."""
    sys.exit(0)


if __name__ == "__main__":
    main()
