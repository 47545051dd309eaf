"""The arguments of `reserve` and `provider` as a program writes them, and the fields of a body that they stand for.

Owns these short forms and their units, the same for a program that embeds the runtime and for one that asks a
daemon. Limits are those of the bodies: `checked` judges them. Does not know who holds what.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypedDict, TypeVar

import msgspec

from aura_actors.errors import InvalidValue
from aura_actors.wire.mismatch import in_words
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


def needs_fields(
    *,
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
) -> dict[str, object]:
    """The fields of a `NeedsBody` that say the same as `Needs`. Raises InvalidValue for what no field can say."""
    return given(
        memoryBytes=size_bytes(memory, "memory"),
        cpuCores=cpu,
        gpu=_gpu(gpu, gpu_memory),
        scratchBytes=size_bytes(scratch, "scratch"),
        units=None if units is None else table_of(units, "units"),
        providers=_providers(providers),
        priority=priority,
        kind=kind,
        maxRuntimeSeconds=duration_seconds(max_runtime, "max_runtime"),
        holdPaths=_paths(hold_paths),
    )


def given(**fields: object) -> dict[str, object]:
    """The fields without those that are None: the daemon's defaults hold for them."""
    return {name: value for name, value in fields.items() if value is not None}


def size_bytes(size: Size | None, name: str) -> int | None:
    """None where none is given. Raises InvalidValue that says what it is wrong with: `name`."""
    with _about(name):
        return None if size is None else parse_size(size)


def duration_seconds(duration: Duration | None, name: str) -> float | None:
    """None where none is given. Raises InvalidValue as `size_bytes` does."""
    with _about(name):
        return None if duration is None else parse_duration(duration)


def seconds_of(wait: Duration | None) -> float:
    """How long to wait: not at all for None, as long as it takes for `math.inf`."""
    return math.inf if wait == math.inf else duration_seconds(wait, "wait") or 0.0


def table_of(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A copy. Raises InvalidValue where it is something else."""
    if not isinstance(given, Mapping):
        raise InvalidValue(f"expected names with values, got {given!r}", path=name)
    return dict(given)


def checked(value: object, kind: type[T]) -> T:
    """The value as that public type. Raises InvalidValue with what is wrong and where."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidValue(in_words(str(error))) from None


@contextmanager
def _about(name: str) -> Iterator[None]:
    """What is wrong with a value is said with the argument's name."""
    try:
        yield
    except InvalidValue as error:
        raise InvalidValue(str(error), path=name) from None


def _gpu(gpu: Gpu, memory: Size | None) -> dict[str, object] | None:
    if gpu is False and memory is None:
        return None
    asked: dict[str, Any] = (
        msgspec.structs.asdict(gpu)
        if isinstance(gpu, msgspec.Struct)
        else {}
        if isinstance(gpu, bool)
        else table_of(gpu, "gpu")
    )
    unknown = sorted(asked.keys() - _GPU.keys())
    if unknown:
        raise InvalidValue(f"a GPU has no {unknown[0]!r}; it is described by {', '.join(_GPU)}", path="gpu")
    if memory is not None:
        asked["memory_bytes"] = memory
    if "memory_bytes" in asked:
        asked["memory_bytes"] = size_bytes(
            asked["memory_bytes"], "gpu.memory_bytes" if memory is None else "gpu_memory"
        )
    required = asked.setdefault("required", True)
    return {_GPU[name]: value for name, value in asked.items()} | {"preferred": not required}


def _providers(providers: Providers) -> list[dict[str, object]]:
    if isinstance(providers, str) or not isinstance(providers, Iterable):
        raise InvalidValue(f"providers is a list of names, or tokens by name; write [{providers!r}]")
    if isinstance(providers, Mapping):
        return [{"name": name, "tokens": tokens} for name, tokens in providers.items()]
    return [{"name": name} for name in providers]


def _paths(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    if isinstance(paths, str | bytes | os.PathLike) or not isinstance(paths, Iterable):
        raise InvalidValue(f"expected a list of paths; write [{paths!r}]", path="hold_paths")
    try:
        texts = [os.fspath(path) for path in paths]
        for text in texts:
            text.encode()
    except (TypeError, AttributeError) as error:
        raise InvalidValue(f"expected paths as texts: {error}", path="hold_paths") from None
    except UnicodeEncodeError as error:
        text = f"{error.object!r} is not UTF-8, and cannot be said in JSON; name a folder above it"
        raise InvalidValue(text, path="hold_paths") from None
    return texts
