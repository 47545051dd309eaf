"""Slots at providers of paid calls: how many calls at once, who holds them.

Owns which limit counts: the configured one, else the configured default, never the first caller's number. Names
match in any case, since a limit may come from the environment; a provider is shown as its first user spells it.
Slots are leases like any other.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from aura_actors.domain.leases import Lease, Leases
from aura_actors.domain.slots import Slots
from aura_actors.errors import Gone, Refused

CALL_WEIGHT = 0.1
"""Of the newest call in the mean (an exponentially weighted one)."""


class SlotSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A slot at one provider."""

    provider: str


SlotLease = Lease[SlotSpec]


class Provider(msgspec.Struct, kw_only=True):
    """One provider's slots, and what was answered there since start."""

    name: str
    slots: Slots
    granted: int = 0
    denied: int = 0
    mean_call_seconds: float | None = None
    """How long slots were held that were given back, the newer ones counting more; None before the first."""

    def finished(self, seconds: float) -> None:
        """A slot was given back after so long: a call was answered."""
        last = self.mean_call_seconds
        self.mean_call_seconds = seconds if last is None else last + CALL_WEIGHT * (seconds - last)

    @property
    def free(self) -> bool:
        """Whether a slot is free now."""
        return self.slots.used < self.slots.size

    @property
    def untouched(self) -> bool:
        """Whether nobody has asked for a slot here yet."""
        return not (self.slots.used or self.granted or self.denied)


class Providers:
    """The books over all providers. A provider is known once it is configured or first asked for."""

    def __init__(
        self,
        configured: Iterable[str],
        limit: Callable[[str], int],
        make_slots: Callable[[int], Slots],
        known_at_most: int = 256,
    ) -> None:
        self.leases: Leases[SlotSpec] = Leases()
        self._limit = limit
        self._make_slots = make_slots
        self._known_at_most = known_at_most
        self._known: dict[str, Provider] = {}
        self._configured: frozenset[str] = frozenset()
        for name in configured:
            self.find(name)
        self._configured = frozenset(self._known)

    def __iter__(self) -> Iterator[Provider]:
        return iter(sorted(self._known.values(), key=lambda provider: provider.name))

    def active(self) -> list[str]:
        """Names of providers with a slot in use, sorted."""
        return sorted(provider.name for provider in self._known.values() if provider.slots.used)

    def find(self, name: str) -> Provider:
        """The provider of that name, in any case; known from now on."""
        key = name.casefold()
        if key not in self._known:
            self._forget_idle()
            if len(self._known) >= self._known_at_most:
                raise Refused(f"slots of {len(self._known)} providers are in use already")
            self._known[key] = Provider(name=name, slots=self._make_slots(self._limit(name)))
        provider = self._known[key]
        if provider.untouched:
            provider.name = name
        return provider

    def _forget_idle(self) -> None:
        """Names come from callers: the list of them must not grow without end."""
        idle = [key for key, p in self._known.items() if not p.slots.used and key not in self._configured]
        while idle and len(self._known) >= self._known_at_most:
            del self._known[idle.pop(0)]

    def check(self, name: str, slot_id: str, secret: str | None) -> SlotLease:
        """The live slot, if it is one of that provider and `secret` is its secret. Raises `Gone` or `Foreign`."""
        lease = self.leases.find(slot_id)
        if lease is None or lease.spec.provider.casefold() != name.casefold():
            raise Gone(f"there is no live slot {slot_id} at {name}")
        return self.leases.check(slot_id, secret)

    def enter(self, lease: SlotLease) -> None:
        """Enter a slot that was found free, or that is known from before a restart."""
        self.find(lease.spec.provider).slots.take(lease.fence)
        self.leases.put(lease)

    def end(self, key: str) -> SlotLease:
        """Take a slot out and free it, once."""
        lease = self.leases.remove(key)
        self.find(lease.spec.provider).slots.give_back(lease.fence)
        return lease
