"""From the arguments of `reserve` and `provider` to what admission is asked: the library's units and short forms.

Owns these forms. Limits and contradictions are judged where those of HTTP are, so that both refuse the same.
"""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from aura_actors.domain.needs import GpuNeed, JobSpec
from aura_actors.edges.http.needs import job_spec
from aura_actors.errors import InvalidValue
from aura_actors.wire.admission import NeedsBody
from aura_actors.wire.units import parse_duration, parse_size

Size = int | str
"""Bytes, or a text such as "2GiB"."""
Duration = float | str
"""Seconds, or a text such as "10m"."""
Gpu = bool | GpuNeed | Mapping[str, object]
"""True for one device; a mapping has the names of `GpuNeed`."""
Providers = Sequence[str] | Mapping[str, int]
"""Names; or for each name the tokens that its call is expected to use."""

T = TypeVar("T")


def spec_of(
    job_id: str,
    *,
    bytes_per_job: int,
    memory: Size | None = None,
    cpu: float = 0,
    gpu: Gpu = False,
    gpu_memory: Size | None = None,
    scratch: Size | None = None,
    units: Mapping[str, int] | None = None,
    providers: Providers = (),
    priority: str = "normal",
    kind: str | None = None,
    max_runtime: Duration | None = None,
    hold_paths: Sequence[str | os.PathLike[str]] = (),
) -> JobSpec:
    """What a job asks for; see `Runtime.reserve`. Raises InvalidValue."""
    given = {
        "jobId": job_id,
        "memoryBytes": None if memory is None else parse_size(memory),
        "cpuCores": cpu,
        "gpu": _gpu(gpu, gpu_memory),
        "scratchBytes": None if scratch is None else parse_size(scratch),
        "units": None if units is None else dict(units),
        "providers": _providers(providers),
        "priority": priority,
        "kind": kind,
        "maxRuntimeSeconds": None if max_runtime is None else parse_duration(max_runtime),
        "holdPaths": [os.fspath(path) for path in hold_paths],
    }
    body = checked({name: value for name, value in given.items() if value is not None}, NeedsBody)
    return job_spec(body, bytes_per_job=bytes_per_job)


def seconds_of(wait: Duration | None) -> float:
    """How long to wait: not at all for None, as long as it takes for `math.inf`."""
    return 0.0 if wait is None else math.inf if wait == math.inf else parse_duration(wait)


def checked(value: object, kind: type[T]) -> T:
    """The value as that public type. Raises InvalidValue with what is wrong and where."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidValue(str(error)) from None


def _gpu(gpu: Gpu, memory: Size | None) -> dict[str, object] | None:
    if gpu is False and memory is None:
        return None
    need = _gpu_need(gpu)
    return {
        "required": need.required,
        "preferred": not need.required,
        "count": need.count,
        "memoryBytes": parse_size(need.memory_bytes if memory is None else memory),
        "exclusive": need.exclusive,
    }


def _gpu_need(gpu: Gpu) -> GpuNeed:
    if isinstance(gpu, GpuNeed):
        return gpu
    given: dict[str, Any] = dict(gpu) if isinstance(gpu, Mapping) else {}
    try:
        return GpuNeed(**given)
    except TypeError as error:
        raise InvalidValue(f"{error}; a GPU is described by {', '.join(GpuNeed.__struct_fields__)}") from None


def _providers(providers: Providers) -> list[dict[str, object]]:
    if isinstance(providers, str):
        raise InvalidValue(f"providers is a list of names, or tokens by name; write [{providers!r}]")
    if isinstance(providers, Mapping):
        return [{"name": name, "tokens": tokens} for name, tokens in providers.items()]
    return [{"name": name} for name in providers]
