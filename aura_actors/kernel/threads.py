"""Private thread limiters, by name, so that blocking work of one kind can never starve another.

Owns the list of all limiters, for `/api/metrics/process`; knows nothing about the work. Trio's default limiter
is left to user code and libraries.
"""

import msgspec
import trio


class LimiterStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One pool of worker threads."""

    name: str
    busy: int
    maximum: int


class Threads:
    """The runtime's worker-thread pools."""

    def __init__(self) -> None:
        self._limiters: dict[str, trio.CapacityLimiter] = {}

    def limiter(self, name: str, size: int = 1) -> trio.CapacityLimiter:
        """The limiter of that name, made with `size` threads when it is first asked for."""
        if name not in self._limiters:
            self._limiters[name] = trio.CapacityLimiter(size)
        return self._limiters[name]

    def statistics(self) -> list[LimiterStatistics]:
        """Every private limiter; call from Trio and add the default one with `default_statistics`."""
        return [_look(name, limiter) for name, limiter in sorted(self._limiters.items())]


def default_statistics() -> LimiterStatistics:
    """Trio's default limiter, which user code and libraries share. Only from within Trio."""
    return _look("default", trio.to_thread.current_default_thread_limiter())


def _look(name: str, limiter: trio.CapacityLimiter) -> LimiterStatistics:
    return LimiterStatistics(name=name, busy=limiter.borrowed_tokens, maximum=int(limiter.total_tokens))
