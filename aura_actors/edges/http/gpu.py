"""HTTP operations of the GPU probe: let go of the drivers for maintenance, and look again."""

from aura_actors.edges.http.api import Answer, Call, Operations
from aura_actors.edges.services import ask
from aura_actors.messages import gpu as m
from aura_actors.messages import public
from aura_actors.wire.metrics import GpuProbe, GpuReleaseBody

gpu = Operations("gpu")

WITHIN_SECONDS = 40.0
"""A probe that is getting a driver ready is asked first what it sees."""


@gpu.add("POST", "/api/gpu/release", body=GpuReleaseBody, body_required=False, responses={200: GpuProbe})
async def release_gpus(call: Call) -> Answer:
    """Let go of the graphics drivers, so that they can be unloaded, reset or set to MIG."""
    seconds = call.body.seconds
    return Answer(
        body=public.gpu_probe(await ask(call.services.gpu, m.Release(seconds=seconds), within=WITHIN_SECONDS))
    )


@gpu.add("POST", "/api/gpu/resume", responses={200: GpuProbe})
async def resume_gpus(call: Call) -> Answer:
    """Look at the graphics processors again now, released or not."""
    return Answer(body=public.gpu_probe(await ask(call.services.gpu, m.Resume(), within=WITHIN_SECONDS)))
