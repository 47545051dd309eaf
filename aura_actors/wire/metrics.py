"""What was measured: the bodies of `/api/metrics/*` and of the feed topics system, process, utilization.

Owns the guide's field names. Percentages are 0-100, sizes are bytes, stamps are UTC. None means that the
machine or this version has no such value, or that it cannot be known yet.
"""

import datetime as dt
from typing import Annotated

import msgspec


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Base of everything that leaves the process: immutable, keyword-only, camelCase.

    JSON is a tree, from whose leaves nothing leads back: the collector has nothing to find there.
    """


class Cpu(Wire, frozen=True, kw_only=True):
    """Processor use over the last sampling interval."""

    overall_usage_percent: float | None
    """Share of time in which the processors worked."""
    per_core_usage_percent: list[float] | None
    """The same for each logical core."""
    logical_cores: int | None
    """Hardware threads that the machine has."""
    physical_cores: int | None
    """Cores that the machine has."""
    process_usage_percent: float | None
    """Share of the whole machine (0-100) used by the runtime's own process."""


class Memory(Wire, frozen=True, kw_only=True):
    """Main memory, and this process's part of it."""

    total_bytes: int | None
    """What the machine has."""
    available_bytes: int | None
    """What can be had without swapping, page cache included."""
    used_bytes: int | None
    """total - available"""
    usage_percent: float | None
    """used / total"""
    process_usage_bytes: int | None
    """Resident memory of the runtime's own process."""
    process_private_bytes: int | None
    """The part of it that nobody shares."""
    process_working_set_bytes: int | None
    """The guide's name for `processUsageBytes`."""


class GpuProcess(Wire, frozen=True, kw_only=True):
    """A process that uses a graphics processor."""

    pid: int | None
    """null where the driver's number belongs to another PID namespace, as in a container."""
    host_pid: int
    """The driver's number."""
    used_memory_bytes: int | None
    """Of the device's memory."""


class Gpu(Wire, frozen=True, kw_only=True):
    """One graphics processor; a field that the device does not report, or that is not known now, is null."""

    uuid: str
    """The vendor's; else the PCI address; else the vendor's name and number."""
    index: int
    """Place in the list: NVIDIA's devices in NVML's order, then AMD's."""
    status: str
    """ok, idle (let go of, so that it can fall asleep), suspended (it sleeps and is not woken), lost or error."""
    detail: str | None
    """The reason for the status, where there is one."""
    name: str
    """The model."""
    vendor: str
    """Who made it."""
    usage_percent: float | None
    """Share of time in which it worked."""
    total_memory_bytes: int | None
    """What the device has."""
    used_memory_bytes: int | None
    """In use by processes."""
    available_memory_bytes: int | None
    """Free now."""
    memory_usage_percent: float | None
    """used / total"""
    temperature_celsius: float | None
    """Of the chip."""
    reserved_memory_bytes: int | None
    """Held by the driver; not in `usedMemoryBytes` where it is known."""
    power_watts: float | None
    """Drawn now."""
    power_limit_watts: float | None
    """The most that it may draw."""
    graphics_clock_hertz: int | None
    """Now."""
    memory_clock_hertz: int | None
    """Now."""
    driver_version: str | None
    """Of the kernel driver."""
    pci_address: str | None
    """Domain, bus, device and function."""
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
    """When a release ends by itself; null where it does not."""


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
    """Size of the file system."""
    available_bytes: int | None
    """What a user who is not root may still write."""
    used_bytes: int | None
    """In use."""
    usage_percent: float | None
    """used / total"""
    read_bytes_per_second: float | None
    """Over the last sampling interval."""
    write_bytes_per_second: float | None
    """Over the last sampling interval."""


class Network(Wire, frozen=True, kw_only=True):
    """All interfaces together."""

    bytes_sent_per_second: float | None
    """Over the last sampling interval."""
    bytes_received_per_second: float | None
    """Over the last sampling interval."""
    total_bytes_sent: int | None
    """Since boot."""
    total_bytes_received: int | None
    """Since boot."""


class Stall(Wire, frozen=True, kw_only=True):
    """Share of time (0-100) spent waiting over the last 10, 60 and 300 seconds, and all of it since boot."""

    avg10_percent: float
    """Over the last 10 s."""
    avg60_percent: float
    """Over the last 60 s."""
    avg300_percent: float
    """Over the last 300 s."""
    total_seconds: float
    """Since boot."""


class ResourcePressure(Wire, frozen=True, kw_only=True):
    """Waiting for one resource."""

    some: Stall | None
    """At least one task waited."""
    full: Stall | None
    """All tasks did. Not defined for the processor."""


class Pressure(Wire, frozen=True, kw_only=True):
    """Pressure stall information of the whole machine; a resource is null where the kernel says nothing of it."""

    cpu: ResourcePressure | None
    """Waiting for a processor."""
    memory: ResourcePressure | None
    """Waiting for memory."""
    io: ResourcePressure | None
    """Waiting for disks."""


