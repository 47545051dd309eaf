"""HTTP operations for whoever operates the machine: end somebody's job, let the machine run empty."""

from aura_actors.edges.http.admission import JOB
from aura_actors.edges.http.api import Answer, Call, Operations
from aura_actors.edges.http.caller import owner
from aura_actors.edges.services import ask
from aura_actors.messages import admission as m
from aura_actors.wire import admission as wire

operate = Operations("operate")


@operate.add("POST", "/api/admission/jobs/{jobId}/revoke", path_types=JOB, responses={204: None, 410: wire.Problem})
async def revoke_job(call: Call) -> Answer:
    """End anybody's lease, or take a place in the queue away; the job is told when it renews."""
    await ask(call.services.admission, m.Revoke(job_id=call.path["jobId"], by=owner(call)))
    await call.services.audit(owner(call), "jobs.revoke", call.path["jobId"])
    return Answer(body=b"", status=204)


@operate.add("POST", "/api/admission/drain", body=wire.DrainBody, responses={200: wire.Drained})
async def drain(call: Call) -> Answer:
    """Admit nothing new, or begin again; leases that live are left alone, whoever waits is sent away."""
    await ask(call.services.admission, m.Drain(on=call.body.on, by=owner(call)))
    await call.services.audit(owner(call), "drain.on" if call.body.on else "drain.off", None)
    return Answer(body=wire.Drained(on=call.body.on))
