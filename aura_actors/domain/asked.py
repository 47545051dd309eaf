"""A request for a lease, and what is granted of it beside room: a time to live, a secret, a date.

Owns these shapes. Time and chance are arguments.
"""

from collections.abc import Callable

import msgspec

from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec, ProcessIdentity
from aura_actors.domain.reasons import Shortfall
from aura_actors.domain.waiting import Waiter
from aura_actors.errors import Conflict, SpecChanged


class TtlRule(msgspec.Struct, frozen=True, kw_only=True):
    """How long leases live without a renewal."""

    default_seconds: float = 30.0
    most_seconds: float = 300.0

    def granted(self, asked_seconds: float | None) -> float:
        """What is granted of what was asked."""
        return min(asked_seconds or self.default_seconds, self.most_seconds)


class Maker(msgspec.Struct, frozen=True):
    """Chance and the wall clock: what a new lease needs of the world."""

    secret: Callable[[], str]
    wall: Callable[[], float]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a lease, by a job or for a provider slot."""

    key: str
    owner: str
    spec: JobSpec
    ttl_seconds: float | None = None
    process: ProcessIdentity | None = None
    connection: str | None = None

    def check_same(self, before: "Asked | Lease") -> None:
        """Raises `Conflict` or `SpecChanged` unless this is the request that was made under its key before."""
        if before.owner != self.owner:
            raise Conflict(f"job {self.key} is held by another owner")
        process, others = self.process, before.process
        same = process is others or (process and others and process.identity == others.identity)
        if before.spec != self.spec or not same:
            raise SpecChanged(f"job {self.key} is held with another specification; release it first")

    def waiter(self, secret: str, number: int, now: float, ttl_seconds: float) -> Waiter:
        """Its place in the queue, if it must wait from now on; what is granted of its time to live is told."""
        return Waiter(
            key=self.key,
            owner=self.owner,
            spec=self.spec,
            rank=self.spec.rank,
            wants_gpu=self.spec.gpu is not None,
            secret=secret,
            number=number,
            since=now,
            ttl_seconds=ttl_seconds,
            max_runtime_seconds=self.spec.max_runtime_seconds,
        )

    def lease(self, make: Maker, fence: int, now: float, ttl_seconds: float, gpus: tuple[str, ...]) -> Lease:
        """What is granted now, on these devices."""
        limit = self.spec.max_runtime_seconds
        return Lease(
            key=self.key,
            owner=self.owner,
            secret=make.secret(),
            fence=fence,
            spec=self.spec,
            ttl_seconds=ttl_seconds,
            granted_at=now,
            expires_at=now + (ttl_seconds if limit is None else min(ttl_seconds, limit)),
            granted_timestamp=make.wall(),
            gpus=gpus,
            process=self.process,
            connection=self.connection,
        )


class Waiting(msgspec.Struct, frozen=True):
    """The answer to who must wait: the place it has."""

    waiter: Waiter
    reasons: tuple[Shortfall, ...]
