"""Slots, rates and learned limits of providers, fact by fact."""

import pytest

from aura_actors.domain.adaptive import COOL_DOWN_SECONDS
from aura_actors.domain.providers import ProviderLimits, ProviderNeed, Providers, merged
from aura_actors.kernel.permits import Permits
from tests.domain.providers_world import books, limits_of, need, state, told

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


def test_rates_go_by_limits_that_are_changed_and_begin_full() -> None:
    provider = books().find("OpenAI")
    provider.take(900, 1, 0, forced=False)
    provider.change(ProviderLimits(max_concurrent=3, tokens_per_minute=50))
    assert (provider.limit, provider.available_requests(0), provider.available_tokens(0)) == (3, None, 50)
    assert provider.slots.used == 1


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
