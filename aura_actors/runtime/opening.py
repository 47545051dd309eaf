"""`open_runtime`: a running runtime for the time of a block.

Owns the order of beginning and end around the supervision tree: claim the data directory, open the stores, run,
stop, close. Who uses the runtime, a program or the daemon, is not its business.
"""

import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from aura_actors.config import Settings
from aura_actors.config.certificate import Certificate, read_certificate
from aura_actors.edges.http import page
from aura_actors.runtime.held import Held, hold
from aura_actors.runtime.lent_threads import default_threads_lent
from aura_actors.runtime.library import Runtime
from aura_actors.runtime.parts import Parts, Surroundings
from aura_actors.stores.data_dir import claim


@asynccontextmanager
async def open_runtime(
    settings: Settings | None = None,
    *,
    sockets: Sequence[socket.socket] = (),
    surroundings: Surroundings | None = None,
) -> AsyncIterator[Runtime]:
    """Run a runtime inside a Trio program.

    Without `settings` everything has its default and the data directory is a private one, gone at the end: leases
    taken in this program end with it anyway. With `sockets` (bound, listening, the caller's to close) it
    serves HTTP and the feed on them, over TLS where `[http]` names a certificate. Raises `InvalidValue` where that
    cannot be used, `AlreadyServed` where another runtime has the data directory, and
    `GaveUp`, in a group, if a part keeps crashing. What the block raises comes out as it is, in no group.
    """
    folder = None
    escaped: BaseException | None = None
    bare: BaseException | None = None
    own_thread = trio.CapacityLimiter(1)
    if settings is None:
        make = partial(tempfile.TemporaryDirectory, prefix="aura-actors-")
        folder = await trio.to_thread.run_sync(make, limiter=own_thread)
        settings = Settings(data_dir=Path(folder.name))
    held, certificate = await trio.to_thread.run_sync(_hold, settings, limiter=own_thread)
    try:
        parts = Parts(settings, held, sockets, surroundings or Surroundings(), certificate)
        stopping = trio.Event()
        try:
            with default_threads_lent(), parts.pauses.watching():
                async with trio.open_nursery() as nursery:
                    await nursery.start(partial(_supervise, parts, stopping))
                    runtime = Runtime(parts)
                    await nursery.start(_keep, runtime)
                    try:
                        yield runtime
                    except BaseException as error:
                        escaped = error
                        raise
                    finally:
                        runtime.reservations.end()
                        stopping.set()
        except BaseExceptionGroup as several:
            bare = _alone(several, escaped)
            if bare is None:
                raise
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(parts.audit.close, limiter=own_thread)
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(_let_go, held, folder, limiter=own_thread)
    if bare is not None:
        raise bare  # the nursery had put it into a group


def _alone(several: BaseExceptionGroup[BaseException], escaped: BaseException | None) -> BaseException | None:
    """What escaped from the block, if nothing else went wrong. A group in a group is another object by now."""
    _, rest = several.split(trio.Cancelled)
    if rest is None or len(rest.exceptions) > 1:
        return None
    one = rest.exceptions[0]
    both_groups = isinstance(one, BaseExceptionGroup) and isinstance(escaped, BaseExceptionGroup)
    return one if one is escaped or both_groups else None


async def _keep(runtime: Runtime, *, task_status: trio.TaskStatus[None]) -> None:
    await runtime.reservations.run(task_status=task_status)


async def _supervise(parts: Parts, stopping: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
    await parts.supervisor.run(stopping=stopping, task_status=task_status)


def _hold(settings: Settings) -> tuple[Held, Certificate | None]:
    certificate = read_certificate(settings)
    data = claim(settings.data_dir)
    try:
        return hold(data, page.load()), certificate
    except BaseException:  # raised again: the claim must not outlive it
        data.release()
        raise


def _let_go(held: Held, folder: tempfile.TemporaryDirectory[str] | None) -> None:
    held.journal.close()
    held.schedule.close()
    held.kinds.close()
    held.data.release()
    if folder is not None:
        folder.cleanup()
