"""Slots, rates and learned limits of providers, against single facts and a naive model."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, invariant, multiple, rule

from aura_actors.domain.adaptive import COOL_DOWN_SECONDS
from aura_actors.domain.providers import Provider, ProviderLimits, ProviderNeed, Providers, merged
from aura_actors.domain.reasons import Shortfall
from aura_actors.kernel.permits import Permits

LIMITS = {
    "openai": ProviderLimits(max_concurrent=2, requests_per_minute=60, tokens_per_minute=6000),
    "slow": ProviderLimits(max_concurrent=3, requests_per_minute=0.5),
    "eager": ProviderLimits(max_concurrent=10, tokens_per_minute=600, adaptive=True),
}


def limits_of(name: str) -> ProviderLimits:
    return LIMITS.get(name.casefold(), ProviderLimits(max_concurrent=5))


def books(known_at_most: int = 256) -> Providers:
    return Providers(["OpenAI", "slow", "eager"], limits_of, Permits, known_at_most)


def need(name: str = "OpenAI", tokens: int = 0) -> tuple[ProviderNeed, ...]:
    return (ProviderNeed(name=name, tokens=tokens),)


def told(reasons: list[Shortfall]) -> list[tuple[str, float, float, float | None]]:
    return [(each.dimension, each.needed, each.available, each.retry_after_seconds) for each in reasons]


def state(providers: Providers, now: float) -> list[tuple[object, ...]]:
    """All that can be seen of all providers."""
    return [
        (
            each.name,
            each.limit,
            each.slots.used,
            each.granted,
            each.denied,
            each.mean_call_seconds,
            each.requests and each.requests.level(now),
            each.tokens and each.tokens.level(now),
        )
        for each in providers
    ]


# --- which provider, and which limit -----------------------------------------------------------------------------


def test_an_unknown_provider_gets_the_default_and_a_configured_one_its_own() -> None:
    providers = books()
    assert (providers.find("OpenAI").limit, providers.find("Other").limit) == (2, 5)


def test_two_spellings_of_a_provider_share_its_slots_and_its_first_user_names_it() -> None:
    """From the environment the name comes in capitals: it must not be a second provider."""
    providers = Providers(["OPENAI"], limits_of, Permits)
    providers.take(need("OpenAI"), 1, 0)
    providers.take(need("openai"), 2, 0)
    assert [(each.name, each.slots.used) for each in providers] == [("OpenAI", 2)]
    assert providers.active() == ["OpenAI"]
    assert told(providers.short(need("OPENAI"), 0)) == [("provider:OpenAI", 1, 0, None)]


@pytest.mark.parametrize("how", ["granted", "denied", "held from before"])
def test_once_somebody_was_answered_a_provider_keeps_its_name(how: str) -> None:
    providers = books()
    if how == "granted":
        providers.take(need("OpenAI"), 1, 0)
        providers.give_back(need("OpenAI"), 1, 0, 0)
    elif how == "denied":
        providers.find("OpenAI").denied += 1
    else:
        providers.take(need("OpenAI"), 1, 0, forced=True)
    assert providers.keep("OPENAI").name == "OpenAI"


def test_what_is_free_is_never_less_than_nothing() -> None:
    providers = books()
    assert (providers.free("OpenAI"), providers.free("Other")) == (2, 5)
    for holder, left in ((1, 1), (2, 0), (3, 0)):
        providers.take(need(), holder, 0, forced=True)
        assert providers.free("openai") == left


def test_a_name_that_is_only_asked_for_is_not_kept() -> None:
    providers = books()
    providers.find("Other").denied += 1
    assert providers.never(need("Other", 10**9)) == providers.short(need("Other"), 0) == []
    providers.give_back(need("Other"), 1, 0, 1)
    assert [each.name for each in providers] == ["OpenAI", "eager", "slow"]
    providers.take(need("Other"), 1, 0)
    assert [each.name for each in providers] == ["OpenAI", "Other", "eager", "slow"]


def test_idle_unknown_providers_are_forgotten_before_the_list_grows_without_end() -> None:
    providers = books(known_at_most=10)
    for n in range(100):
        providers.take(need(f"p{n}"), n, 0)
        providers.give_back(need(f"p{n}"), n, 0, 1)
    names = [each.name for each in providers]
    assert len(names) == 10
    assert {"OpenAI", "slow", "eager", "p99"} <= set(names)


def test_256_names_are_kept_unless_told_otherwise() -> None:
    providers = Providers([], limits_of, Permits)
    for n in range(300):
        providers.take(need(f"p{n}"), n, 0)
        providers.give_back(need(f"p{n}"), n, 0, 1)
    assert len([*providers]) == 256


def test_a_further_name_waits_while_as_many_as_are_kept_count_of_are_in_use() -> None:
    providers = books(known_at_most=4)
    providers.take(need("a"), 1, 0)
    assert told(providers.short(need("b"), 0)) == [("provider:b", 1, 0, None)]
    assert providers.short(need("a"), 0) == providers.short(need("OpenAI"), 0) == []
    providers.give_back(need("a"), 1, 0, 1)
    assert providers.short(need("b"), 0) == []


def test_what_is_known_from_before_a_restart_is_kept() -> None:
    providers = books()
    providers.keep("Other").granted = 7
    assert providers.find("other").granted == 7


# --- asking ------------------------------------------------------------------------------------------------------


def test_more_tokens_than_a_minute_allows_are_never_possible() -> None:
    providers = books()
    assert providers.never(need(tokens=6000)) == []
    (reason,) = providers.never(need(tokens=6001))
    assert told([reason]) == [("provider:OpenAI:tokens", 6001, 6000, None)]
    assert reason.external
    assert providers.never(need("slow", 10**12)) == [], "it has no such limit"


def test_the_same_provider_named_twice_counts_together_in_one_slot() -> None:
    providers = books()
    twice = (*need("OPENAI", 3000), *need("slow", 5), *need("OpenAI", 3001))
    assert merged(twice) == (*need("OPENAI", 6001), *need("slow", 5))
    assert told(providers.never(twice)) == [("provider:OpenAI:tokens", 6001, 6000, None)]
    twice = (*need("OpenAI", 1), *need("openai", 2))
    providers.take(twice, 1, 0)
    openai = providers.find("OpenAI")
    assert (openai.slots.used, openai.available_requests(0), openai.available_tokens(0)) == (1, 59, 5997)
    providers.give_back(twice, 1, 0, 0, "ok", 1003)
    assert (openai.slots.used, openai.available_tokens(0)) == (0, 4997)


def test_every_reason_is_told_with_the_time_at_which_a_rate_allows_it() -> None:
    providers = books()
    for holder in range(60):
        providers.take(need(tokens=100), holder, 0)
        if holder > 1:
            providers.give_back(need(), holder, 0, 0)
    reasons = providers.short(need(tokens=500), 0, lambda name: (name, "x"))
    assert told(reasons) == [
        ("provider:OpenAI", 1, 0, None),
        ("provider:OpenAI:requests", 1, 0, 1.0),
        ("provider:OpenAI:tokens", 500, 0, 5.0),
    ]
    assert [reason.holders for reason in reasons] == [("OpenAI", "x"), (), ()]
    assert providers.find("OpenAI").available_requests(0) == 0
    assert [reason.dimension for reason in providers.short(need(tokens=500), 1)] == [
        "provider:OpenAI",
        "provider:OpenAI:tokens",
    ]


def test_holders_are_looked_up_only_where_slots_are_in_the_way() -> None:
    providers = books()
    providers.take(need(tokens=6000), 1, 0)

    def nobody(name: str) -> tuple[str, ...]:
        raise AssertionError(name)

    assert len(providers.short(need(tokens=1), 0, nobody)) == 1


def test_less_than_a_request_in_a_minute_still_lets_one_through() -> None:
    providers = books()
    assert providers.short(need("slow"), 0) == []
    providers.take(need("slow"), 1, 0)
    assert told(providers.short(need("slow"), 0)) == [("provider:slow:requests", 1, 0, 120)]
    assert providers.short(need("slow"), 120) == []


def test_a_call_of_unknown_size_waits_until_debts_are_paid() -> None:
    providers = books()
    providers.take(need(), 1, 0)
    providers.give_back(need(), 1, 0, 0, "ok", 6600)
    assert told(providers.short(need(), 0)) == [("provider:OpenAI:tokens", 0, -600, 6)]
    assert providers.find("OpenAI").available_tokens(0) == 0
    assert providers.short(need(), 6) == []


def test_a_denial_takes_nothing_from_anybody() -> None:
    providers = books()
    both = (*need("OpenAI", 10), *need("eager", 10))
    providers.take(need(), 1, 0)
    providers.take(need(), 2, 0)
    before = state(providers, 0)
    for _ in range(1000):
        assert providers.short(both, 0)
    assert state(providers, 0) == before


# --- ending ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("used", "left"), [(731, 5269), (900, 5100), (5000, 1000), (7000, -1000), (0, 6000)])
def test_the_estimate_is_settled_to_what_was_used(used: int, left: int) -> None:
    providers = books()
    tokens = providers.find("OpenAI").tokens
    assert tokens is not None
    providers.take(need(tokens=900), 1, 0)
    assert tokens.level(0) == 5100
    providers.give_back(need(tokens=900), 1, 0, 0, "ok", used)
    assert tokens.level(0) == left


def test_a_call_that_does_not_say_how_large_it_is_is_charged_no_tokens() -> None:
    providers = books()
    providers.take((ProviderNeed(name="OpenAI"),), 1, 0)
    assert providers.find("OpenAI").available_tokens(0) == 6000


def test_who_says_nothing_pays_the_estimate() -> None:
    providers = books()
    providers.take(need(tokens=900), 1, 0)
    providers.give_back(need(tokens=900), 1, 0, 0, answered=False)
    assert providers.find("OpenAI").available_tokens(0) == 5100
    assert providers.find("OpenAI").mean_call_seconds is None


def test_nothing_is_given_back_twice() -> None:
    providers = books()
    providers.take(need(tokens=900), 1, 0)
    providers.take(need(tokens=900), 2, 0)
    providers.give_back(need(tokens=900), 1, 0, 1, "ok", 100)
    before = state(providers, 1)
    providers.give_back(need(tokens=900), 1, 0, 1, "ok", 100)
    providers.give_back(need(tokens=900), 7, 0, 1, "throttled", 5000)
    assert state(providers, 1) == before


def test_one_report_is_not_shared_out_among_several_providers() -> None:
    providers = books()
    both = (*need("OpenAI", 100), *need("eager", 100))
    providers.take(both, 1, 0)
    providers.give_back(both, 1, 0, 0, "throttled", 150)
    assert [providers.find(name).available_tokens(0) for name in ("OpenAI", "eager")] == [5900, 500]
    assert providers.find("eager").limit == 10
    assert providers.active() == []


def test_how_long_calls_take_is_learned_the_newer_ones_counting_more() -> None:
    providers = books()
    for seconds, mean in ((2.0, 2.0), (4.0, 2.2), (5.2, 2.5), (-1.0, 2.25)):
        providers.take(need(), 1, 7)
        providers.give_back(need(), 1, 7, 7 + seconds)
        assert providers.find("OpenAI").mean_call_seconds == pytest.approx(mean)


def test_a_report_of_overload_lowers_the_slots_and_takes_none_away() -> None:
    providers = books()
    eager = providers.find("eager")
    for holder in range(10):
        providers.take(need("eager"), holder, 0)
    assert [reason.text for reason in providers.short(need("eager"), 0)] == ["all 10 slots at eager are taken"]
    providers.give_back(need("eager"), 0, 0, 1, "throttled")
    assert (eager.limit, eager.slots.size, eager.slots.used) == (7, 7, 9)
    (reason,) = providers.short(need("eager"), 1)
    assert "there are 10 when it is not overloaded" in reason.text
    for holder in range(1, 10):
        providers.give_back(need("eager"), holder, 0, 2, "ok")
    assert (eager.limit, eager.slots.used) == (7, 0), "they began before"
    for holder in range(4):
        providers.take(need("eager"), holder, COOL_DOWN_SECONDS)
    providers.give_back(need("eager"), 0, COOL_DOWN_SECONDS, 9, "ok")
    assert eager.slots.size == 8


def test_a_report_of_overload_changes_nothing_where_the_limit_is_fixed() -> None:
    providers = books()
    providers.take(need(), 1, 0)
    providers.give_back(need(), 1, 0, 1, "throttled")
    assert providers.find("OpenAI").limit == 2


# --- a step that is taken back -----------------------------------------------------------------------------------


def test_an_end_that_is_taken_back_was_never_reported() -> None:
    providers = books()
    for holder in range(10):
        providers.take(need("eager", 10), holder, 0)
    before = state(providers, 1)
    undo = providers.remember(need("EAGER"))
    providers.give_back(need("eager", 10), 0, 0, 1, "throttled", 500)
    assert state(providers, 1) != before
    providers.find("eager").slots.take(0)
    undo()
    assert state(providers, 1) == before
    providers.give_back(need("eager", 10), 0, 0, 1, "ok", 10)
    assert providers.find("eager").slots.used == 9


def test_a_grant_that_is_taken_back_leaves_no_new_name() -> None:
    providers = books()
    before = state(providers, 0)
    undo = providers.remember(need("Other"))
    providers.take(need("Other"), 1, 0)
    undo()
    assert state(providers, 0) == before


# --- after a restart or a crash ----------------------------------------------------------------------------------


def test_a_lease_from_before_a_restart_holds_a_slot_above_the_limit_if_need_be_and_burns_no_rate() -> None:
    providers = books()
    for holder in (1, 2, 3):
        providers.take(need(tokens=900), holder, 0, forced=True)
    openai = providers.find("OpenAI")
    assert (openai.slots.used, openai.granted) == (3, 0)
    assert (openai.available_requests(0), openai.available_tokens(0)) == (60, 6000)
    providers.give_back(need(tokens=900), 1, 0, 0, "ok", 731)
    assert openai.available_tokens(0) == 6000 - 731, "what it used was used in our time"
    providers.give_back(need(tokens=900), 2, 0, 0)
    assert openai.available_tokens(0) == 6000 - 731


def test_books_that_outlive_a_crash_keep_their_rates_and_only_the_journalled_holders() -> None:
    providers = books()
    providers.take(need(tokens=900), 1, 0)
    providers.take(need(tokens=900), 2, 0)
    providers.retain({1})
    providers.give_back(need(tokens=900), 2, 0, 0, "ok", 5000)
    providers.take(need(tokens=900), 1, 0, forced=True)
    openai = providers.find("OpenAI")
    assert (openai.slots.used, openai.granted, openai.available_tokens(0)) == (1, 2, 4200)
    providers.give_back(need(tokens=900), 1, 0, 0, "ok", 700)
    assert (openai.slots.used, openai.available_tokens(0)) == (0, 4400)


# --- all of it, against a naive model ----------------------------------------------------------------------------

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
TestModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


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
