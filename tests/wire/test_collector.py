"""What is asked and answered in JSON is no work for the collector, however much of it there is."""

import gc

import msgspec

from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec
from aura_actors.messages import public
from aura_actors.wire import admission as wire

ACQUIRE = {"op": "acquire", "jobId": "a", "memoryBytes": 1}
RELEASE = {"op": "release", "jobId": "a", "leaseId": "s"}


def test_the_collector_passes_over_operations_leases_and_results() -> None:
    held = Lease(
        key="a",
        owner="me",
        secret="s",
        fence=1,
        spec=JobSpec(memory_bytes=1),
        ttl_seconds=30.0,
        granted_at=0.0,
        expires_at=30.0,
        granted_timestamp=0.0,
    )
    told = public.lease(held, public.Moment(0.0, 0.0))
    asked = msgspec.convert({"operations": [ACQUIRE, RELEASE]}, wire.BatchBody).operations
    everything = (*asked, held, held.spec, told, wire.BatchResult(status=201, lease=told))
    assert not [each for each in everything if gc.is_tracked(each)]


def test_what_a_job_does_not_name_is_made_for_none() -> None:
    one, other = (msgspec.convert({"jobId": name}, wire.AcquireBody) for name in ("a", "b"))
    assert one.providers is other.providers
    assert one.hold_paths is other.hold_paths
