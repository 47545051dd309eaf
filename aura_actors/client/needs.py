"""From the arguments of `reserve` and `provider` to the bodies that the daemon takes: units and short forms.

Owns these forms, which are those of `Runtime.reserve`; limits are those of `wire`, checked before anything is sent.
"""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, TypeVar

import msgspec

from aura_actors.errors import InvalidValue
from aura_actors.wire.admission import AcquireBody, RenewBody, SlotBody
from aura_actors.wire.units import parse_duration, parse_size

Size = int | str
"""Bytes, or a text such as "2GiB"."""
Duration = float | str
"""Seconds, or a text such as "10m"."""
Gpu = bool | Mapping[str, object] | msgspec.Struct
"""True for one device; otherwise `required`, `count`, `memory_bytes`, `exclusive` of those that are wanted."""
Providers = Sequence[str] | Mapping[str, int]
"""Names; or for each name the tokens that its call is expected to use."""

_GPU = {"required": "required", "count": "count", "memory_bytes": "memoryBytes", "exclusive": "exclusive"}

T = TypeVar("T")


class Needs(TypedDict, total=False):
    """What a job asks for; what is not named it does not need. `memory` has the daemon's default."""

    memory: Size | None
    """What the job uses at most."""
    cpu: float
    """Cores to reserve."""
    gpu: Gpu
    """Graphics devices."""
    gpu_memory: Size | None
    """On each device."""
    scratch: Size | None
    """Space in the scratch directory."""
    units: Mapping[str, int] | None
    """Of dimensions that the daemon's configuration names."""
    providers: Providers
    """Where it holds a slot meanwhile."""
    priority: str
    """"low", "normal" or "high": who goes first where jobs wait."""
    kind: str | None
    """What sort of job it is, for statistics."""
    max_runtime: Duration | None
    """The lease ends then though the block goes on."""
    hold_paths: Sequence[str | os.PathLike[str]]
    """Absolute paths that cleanup leaves alone meanwhile."""


def job_body(
    job_id: str,
    *,
    owner: str | None,
    ttl: Duration | None = None,
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
) -> AcquireBody:
    """What a job asks for. Raises InvalidValue."""
    given = {
        "jobId": job_id,
        "owner": owner,
        "ttlSeconds": None if ttl is None else parse_duration(ttl),
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
    return checked({name: value for name, value in given.items() if value is not None}, AcquireBody)


def slot_body(*, owner: str | None, tokens: int, ttl: Duration | None = None) -> SlotBody:
    """What a call at a provider asks for. Raises InvalidValue."""
    given = {"owner": owner, "tokens": tokens, "ttlSeconds": None if ttl is None else parse_duration(ttl)}
    return checked({name: value for name, value in given.items() if value is not None}, SlotBody)


def resize_body(
    *,
    memory: Size | None = None,
    cpu: float | None = None,
    scratch: Size | None = None,
    units: Mapping[str, int] | None = None,
) -> RenewBody:
    """New amounts; what is not given stays. Raises InvalidValue."""
    given = {
        "memoryBytes": None if memory is None else parse_size(memory),
        "cpuCores": cpu,
        "scratchBytes": None if scratch is None else parse_size(scratch),
        "units": None if units is None else dict(units),
    }
    return checked({name: value for name, value in given.items() if value is not None}, RenewBody)


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
    asked: dict[str, Any] = (
        msgspec.structs.asdict(gpu)
        if isinstance(gpu, msgspec.Struct)
        else {}
        if isinstance(gpu, bool)
        else dict(gpu)
    )
    unknown = sorted(asked.keys() - _GPU.keys())
    if unknown:
        raise InvalidValue(f"a GPU has no {unknown[0]!r}; it is described by {', '.join(_GPU)}", path="gpu")
    if memory is not None:
        asked["memory_bytes"] = memory
    if "memory_bytes" in asked:
        asked["memory_bytes"] = parse_size(asked["memory_bytes"])
    required = asked.setdefault("required", True)
    return {_GPU[name]: value for name, value in asked.items()} | {"preferred": not required}


def _providers(providers: Providers) -> list[dict[str, object]]:
    if isinstance(providers, str):
        raise InvalidValue(f"providers is a list of names, or tokens by name; write [{providers!r}]")
    if isinstance(providers, Mapping):
        return [{"name": name, "tokens": tokens} for name, tokens in providers.items()]
    return [{"name": name} for name in providers]
