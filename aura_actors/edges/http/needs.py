"""From a body to the vector that admission decides over: units, other names for one field, contradictions.

Pure. `at` is the JSON pointer to the body where it is part of a larger one; every InvalidValue names its place.
"""

from collections.abc import Mapping, Sequence

from aura_actors.domain.needs import GpuNeed, JobSpec, Resize
from aura_actors.domain.providers import ProviderNeed
from aura_actors.errors import InvalidValue
from aura_actors.wire import admission as wire


def job_spec(body: wire.NeedsBody, *, bytes_per_job: int, at: str = "") -> JobSpec:
    """What the body asks for; `bytes_per_job` where it names no size. Raises InvalidValue."""
    return JobSpec(
        memory_bytes=_memory(body, bytes_per_job, at),
        cpu_millicores=_millicores(body.cpu_cores),
        gpu=_gpu(body, at),
        scratch_bytes=body.scratch_bytes,
        units=_units(body.units) if body.units else (),
        providers=_providers(body.providers) if body.providers else (),
        priority=body.priority,
        kind=body.kind,
        max_runtime_seconds=body.max_runtime_seconds,
        hold_paths=body.hold_paths,
    )


def resize(body: wire.RenewBody) -> Resize | None:
    """The new amounts that the body names; None where it names none."""
    asked = Resize(
        memory_bytes=body.memory_bytes,
        cpu_millicores=None if body.cpu_cores is None else _millicores(body.cpu_cores),
        scratch_bytes=body.scratch_bytes,
        units=None if body.units is None else _units(body.units),
    )
    return None if asked == Resize() else asked


def _memory(body: wire.NeedsBody, bytes_per_job: int, at: str) -> int:
    if body.memory_bytes is None:
        return bytes_per_job if body.estimated_memory_bytes is None else body.estimated_memory_bytes
    if body.estimated_memory_bytes is not None:
        raise InvalidValue(
            "is another name for memoryBytes; give one of the two", path=f"{at}/estimatedMemoryBytes"
        )
    return body.memory_bytes


def _millicores(cores: float) -> int:
    return round(cores * 1000)


def _gpu(body: wire.NeedsBody, at: str) -> GpuNeed | None:
    if body.gpu is None:
        return GpuNeed() if body.requires_gpu else None
    gpu, required = body.gpu, body.gpu.required or body.requires_gpu
    if required and gpu.preferred:
        other = "gpu.required" if gpu.required else "requiresGpu"
        raise InvalidValue(f"contradicts {other}; give one of the two", path=f"{at}/gpu/preferred")
    if not required and not gpu.preferred:
        _nothing_more(gpu, at)
        return None
    return GpuNeed(required=required, count=gpu.count, memory_bytes=gpu.memory_bytes, exclusive=gpu.exclusive)


def _nothing_more(gpu: wire.GpuBody, at: str) -> None:
    """Amounts of a device that is neither required nor preferred are a mistake."""
    given = {"memoryBytes": gpu.memory_bytes > 0, "count": gpu.count > 1, "exclusive": gpu.exclusive}
    for name, is_given in given.items():
        if is_given:
            raise InvalidValue("say gpu.required or gpu.preferred too", path=f"{at}/gpu/{name}")


def _units(units: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((name, amount) for name, amount in units.items() if amount))


def _providers(asked: Sequence[wire.ProviderBody]) -> tuple[ProviderNeed, ...]:
    """One need for each provider; names match in any case, and are spelled as they came first."""
    merged: dict[str, ProviderNeed] = {}
    for each in asked:
        name = each.name.casefold()
        before = merged.get(name, ProviderNeed(name=each.name))
        merged[name] = ProviderNeed(name=before.name, tokens=before.tokens + each.tokens)
    return tuple(merged[name] for name in sorted(merged))
