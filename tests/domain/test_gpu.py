"""What follows from what is known of the graphics devices."""

import pytest

from aura_actors.domain.gpu import (
    GpuState,
    GpuUse,
    believed,
    hottest_celsius,
    mean_utilization_percent,
    unavailable,
)


def device(vendor: str = "NVIDIA", percent: float | None = None, celsius: float | None = None) -> GpuUse:
    return GpuUse(
        uuid="x",
        index=0,
        name="x",
        vendor=vendor,
        driver_version=None,
        pci_address=None,
        status="ok",
        detail=None,
        utilization_percent=percent,
        temperature_celsius=celsius,
    )


def test_the_mean_is_over_the_vendors_devices_that_have_a_value() -> None:
    devices = [device(percent=10), device(percent=None), device(percent=50), device("AMD", percent=100)]
    assert mean_utilization_percent(devices, "NVIDIA") == 30
    assert mean_utilization_percent(devices, "AMD") == 100
    assert mean_utilization_percent(devices) == pytest.approx(160 / 3)


def test_where_no_device_has_a_value_there_is_none() -> None:
    assert mean_utilization_percent([device()], "NVIDIA") is None
    assert mean_utilization_percent([device("AMD", percent=1)], "NVIDIA") is None
    assert hottest_celsius([device()]) is None
    assert hottest_celsius([device(celsius=40), device(), device(celsius=60)]) == 60


@pytest.mark.parametrize("percent", [-1, 101, 4000])
def test_a_utilisation_beyond_the_possible_is_not_believed(percent: int) -> None:
    assert believed({"utilization_percent": percent, "power_watts": 5}) == {"power_watts": 5}


@pytest.mark.parametrize("percent", [0, 100])
def test_a_device_may_do_nothing_and_may_do_all_that_it_can(percent: int) -> None:
    assert believed({"utilization_percent": percent}) == {"utilization_percent": percent}


def test_more_memory_in_use_than_there_is_is_not_believed() -> None:
    memory = {"memory_total_bytes": 10, "memory_used_bytes": 10, "memory_free_bytes": 0}
    assert believed(memory) == memory
    assert believed({**memory, "memory_used_bytes": 11}) == {"memory_total_bytes": 10}


def test_what_was_known_is_stale_at_first_and_forgotten_after_a_minute() -> None:
    good = GpuState(status="ok", devices=(device(percent=5),), timestamp=1000.0, duration_seconds=0.01)
    assert good.current == good.devices
    first = unavailable(good, "it hangs", 1003.0)
    assert (first.status, first.reason, first.stale_since) == ("unavailable", "it hangs", 1000.0)
    assert first.devices == good.devices
    assert first.current == ()
    second = unavailable(first, "it crashed", 1060.0)
    assert (second.reason, second.stale_since, second.devices) == ("it crashed", 1000.0, good.devices)
    third = unavailable(second, "it crashed", 1060.1)
    assert (third.devices, third.stale_since) == ((), 1000.0)


def test_before_the_first_reading_nothing_is_stale() -> None:
    assert unavailable(None, "no driver", 5.0) == GpuState(status="unavailable", reason="no driver")
    released = GpuState(status="released")
    assert unavailable(released, "no driver", 5.0) == GpuState(status="unavailable", reason="no driver")
