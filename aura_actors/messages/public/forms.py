"""Forms that every translation shares: dates, rounding, shares."""

import datetime as dt
from functools import lru_cache


class Moment:
    """The same moment on both clocks, to turn monotonic seconds into dates."""

    def __init__(self, monotonic: float, timestamp: float) -> None:
        self._offset = timestamp - monotonic

    def date(self, monotonic: float) -> dt.datetime:
        """The date of a monotonic time."""
        return utc(monotonic + self._offset)


def utc(timestamp: float) -> dt.datetime:
    """Unix seconds as a date, to the millisecond."""
    return _date(round(timestamp * 1000))


@lru_cache(maxsize=64)
def _date(milliseconds: int) -> dt.datetime:
    """Kept for a moment: what is decided in one step has the same few dates."""
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


def rounded(value: float | None, times: float = 1) -> float | None:
    """To two places; None stays None. `times` turns it into another unit first."""
    return None if value is None else round(value * times, 2)


def all_rounded(values: tuple[float, ...] | None) -> list[float] | None:
    """Each to two places."""
    return None if values is None else [round(value, 2) for value in values]


def share(part: int | None, whole: int | None) -> float | None:
    """A percentage; None where one of the two is not known, or there is no whole."""
    return None if part is None or not whole else round(100 * part / whole, 2)
