"""What was measured: the bodies of `/api/metrics/*` and of the feed topics system, process, utilization.

Owns the guide's field names. Percentages are 0-100, sizes are bytes, stamps are UTC. None means that the
machine or this version has no such value, or that it cannot be known yet.
"""

import datetime as dt
from typing import Annotated

import msgspec


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything that leaves the process: immutable, keyword-only, camelCase."""


class Cpu(Wire, frozen=True, kw_only=True):
    """Processor use over the last sampling interval."""

    overall_usage_percent: float | None
    per_core_usage_percent: list[float] | None
    logical_cores: int | None
    physical_cores: int | None
    process_usage_percent: float | None
    """Share of the whole machine (0-100) used by the runtime's own process."""


class Memory(Wire, frozen=True, kw_only=True):
    """Main memory, and this process's part of it."""

    total_bytes: int | None
    available_bytes: int | None
    used_bytes: int | None
    """total - available"""
    usage_percent: float | None
    process_usage_bytes: int | None
    process_private_bytes: int | None
    process_working_set_bytes: int | None


class GpuProcess(Wire, frozen=True, kw_only=True):
    """A process that uses a graphics processor."""

    pid: int | None
    """null where the driver's number belongs to another PID namespace, as in a container."""
    host_pid: int
    used_memory_bytes: int | None


class Gpu(Wire, frozen=True, kw_only=True):
    """One graphics processor; a field that the device does not report, or that is not known now, is null."""

    uuid: str
    """The vendor's; else the PCI address; else the vendor's name and number."""
    index: int
    status: str
    """ok, idle (let go of, so that it can fall asleep), suspended (it sleeps and is not woken), lost or error."""
    detail: str | None
    name: str
    vendor: str
    usage_percent: float | None
    total_memory_bytes: int | None
    used_memory_bytes: int | None
    available_memory_bytes: int | None
    memory_usage_percent: float | None
    temperature_celsius: float | None
    reserved_memory_bytes: int | None
    """Held by the driver; not in `usedMemoryBytes` where it is known."""
    power_watts: float | None
    power_limit_watts: float | None
    graphics_clock_hertz: int | None
    memory_clock_hertz: int | None
    driver_version: str | None
    pci_address: str | None
    processes: list[GpuProcess] | None
    """The 64 that use the most memory."""
    unsupported: list[str]
    """What the device does not report."""


class GpuProbe(Wire, frozen=True, kw_only=True):
    """How looking at the graphics processors goes."""

    status: str
    """ok, unavailable or released."""
    reason: str | None
    """Why nothing is known; beside ok, why not everything is."""
    released_until: dt.datetime | None


