"""What providers of paid calls allow: calls at once, requests and tokens in a minute; and who holds a slot there.

Owns which limit counts: the configured one, else the configured default, never the first caller's number. Names
match in any case, since a limit may come from the environment; a provider is shown as its first user spells it.
Asking takes nothing: whoever is denied, here or elsewhere, used no slot and no rate. Knows no leases: a holder is
the number of one.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from copy import copy
from math import floor

import msgspec

from aura_actors.domain.adaptive import AdaptiveLimit
from aura_actors.domain.buckets import Bucket
from aura_actors.domain.reasons import Shortfall
from aura_actors.domain.slots import Slots

CALL_WEIGHT = 0.1
"""Of the newest call in the mean (an exponentially weighted one)."""
Holders = Callable[[str], tuple[str, ...]]
"""Keys of the leases that hold slots at the provider of that name, in any case."""


class ProviderNeed(msgspec.Struct, frozen=True, kw_only=True):
    """One call at a time at one provider: a slot, a request, and about so many tokens."""

    name: str
    tokens: int = 0


class ProviderLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one provider allows; None is no limit."""

    max_concurrent: int
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    adaptive: bool = False
    """Lower `max_concurrent` for a while when calls report overload."""


class Provider:
    """One provider: its slots, its rates, and what was answered there since start."""

    def __init__(self, name: str, limits: ProviderLimits, slots: Slots) -> None:
        self.name = name
        self.limits = limits
        self.slots = slots
        self._fill()
        self.granted = 0
        self.denied = 0
        self.mean_call_seconds: float | None = None
        """How long slots were held that were given back, the newer ones counting more; None before the first."""
        # Invariant: the holders of `slots`, each with the tokens that its call was charged.
        self._charged: dict[int, int] = {}

    def _fill(self) -> None:
        requests, tokens = self.limits.requests_per_minute, self.limits.tokens_per_minute
        # At least one request must fit, however few there are in a minute.
        self.requests = None if requests is None else Bucket(requests, max(1.0, requests))
        self.tokens = None if tokens is None else Bucket(tokens)
        self.adaptive = AdaptiveLimit(self.limits.max_concurrent) if self.limits.adaptive else None

    def change(self, limits: ProviderLimits) -> None:
        """Go by others from now on: slots that are held stay so, rates begin full."""
        if limits != self.limits:
            self.limits = limits
            self.slots.resize(limits.max_concurrent)
            self._fill()

    @property
    def limit(self) -> int:
        """Calls at once that are allowed now."""
        return self.slots.size

    @property
    def untouched(self) -> bool:
        """Whether nobody has had or been denied a slot here yet."""
        return not (self._charged or self.granted or self.denied)

    def available_requests(self, now: float) -> int | None:
        """Requests that the rate allows now; None without a limit."""
        return None if self.requests is None else max(0, floor(self.requests.level(now)))

    def available_tokens(self, now: float) -> int | None:
        """Tokens that the rate allows now; None without a limit."""
        return None if self.tokens is None else max(0, floor(self.tokens.level(now)))

    def never(self, tokens: int) -> Iterator[Shortfall]:
        """Why a call of so many tokens is never possible."""
        if self.tokens is not None and tokens > self.tokens.capacity:
            yield Shortfall(
                dimension=f"provider:{self.name}:tokens",
                needed=tokens,
                available=floor(self.tokens.capacity),
                external=True,
                text=f"more than {self.name} allows in a minute",
            )

    def short(self, tokens: int, now: float, holders: Holders) -> Iterator[Shortfall]:
        """Why a call of so many tokens cannot start now. A call of unknown size waits for debts to be paid, too."""
        size, used = self.slots.size, self.slots.used
        if used >= size:
            text = f"all {size} slots at {self.name} are taken"
            if size < self.limits.max_concurrent:
                text += f"; there are {self.limits.max_concurrent} when it is not overloaded"
            dimension = f"provider:{self.name}"
            yield Shortfall(dimension=dimension, needed=1, available=0, holders=holders(self.name), text=text)
        if self.requests is not None and (seconds := self.requests.seconds_until(1, now)) != 0.0:
            yield self._spent("requests", 1, self.requests, now, seconds)
        if self.tokens is not None and (seconds := self.tokens.seconds_until(tokens, now)) != 0.0:
            yield self._spent("tokens", tokens, self.tokens, now, seconds)

    def _spent(self, what: str, needed: int, bucket: Bucket, now: float, seconds: float | None) -> Shortfall:
        return Shortfall(
            dimension=f"provider:{self.name}:{what}",
            needed=needed,
            available=floor(bucket.level(now)),
            text=f"the {what} that {self.name} allows in a minute are used up for now",
            retry_after_seconds=seconds,
        )

    def take(self, tokens: int, holder: int, now: float, *, forced: bool) -> None:
        """Begin a call. `forced`: it began before a restart; its slot is taken once, and no rate is charged."""
        if forced and holder in self._charged:
            return
        self.slots.take(holder)
        self._charged[holder] = 0 if forced else tokens
        if forced:
            return
        self.granted += 1
        if self.requests is not None:
            self.requests.take(1, now)
        if self.tokens is not None:
            self.tokens.take(tokens, now)

    def give_back(
        self, holder: int, began_at: float, now: float, outcome: str | None, tokens: int | None, *, answered: bool
    ) -> None:
        """End the call of `holder`, once: whoever holds nothing (any more) changes nothing."""
        charged = self._charged.pop(holder, None)
        if charged is None:
            return
        in_use = self.slots.used
        self.slots.give_back(holder)
        if answered:
            seconds, last = max(0.0, now - began_at), self.mean_call_seconds
            self.mean_call_seconds = seconds if last is None else last + CALL_WEIGHT * (seconds - last)
        if self.tokens is not None and tokens is not None:
            if tokens > charged:
                self.tokens.take(tokens - charged, now)
            else:
                self.tokens.give(charged - tokens, now)
        if self.adaptive is not None and outcome is not None:
            self.adaptive.finished(outcome, began_at, in_use, now)
            self.slots.resize(self.adaptive.limit)

    def remember(self) -> Callable[[], None]:
        """Call what is returned once every slot is held as it is now: its rates and counts are, too, then."""
        rates = copy(self.requests), copy(self.tokens), copy(self.adaptive)
        counts, charged, size = (self.granted, self.mean_call_seconds), dict(self._charged), self.slots.size

        def undo() -> None:
            self.requests, self.tokens, self.adaptive = rates
            (self.granted, self.mean_call_seconds), self._charged = counts, charged
            self.slots.resize(size)

        return undo

    def retain(self, live: Container[int]) -> None:
        """Free the slots of all holders but those; what they were charged stays charged."""
        for holder in [holder for holder in self._charged if holder not in live]:
            del self._charged[holder]
            self.slots.give_back(holder)


