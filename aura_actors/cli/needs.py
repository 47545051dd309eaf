"""The options that say what a job needs, for every command that has them, and the request's body that they make.

Refuses a wrong value before anybody is asked, and names the option.
"""

import re
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from aura_actors.errors import InvalidValue
from aura_actors.wire.admission import NeedsBody
from aura_actors.wire.units import parse_size

Memory = Annotated[str | None, Parameter(help='Memory the job holds at most, such as "2GiB".')]
Cpu = Annotated[float, Parameter(help="Cores to reserve, such as 1 or 0.5.")]
Gpu = Annotated[bool, Parameter(help="The job cannot run without a GPU.")]
PreferGpu = Annotated[bool, Parameter(help="The job takes a GPU where one is free, and goes without otherwise.")]
GpuMemory = Annotated[str | None, Parameter(help='Memory on the GPU, such as "8GiB"; with --gpu or --prefer-gpu.')]
Priority = Annotated[Literal["low", "normal", "high"], Parameter(help="Who goes first.")]
JobId = Annotated[str | None, Parameter(help="The job's id; one is made up otherwise.")]
Kind = Annotated[str | None, Parameter(help="What sort of job it is.")]

_FIELD = re.compile(r"`\$\.(\w+)")
_REFUSALS = {
    "jobId": ("--job-id", "expected 1 to 128 letters, digits and ._:-, but not . or .."),
    "kind": ("--kind", "expected 1 to 64 letters, digits and ._-, but not . or .."),
    "cpuCores": ("--cpu", "expected a number of cores from 0 to 100000"),
    "memoryBytes": ("--memory", "expected a size of at most 8 PiB"),
    "gpu": ("--gpu-memory", "expected a size of at most 8 PiB"),
}
"""Field of the request to the option that sets it, and what that may be."""


def body(
    job_id: str,
    *,
    memory: str | None,
    cpu: float,
    gpu: bool,
    prefer_gpu: bool,
    gpu_memory: str | None,
    priority: str,
    kind: str | None,
) -> dict[str, object]:
    """The request's fields that were given. Raises InvalidValue that names the option."""
    given: dict[str, object] = {"jobId": job_id, "priority": priority}
    if memory is not None:
        given["memoryBytes"] = _size("--memory", memory)
    if cpu:
        given["cpuCores"] = cpu
    if (device := _device(gpu, prefer_gpu, gpu_memory)) is not None:
        given["gpu"] = device
    if kind is not None:
        given["kind"] = kind
    try:
        msgspec.convert(given, NeedsBody)
    except msgspec.ValidationError as error:
        found = _FIELD.search(str(error))
        option, expected = _REFUSALS[found[1]] if found and found[1] in _REFUSALS else ("", str(error))
        raise InvalidValue(expected, path=option) from error
    return given


def _device(required: bool, preferred: bool, memory: str | None) -> dict[str, object] | None:
    if required and preferred:
        raise InvalidValue("contradicts --gpu; give one of the two", path="--prefer-gpu")
    if not required and not preferred:
        if memory is not None:
            raise InvalidValue("give --gpu or --prefer-gpu too", path="--gpu-memory")
        return None
    device: dict[str, object] = {"required": True} if required else {"preferred": True}
    return device if memory is None else device | {"memoryBytes": _size("--gpu-memory", memory)}


def _size(option: str, text: str) -> int:
    try:
        return parse_size(text)
    except InvalidValue as error:
        raise InvalidValue(str(error), path=option) from error
