"""One line per sample, for pipes and logs: names and values without spaces, always the same ones. Pure."""

from collections.abc import Iterator

from aura_actors.cli import text
from aura_actors.cli.text import printable
from aura_actors.cli.top.state import State

NO_ALERTS = "none"


def line(state: State) -> str:
    """`2026-01-01T00:00:00.000Z cpu=12.3% memory=25.0% …`; what is not known is `-`."""
    return " ".join([_stamp(state), *(f"{name}={value.replace(' ', '')}" for name, value in _values(state))])


def _stamp(state: State) -> str:
    if state.system is None:
        return text.UNKNOWN
    return state.system.timestamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _values(state: State) -> Iterator[tuple[str, str]]:
    if (system := state.system) is not None:
        yield "cpu", text.percent(system.cpu.overall_usage_percent)
        yield "memory", text.percent(system.memory.usage_percent)
        yield "used", text.size(system.memory.used_bytes)
        for gpu in system.gpus:
            yield f"gpu{gpu.index}", text.percent(gpu.usage_percent)
        yield "received", _rate(system.network.bytes_received_per_second)
        yield "sent", _rate(system.network.bytes_sent_per_second)
        yield "read", _rate(state.past[-1].read if state.past else None)
        yield "written", _rate(state.past[-1].written if state.past else None)
    if (admission := state.admission) is not None:
        yield "jobs", f"{admission.active_jobs}/{admission.max_concurrent_jobs}"
        yield "queued", str(admission.queued_jobs)
        yield "reserved", text.size(admission.memory.reserved_bytes)
    active = state.alerts.active if state.alerts is not None else []
    yield "alerts", ",".join(printable(each.name) for each in active) or NO_ALERTS


def _rate(bytes_per_second: float | None) -> str:
    return text.UNKNOWN if bytes_per_second is None else f"{text.size(bytes_per_second)}/s"
