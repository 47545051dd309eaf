"""NVIDIA's devices, through NVML: what is asked, how often, and what its error codes mean.

The only file that imports pynvml, and only a child process imports it: the library can hang or crash in a driver.
Owns the questions and, for each device, which of them it does not answer. One thread; never PCIe throughput, which
takes 20 ms of the driver's time for each direction.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pynvml

from aura_actors.workers import pci
from aura_actors.workers.frames import Device, DeviceStatus, Process
from aura_actors.workers.pids import own_pid
from aura_actors.workers.rest import Rest

VENDOR = "NVIDIA"
PROCESSES_AT_MOST = 64
"""Of each device: those with the most memory."""
REST_SECONDS = 10.0
"""How long a device that is lost or broken is left alone before it is asked again."""

Answer = dict[str, int | float] | list[tuple[int, int | None]]
"""Numbers by name; or processes, as the host's PID and bytes."""


class NotReported(Exception):
    """The driver answers, and the answer means that there is no such value."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked every `period_seconds`, and the ways to ask it, the newest first."""

    fields: tuple[str, ...]
    period_seconds: float
    ways: tuple[Callable[[Any], Answer], ...]


# --- the questions -------------------------------------------------------------------------------------------


def _utilization(handle: Any) -> Answer:
    return {"utilization_percent": pynvml.nvmlDeviceGetUtilizationRates(handle).gpu}


def _memory_with_reserved(handle: Any) -> Answer:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    return {**_memory(memory), "memory_reserved_bytes": memory.reserved}


def _memory_of_old_drivers(handle: Any) -> Answer:
    """Counts what the driver reserves as used."""
    return _memory(pynvml.nvmlDeviceGetMemoryInfo(handle))


def _memory(memory: Any) -> dict[str, int | float]:
    if not memory.total:  # the device uses main memory
        raise NotReported
    return {
        "memory_total_bytes": memory.total,
        "memory_used_bytes": memory.used,
        "memory_free_bytes": memory.free,
    }


def _temperature(handle: Any) -> Answer:
    return {"temperature_celsius": pynvml.nvmlDeviceGetTemperatureV(handle, pynvml.NVML_TEMPERATURE_GPU)}


def _temperature_of_old_drivers(handle: Any) -> Answer:
    return {"temperature_celsius": pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)}


def _power(handle: Any) -> Answer:
    return {"power_watts": pynvml.nvmlDeviceGetPowerUsage(handle) / 1000}


def _power_limit(handle: Any) -> Answer:
    return {"power_limit_watts": pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000}


def _graphics_clock(handle: Any) -> Answer:
    return {"graphics_clock_hertz": pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_GRAPHICS) * 1_000_000}


def _memory_clock(handle: Any) -> Answer:
    return {"memory_clock_hertz": pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM) * 1_000_000}


def _processes(function: str) -> Callable[[Any], Answer]:
    def ask(handle: Any) -> Answer:
        return [(process.pid, process.usedGpuMemory) for process in getattr(pynvml, function)(handle)]

    return ask


_MEMORY_FIELDS = ("memory_total_bytes", "memory_used_bytes", "memory_free_bytes")
QUESTIONS = (
    Question(fields=("utilization_percent",), period_seconds=1, ways=(_utilization,)),
    Question(fields=_MEMORY_FIELDS, period_seconds=1, ways=(_memory_with_reserved, _memory_of_old_drivers)),
    Question(fields=("temperature_celsius",), period_seconds=2, ways=(_temperature, _temperature_of_old_drivers)),
    Question(fields=("power_watts",), period_seconds=2, ways=(_power,)),
    Question(fields=("power_limit_watts",), period_seconds=5, ways=(_power_limit,)),
    Question(fields=("graphics_clock_hertz",), period_seconds=2, ways=(_graphics_clock,)),
    Question(fields=("memory_clock_hertz",), period_seconds=2, ways=(_memory_clock,)),
    *(
        Question(
            fields=("processes",),
            period_seconds=5,
            ways=tuple(_processes(f"nvmlDeviceGet{kind}RunningProcesses_v{version}") for version in (3, 2)),
        )
        for kind in ("Compute", "Graphics")
    ),
)

