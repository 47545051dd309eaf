"""Runs that are wanted or under way: at most one at a time, and nobody runs twice what somebody runs already.

Owns single flight and the order of the line. Refuses to know what a run does and how long it takes.
"""

from collections import deque
from collections.abc import Iterator
from typing import Literal

import msgspec

Errand = Literal["sweep", "undo", "purge", "recover"]
"""What is to be done: a task's pass, putting back what a run took, emptying quarantine, or tidying after a kill."""


class Flight(msgspec.Struct, frozen=True):
    """One run, wanted or under way."""

    run_id: str
    task: str
    """Whose pass it is; of an undo, the run that is undone; else what the work is called."""
    dry_run: bool = False
    errand: Errand = "sweep"
    urgent: bool = False
    """The disk is filling up."""
    requested: bool = True
    """Somebody asked for it; else its time had come."""

    @property
    def key(self) -> tuple[Errand, str, bool]:
        """What two flights share that are the same work."""
        return self.errand, self.task, self.dry_run


class Flights:
    """At most one run at a time; at most one, waiting or running, of the same work.

    Every run walks a disk, so two at once would only slow each other down. Invariant: `waiting` and `running` hold
    no key twice. A dry run never joins a real one: its key is another.
    """

    def __init__(self) -> None:
        self.running: Flight | None = None
        self._waiting: deque[Flight] = deque()

    def __iter__(self) -> Iterator[Flight]:
        """The running one, then those that wait, in order."""
        return iter([*([self.running] if self.running else []), *self._waiting])

    def find(self, errand: Errand, task: str, *, dry_run: bool = False) -> Flight | None:
        """The run that a request for this work joins."""
        return next((flight for flight in self if flight.key == (errand, task, dry_run)), None)

    def add(self, flight: Flight) -> None:
        """Put a run at the end of the line. ValueError if there is one to join."""
        if self.find(flight.errand, flight.task, dry_run=flight.dry_run) is not None:
            raise ValueError(f"{flight.task} has such a run already")
        self._waiting.append(flight)

    def start_next(self) -> Flight | None:
        """Take the first in line, if nothing is running."""
        if self.running is None and self._waiting:
            self.running = self._waiting.popleft()
            return self.running
        return None

    def withdraw(self, run_id: str) -> Flight | None:
        """Take a run out of the line that has not begun; None where it is not there."""
        flight = next((each for each in self._waiting if each.run_id == run_id), None)
        if flight is not None:
            self._waiting.remove(flight)
        return flight

    def land(self) -> None:
        """The running one is over."""
        self.running = None
