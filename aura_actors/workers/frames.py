"""What is said on the pipes of a child process, and how: msgpack behind a length of four bytes, big-endian.

Owns the Structs of the frames and their blocking reading and writing. Knows neither who is at the other end nor
what becomes of the numbers. What is None or missing is not known; nothing here is 0 for want of a value.
"""

from typing import BinaryIO, Literal

import msgspec

LENGTH_BYTES = 4
MAX_FRAME_BYTES = 4 * 1024**2

DeviceStatus = Literal["ok", "idle", "suspended", "lost", "error"]


class Sample(msgspec.Struct, frozen=True, tag=True):
    """Request: look at every device. Answered with `Sampled`."""


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process that uses a device. `pid` is None where the driver's number means nothing in our PID namespace."""

    pid: int | None
    host_pid: int
    used_bytes: int | None


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One device. `values` are numbers by name, with the unit in the name; what is not known is not in it."""

    uuid: str
    """The vendor's; else the PCI address; else the vendor's name and number."""
    name: str
    vendor: str
    driver_version: str | None
    pci_address: str | None
    status: DeviceStatus
    detail: str | None
    values: dict[str, int | float]
    processes: list[Process] | None
    unsupported: list[str]
    """What this device does not report; it is not asked for again."""


class Sampled(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Reply: the devices, NVIDIA's first, and what stood in the way of seeing more.

    A problem stays until the child is started afresh.
    """

    devices: list[Device]
    problems: list[str]


class BrokenFrame(Exception):
    """The other end stopped in the middle of a frame, or announced one that is too long."""


def read_frame(file: BinaryIO) -> bytes | None:
    """The next frame's content; None at the end. Raises `BrokenFrame`."""
    header = file.read(LENGTH_BYTES)
    if not header:
        return None
    length = int.from_bytes(header, "big")
    if len(header) < LENGTH_BYTES or length > MAX_FRAME_BYTES:
        raise BrokenFrame(f"a frame cannot begin with {header.hex()}")
    content = file.read(length)
    if len(content) < length:
        raise BrokenFrame(f"a frame of {length} bytes ended after {len(content)}")
    return content


def write_frame(file: BinaryIO, content: bytes) -> None:
    """Write one frame, all of it. Raises `BrokenFrame` for one that is too long."""
    if len(content) > MAX_FRAME_BYTES:
        raise BrokenFrame(f"{len(content)} bytes are too many for a frame")
    file.write(len(content).to_bytes(LENGTH_BYTES, "big") + content)
    file.flush()
