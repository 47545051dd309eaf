"""Between frames about leases and what admission is asked: each frame as its message, each reply as its frame.

Owns the translation alone; it waits for nobody and remembers nothing. Secrets are in `granted` and `renewed` only.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import assert_never

import msgspec
import trio
from msgspec import UNSET

from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import ProcessIdentity
from aura_actors.edges.http.needs import job_spec, resize
from aura_actors.edges.http.problems import from_error
from aura_actors.errors import AuraError, Draining, NeverFits, Refused
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.ref import Ref
from aura_actors.messages import admission as m
from aura_actors.messages import public
from aura_actors.wire import feed
from aura_actors.wire import session as wire
from aura_actors.wire.admission import Lease as HeldLease


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where one acquire comes from: in whose name, from which connection, for which process."""

    owner: str
    connection: str
    process: ProcessIdentity | None


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """Where sessions ask for leases. `bytes_per_job` is for jobs that name no size."""

    admission: Ref[m.AdmissionMessage]
    bytes_per_job: int
    gpu_indexes: Callable[[], Mapping[str, int]] = dict
    """Places in the list of devices, by their identity."""
    clock: Callable[[], float] = time.monotonic
    """The one that leases are dated by."""
    wall: Callable[[], float] = time.time
    secret: Callable[[], str] = lambda: secrets.token_urlsafe(18)
    """Names of connections: nobody can guess one."""
    threads: trio.CapacityLimiter = msgspec.field(default_factory=lambda: trio.CapacityLimiter(2))
    """For looking at the processes that clients name."""

    def operation(self, frame: wire.Operation, origin: Origin) -> m.Operation:
        """What admission is asked. Raises InvalidValue with a JSON pointer."""
        match frame:
            case wire.Acquire():
                return m.Acquire(
                    job_id=frame.job_id,
                    spec=job_spec(frame, bytes_per_job=self.bytes_per_job),
                    ttl_seconds=frame.ttl_seconds,
                    turn=Latest(None) if frame.wait_seconds else None,
                    wait=frame.wait_seconds > 0,
                    **msgspec.structs.asdict(origin),
                )
            case wire.AcquireSlot():
                return m.AcquireSlot(
                    provider=frame.provider,
                    tokens=frame.tokens,
                    ttl_seconds=frame.ttl_seconds,
                    turn=Latest(None) if frame.wait_seconds else None,
                    wait=frame.wait_seconds > 0,
                    **msgspec.structs.asdict(origin),
                )
            case wire.PreflightAsked():
                spec = job_spec(frame, bytes_per_job=self.bytes_per_job)
                return m.Preflight(job_id=frame.job_id, owner=origin.owner, spec=spec, process=origin.process)
            case wire.Renew():
                return m.Renew(
                    key=frame.job_id, secret=frame.lease_id, ttl_seconds=frame.ttl_seconds, resize=resize(frame)
                )
            case wire.Ready():
                return m.Ready(key=frame.job_id, secret=frame.lease_id)
            case wire.Release():
                return m.Release(key=frame.job_id, secret=frame.lease_id)
            case wire.ReleaseSlot():
                key = m.slot_key(frame.provider, frame.slot_id)
                return m.Release(key=key, secret=frame.lease_id, outcome=frame.outcome, tokens=frame.tokens)
            case _:
                assert_never(frame)

    def answer(self, number: wire.FrameId, reply: object) -> wire.Answer | feed.ErrorFrame:
        """What the client is told of admission's reply, or of its error."""
        match reply:
            case m.Grant(lease=lease, again=again) if lease.is_job:
                return wire.Granted(id=number, again=again, lease=self._lease(lease))
            case m.Grant(lease=lease, again=again):
                return wire.Granted(id=number, again=again, slot=public.slot(lease, self._moment()))
            case m.Queued():
                reasons = [public.reason(each) for each in reply.reasons]
                return wire.Queued(
                    id=number, position=reply.position, reasons=reasons, bound_seconds=reply.bound_seconds
                )
            case m.Forecast():
                return wire.PreflightAnswer(id=number, preflight=public.preflight(reply))
            case Lease():
                return wire.Renewed(id=number, lease=self._lease(reply))
            case None:
                return wire.Released(id=number)
            case AuraError():
                return failed(number, reply)
            case _:
                raise TypeError(f"admission answered {type(reply).__name__}")

    def _lease(self, lease: Lease) -> HeldLease:
        return public.lease(lease, self._moment(), self.gpu_indexes())

    def _moment(self) -> public.Moment:
        return public.Moment(self.clock(), self.wall())


def failed(number: wire.FrameId, error: AuraError) -> wire.Refused | feed.ErrorFrame:
    """`refused` where the answer to an acquire is no, `error` where it could not be carried out."""
    problem = from_error(error).body
    if isinstance(error, NeverFits | Refused | Draining):
        return wire.Refused(id=number, problem=problem)
    pointer = "" if problem.pointer is UNSET else problem.pointer
    return feed.ErrorFrame(pointer=pointer, detail=problem.detail, id=number, problem=problem)