class Cgroup(Wire, frozen=True, kw_only=True):
    """The control group of the runtime. A limit is the smallest among visible ancestors; null: none, or unknown.

    The other fields of `system` are those of the machine, also inside a container.
    """

    version: str
    """v1, v2 or hybrid."""
    path: str | None
    """As the kernel names it."""
    memory_limit_bytes: int | None
    """The smallest."""
    memory_available_bytes: int | None
    """What all limits together still allow."""
    memory_usage_bytes: int | None
    """With page cache."""
    memory_working_set_bytes: int | None
    """Usage without the inactive part of the page cache."""
    swap_limit_bytes: int | None
    """The smallest."""
    oom_kills_total: int | None
    """Processes that the kernel ended here for want of memory."""
    cpu_limit_cores: float | None
    """The smallest quota, in cores."""
    cpu_throttled_periods_total: int | None
    """Periods in which the quota was used up."""
    cpuset_cores: int | None
    """Cores that may be used."""
    processes: int | None
    """Processes and threads now."""
    process_limit: int | None
    """The smallest."""


class SystemMetrics(Wire, frozen=True, kw_only=True):
    """`GET /api/metrics/system` and the feed topic `system`."""

    timestamp: dt.datetime
    """Of the sample."""
    cpu: Cpu
    """Processor use."""
    memory: Memory
    """Main memory."""
    gpu: Gpu | None
    """The first of `gpus`."""
    gpus: list[Gpu]
    """Every graphics processor."""
    disks: list[Disk]
    """Every mounted file system on a device."""
    network: Network
    """All interfaces together."""
    stale: dict[str, dt.datetime]
    """Collectors whose last reading failed, with the stamp of the last good one; their values are that old."""
    epoch: str
    """Random per start of the runtime: `seq` of another epoch means nothing here."""
    seq: int
    """Grows by one with each publication."""
    pressure: Pressure | None = None
    """Null where the kernel has none."""
    cgroup: Cgroup | None = None
    """Null where there are no control groups."""
    gpu_probe: GpuProbe | None = None
    """null until it has looked for the first time."""


class Limiter(Wire, frozen=True, kw_only=True):
    """One pool of worker threads."""

    name: str
    """What its work is."""
    available: int
    """Threads that are free."""
    maximum: int
    """Threads that there may be."""
    busy: int
    """Threads at work."""


class ThreadPool(Wire, frozen=True, kw_only=True):
    """All worker-thread pools of the runtime together, and each by name."""

    available_worker_threads: int
    """Free in all pools together."""
    max_worker_threads: int
    """Of all pools together."""
    busy_worker_threads: int
    """At work in all pools together."""
    limiters: list[Limiter]
    """Each pool."""


class GarbageCollection(Wire, frozen=True, kw_only=True):
    """The interpreter's cyclic collector, since start. Everything waits while it runs."""

    collections: list[int]
    """Runs per generation."""
    collected: int
    """Objects freed."""
    uncollectable: int
    """Objects that could not be freed."""
    pause_ms_total: float
    """All pauses together."""
    longest_pause_ms: float
    """The longest of them."""


class ComponentMemory(Wire, frozen=True, kw_only=True):
    """What one part of the runtime holds in memory."""

    component_name: str
    """Which part."""
    allocated_bytes: int
    """As far as it counts them itself."""
    active_instances: int
    """How many of what it holds."""


class ProviderConnections(Wire, frozen=True, kw_only=True):
    """Slots in use at one provider of paid calls."""

    provider_name: str
    """The provider."""
    active_connections: int
    """Slots in use."""
    queued_requests: int
    """Requests that wait for a slot."""
    average_response_time_ms: float | None
    """How long a slot was held until it was given back, the newer calls counting more."""


class ProcessMetrics(Wire, frozen=True, kw_only=True):
    """`GET /api/metrics/process` and the feed topic `process`."""

    timestamp: dt.datetime
    """Of the sample."""
    thread_pool: ThreadPool
    """Worker threads."""
    gc: GarbageCollection
    """Garbage collection."""
    component_memory: list[ComponentMemory]
    """What each part holds."""
    provider_connections: list[ProviderConnections]
    """Calls to providers."""
    cache_memory_bytes: int
    """Bytes held in the runtime's own caches: what was published last, and the history."""
    open_file_descriptors: int | None
    """Of this process."""
    uptime_seconds: float | None
    """Since its start."""


class HistoryEntry(Wire, frozen=True, kw_only=True):
    """One publication of a topic: the whole body that `GET` answered then."""

    seq: int
    """Of the publication."""
    ts: dt.datetime
    """When it was published."""
    data: msgspec.Raw
    """As `GET` of the topic answered then."""


class History(Wire, frozen=True, kw_only=True):
    """`GET /api/metrics/history`: publications of one topic, oldest first."""

    topic: str
    """As it was asked for."""
    epoch: str
    """Random per start of the runtime: `seq` of another epoch means nothing here."""
    entries: list[HistoryEntry]
    """The oldest first."""


class Utilization(Wire, frozen=True, kw_only=True):
    """`GET /api/metrics/utilization` and the feed topic `utilization`."""

    max_concurrent_jobs: int
    """Job slots."""
    active_jobs: int
    """Job slots in use."""
    available_job_slots: int
    """Job slots that are free."""
    total_reserved_memory_bytes: int
    """Declared by all live jobs together."""
    active_providers: list[str]
    """Providers with a slot in use."""
    cpu_usage_percent: float | None
    """Of the last sample."""
    memory_usage_percent: float | None
    """Of the last sample."""
    gpu_usage_percent: float | None
    """Mean over the graphics processors that have a value."""