class Providers:
    """All providers. One is known once it is configured or a call was granted there."""

    def __init__(
        self,
        configured: Iterable[str],
        limits_of: Callable[[str], ProviderLimits],
        make_slots: Callable[[int], Slots],
        known_at_most: int = 256,
    ) -> None:
        self._limits_of = limits_of
        self._make_slots = make_slots
        self._known_at_most = known_at_most
        self._known: dict[str, Provider] = {name.casefold(): self._new(name) for name in configured}
        self._configured = frozenset(self._known)

    def change(self, configured: Iterable[str], limits_of: Callable[[str], ProviderLimits]) -> None:
        """Go by other limits from now on; where they are the same as before nothing is changed."""
        names = {name.casefold(): name for name in configured}
        self._limits_of, self._configured = limits_of, frozenset(names)
        for provider in self._known.values():
            provider.change(limits_of(provider.name))
        for key, name in names.items():
            if key not in self._known:
                self._known[key] = self._new(name)

    def __iter__(self) -> Iterator[Provider]:
        return iter(sorted(self._known.values(), key=lambda provider: provider.name))

    def active(self) -> list[str]:
        """Names of providers with a slot in use, sorted."""
        return sorted(provider.name for provider in self._known.values() if provider.slots.used)

    def find(self, name: str) -> Provider:
        """The provider of that name, in any case. One that is not known is made up, and not kept."""
        return self._known.get(name.casefold()) or self._new(name)

    def free(self, name: str) -> int:
        """Slots that are free there."""
        slots = self.find(name).slots
        return max(0, slots.size - slots.used)

    def keep(self, name: str) -> Provider:
        """The provider of that name, known from now on; idle ones that are not configured make room."""
        key = name.casefold()
        provider = self._known.get(key)
        if provider is None:
            for idle in self._idle():
                if len(self._known) < self._known_at_most:
                    break
                del self._known[idle]
            provider = self._known[key] = self._new(name)
        elif provider.untouched:
            provider.name = name
        return provider

    def never(self, needs: Sequence[ProviderNeed]) -> list[Shortfall]:
        """Why this is never possible; empty if it is."""
        return [short for need in merged(needs) for short in self.find(need.name).never(need.tokens)]

    def short(
        self, needs: Sequence[ProviderNeed], now: float, holders: Holders = lambda name: ()
    ) -> list[Shortfall]:
        """Why this cannot start now; empty if it can. `holders` is asked only where slots are in the way."""
        found: list[Shortfall] = []
        for need in merged(needs):
            found += self.find(need.name).short(need.tokens, now, holders)
            if need.name.casefold() not in self._known and self._crowded:
                text = f"slots of {len(self._known)} providers are in use, and no more are kept count of"
                found.append(Shortfall(dimension=f"provider:{need.name}", needed=1, available=0, text=text))
        return found

    def take(self, needs: Sequence[ProviderNeed], holder: int, now: float, *, forced: bool = False) -> None:
        """Take a slot, a request and the tokens at each: `short` was seen empty, or the lease is from before."""
        for need in merged(needs):
            self.keep(need.name).take(need.tokens, holder, now, forced=forced)

    def give_back(
        self,
        needs: Sequence[ProviderNeed],
        holder: int,
        began_at: float,
        now: float,
        outcome: str | None = None,
        tokens: int | None = None,
        *,
        answered: bool = True,
    ) -> None:
        """Free what `take` took, once. `tokens` is what was really used, None when nobody said.

        A report is about one call: where there are several needs it says nothing about any one of them. `answered`
        is false when nobody said when the call was over, or the holder was more than one call.
        """
        needs = merged(needs)
        if len(needs) > 1:
            outcome = tokens = None
        for need in needs:
            provider = self._known.get(need.name.casefold())
            if provider is not None:
                provider.give_back(holder, began_at, now, outcome, tokens, answered=answered)

    def remember(self, needs: Sequence[ProviderNeed]) -> Callable[[], None]:
        """Call what is returned once slots are held as they are now: nothing was taken or reported, then."""
        known = dict(self._known)
        undos = [known[key].remember() for need in merged(needs) if (key := need.name.casefold()) in known]

        def undo() -> None:
            self._known = known
            for each in undos:
                each()

        return undo

    def retain(self, live: Container[int]) -> None:
        """Free the slots of all holders but those: after a crash of the shell, which knows what it journalled."""
        for provider in self._known.values():
            provider.retain(live)

    @property
    def _crowded(self) -> bool:
        """Whether another name could not be kept without forgetting who holds a slot."""
        return len(self._known) >= self._known_at_most and not self._idle()

    def _idle(self) -> list[str]:
        """Names come from callers: the list of them must not grow without end, so these may be forgotten."""
        return [key for key, each in self._known.items() if not each.slots.used and key not in self._configured]

    def _new(self, name: str) -> Provider:
        limits = self._limits_of(name)
        return Provider(name, limits, self._make_slots(limits.max_concurrent))


def merged(needs: Sequence[ProviderNeed]) -> Sequence[ProviderNeed]:
    """One need for each provider, sorted by name: the first spelling, all the tokens."""
    if len(needs) < 2:
        return needs
    by_name: dict[str, ProviderNeed] = {}
    for need in needs:
        key = need.name.casefold()
        first = by_name.get(key)
        by_name[key] = need if first is None else ProviderNeed(name=first.name, tokens=first.tokens + need.tokens)
    return tuple(by_name[key] for key in sorted(by_name))
