"""Which graphics devices sysfs shows, and which of them sleep: to be read before a driver is touched.

Owns the paths below `/sys/bus/pci`. Reading them wakes no device and starts no driver. `root` is `/`, or the folder
that stands for it.
"""

import sys
from pathlib import Path

import msgspec

NVIDIA = "0x10de"
AMD = "0x1002"

_DISPLAY_CLASS = "0x03"
_OTHER_SIGNS_OF_NVIDIA = ("dev/nvidiactl", "dev/dxg", "proc/driver/nvidia")
"""Where it is not on the PCI bus: a container without its sysfs, WSL, Tegra."""


class Display(msgspec.Struct, frozen=True, kw_only=True):
    """A graphics device. `address` is domain:bus:device.function, as sysfs writes it."""

    address: str
    vendor: str


def displays(root: Path) -> list[Display]:
    """Every device of the class "display controller", by address; none where there is no such bus."""
    return [
        Display(address=folder.name, vendor=read(folder / "vendor") or "")
        for folder in sorted((root / "sys/bus/pci/devices").glob("*"))
        if (read(folder / "class") or "").startswith(_DISPLAY_CLASS)
    ]


def asleep(root: Path, address: str) -> bool:
    """Whether the device is in a low-power state that a driver's question would end."""
    return read(root / "sys/bus/pci/devices" / address / "power/runtime_status") == "suspended"


def nvidia_expected(root: Path) -> bool:
    """Whether asking NVML can be worth it."""
    if any(display.vendor == NVIDIA for display in displays(root)):
        return True
    if any((root / sign).exists() for sign in _OTHER_SIGNS_OF_NVIDIA):
        return True
    return not (root / "sys/bus/pci").is_dir() and sys.platform == "win32"


def anything_expected(root: Path) -> bool:
    """Whether there is anything to probe here at all."""
    return nvidia_expected(root) or any(display.vendor == AMD for display in displays(root))


def read(path: Path) -> str | None:
    """A one-line file of sysfs; None where it is not there or says no."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
