"""The graphics devices as admission sees them: who is on which, how busy it is, and what of its memory is promised.

Owns the choice of devices for a job. Memory of a device is an account like any other; a device that shares main
memory has none of its own, and what is asked of it counts there. Readings and time are arguments.
"""

from collections.abc import Iterator, Mapping

import msgspec

from aura_actors.domain.accounts import MACHINE, Allowance, Measured, Use
from aura_actors.domain.busy_gate import BusyGate
from aura_actors.domain.external import Level
from aura_actors.domain.gpu import GpuState, GpuUse
from aura_actors.domain.needs import GpuNeed


class GpuRule(msgspec.Struct, frozen=True, kw_only=True):
    """The configured part; percents are 0-100."""

    busy_percent: float = 90.0
    memory_percent: float = 90.0


class Device:
    """One device. `memory` is None where it shares main memory, or does not tell how much it has."""

    def __init__(self, uuid: str, index: int, rule: GpuRule) -> None:
        self.uuid = uuid
        self.index = index
        self.gate = BusyGate(rule.busy_percent)
        self._allowance = Allowance(threshold_percent=rule.memory_percent)
        self.memory: Measured | None = None
        self.holders: dict[int, bool] = {}
        """Fences of the jobs on it; True for one that has it for itself. Invariant: with a True there is no other,
        but for leases known from before a restart."""
        self.present = False
        """It is working now, and what is known of it is true."""

    def look(self, now: float, seen: GpuUse, uses: Mapping[str, Use]) -> None:
        """Take in a reading of it."""
        self.index = seen.index
        self.present = seen.status in ("ok", "idle")
        if seen.utilization_percent is not None:
            self.gate.observe(now, seen.utilization_percent)
        if seen.memory_total_bytes is not None and seen.memory_used_bytes is not None:
            # Where jobs are on it already, they are charged for it once it is known (`Devices.look`).
            self.memory = self.memory or Measured(f"gpu:{seen.index}:memory", self._allowance)
            level = Level(name=MACHINE, capacity_bytes=seen.memory_total_bytes, used_bytes=seen.memory_used_bytes)
            self.memory.look(now, [level], uses)

    def may_ever(self, need: GpuNeed) -> bool:
        """Whether it is large enough when nobody is on it."""
        return self.memory is None or need.memory_bytes <= (self.memory.most or 0)

    def free_for(self, need: GpuNeed, kept: GpuNeed | None = None) -> bool:
        """Whether a job may go on it now, with what `kept` asks for promised to somebody else."""
        if not self.present or self.gate.closed():
            return False
        if kept is not None and (kept.exclusive or need.exclusive):
            return False
        if (need.exclusive and self.holders) or any(self.holders.values()):
            return False
        kept_bytes = 0 if kept is None else kept.memory_bytes
        return self.memory is None or not need.memory_bytes or need.memory_bytes <= self.memory.room - kept_bytes


class Devices:
    """All of them, by uuid. One that vanishes stays known while somebody is on it."""

    def __init__(self, rule: GpuRule) -> None:
        self._rule = rule
        self._known: dict[str, Device] = {}
        self.asked = False
        """The probe has answered, with devices or without."""
        self.certain = False
        """What it said last is true now, and of all devices: one that is missing there is gone."""

    def __iter__(self) -> Iterator[Device]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def find(self, uuid: str) -> Device | None:
        """The device of that name."""
        return self._known.get(uuid)

    @property
    def free(self) -> bool:
        """Whether a device has nobody on it and is not busy."""
        return any(d.present and not d.holders and not d.gate.closed() for d in self._known.values())

    def look(self, now: float, state: GpuState | None, uses: Mapping[str, Mapping[str, Use]]) -> set[int]:
        """Take in the probe's last words; `uses` is memory by device and group.

        Fences of those who are on a device that says only now how much memory it has.
        """
        if state is None:
            return set()
        self.asked = True
        self.certain = state.status == "ok" and state.reason is None
        seen = {each.uuid: each for each in state.devices}
        for uuid in [uuid for uuid, device in self._known.items() if uuid not in seen and not device.holders]:
            del self._known[uuid]
        for device in self._known.values():
            device.present = False
        moved: set[int] = set()
        if state.status == "ok":
            for uuid, each in seen.items():
                device = self._known.setdefault(uuid, Device(uuid, each.index, self._rule))
                before = device.memory
                device.look(now, each, uses.get(uuid, {}))
                moved |= device.holders.keys() if device.memory is not before else set()
        return moved

    def restore(self, uuid: str) -> Device:
        """A device that a lease from before a restart names."""
        return self._known.setdefault(uuid, Device(uuid, len(self._known), self._rule))

    def choose(self, need: GpuNeed, kept: Mapping[str, GpuNeed] | None = None) -> list[Device] | None:
        """The devices for a job now, or None: the tightest that fit, so that large gaps stay whole; of equals the
        one with the fewest jobs. `kept` is what of a device somebody who waits longer has coming."""
        fit = [device for device in self._known.values() if device.free_for(need, (kept or {}).get(device.uuid))]
        if len(fit) < need.count:
            return None
        by_memory = need.memory_bytes > 0
        fit.sort(key=lambda d: ((d.memory.room if d.memory and by_memory else 0), len(d.holders), d.index))
        return fit[: need.count]

    def roomiest(self, need: GpuNeed) -> list[Device]:
        """The devices where a job that must wait is likely to start first."""
        able = [device for device in self._known.values() if device.may_ever(need)]
        able.sort(
            key=lambda d: (
                not d.present,
                any(d.holders.values()) or (need.exclusive and len(d.holders)),
                -(d.memory.room if d.memory else 0),
                len(d.holders),
                d.index,
            )
        )
        return able[: need.count]