class GpuReleaseBody(Wire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/gpu/release`."""

    seconds: Annotated[float, msgspec.Meta(gt=0, le=604_800)] | None = None
    """After which it ends by itself; null until it is resumed."""


class Disk(Wire, frozen=True, kw_only=True):
    """One mounted file system and the traffic of the device below it."""

    drive_name: str
    """Mount point."""
    drive_label: str
    """Device."""
    total_bytes: int | None
    available_bytes: int | None
    used_bytes: int | None
    usage_percent: float | None
    read_bytes_per_second: float | None
    write_bytes_per_second: float | None


class Network(Wire, frozen=True, kw_only=True):
    """All interfaces together."""

    bytes_sent_per_second: float | None
    bytes_received_per_second: float | None
    total_bytes_sent: int | None
    total_bytes_received: int | None


class Stall(Wire, frozen=True, kw_only=True):
    """Share of time (0-100) spent waiting over the last 10, 60 and 300 seconds, and all of it since boot."""

    avg10_percent: float
    avg60_percent: float
    avg300_percent: float
    total_seconds: float


class ResourcePressure(Wire, frozen=True, kw_only=True):
    """Waiting for one resource."""

    some: Stall | None
    """At least one task waited."""
    full: Stall | None
    """All tasks did. Not defined for the processor."""


class Pressure(Wire, frozen=True, kw_only=True):
    """Pressure stall information of the whole machine; a resource is null where the kernel says nothing of it."""

    cpu: ResourcePressure | None
    memory: ResourcePressure | None
    io: ResourcePressure | None


class Cgroup(Wire, frozen=True, kw_only=True):
    """The control group of the runtime. A limit is the smallest among visible ancestors; null: none, or unknown.

    The other fields of `system` are those of the machine, also inside a container.
    """

    version: str
    """v1, v2 or hybrid."""
    path: str | None
    memory_limit_bytes: int | None
    memory_available_bytes: int | None
    """What all limits together still allow."""
    memory_usage_bytes: int | None
    memory_working_set_bytes: int | None
    """Usage without the inactive part of the page cache."""
    swap_limit_bytes: int | None
    oom_kills_total: int | None
    cpu_limit_cores: float | None
    cpu_throttled_periods_total: int | None
    cpuset_cores: int | None
    processes: int | None
    process_limit: int | None


class SystemMetrics(Wire, frozen=True, kw_only=True):
    """`GET /api/metrics/system` and the feed topic `system`."""

    timestamp: dt.datetime
    cpu: Cpu
    memory: Memory
    gpu: Gpu | None
    """The first of `gpus`."""
    gpus: list[Gpu]
    disks: list[Disk]
    network: Network
    stale: dict[str, dt.datetime]
    """Collectors whose last reading failed, with the stamp of the last good one; their values are that old."""
    epoch: str
    seq: int
    pressure: Pressure | None = None
    """Null where the kernel has none."""
    cgroup: Cgroup | None = None
    """Null where there are no control groups."""
    gpu_probe: GpuProbe | None = None
    """null until it has looked for the first time."""


class Limiter(Wire, frozen=True, kw_only=True):
    """One pool of worker threads."""

    name: str
    available: int
    maximum: int
    busy: int


class ThreadPool(Wire, frozen=True, kw_only=True):
    """All worker-thread pools of the runtime together, and each by name."""

    available_worker_threads: int
    max_worker_threads: int
    busy_worker_threads: int
    limiters: list[Limiter]


class GarbageCollection(Wire, frozen=True, kw_only=True):
    """The interpreter's cyclic collector, since start. Everything waits while it runs."""

    collections: list[int]
    """Runs per generation."""
    collected: int
    uncollectable: int
    pause_ms_total: float
    longest_pause_ms: float


class ComponentMemory(Wire, frozen=True, kw_only=True):
    """What one part of the runtime holds in memory."""

    component_name: str
    allocated_bytes: int
    active_instances: int


class ProviderConnections(Wire, frozen=True, kw_only=True):
    """Slots in use at one provider of paid calls."""

    provider_name: str
    active_connections: int
    queued_requests: int
    average_response_time_ms: float | None
    """How long a slot was held until it was given back, the newer calls counting more."""


class ProcessMetrics(Wire, frozen=True, kw_only=True):
    """`GET /api/metrics/process` and the feed topic `process`."""

    timestamp: dt.datetime
    thread_pool: ThreadPool
    gc: GarbageCollection
    component_memory: list[ComponentMemory]
    provider_connections: list[ProviderConnections]
    cache_memory_bytes: int
    """Bytes held in the runtime's own caches: what was published last, and the history."""
    open_file_descriptors: int | None
    uptime_seconds: float | None


class HistoryEntry(Wire, frozen=True, kw_only=True):
    """One publication of a topic: the whole body that `GET` answered then."""

    seq: int
    ts: dt.datetime
    data: msgspec.Raw


class History(Wire, frozen=True, kw_only=True):
    """`GET /api/metrics/history`: publications of one topic, oldest first."""

    topic: str
    epoch: str
    """Random per start of the runtime: `seq` of another epoch means nothing here."""
    entries: list[HistoryEntry]


class Utilization(Wire, frozen=True, kw_only=True):
    """`GET /api/metrics/utilization` and the feed topic `utilization`."""

    max_concurrent_jobs: int
    active_jobs: int
    available_job_slots: int
    total_reserved_memory_bytes: int
    active_providers: list[str]
    cpu_usage_percent: float | None
    memory_usage_percent: float | None
    gpu_usage_percent: float | None
    """Mean over the graphics processors that have a value."""
