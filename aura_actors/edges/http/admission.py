"""HTTP operations of admission: jobs and provider slots.

Owns the translation between bodies and messages, nothing of the decision. Secrets appear in the answer to their
holder and nowhere else.
"""

from typing import Annotated

from msgspec import Meta

from aura_actors.domain.ledger import JobSpec
from aura_actors.edges.http.api import Answer, Call, Operations
from aura_actors.edges.http.problems import problem
from aura_actors.edges.services import ask
from aura_actors.errors import InvalidValue
from aura_actors.messages import admission as m
from aura_actors.messages import public
from aura_actors.wire import admission as wire

jobs = Operations("admission")
slots = Operations("providers")

LEASE = {"Aura-Lease": "The leaseId that the grant answered with."}
JOB = {"jobId": wire.JobId}
SLOT = {"name": wire.Name, "slotId": Annotated[str, Meta(min_length=1, max_length=128)]}
ANONYMOUS = "anonymous"


@jobs.add(
    "POST",
    "/api/admission/jobs",
    body=wire.AcquireBody,
    responses={200: wire.Lease, 201: wire.Lease, 409: wire.Problem, 429: wire.Problem},
)
async def acquire(call: Call) -> Answer:
    """Ask for the right to start a job."""
    body: wire.AcquireBody = call.body
    grant = await ask(
        call.services.admission,
        m.Acquire(
            job_id=body.job_id, owner=body.owner or ANONYMOUS, spec=_spec(call), ttl_seconds=body.ttl_seconds
        ),
    )
    lease = public.lease(grant.lease, _moment(call))
    return Answer(body=lease, status=200 if grant.again else 201)


@jobs.add("GET", "/api/admission/jobs", responses={200: wire.Jobs})
async def list_jobs(call: Call) -> Answer:
    """List live leases, without their secrets."""
    view = await ask(call.services.admission, m.Describe())
    return Answer(body=wire.Jobs(active=public.jobs(view), queue=[]))


@jobs.add("GET", "/api/admission/jobs/{jobId}", path_types=JOB, responses={200: wire.ActiveJob, 404: wire.Problem})
async def show_job(call: Call) -> Answer:
    """Show one live lease, without its secret."""
    view = await ask(call.services.admission, m.Describe())
    for job in public.jobs(view):
        if job.job_id == call.path["jobId"]:
            return Answer(body=job)
    return problem(404, f"there is no live job {call.path['jobId']}")


@jobs.add(
    "POST",
    "/api/admission/jobs/{jobId}/renew",
    path_types=JOB,
    body=wire.RenewBody,
    body_required=False,
    parameters=LEASE,
    responses={200: wire.Lease, 410: wire.Problem},
)
async def renew(call: Call) -> Answer:
    """Keep a lease for another ttlSeconds."""
    lease = await ask(
        call.services.admission,
        m.Renew(
            job_id=call.path["jobId"], secret=call.headers.get("aura-lease"), ttl_seconds=call.body.ttl_seconds
        ),
    )
    return Answer(body=public.lease(lease, _moment(call)))


@jobs.add(
    "DELETE",
    "/api/admission/jobs/{jobId}",
    path_types=JOB,
    parameters=LEASE,
    responses={204: None, 410: wire.Problem},
)
async def release(call: Call) -> Answer:
    """Give a lease back; its room is free at once."""
    await ask(
        call.services.admission,
        m.Release(job_id=call.path["jobId"], secret=call.headers.get("aura-lease")),
    )
    return Answer(body=b"", status=204)


@jobs.add(
    "POST",
    "/api/admission/preflight",
    body=wire.AcquireBody,
    responses={200: wire.Preflight, 409: wire.Problem},
)
async def preflight(call: Call) -> Answer:
    """Say what an acquire with this body would be answered, and take nothing."""
    body: wire.AcquireBody = call.body
    judgement = await ask(
        call.services.admission,
        m.Preflight(job_id=body.job_id, owner=body.owner or ANONYMOUS, spec=_spec(call)),
    )
    return Answer(body=public.preflight(judgement))


@slots.add("GET", "/api/providers", responses={200: wire.Providers})
async def list_providers(call: Call) -> Answer:
    """List providers and how many of their slots are in use."""
    view = await ask(call.services.admission, m.Describe())
    return Answer(body=public.providers(view))


@slots.add(
    "POST",
    "/api/providers/{name}/slots",
    path_types={"name": wire.Name},
    body=wire.SlotBody,
    body_required=False,
    responses={201: wire.Slot, 429: wire.Problem},
)
async def acquire_slot(call: Call) -> Answer:
    """Ask for the right to make one call to a provider."""
    body: wire.SlotBody = call.body
    lease = await ask(
        call.services.admission,
        m.AcquireSlot(provider=call.path["name"], owner=body.owner or ANONYMOUS, ttl_seconds=body.ttl_seconds),
    )
    return Answer(body=public.slot(lease, _moment(call)), status=201)


@slots.add(
    "POST",
    "/api/providers/{name}/slots/{slotId}/renew",
    path_types=SLOT,
    body=wire.RenewBody,
    body_required=False,
    parameters=LEASE,
    responses={200: wire.Slot, 410: wire.Problem},
)
async def renew_slot(call: Call) -> Answer:
    """Keep a provider slot for another ttlSeconds."""
    lease = await ask(
        call.services.admission,
        m.RenewSlot(
            provider=call.path["name"],
            slot_id=call.path["slotId"],
            secret=call.headers.get("aura-lease"),
            ttl_seconds=call.body.ttl_seconds,
        ),
    )
    return Answer(body=public.slot(lease, _moment(call)))


@slots.add(
    "DELETE",
    "/api/providers/{name}/slots/{slotId}",
    path_types=SLOT,
    parameters=LEASE,
    responses={204: None, 410: wire.Problem},
)
async def release_slot(call: Call) -> Answer:
    """Give a provider slot back."""
    await ask(
        call.services.admission,
        m.ReleaseSlot(
            provider=call.path["name"], slot_id=call.path["slotId"], secret=call.headers.get("aura-lease")
        ),
    )
    return Answer(body=b"", status=204)


def _spec(call: Call) -> JobSpec:
    body: wire.AcquireBody = call.body
    if body.memory_bytes is not None and body.estimated_memory_bytes is not None:
        raise InvalidValue("is another name for memoryBytes; give one of the two", path="/estimatedMemoryBytes")
    if body.cpu_cores:
        raise InvalidValue("cores are not reserved in this version; leave it out", path="/cpuCores")
    memory = body.memory_bytes if body.memory_bytes is not None else body.estimated_memory_bytes
    return JobSpec(
        memory_bytes=call.services.bytes_per_job if memory is None else memory,
        requires_gpu=body.requires_gpu,
        priority=body.priority,
        kind=body.kind,
    )


def _moment(call: Call) -> public.Moment:
    return public.Moment(call.services.clock(), call.services.wall())
