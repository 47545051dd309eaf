"""AMD's devices, over a tree like sysfs."""

import errno
from pathlib import Path

import pytest

from aura_actors.workers.amd import Amd

FULL = {
    "vendor": "0x1002",
    "device": "0x744c",
    "unique_id": "5f7e3a0b1c2d4e6f",
    "product_name": "Radeon Something",
    "uevent": "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0",
    "gpu_busy_percent": "42",
    "mem_info_vram_total": "1000",
    "mem_info_vram_used": "250",
    "hwmon/hwmon4/temp1_input": "55500",
    "hwmon/hwmon4/power1_average": "90000000",
    "hwmon/hwmon4/power1_cap": "250000000",
    "hwmon/hwmon4/freq1_input": "2400000000",
    "hwmon/hwmon4/freq2_input": "1249000000",
    "power/runtime_status": "active",
}


def plug_in(root: Path, card: str, files: dict[str, str]) -> Path:
    for name, content in files.items():
        file = root / "sys/class/drm" / card / "device" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")
    return root / "sys/class/drm" / card / "device"


def test_a_card_with_every_sensor(tmp_path: Path) -> None:
    plug_in(tmp_path, "card0", FULL)
    (tmp_path / "sys/class/drm/card0-DP-1").mkdir()
    plug_in(tmp_path, "card1", {"vendor": "0x8086"})
    (device,) = Amd(tmp_path).sample()
    assert (device.uuid, device.name, device.vendor) == ("5f7e3a0b1c2d4e6f", "Radeon Something", "AMD")
    assert (device.pci_address, device.status, device.processes) == ("0000:03:00.0", "ok", None)
    assert device.unsupported == ["processes"]
    assert device.values == {
        "utilization_percent": 42,
        "memory_total_bytes": 1000,
        "memory_used_bytes": 250,
        "memory_free_bytes": 750,
        "temperature_celsius": 55.5,
        "power_watts": 90,
        "power_limit_watts": 250,
        "graphics_clock_hertz": 2_400_000_000,
        "memory_clock_hertz": 1_249_000_000,
    }


def test_a_card_without_sensors_says_which(tmp_path: Path) -> None:
    plug_in(tmp_path, "card0", {name: FULL[name] for name in ("vendor", "device", "uevent", "mem_info_vram_total")})
    (device,) = Amd(tmp_path).sample()
    assert (device.uuid, device.name) == ("0000:03:00.0", "AMD 0x744c")
    assert device.values == {"memory_total_bytes": 1000}
    assert "utilization_percent" in device.unsupported
    assert "memory_total_bytes" not in device.unsupported


def test_where_power_has_no_average_its_present_value_counts(tmp_path: Path) -> None:
    files = {**FULL, "hwmon/hwmon4/power1_input": "80000000"}
    del files["hwmon/hwmon4/power1_average"]
    plug_in(tmp_path, "card0", files)
    assert Amd(tmp_path).sample()[0].values["power_watts"] == 80


def test_cards_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for n in (10, 2):
        plug_in(tmp_path, f"card{n}", {"vendor": "0x1002", "unique_id": str(n)})
    assert [device.uuid for device in Amd(tmp_path).sample()] == ["2", "10"]


def test_a_sleeping_card_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(tmp_path, "card0", {**FULL, "power/runtime_status": "suspended"})
    monkeypatch.setattr("aura_actors.workers.amd._values", None)
    (device,) = Amd(tmp_path).sample()
    assert (device.status, device.values) == ("suspended", {})


@pytest.mark.parametrize(
    ("code", "status", "unsupported"),
    [
        (errno.ENODEV, "lost", False),
        (errno.EIO, "error", False),
        (errno.EPERM, "ok", False),
        (errno.EOPNOTSUPP, "ok", True),
    ],
)
def test_what_the_driver_answers_instead_of_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, status: str, unsupported: bool
) -> None:
    busy = plug_in(tmp_path, "card0", FULL) / "gpu_busy_percent"
    read_text = Path.read_text

    def fail(path: Path, encoding: str | None = None, errors: str | None = None) -> str:
        if path == busy:
            raise OSError(code, "no number")
        return read_text(path, encoding, errors)

    amd = Amd(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", fail)
        (device,) = amd.sample()
    assert device.status == status
    assert ("utilization_percent" in device.unsupported) is unsupported
    assert ("memory_used_bytes" in device.values) is (status == "ok")
    assert ("utilization_percent" in amd.sample()[0].values) is not unsupported
