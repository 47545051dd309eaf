"""Which devices are looked for at all, over a tree like sysfs."""

from pathlib import Path

import pytest

from aura_actors.workers.pci import anything_expected, asleep, displays, nvidia_expected

DISPLAY, AUDIO = "0x030000", "0x040300"


def plug_in(root: Path, address: str, vendor: str, kind: str) -> None:
    folder = root / "sys/bus/pci/devices" / address
    (folder / "power").mkdir(parents=True)
    (folder / "vendor").write_text(f"{vendor}\n")
    (folder / "class").write_text(f"{kind}\n")


@pytest.mark.parametrize(
    ("vendor", "kind", "nvidia", "anything"),
    [
        ("0x10de", DISPLAY, True, True),
        ("0x10de", "0x030200", True, True),
        ("0x10de", AUDIO, False, False),
        ("0x1002", DISPLAY, False, True),
        ("0x8086", DISPLAY, False, False),
    ],
)
def test_only_graphics_of_two_vendors_are_worth_a_probe(
    tmp_path: Path, vendor: str, kind: str, nvidia: bool, anything: bool
) -> None:
    plug_in(tmp_path, "0000:01:00.0", vendor, kind)
    assert (nvidia_expected(tmp_path), anything_expected(tmp_path)) == (nvidia, anything)


@pytest.mark.parametrize("sign", ["dev/nvidiactl", "dev/dxg", "proc/driver/nvidia"])
def test_nvidia_is_expected_off_the_bus_where_its_driver_shows(tmp_path: Path, sign: str) -> None:
    assert not anything_expected(tmp_path)
    (tmp_path / sign).mkdir(parents=True)
    assert anything_expected(tmp_path)


def test_only_what_says_suspended_sleeps(tmp_path: Path) -> None:
    plug_in(tmp_path, "0000:01:00.0", "0x10de", DISPLAY)
    status = tmp_path / "sys/bus/pci/devices/0000:01:00.0/power/runtime_status"
    (display,) = displays(tmp_path)
    assert not asleep(tmp_path, display.address)
    for text, expected in (("suspended", True), ("active", False), ("unsupported", False)):
        status.write_text(f"{text}\n")
        assert asleep(tmp_path, display.address) is expected
