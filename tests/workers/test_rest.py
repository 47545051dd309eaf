"""When a laptop's device is let go of, so that it can fall asleep."""

from pathlib import Path

import pytest

from aura_actors.workers.frames import Device, DeviceStatus, Process
from aura_actors.workers.rest import IDLE_SECONDS, PATIENCE_SECONDS, Rest


@pytest.fixture
def rest(tmp_path: Path) -> Rest:
    """On a machine with a battery."""
    supply = tmp_path / "sys/class/power_supply/BAT0"
    supply.mkdir(parents=True)
    (supply / "type").write_text("Battery\n")
    return Rest(tmp_path)


def device(
    percent: float | None = 0, processes: list[Process] | None = None, status: DeviceStatus = "ok"
) -> Device:
    return Device(
        uuid="x",
        name="x",
        vendor="x",
        driver_version=None,
        pci_address=None,
        status=status,
        detail=None,
        values={} if percent is None else {"utilization_percent": percent},
        processes=[] if processes is None else processes,
        unsupported=[],
    )


def test_a_rest_is_earned_by_idleness_without_a_break(rest: Rest) -> None:
    assert not rest.earned(0, [device()])
    assert not rest.earned(IDLE_SECONDS - 1, [device()])
    assert not rest.earned(IDLE_SECONDS, [device(percent=1)])
    assert not rest.earned(IDLE_SECONDS + 1, [device()])
    assert not rest.earned(2 * IDLE_SECONDS, [device()])
    assert rest.earned(2 * IDLE_SECONDS + 1, [device()])


@pytest.mark.parametrize(
    "busy",
    [
        device(percent=1),
        device(percent=None),
        device(processes=[Process(pid=1, host_pid=1, used_bytes=None)]),
        device(status="lost", percent=None),
    ],
)
def test_one_device_that_is_not_known_to_be_idle_keeps_all_awake(rest: Rest, busy: Device) -> None:
    assert not rest.earned(0, [device(), busy])
    assert not rest.earned(1000, [device(), busy])


def test_after_a_rest_in_which_they_slept_there_is_another(rest: Rest) -> None:
    rest.earned(0, [device()])
    assert rest.earned(100, [device()])
    assert rest.goes_on(100 + PATIENCE_SECONDS - 1)
    rest.slept()
    assert not rest.goes_on(200)
    rest.earned(200, [device()])
    assert rest.earned(300, [device()])


def test_after_a_rest_in_which_they_stayed_awake_there_is_none(rest: Rest) -> None:
    rest.earned(0, [device()])
    assert rest.earned(100, [device()])
    assert not rest.goes_on(100 + PATIENCE_SECONDS)
    rest.earned(200, [device()])
    assert not rest.earned(300, [device()])
