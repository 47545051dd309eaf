"""Policies by name: `NAME[+OPTION…]`, as `--policies` takes them.

Owns the names and what the options mean. An option changes what is around a policy, never the policy: what is
reserved (`auto`), whether a job may use more than that (`caps`), whether lost jobs are tried again (`retry`).
"""

import msgspec

from aura_actors.domain.waiting import QueueRule
from benchmarks.throttle.ours import MANY, Ours
from benchmarks.throttle.policies import FirstFit, FreeMinusPredicted, Guide, Policy, Reservation, Unthrottled
from benchmarks.throttle.scenario import MIB, Room

PEERS = {
    "none": Unthrottled,
    "guide": Guide,
    "reservation": Reservation,
    "first-fit": FirstFit,
    "free-minus-predicted": FreeMinusPredicted,
}
OURS = "ours"
OPTIONS = {
    "caps": "a hard limit for each job: 1.1 times what it reserved, and 8 MiB",
    "auto": "reserve the learned p95 of the kind once five runs are known",
    "retry": "jobs that were killed are tried again",
    "lazy": "ours without a look when somebody has ended: once a second only",
    "pass4": "ours, where the oldest is protected once it was passed 4 times instead of 8",
    "pass16": "the same with 16",
}
DEFAULT = ("none", "guide", "guide+retry", "reservation", "first-fit", "free-minus-predicted", "ours")
LOOK_SECONDS = 1.0
TRIES = 20


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One policy with its options."""

    name: str
    base: str
    caps: bool = False
    auto: bool = False
    retry: bool = False
    lazy: bool = False
    pass_limit: int = QueueRule().pass_limit

    def make(self, room: Room, level: str, cores: int) -> Policy:
        """A fresh one; `level` names the shared memory."""
        if self.base == OURS:
            queue = QueueRule(limit=MANY, pass_limit=self.pass_limit)
            return Ours(room, level, cores, queue, LOOK_SECONDS, looks_after_ends=not self.lazy)
        return PEERS[self.base](room)

    def limit_bytes(self, reserved_bytes: int) -> int | None:
        """The hard limit of a job, if it has one."""
        return int(1.1 * reserved_bytes) + 8 * MIB if self.caps else None


def parse(text: str) -> Variant:
    """Raises `ValueError` for a name or an option that there is not."""
    base, *options = text.split("+")
    if base not in PEERS and base != OURS:
        raise ValueError(f"there is no policy {base!r}; there is {', '.join([*PEERS, OURS])}")
    for option in options:
        if option not in OPTIONS:
            raise ValueError(f"there is no option {option!r}; there is {', '.join(OPTIONS)}")
    return Variant(
        name=text,
        base=base,
        caps="caps" in options,
        auto="auto" in options,
        retry="retry" in options,
        lazy="lazy" in options,
        pass_limit=4 if "pass4" in options else 16 if "pass16" in options else QueueRule().pass_limit,
    )
