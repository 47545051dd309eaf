"""Time for code that takes its clocks as arguments. It stands until a test moves it.

Owns how the three clocks of a machine move together and apart. Knows nothing of Trio: its timers and deadlines
follow `trio.testing.MockClock`.
"""


class ManualClock:
    """`steady`, `boot` and `wall` are functions for `clock`, `boot_clock` and `wall` of `Surroundings`.

    Seconds; the first two never go back. Safe to read from threads while one test moves it.
    """

    def __init__(self, *, steady: float = 1_000.0, wall: float = 1_800_000_000.0) -> None:
        self._steady = steady
        self._boot = steady
        self._wall = wall

    def steady(self) -> float:
        """As `time.monotonic`: stands while the machine sleeps."""
        return self._steady

    def boot(self) -> float:
        """As `CLOCK_BOOTTIME`: goes on while the machine sleeps."""
        return self._boot

    def wall(self) -> float:
        """As `time.time`: seconds since 1970, and may be set to anything."""
        return self._wall

    def advance(self, seconds: float) -> None:
        """Time passes, on all three. Raises `ValueError` for less than none."""
        self.suspend(seconds)
        self._steady += seconds

    def suspend(self, seconds: float) -> None:
        """The machine sleeps for so long. Raises `ValueError` for less than none."""
        if seconds < 0:
            raise ValueError(f"time does not go back by {-seconds:g} s; `set_wall` moves the wall clock either way")
        self._boot += seconds
        self._wall += seconds

    def set_wall(self, seconds: float) -> None:
        """Somebody sets the wall clock, forward or back, to so many seconds since 1970."""
        self._wall = seconds
