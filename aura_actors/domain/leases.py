"""Who holds what, until when, and by which secret: leases, for jobs and for provider slots alike.

Owns ownership and time to live. Knows nothing about how much anybody may hold; `now` is monotonic seconds, so a
wall clock that jumps frees nothing.
"""

import hmac
import sys
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from math import inf

import msgspec

from aura_actors.domain.needs import JobSpec, ProcessIdentity
from aura_actors.errors import Foreign, Gone


class Lease(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A grant of `spec` to `owner` under `key`. Whoever shows `secret` may renew it and end it."""

    key: str
    owner: str
    secret: str
    fence: int
    spec: JobSpec
    ttl_seconds: float
    granted_at: float
    """Monotonic seconds."""
    expires_at: float
    """Monotonic seconds."""
    granted_timestamp: float
    """Unix seconds, for people."""
    gpus: tuple[str, ...] = ()
    """Identities of the devices that were assigned."""
    process: ProcessIdentity | None = None
    connection: str | None = None
    """It ends with this connection."""

    @property
    def is_job(self) -> bool:
        """False for a provider slot."""
        return self.spec.job_slots > 0

    @property
    def ends_by_runtime_at(self) -> float:
        """When it ends however often it is renewed (monotonic seconds)."""
        limit = self.spec.max_runtime_seconds
        return inf if limit is None else self.granted_at + limit

    @property
    def record_bytes(self) -> int:
        """What this record takes in memory."""
        return sum(map(sys.getsizeof, (self, self.key, self.owner, self.secret, self.spec)))

    def __repr__(self) -> str:
        return f"<Lease {self.key} fence={self.fence} owner={self.owner}>"


class Leases:
    """The live leases, by key.

    Time never runs backwards here: a `now` that is older than one seen before counts as that one.
    """

    def __init__(self) -> None:
        self._live: dict[str, Lease] = {}
        # Invariant: every live lease has an entry with its present (expires_at, fence); other entries are stale.
        self._ends: list[tuple[float, int, str]] = []
        self._latest_now = float("-inf")

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[Lease]:
        return iter(self._live.values())

    def find(self, key: str) -> Lease | None:
        """The live lease of that key."""
        return self._live.get(key)

    def check(self, key: str, secret: str | None) -> Lease:
        """The live lease, if `secret` is its secret.

        Raises `Gone` if there is none, `Foreign` if the secret is another or missing.
        """
        lease = self._live.get(key)
        if lease is None:
            raise Gone(f"there is no live lease of {key}")
        if secret is None:
            raise Foreign(f"no lease id was shown for {key}; nothing was changed")
        if not hmac.compare_digest(secret.encode(), lease.secret.encode()):
            raise Foreign(f"{key} is held under another lease id; nothing was changed")
        return lease

    def put(self, lease: Lease) -> None:
        """Enter a new lease, or the renewed form of a live one."""
        self._live[lease.key] = lease
        heappush(self._ends, (lease.expires_at, lease.fence, lease.key))
        if len(self._ends) > 64 + 4 * len(self._live):
            self._ends = [(held.expires_at, held.fence, held.key) for held in self._live.values()]
            heapify(self._ends)

    def remove(self, key: str) -> Lease:
        """Take a live lease out."""
        return self._live.pop(key)

    def steady(self, now: float) -> float:
        """`now`, or the latest moment that was seen."""
        self._latest_now = max(now, self._latest_now)
        return self._latest_now

    def expired(self, now: float) -> list[Lease]:
        """The leases whose time is over; they stay until they are removed."""
        now = self.steady(now)
        over: dict[str, Lease] = {}
        while self._ends and self._ends[0][0] <= now:
            expires_at, fence, key = heappop(self._ends)
            lease = self._live.get(key)
            if lease is not None and lease.fence == fence and lease.expires_at == expires_at:
                over[key] = lease
        for lease in over.values():
            # Still live until removed, so its entry must be there for the next look.
            heappush(self._ends, (lease.expires_at, lease.fence, lease.key))
        return list(over.values())


def renewed(lease: Lease, now: float, ttl_seconds: float, connection: str | None) -> Lease:
    """The same lease with its time to live counted from `now`, and that connection to end with."""
    ends_at = min(now + ttl_seconds, lease.ends_by_runtime_at)
    return msgspec.structs.replace(lease, ttl_seconds=ttl_seconds, expires_at=ends_at, connection=connection)
