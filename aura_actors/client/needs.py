"""From the arguments of `reserve` and `provider` to the bodies that the daemon takes, checked before sending."""

from collections.abc import Mapping
from typing import Unpack

from aura_actors.wire.admission import AcquireBody, RenewBody, SlotBody
from aura_actors.wire.arguments import (
    Duration,
    Needs,
    Size,
    checked,
    duration_seconds,
    given,
    needs_fields,
    size_bytes,
    table_of,
)


def job_body(job_id: str, *, owner: str | None, ttl: Duration | None = None, **needs: Unpack[Needs]) -> AcquireBody:
    """What a job asks for. Raises InvalidValue."""
    own = given(jobId=job_id, owner=owner, ttlSeconds=duration_seconds(ttl, "ttl"))
    return checked(own | needs_fields(**needs), AcquireBody)


def slot_body(*, owner: str | None, tokens: int, ttl: Duration | None = None) -> SlotBody:
    """What a call at a provider asks for. Raises InvalidValue."""
    return checked(given(owner=owner, tokens=tokens, ttlSeconds=duration_seconds(ttl, "ttl")), SlotBody)


def resize_body(
    *,
    memory: Size | None = None,
    cpu: float | None = None,
    scratch: Size | None = None,
    units: Mapping[str, int] | None = None,
) -> RenewBody:
    """New amounts; what is not given stays. Raises InvalidValue."""
    amounts = given(
        memoryBytes=size_bytes(memory, "memory"),
        cpuCores=cpu,
        scratchBytes=size_bytes(scratch, "scratch"),
        units=None if units is None else table_of(units, "units"),
    )
    return checked(amounts, RenewBody)
