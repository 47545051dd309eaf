"""From the body to the vector: one request has one spec, however it is written; contradictions name their place."""

import msgspec
import pytest

from aura_actors.domain.needs import GpuNeed, JobSpec, Resize
from aura_actors.domain.providers import ProviderNeed
from aura_actors.edges.http.needs import job_spec, resize
from aura_actors.errors import InvalidValue
from aura_actors.wire.admission import AcquireBody, RenewBody


def spec(text: str) -> JobSpec:
    return job_spec(msgspec.json.decode(f'{{"jobId": "a"{text}}}', type=AcquireBody), bytes_per_job=7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", JobSpec(memory_bytes=7)),
        (', "memoryBytes": 0', JobSpec(memory_bytes=0)),
        (', "estimatedMemoryBytes": 5', JobSpec(memory_bytes=5)),
        (', "cpuCores": 1.2345', JobSpec(memory_bytes=7, cpu_millicores=1234)),
        (', "cpuCores": 1.005', JobSpec(memory_bytes=7, cpu_millicores=1005)),
        (', "cpuCores": 0.1', JobSpec(memory_bytes=7, cpu_millicores=100)),
        (', "units": {"b": 2, "a": 1, "c": 0}', JobSpec(memory_bytes=7, units=(("a", 1), ("b", 2)))),
        (', "requiresGpu": true', JobSpec(memory_bytes=7, gpu=GpuNeed())),
        (', "gpu": {"required": true}', JobSpec(memory_bytes=7, gpu=GpuNeed())),
        (', "requiresGpu": true, "gpu": {"required": true}', JobSpec(memory_bytes=7, gpu=GpuNeed())),
        (', "requiresGpu": true, "gpu": {"count": 2}', JobSpec(memory_bytes=7, gpu=GpuNeed(count=2))),
        (', "gpu": {"preferred": true}', JobSpec(memory_bytes=7, gpu=GpuNeed(required=False))),
        (', "gpu": {}', JobSpec(memory_bytes=7)),
        (', "gpu": null, "requiresGpu": false', JobSpec(memory_bytes=7)),
        (
            ', "gpu": {"required": true, "memoryBytes": 9, "exclusive": true, "count": 2}',
            JobSpec(memory_bytes=7, gpu=GpuNeed(memory_bytes=9, exclusive=True, count=2)),
        ),
        (
            ', "providers": [{"name": "b"}, {"name": "OpenAI", "tokens": 2}, {"name": "openai", "tokens": 3}]',
            JobSpec(
                memory_bytes=7, providers=(ProviderNeed(name="b", tokens=0), ProviderNeed(name="OpenAI", tokens=5))
            ),
        ),
        (
            ', "scratchBytes": 1, "priority": "high", "kind": "k", "maxRuntimeSeconds": 2, "holdPaths": ["/x"]',
            JobSpec(
                memory_bytes=7,
                scratch_bytes=1,
                priority="high",
                kind="k",
                max_runtime_seconds=2.0,
                hold_paths=("/x",),
            ),
        ),
    ],
)
def test_a_body_is_one_spec(text: str, expected: JobSpec) -> None:
    assert spec(text) == expected


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (', "memoryBytes": 5, "estimatedMemoryBytes": 5', "/estimatedMemoryBytes"),
        (', "gpu": {"required": true, "preferred": true}', "/gpu/preferred"),
        (', "requiresGpu": true, "gpu": {"preferred": true}', "/gpu/preferred"),
        (', "gpu": {"memoryBytes": 5}', "/gpu/memoryBytes"),
        (', "gpu": {"count": 2}', "/gpu/count"),
        (', "gpu": {"exclusive": true}', "/gpu/exclusive"),
    ],
)
def test_a_contradiction_is_refused_at_its_place(text: str, pointer: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        spec(text)
    assert refusal.value.path == pointer


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (RenewBody(), None),
        (RenewBody(ttl_seconds=5), None),
        (RenewBody(memory_bytes=0), Resize(memory_bytes=0)),
        (RenewBody(cpu_cores=0.5), Resize(cpu_millicores=500)),
        (RenewBody(units={}), Resize(units=())),
        (RenewBody(scratch_bytes=1, units={"b": 1, "a": 0}), Resize(scratch_bytes=1, units=(("b", 1),))),
    ],
)
def test_a_renewal_changes_what_it_names_and_nothing_else(body: RenewBody, expected: Resize | None) -> None:
    assert resize(body) == expected
