"""Those who wait: whom to tell what became of a place in the queue.

Owns the turns of each place. Several may wait for the same place. Refuses to know the queue.
"""

from collections.abc import Callable

from aura_actors.domain.leases import Lease
from aura_actors.errors import AuraError, Gone, NotStarted
from aura_actors.messages.admission import Grant, Turn


class Turns:
    """Invariant: a turn in `_keys` is in the list of its key, and was not told anything yet. Nor was one in
    `_connections`, which is in `_keys`."""

    def __init__(self) -> None:
        self._turns: dict[str, list[Turn]] = {}
        self._keys: dict[int, str] = {}
        self._connections: dict[int, str] = {}
        """Of those who come over one."""

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, turn: Turn, connection: str | None = None) -> None:
        """Somebody waits for a place."""
        self._turns.setdefault(key, []).append(turn)
        self._keys[id(turn)] = key
        if connection is not None:
            self._connections[id(turn)] = connection

    def find(self, turn: Turn) -> str | None:
        """The place that is waited for."""
        return self._keys.get(id(turn))

    def take(self, turn: Turn) -> str:
        """It waits no longer; the place it waited for. Raises `Gone`."""
        key = self._keys.pop(id(turn), None)
        if key is None:
            raise Gone("nobody waits there any more")
        self._connections.pop(id(turn), None)
        waiting = [other for other in self._turns[key] if other is not turn]
        self._turns[key] = waiting
        if not waiting:
            del self._turns[key]
        return key

    def hang_up(self, connection: str) -> list[str]:
        """Whoever came over that connection waits no longer; the places that were waited for."""
        theirs = {number for number, each in self._connections.items() if each == connection}
        waiting = [turn for turns in self._turns.values() for turn in turns if id(turn) in theirs] if theirs else []
        keys = [self.take(turn) for turn in waiting]
        for turn in waiting:
            turn.set(Gone("the connection is gone"))
        return keys

    def connections(self, key: str) -> list[str | None]:
        """Of those who wait for that place, who came last at the end; None for one that came over none."""
        return [self._connections.get(id(turn)) for turn in self._turns.get(key, ())]

    def waited_for(self, key: str) -> bool:
        """Whether anybody waits for that place."""
        return key in self._turns

    def tell(self, key: str, outcome: Grant | AuraError) -> int:
        """Tell everybody who waits for that place what became of it; how many there were."""
        waiting = self._turns.pop(key, [])
        for turn in waiting:
            del self._keys[id(turn)]
            self._connections.pop(id(turn), None)
            turn.set(outcome)
        return len(waiting)

    def grant(self, lease: Lease) -> int:
        """Tell them of the lease. It is none's alone where there are several: none takes it back by going away."""
        several = len(self._turns.get(lease.key, ())) > 1
        return self.tell(lease.key, Grant(lease=lease, again=several))

    def keep_only(self, has_place: Callable[[str], bool]) -> None:
        """Whoever was asked is another one now: those whose place is lost ask again."""
        for key in [key for key in self._turns if not has_place(key)]:
            self.tell(key, NotStarted("admission was restarted", retry_after_seconds=0.05))
