"""Several operations in one request: carried out in order, written to the journal at once.

Owns how each one's outcome becomes the status and body that it would have had alone.
"""

from typing import assert_never

from aura_actors.domain.leases import Lease
from aura_actors.edges.http.admission import indexes
from aura_actors.edges.http.api import Answer, Call, Operations
from aura_actors.edges.http.caller import owner, process
from aura_actors.edges.http.needs import job_spec, resize
from aura_actors.edges.http.problems import from_error
from aura_actors.edges.services import ask
from aura_actors.errors import AuraError
from aura_actors.messages import admission as m
from aura_actors.messages import public
from aura_actors.wire import admission as wire

batches = Operations("admission")


@batches.add("POST", "/api/admission/batch", body=wire.BatchBody, responses={200: wire.BatchResults})
async def batch(call: Call) -> Answer:
    """Carry out several operations, in order; each has its own result, and one that fails stops no other.

    422: one of them is no operation (`pointer` says which), and none was carried out. Nothing in a batch waits;
    an acquire for a job that waits already is answered with its place, which is kept for a while from then on.
    """
    body: wire.BatchBody = call.body
    operations = tuple([await _message(call, each, at) for at, each in enumerate(body.operations)])
    outcomes = await ask(call.services.admission, m.Batch(operations=operations)) if operations else ()
    moment, devices = call.moment, indexes(call)
    return Answer(body=wire.BatchResults(results=[_result(each, moment, devices) for each in outcomes]))


async def _message(call: Call, operation: wire.Operation, number: int) -> m.Operation:
    match operation:
        case wire.AcquireOperation() | wire.PreflightOperation():
            at, job_id, who = f"/operations/{number}", operation.job_id, owner(call, operation)
            spec = job_spec(operation, bytes_per_job=call.services.bytes_per_job, at=at)
            ends_with = await process(call, operation, at=at)
            if isinstance(operation, wire.PreflightOperation):
                return m.Preflight(job_id=job_id, owner=who, spec=spec, process=ends_with)
            ttl = operation.ttl_seconds
            return m.Acquire(job_id=job_id, owner=who, spec=spec, process=ends_with, ttl_seconds=ttl)
        case wire.RenewOperation():
            return m.Renew(
                key=operation.job_id,
                secret=operation.lease_id,
                ttl_seconds=operation.ttl_seconds,
                resize=resize(operation),
            )
        case wire.ReleaseOperation():
            return m.Release(key=operation.job_id, secret=operation.lease_id)
        case _:
            assert_never(operation)


def _result(outcome: object, moment: public.Moment, devices: public.Indexes) -> wire.BatchResult:
    match outcome:
        case m.Grant(lease=lease, again=again):
            return wire.BatchResult(status=200 if again else 201, lease=public.lease(lease, moment, devices))
        case Lease():
            return wire.BatchResult(status=200, lease=public.lease(outcome, moment, devices))
        case m.Queued():
            return wire.BatchResult(status=202, ticket=public.ticket(outcome, moment))
        case m.Forecast():
            return wire.BatchResult(status=200, preflight=public.preflight(outcome))
        case None:
            return wire.BatchResult(status=204)
        case AuraError():
            answer = from_error(outcome)
            return wire.BatchResult(status=answer.status, problem=answer.body)
        case _:
            raise TypeError(f"admission answered {type(outcome).__name__} in a batch")
