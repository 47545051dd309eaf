"""HTTP operations on jobs: ask, wait, look, renew, give back.

Owns the translation between bodies and messages, nothing of the decision. Secrets appear in the answer to their
holder and nowhere else.
"""

import math

from aura_actors.domain.leases import Lease
from aura_actors.domain.runs import RunReport
from aura_actors.edges.http.api import Answer, Call, Operations
from aura_actors.edges.http.caller import owner, process
from aura_actors.edges.http.needs import job_spec, resize
from aura_actors.edges.http.problems import problem
from aura_actors.edges.http.turns import turn
from aura_actors.edges.services import ask
from aura_actors.errors import UsageError
from aura_actors.messages import admission as m
from aura_actors.messages import public
from aura_actors.wire import admission as wire

jobs = Operations("admission")

LEASE = {"Aura-Lease": "The leaseId that the grant answered with."}
TICKET = {"Aura-Ticket": "The ticket, to give up a place in the queue; give one of the two."}
JOB = {"jobId": wire.JobId}


@jobs.add(
    "POST",
    "/api/admission/jobs",
    body=wire.AcquireBody,
    responses={
        200: wire.Lease,
        201: wire.Lease,
        202: wire.Ticket,
        409: wire.Problem,
        410: wire.Problem,
        429: wire.Problem,
    },
)
async def acquire(call: Call) -> Answer:
    """Ask for the right to start a job, and wait for it up to waitSeconds.

    201: it may start. 200: it may already, and holds the same lease as before. 202: it waits still, and its place
    is kept for a while; posting the same again waits on. 422 of a type that ends in /never-fits: it is larger than
    this machine. 410: its place was given up or taken away while it waited. A client that goes away gives it up.
    """
    body: wire.AcquireBody = call.body
    request = m.Acquire(
        job_id=body.job_id,
        owner=owner(call, body),
        spec=job_spec(body, bytes_per_job=call.services.bytes_per_job),
        ttl_seconds=body.ttl_seconds,
        process=await process(call, body),
    )
    answer = await turn(call, request, body.wait_seconds)
    if isinstance(answer, m.Grant):
        return Answer(body=_lease_of(call, answer.lease), status=200 if answer.again else 201)
    headers = {"Retry-After": str(math.ceil(answer.retry_after_seconds))}
    return Answer(body=public.ticket(answer, call.moment), status=202, headers=headers)


@jobs.add("GET", "/api/admission/jobs", responses={200: wire.Jobs})
async def list_jobs(call: Call) -> Answer:
    """List live leases and the queue, without their secrets, and say whether nothing new is admitted."""
    view = await ask(call.services.admission, m.Describe())
    active, queue = public.jobs(view, indexes(call)), public.queue(view)
    return Answer(body=wire.Jobs(active=active, queue=queue, draining=view.draining))


@jobs.add(
    "GET",
    "/api/admission/jobs/{jobId}",
    path_types=JOB,
    responses={200: (wire.ActiveJob, wire.QueuedJob), 404: wire.Problem},
)
async def show_job(call: Call) -> Answer:
    """Show one live lease, or one place in the queue, without its secret."""
    view = await ask(call.services.admission, m.Describe())
    found: list[wire.ActiveJob | wire.QueuedJob] = [*public.jobs(view, indexes(call)), *public.queue(view)]
    for job in found:
        if job.job_id == call.path["jobId"]:
            return Answer(body=job)
    return problem(404, f"there is no live or waiting job {call.path['jobId']}")


@jobs.add(
    "POST",
    "/api/admission/jobs/{jobId}/renew",
    path_types=JOB,
    body=wire.RenewBody,
    body_required=False,
    parameters=LEASE,
    responses={200: wire.Lease, 410: wire.Problem, 429: wire.Problem},
)
async def renew(call: Call) -> Answer:
    """Keep a lease for another ttlSeconds, and change what it holds.

    Amounts that fall are free at once. 429, or 422 of a type that ends in /never-fits: there is no room for those
    that grow; nothing was changed, and the lease was not renewed either.
    """
    request = m.Renew(
        key=call.path["jobId"],
        secret=call.headers.get("aura-lease"),
        ttl_seconds=call.body.ttl_seconds,
        resize=resize(call.body),
    )
    return Answer(body=_lease_of(call, await ask(call.services.admission, request)))


@jobs.add(
    "POST",
    "/api/admission/jobs/{jobId}/ready",
    path_types=JOB,
    parameters=LEASE,
    responses={200: wire.Lease, 410: wire.Problem},
)
async def ready_job(call: Call) -> Answer:
    """Say that a job uses what it will use, so that what was measured counts as its own."""
    request = m.Ready(key=call.path["jobId"], secret=call.headers.get("aura-lease"))
    return Answer(body=_lease_of(call, await ask(call.services.admission, request)))


@jobs.add(
    "DELETE",
    "/api/admission/jobs/{jobId}",
    path_types=JOB,
    body=wire.ReleaseBody,
    body_required=False,
    parameters=LEASE | TICKET,
    responses={204: None, 400: wire.Problem, 410: wire.Problem},
)
async def release(call: Call) -> Answer:
    """Give back a lease, or a place in the queue; its room is free at once.

    The body tells what a run of some kind used; for two seconds it is also taken of a lease that ended by itself
    because its process did.
    """
    key, secret, ticket = call.path["jobId"], call.headers.get("aura-lease"), call.headers.get("aura-ticket")
    if ticket is None:
        await ask(call.services.admission, m.Release(key=key, secret=secret, report=_report(call.body)))
    elif secret is None:
        await ask(call.services.admission, m.Leave(key=key, ticket=ticket))
    else:
        raise UsageError("send Aura-Lease for a lease or Aura-Ticket for a place in the queue, not both")
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
    request = m.Preflight(
        job_id=body.job_id,
        owner=owner(call, body),
        spec=job_spec(body, bytes_per_job=call.services.bytes_per_job),
        process=await process(call, body),
    )
    return Answer(body=public.preflight(await ask(call.services.admission, request)))


def _report(body: wire.ReleaseBody) -> RunReport | None:
    if body == wire.ReleaseBody():
        return None
    return RunReport(peak_bytes=body.peak_bytes, oom_killed=body.oom_killed)


def _lease_of(call: Call, held: Lease) -> wire.Lease:
    """A lease for its holder."""
    return public.lease(held, call.moment, indexes(call))


def indexes(call: Call) -> public.Indexes:
    """Where each device is in the list of the last sample."""
    return public.gpu_indexes(call.services.snapshots.value)