# --- what the error codes mean -------------------------------------------------------------------------------

_UNSUPPORTED = frozenset({
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_INVALID_ARGUMENT,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
    pynvml.NVML_ERROR_DEPRECATED,
})  # fmt: skip
"""Asked this way, this device will never answer."""

_PASSING = frozenset({
    pynvml.NVML_ERROR_INSUFFICIENT_SIZE,  # processes came between the two calls that list them
    pynvml.NVML_ERROR_TIMEOUT,
    pynvml.NVML_ERROR_IN_USE,
    pynvml.NVML_ERROR_NO_DATA,
    pynvml.NVML_ERROR_NOT_READY,
})  # fmt: skip
"""Not now; the next time may do."""

_LOST = frozenset({
    pynvml.NVML_ERROR_GPU_IS_LOST,
    pynvml.NVML_ERROR_GPU_NOT_FOUND,
    pynvml.NVML_ERROR_NOT_FOUND,
    pynvml.NVML_ERROR_RESET_REQUIRED,
})  # fmt: skip

_LIBRARY = frozenset({
    pynvml.NVML_ERROR_UNINITIALIZED,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
})  # fmt: skip
"""No device can be read any more. After a change of driver only a process that loads the library anew can."""

# --- one device ----------------------------------------------------------------------------------------------


class _Device:
    """One device of a session, by its NVML index. It may be lost at first, so it is identified when it can be."""

    def __init__(self, index: int, driver_version: str | None, root: Path) -> None:
        self._index = index
        self._driver_version = driver_version
        self._root = root
        self._handle: Any = None
        self._name = VENDOR
        self._uuid = f"{VENDOR}-{index}"
        self._address: str | None = None
        self._status: DeviceStatus = "ok"
        self._detail: str | None = None
        self._rests_until = float("-inf")
        self._answers: dict[Question, Answer] = {}
        self._asked_at: dict[Question, float] = {}
        self._ways = {question: question.ways for question in QUESTIONS}
        """What is left to try. Invariant: once it is empty the question is never asked again."""

    def read(self, now: float) -> Device:
        """Ask what is due. Raises `pynvml.NVMLError` only for what concerns the whole library."""
        if self._address is not None and pci.asleep(self._root, self._address):
            self._forget("suspended", None)
        elif now >= self._rests_until:
            self._status, self._detail = "ok", None
            try:
                self._identify()
                self._ask_what_is_due(now)
            except pynvml.NVMLError as error:
                if error.value in _LIBRARY:
                    raise
                self._forget("lost" if error.value in _LOST else "error", str(error))
                self._rests_until = now + REST_SECONDS
        return self._said()

    def _forget(self, status: DeviceStatus, detail: str | None) -> None:
        self._status, self._detail = status, detail
        self._answers.clear()
        self._asked_at.clear()

    def _identify(self) -> None:
        if self._handle is None:
            handle = pynvml.nvmlDeviceGetHandleByIndex(self._index)
            place = pynvml.nvmlDeviceGetPciInfo(handle)
            self._address = f"{place.domain:04x}:{place.bus:02x}:{place.device:02x}.0"
            self._name = pynvml.nvmlDeviceGetName(handle)
            self._uuid = pynvml.nvmlDeviceGetUUID(handle)
            self._handle = handle

    def _ask_what_is_due(self, now: float) -> None:
        for question in QUESTIONS:
            # A little early counts as due: whoever samples every second is never quite on the second.
            if now - self._asked_at.get(question, float("-inf")) >= 0.9 * question.period_seconds:
                self._ask(question, now)

    def _ask(self, question: Question, now: float) -> None:
        self._answers.pop(question, None)
        while self._ways[question]:
            try:
                self._answers[question] = self._ways[question][0](self._handle)
            except NotReported:
                self._ways[question] = ()
            except pynvml.NVMLError as error:
                if error.value in _UNSUPPORTED:
                    self._ways[question] = self._ways[question][1:]
                    continue
                if error.value not in _PASSING:
                    raise
            break
        self._asked_at[question] = now

    def _said(self) -> Device:
        values: dict[str, int | float] = {}
        processes: list[Process] | None = None
        for answer in self._answers.values():
            if isinstance(answer, dict):
                values |= answer
            else:
                processes = self._merged(processes or [], answer)
        return Device(
            uuid=self._uuid,
            name=self._name,
            vendor=VENDOR,
            driver_version=self._driver_version,
            pci_address=self._address,
            status=self._status,
            detail=self._detail,
            values=values,
            processes=processes,
            unsupported=self._unsupported(),
        )

    def _merged(self, known: list[Process], listed: list[tuple[int, int | None]]) -> list[Process]:
        """A process that computes and draws is listed twice, with the same memory."""
        memory: dict[int, int | None] = {process.host_pid: process.used_bytes for process in known}
        for host_pid, used_bytes in listed:
            stated = [size for size in (used_bytes, memory.get(host_pid)) if size is not None]
            memory[host_pid] = max(stated, default=None)
        largest = sorted(memory.items(), key=lambda item: -(item[1] or 0))[:PROCESSES_AT_MOST]
        return [
            Process(pid=own_pid(self._root, host_pid), host_pid=host_pid, used_bytes=used_bytes)
            for host_pid, used_bytes in largest
        ]

    def _unsupported(self) -> list[str]:
        answered = {field for question, ways in self._ways.items() if ways for field in question.fields}
        fields = dict.fromkeys(field for question in QUESTIONS for field in question.fields)
        return [field for field in fields if field not in answered]


