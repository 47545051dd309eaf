"""What the tests of providers share: three of them, what is asked of them, and all that can be seen of them."""

from aura_actors.domain.providers import ProviderLimits, ProviderNeed, Providers
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
