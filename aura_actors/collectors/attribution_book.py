"""What is known of one group from pass to pass: its processes, their memory, and how much of that is shared.

Owns when the cheap sum is doubtful enough to be measured exactly, and how often that may be. Refuses to know where
the figures come from; time is an argument.
"""

from aura_actors.domain.attribution import Bounds, Identity, Overlap, Part, bounds

_AGAIN_SECONDS = 10.0
_COST_SHARE = 100
"""An exact measurement is not repeated before this many times its own duration has passed."""


class Book:
    """One group. A pass is `begin`, `enter` for each process, then looking."""

    def __init__(self) -> None:
        self.parts: dict[Identity, Part] = {}
        self.ticks: dict[Identity, int] = {}
        self._ticks_before: dict[Identity, int] = {}
        self._ticks_of_ended = 0
        self._found: Overlap | None = None
        self._measured_at = 0.0
        self._not_before = 0.0

    def begin(self) -> None:
        """A new pass."""
        self.parts, self._ticks_before, self.ticks = {}, self.ticks, {}

    def enter(self, identity: Identity, ticks: int, part: Part | None) -> None:
        """A process of the group; `part` is None where the control group accounts for its memory."""
        self.ticks[identity] = ticks
        if part is not None:
            self.parts[identity] = part

    @property
    def bounds(self) -> Bounds:
        """Memory of those whose memory was entered."""
        return bounds(self.parts, self._found)

    @property
    def cpu_ticks(self) -> int:
        """Processor time, that of processes that ended included as far as it was seen. Call once a pass."""
        ended = self._ticks_before.keys() - self.ticks.keys()
        self._ticks_of_ended += sum(self._ticks_before[identity] for identity in ended)
        return self._ticks_of_ended + sum(self.ticks.values())

    def due(self, now: float) -> bool:
        """True if an exact measurement would tell something new, and is not too soon."""
        if len(self.parts) < 2 or now < self._not_before:
            return False
        if self.bounds.worth_measuring:
            return True
        overlap_bytes = 0 if self._found is None else self._found.overlap_bytes
        return overlap_bytes > 0.05 * self.bounds.most_bytes and now - self._measured_at > _AGAIN_SECONDS

    def settle(self, measured: dict[Identity, tuple[Part, Part]], began: float, ended: float) -> None:
        """Take in what each measured process was thought to use, and what its proportional part is."""
        self._measured_at = ended
        self._not_before = ended + _COST_SHARE * (ended - began)
        if not measured:  # not ours to look into
            self._not_before = ended + _AGAIN_SECONDS
            return
        thought_bytes = sum(part.total_bytes for part, _ in measured.values())
        exact_bytes = sum(exact.total_bytes for _, exact in measured.values())
        self._found = Overlap(
            overlap_bytes=max(0, thought_bytes - exact_bytes),
            shared_bytes={identity: part.shared_bytes for identity, (part, _) in measured.items()},
        )
