"""Slots, rates and learned limits of providers, against a naive model."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, invariant, multiple, rule

from aura_actors.domain.providers import Provider, ProviderLimits, ProviderNeed, Providers, merged
from aura_actors.kernel.permits import Permits
from tests.domain.providers_world import books, need, state
from tests.effort import effort

NAMES = ("OpenAI", "openai", "slow", "EAGER", "Other")
NEEDS = st.lists(
    st.builds(ProviderNeed, name=st.sampled_from(NAMES), tokens=st.integers(0, 700)), min_size=1, max_size=3
).map(tuple)


class Model(RuleBasedStateMachine):
    """A request with a reason against it changes nothing anywhere; one without is taken whole; slots are who holds
    them; a token bucket is what its charges say, replayed; whatever ends, ends once."""

    holders: Bundle[int] = Bundle("holders")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.number = 0
        self.providers = books()
        self.live: dict[int, tuple[tuple[ProviderNeed, ...], float]] = {}
        self.charges: dict[str, list[tuple[float, int]]] = {"openai": [], "eager": []}

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(needs=NEEDS, target=holders)
    def ask(self, needs: tuple[ProviderNeed, ...]) -> int | MultipleResults[int]:
        before = state(self.providers, self.now)
        never = self.providers.never(needs)
        if never or self.providers.short(needs, self.now):
            assert state(self.providers, self.now) == before
            return multiple()
        assert state(self.providers, self.now) == before
        self.number += 1
        self.providers.take(needs, self.number, self.now)
        self.live[self.number] = (needs, self.now)
        for each in merged(needs):
            assert self.one(each).slots.used <= self.one(each).slots.size
            self.charge(each, each.tokens)
        return self.number

    @rule(
        holder=holders,
        outcome=st.sampled_from(["ok", "throttled", "timeout", None]),
        tokens=st.none() | st.integers(0, 2000),
    )
    def end(self, holder: int, outcome: str | None, tokens: int | None) -> None:
        if holder not in self.live:
            needs, began_at, before = need(), 0.0, state(self.providers, self.now)
            self.providers.give_back(needs, holder, began_at, self.now, outcome, tokens)
            assert state(self.providers, self.now) == before
            return
        needs, began_at = self.live.pop(holder)
        self.providers.give_back(needs, holder, began_at, self.now, outcome, tokens)
        once = state(self.providers, self.now)
        self.providers.give_back(needs, holder, began_at, self.now, outcome, tokens)
        assert state(self.providers, self.now) == once
        if len(merged(needs)) == 1 and tokens is not None:
            (only,) = merged(needs)
            self.charge(only, tokens - only.tokens)

    @invariant()
    def slots_are_who_holds_them(self) -> None:
        for provider in self.providers:
            name = provider.name.casefold()
            holding = [h for h, (needs, _) in self.live.items() if name in {n.name.casefold() for n in needs}]
            assert provider.slots.used == len(holding)
            assert 1 <= provider.slots.size <= provider.limits.max_concurrent

    @invariant()
    def a_bucket_is_what_its_charges_say(self) -> None:
        for name, charges in self.charges.items():
            bucket = self.providers.find(name).tokens
            assert bucket is not None
            level, at = bucket.capacity, 0.0
            for now, tokens in charges:
                level = min(bucket.capacity, level + (now - at) * bucket.capacity / 60)
                level, at = min(bucket.capacity, level - tokens), now
            level = min(bucket.capacity, level + (self.now - at) * bucket.capacity / 60)
            assert bucket.level(self.now) == pytest.approx(level, abs=1e-3)

    def one(self, each: ProviderNeed) -> Provider:
        return self.providers.find(each.name)

    def charge(self, each: ProviderNeed, tokens: int) -> None:
        if each.name.casefold() in self.charges:
            self.charges[each.name.casefold()].append((self.now, tokens))


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=effort("AURA_CHAOS_EXAMPLES", desk=50, ci=100), stateful_step_count=40, deadline=None
)


def test_other_limits_take_no_slot_away_and_let_nobody_in_beyond_them() -> None:
    limits = {"a": ProviderLimits(max_concurrent=2)}
    providers = Providers(["a"], limits.__getitem__, Permits)
    need = (ProviderNeed(name="a"),)
    providers.take(need, 1, 0.0)
    providers.take(need, 2, 0.0)
    providers.change(["a"], lambda name: ProviderLimits(max_concurrent=1))
    assert (providers.find("a").slots.size, providers.find("a").slots.used) == (1, 2)
    providers.give_back(need, 1, 0.0, 1.0)
    assert providers.short(need, 1.0)
    providers.give_back(need, 2, 0.0, 1.0)
    assert not providers.short(need, 1.0)


def test_a_budget_that_did_not_change_is_not_filled_up() -> None:
    limits = ProviderLimits(max_concurrent=5, requests_per_minute=1)
    providers = Providers(["a"], lambda name: limits, Permits)
    need = (ProviderNeed(name="a"),)
    providers.take(need, 1, 0.0)
    providers.change(["a"], lambda name: limits)
    assert providers.short(need, 0.0)
    providers.change(["a", "b"], lambda name: ProviderLimits(max_concurrent=5, requests_per_minute=2))
    assert not providers.short(need, 0.0)
    assert [each.name for each in providers] == ["a", "b"]
