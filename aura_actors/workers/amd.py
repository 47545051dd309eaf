"""AMD's devices, through the files that the amdgpu driver shows in sysfs.

Owns their paths and units. A sleeping device is not read, since reading would wake it. No library, no processes:
the driver tells those only through each process's own descriptors.
"""

import errno
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from aura_actors.workers import pci
from aura_actors.workers.frames import Device, DeviceStatus

VENDOR = "AMD"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """Where a value may be found, the first that is there counts, and how to turn the number into it."""

    field: str
    paths: tuple[str, ...]
    convert: Callable[[int], int | float] = int


FILES = (
    File(field="utilization_percent", paths=("gpu_busy_percent",)),
    File(field="memory_total_bytes", paths=("mem_info_vram_total",)),
    File(field="memory_used_bytes", paths=("mem_info_vram_used",)),
    File(field="temperature_celsius", paths=("hwmon/*/temp1_input",), convert=lambda milli: milli / 1e3),
    File(
        field="power_watts",
        paths=("hwmon/*/power1_average", "hwmon/*/power1_input"),
        convert=lambda micro: micro / 1e6,
    ),
    File(field="power_limit_watts", paths=("hwmon/*/power1_cap",), convert=lambda micro: micro / 1e6),
    File(field="graphics_clock_hertz", paths=("hwmon/*/freq1_input",)),
    File(field="memory_clock_hertz", paths=("hwmon/*/freq2_input",)),
)
_GONE = frozenset({errno.ENODEV, errno.ENXIO})
_PASSING = frozenset({errno.EBUSY, errno.EPERM})
"""How the driver answers while it resets or wakes the device."""
_UNSUPPORTED = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.EACCES, errno.ENOENT})


class Amd:
    """Every card of this vendor."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._unsupported: dict[str, set[str]] = {}

    def sample(self) -> list[Device]:
        """The cards as they are now, in the kernel's order."""
        folders = (self._root / "sys/class/drm").glob("card*")
        cards = sorted(
            (folder for folder in folders if re.fullmatch(r"card\d+", folder.name)), key=lambda f: int(f.name[4:])
        )
        devices = (card / "device" for card in cards)
        return [self._read(device) for device in devices if pci.read(device / "vendor") == pci.AMD]

    def _read(self, folder: Path) -> Device:
        address = _address(folder)
        values: dict[str, int | float] = {}
        status: DeviceStatus = "ok"
        detail: str | None = None
        unsupported = self._unsupported.setdefault(address, set())
        if pci.read(folder / "power/runtime_status") == "suspended":
            status = "suspended"
        else:
            try:
                values = _values(folder, unsupported)
            except OSError as error:
                status, detail = "lost" if error.errno in _GONE else "error", error.strerror
        if "memory_total_bytes" in values and "memory_used_bytes" in values:
            values["memory_free_bytes"] = values["memory_total_bytes"] - values["memory_used_bytes"]
        return Device(
            uuid=pci.read(folder / "unique_id") or address,
            name=pci.read(folder / "product_name") or f"{VENDOR} {pci.read(folder / 'device') or ''}".strip(),
            vendor=VENDOR,
            driver_version=pci.read(folder / "driver/module/version"),
            pci_address=address,
            status=status,
            detail=detail,
            values=values,
            processes=None,
            unsupported=[*(file.field for file in FILES if file.field in unsupported), "processes"],
        )


def _values(folder: Path, unsupported: set[str]) -> dict[str, int | float]:
    """What the files say. What a device has no file for is added to `unsupported`."""
    values: dict[str, int | float] = {}
    for file in FILES:
        if file.field in unsupported:
            continue
        found = [path for pattern in file.paths for path in sorted(folder.glob(pattern))]
        if not found:
            unsupported.add(file.field)
            continue
        try:
            values[file.field] = file.convert(int(found[0].read_text(encoding="ascii")))
        except ValueError:
            unsupported.add(file.field)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                unsupported.add(file.field)
            elif error.errno not in _PASSING:
                raise
    return values


def _address(folder: Path) -> str:
    for line in (pci.read(folder / "uevent") or "").splitlines():
        name, _, value = line.partition("=")
        if name == "PCI_SLOT_NAME":
            return value
    return folder.resolve().name
