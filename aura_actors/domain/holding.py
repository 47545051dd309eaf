"""What a lease takes, takes when its turn comes, and holds: amounts of accounts, and devices.

Owns these three shapes. Whether there is so much is the ledger's to say.
"""

from collections.abc import Callable

import msgspec

from aura_actors.domain.accounts import Account, Group
from aura_actors.domain.devices import Device
from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import GpuNeed, JobSpec
from aura_actors.domain.reasons import Shortfall

Objection = Callable[[], Shortfall]
"""Says why not; called only where somebody wants to know."""


class Plan(msgspec.Struct, eq=False):
    """What a lease takes: amounts of accounts, and devices."""

    charges: dict[Account, int]
    devices: list[Device]


class Reserved(msgspec.Struct, frozen=True):
    """What somebody who has waited long has coming, and nobody behind it may take."""

    key: str
    spec: JobSpec
    plan: Plan

    def of(self, account: Account) -> int:
        """What is kept of one account."""
        return self.plan.charges.get(account, 0)

    @property
    def devices(self) -> dict[str, GpuNeed]:
        """What is kept of each device."""
        need = self.spec.gpu
        return {} if need is None else {device.uuid: need for device in self.plan.devices}


class Holding(msgspec.Struct, eq=False):
    """A live lease and what it holds."""

    lease: Lease
    group: Group | None
    devices: tuple[Device, ...] = ()
    charges: dict[Account, int] | None = None
    """None where they follow from the request alone, as they do without devices: most of a lease's memory."""