# --- all devices ---------------------------------------------------------------------------------------------


class Nvidia:
    """Every device that NVML shows. The library is opened by the first `sample` that finds a device awake."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._devices: list[_Device] | None = None
        self._last_seen: list[Device] = []
        self._rest = Rest(root)
        self._problem: str | None = None

    def sample(self, now: float) -> tuple[list[Device], str | None]:
        """The devices at `now` (monotonic seconds), and what is wrong with NVML as a whole.

        What is wrong stays so: a driver that came or was replaced is seen by a fresh process only.
        """
        if self._problem is not None:
            return [], self._problem
        if self._devices is None and (quiet := self._left_alone(now)):
            return quiet, None
        try:
            if self._devices is None:
                self._devices = self._open()
            self._last_seen = [device.read(now) for device in self._devices]
        except pynvml.NVMLError as error:
            self._problem = f"{VENDOR}: {error}"
            self.close()
            return [], self._problem
        if self._rest.earned(now, self._last_seen):
            self.close()
        return self._last_seen, None

    def close(self) -> None:
        """Let go of the driver, so that it can be unloaded, reset or set to MIG."""
        opened, self._devices = self._devices is not None, None
        if opened:
            with suppress(pynvml.NVMLError):  # a driver that is gone cannot be let go of
                pynvml.nvmlShutdown()

    def _open(self) -> list[_Device]:
        pynvml.nvmlInit()
        self._devices = []
        try:
            driver_version: str | None = pynvml.nvmlSystemGetDriverVersion()
        except pynvml.NVMLError:
            driver_version = None
        return [_Device(index, driver_version, self._root) for index in range(pynvml.nvmlDeviceGetCount())]

    def _left_alone(self, now: float) -> list[Device]:
        """The devices while the library stays closed, which to open would wake them; none if it is to be opened."""
        addresses = [each.address for each in pci.displays(self._root) if each.vendor == pci.NVIDIA]
        if not addresses:
            return []
        if all(pci.asleep(self._root, address) for address in addresses):
            self._rest.slept()
            return self._without_values("suspended", addresses)
        return self._without_values("idle", addresses) if self._rest.goes_on(now) else []

    def _without_values(self, status: DeviceStatus, addresses: list[str]) -> list[Device]:
        known = self._last_seen or [_never_seen(address) for address in addresses]
        return [
            msgspec.structs.replace(device, status=status, detail=None, values={}, processes=None)
            for device in known
        ]


def _never_seen(address: str) -> Device:
    return Device(
        uuid=address,
        name=VENDOR,
        vendor=VENDOR,
        driver_version=None,
        pci_address=address,
        status="suspended",
        detail=None,
        values={},
        processes=None,
        unsupported=[],
    )
