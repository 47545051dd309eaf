"""A whole runtime for the time of a test: real actors, real sockets on loopback, nothing shared with any other.

Owns the settings that make a test independent of the machine it runs on. Knows no test framework.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio

from aura_actors.actors.gpu import Probe
from aura_actors.config import Settings
from aura_actors.config.sections import Admission, Http, Sampler
from aura_actors.edges.bind import address_of, bind, release
from aura_actors.runtime import Runtime, open_runtime
from aura_actors.runtime.parts import Surroundings


class ServedRuntime(msgspec.Struct, frozen=True, kw_only=True):
    """A running runtime and where it is served."""

    runtime: Runtime
    http: str
    feed: str


@asynccontextmanager
async def open_test_runtime(
    data_dir: Path,
    *,
    admission: Admission | None = None,
    http: Http | None = None,
    surroundings: Surroundings | None = None,
) -> AsyncIterator[ServedRuntime]:
    """Run and serve a runtime on a free loopback port; ready when the block begins.

    By default its admission never looks at how busy this machine is (1,000 slots, thresholds of 100 percent), and
    nobody looks for GPUs.
    """
    quiet = Admission(cpu_threshold_percent=100, memory_threshold_percent=100, reserved_for_ui=0, job_slots=1000)
    settings = Settings(
        data_dir=data_dir,
        http=msgspec.structs.replace(http or Http(), port=0),
        sampler=Sampler(interval=0.2),
        admission=admission or quiet,
    )
    sockets = await trio.to_thread.run_sync(
        bind, settings.http.host, 0, settings.http.unix, limiter=trio.CapacityLimiter(1)
    )
    try:
        without_gpus = Surroundings(gpu=Probe(root=data_dir))
        async with open_runtime(settings, sockets=sockets, surroundings=surroundings or without_gpus) as runtime:
            await runtime.wait_ready()
            url = address_of(sockets[0], settings.http.scheme)
            yield ServedRuntime(runtime=runtime, http=url, feed=f"{url.replace('http', 'ws', 1)}/feed")
    finally:
        release(sockets)
