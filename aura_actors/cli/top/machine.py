"""The machine as sections: processors, memory, graphics processors, network, disks, pressure. Pure.

Owns what is shown of a sample. A value that the machine does not have is `-`, never 0.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rich.text import Text

from aura_actors.cli import text
from aura_actors.cli.top import marks
from aura_actors.cli.top.sight import Sight
from aura_actors.cli.top.state import Sample
from aura_actors.cli.top.table import Cell, Section, fit, pair, said
from aura_actors.wire.metrics import Disk, Gpu, ResourcePressure, SystemMetrics

LABEL: Final = 8
VALUE: Final = 8
CORE_CELLS: Final = 16
"""A core with a bar of its own takes at least this much room."""
BOTH_FROM: Final = 48
"""From so many cells on there is room for two averages of pressure."""
CORE_ROWS: Final = 4
"""Where bars need more rows, each core is one mark."""
QUIET_BYTES: Final = 1024.0
"""A flow below this stays low on its line."""


def machine(sight: Sight, width: int) -> Iterator[Section]:
    """All of it, as far as a sample is there."""
    system = sight.state.system
    if system is None:
        yield Section(title="Machine", lines=[said("no sample yet", marks.FAINT)])
        return
    yield _cpu(sight, system, width)
    yield _memory(sight, system, width)
    yield _gpus(sight, system, width)
    yield _network(sight, system, width)
    yield _disks(sight, system, width)
    yield _pressure(system, width)


def gauge(label: Cell, percent: float | None, width: int, sight: Sight, limit: float = marks.FULL_PERCENT) -> Text:
    """`memory    25.0 % ━━━━────────`."""
    room = max(0, width - LABEL - VALUE - 2)
    value = Text(text.percent(percent), style=marks.heat(percent, limit))
    bar = marks.bar(percent, room, sight.glyphs, limit)
    return Text.assemble(fit(said(label), LABEL), " ", fit(value, VALUE, right=True), " ", bar, no_wrap=True)


def _cpu(sight: Sight, system: SystemMetrics, width: int) -> Section:
    cpu, limit = system.cpu, sight.limit("cpu")
    line = sight.line(lambda sample: sample.cpu, width)
    styles = [marks.heat(value, limit) for value in line]
    lines = [
        gauge("busy", cpu.overall_usage_percent, width, sight, limit),
        *marks.spark(line, 100.0, sight.glyphs, rows=2 * sight.scale, styles=styles),
        *_cores(cpu.per_core_usage_percent or [], width, sight),
    ]
    cores = text.UNKNOWN if cpu.logical_cores is None else f"{cpu.logical_cores} cores"
    quota = None if system.cgroup is None else system.cgroup.cpu_limit_cores
    allowed = "" if quota is None else f", {quota:g} allowed"
    return Section(title="CPU", aside=sight.stale("cpu") or f"{cores}{allowed}", lines=lines)


def _cores(cores: Sequence[float], width: int, sight: Sight) -> Iterator[Text]:
    """Each with a bar where there is room for that, else one mark for each."""
    across = max(1, width // CORE_CELLS)
    if len(cores) > across * CORE_ROWS:
        for start in range(0, len(cores), width):
            some = cores[start : start + width]
            yield marks.spark(some, 100.0, sight.glyphs, styles=[marks.heat(each) for each in some])[0]
        return
    across = min(across, len(cores)) or 1
    room = (width - 2 * (across - 1)) // across
    drawn = [_core(number, percent, room, sight) for number, percent in enumerate(cores)]
    for start in range(0, len(drawn), across):
        yield Text("  ", no_wrap=True).join(drawn[start : start + across])


def _core(number: int, percent: float, width: int, sight: Sight) -> Text:
    value = Text(f"{percent:4.0f}", style=marks.heat(percent))
    return Text.assemble(
        (f"{number:>2} ", marks.FAINT), marks.bar(percent, max(0, width - 7), sight.glyphs), value, no_wrap=True
    )


def _memory(sight: Sight, system: SystemMetrics, width: int) -> Section:
    memory, group, limit = system.memory, system.cgroup, sight.limit("memory")
    line = sight.line(lambda sample: sample.memory, width)
    styles = [marks.heat(value, limit) for value in line]
    lines = [
        gauge("used", memory.usage_percent, width, sight, limit),
        *marks.spark(line, 100.0, sight.glyphs, rows=sight.scale, styles=styles),
        pair(
            f"available {text.size(memory.available_bytes)}",
            f"daemon {text.size(memory.process_usage_bytes)}",
            width,
        ),
    ]
    if group is not None and group.memory_limit_bytes is not None and group.memory_working_set_bytes is not None:
        share = 100 * group.memory_working_set_bytes / max(1, group.memory_limit_bytes)
        lines.append(gauge("group", share, width, sight, limit))
        lines.append(
            said(f"  {text.size(group.memory_working_set_bytes)} of {text.size(group.memory_limit_bytes)}")
        )
    aside = f"{text.size(memory.used_bytes)} of {text.size(memory.total_bytes)}"
    return Section(title="Memory", aside=sight.stale("memory") or aside, lines=lines)


def _gpus(sight: Sight, system: SystemMetrics, width: int) -> Section:
    lines = [line for gpu in system.gpus for line in _gpu(sight, gpu, width)]
    probe = system.gpu_probe
    if not lines:
        lines = [said(probe.reason if probe and probe.reason else "none", marks.FAINT)]
    aside = "" if probe is None or probe.status == "ok" else probe.status
    return Section(title="GPU", aside=sight.stale("gpu") or aside, lines=lines)


def _gpu(sight: Sight, gpu: Gpu, width: int) -> Iterator[Text]:
    heat, celsius = Text(), gpu.temperature_celsius
    if celsius is not None:
        heat.append(f"{celsius:.0f} °C", style=marks.heat(celsius, sight.limit("gpu")))
    if gpu.power_watts is not None:
        heat.append(f"{'  ' if heat else ''}{gpu.power_watts:.0f} W")
    yield pair(Text.assemble((f"{gpu.index} ", marks.FAINT), said(gpu.name, "bold")), heat, width)
    if gpu.status not in ("ok", "idle"):
        yield said(f"  {gpu.status}{f': {gpu.detail}' if gpu.detail else ''}", marks.NEAR)
    yield gauge("busy", gpu.usage_percent, width, sight)
    line = sight.line(lambda sample: sample.gpus.get(gpu.uuid), width)
    yield from marks.spark(line, 100.0, sight.glyphs, styles=[marks.heat(value) for value in line])
    yield gauge("memory", gpu.memory_usage_percent, width, sight)
    used = f"{text.size(gpu.used_memory_bytes)} of {text.size(gpu.total_memory_bytes)}"
    count = "" if gpu.processes is None else f"{len(gpu.processes)} processes"
    yield pair(f"  {used}", count, width)


def _network(sight: Sight, system: SystemMetrics, width: int) -> Section:
    network = system.network
    lines = [
        _flow(f"{sight.glyphs.received} in", network.bytes_received_per_second, lambda s: s.received, sight, width),
        _flow(f"{sight.glyphs.sent} out", network.bytes_sent_per_second, lambda s: s.sent, sight, width),
    ]
    return Section(title="Network", aside=sight.stale("network") or "", lines=lines)


def _flow(label: str, now: float | None, value: Callable[[Sample], float | None], sight: Sight, width: int) -> Text:
    """What flows now, and the line of it, as high as its own peak."""
    rate = text.UNKNOWN if now is None else f"{text.size(now)}/s"
    line = sight.line(value, max(0, width - LABEL - 14))
    top = max([QUIET_BYTES, *(each for each in line if each is not None)])
    drawn = marks.spark(line, top, sight.glyphs, styles=["cyan"] * len(line))[0]
    return Text.assemble(fit(said(label), LABEL), " ", fit(said(rate), 12, right=True), " ", drawn, no_wrap=True)


def _disks(sight: Sight, system: SystemMetrics, width: int) -> Section:
    past = sight.state.past
    lines = [line for disk in system.disks for line in _disk(sight, disk, width)]
    if not lines:
        lines = [said("none", marks.FAINT)]
    elif past:
        lines.append(_flow("read", past[-1].read, lambda sample: sample.read, sight, width))
        lines.append(_flow("written", past[-1].written, lambda sample: sample.written, sight, width))
    return Section(title="Disks", aside=sight.stale("disk") or "", lines=lines)


def _disk(sight: Sight, disk: Disk, width: int) -> Iterator[Text]:
    used = f"{text.size(disk.used_bytes)} of {text.size(disk.total_bytes)}"
    yield pair(disk.drive_name, used, width)
    yield gauge("  used", disk.usage_percent, width, sight)


def _pressure(system: SystemMetrics, width: int) -> Section:
    pressure = system.pressure
    if pressure is None:
        return Section(title="Pressure", lines=[said("this kernel does not tell", marks.FAINT)])
    named = (("cpu", pressure.cpu), ("memory", pressure.memory), ("io", pressure.io))
    lines = [_waiting(name, resource, width) for name, resource in named if resource is not None]
    aside = "waiting, 10 s / 60 s" if width >= BOTH_FROM else "waiting, 10 s"
    return Section(title="Pressure", aside=aside, lines=lines)


def _waiting(name: str, resource: ResourcePressure, width: int) -> Text:
    parts = Text()
    for kind, stall in (("some", resource.some), ("all", resource.full)):
        if stall is not None:
            minute = f" / {stall.avg60_percent:.1f}" if width >= BOTH_FROM else ""
            value = f"{stall.avg10_percent:.1f}{minute} %"
            parts.append(f"{'   ' if parts else ''}{kind} ", style=marks.FAINT)
            parts.append(value, style=marks.heat(stall.avg10_percent, 50.0) if stall.avg10_percent else "")
    return pair(Text(name), parts, width)
