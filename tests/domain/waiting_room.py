"""A machine for the queue's tests: a vector of memory, job slots and GPUs, and what runs on it until when."""

from typing import Any, NamedTuple

from aura_actors.domain.waiting import Queue, Waiter


class Need(NamedTuple):
    memory: int
    slots: int = 1
    gpus: int = 0


def waiter(number: int, need: Need, since: float = 0.0, **changes: Any) -> Waiter:
    """A waiter of the middle class with a key of its number."""
    fields: dict[str, Any] = {
        "key": f"w{number}",
        "owner": "anna",
        "spec": need,
        "rank": 1,
        "wants_gpu": need.gpus > 0,
        "secret": f"ticket-{number}",
        "number": number,
        "since": since,
        "ttl_seconds": 30.0,
    }
    return Waiter(**(fields | changes))


class Machine:
    """The room that is left by what runs. `asked` says what the queue wanted to know."""

    def __init__(self, memory: int = 16, slots: int = 8, gpus: int = 1) -> None:
        self.size = Need(memory, slots, gpus)
        self.now = 0.0
        self.running: dict[str, tuple[Need, float | None]] = {}
        self.asked: list[tuple[Need, bool]] = []

    @property
    def free(self) -> Need:
        used = [need for need, _ in self.running.values()]
        return Need(*(size - sum(need[d] for need in used) for d, size in enumerate(self.size)))

    def fits(self, waiter: Waiter, behind: Waiter | None) -> bool:
        self.asked.append((waiter.spec, behind is not None))
        reserved = behind.spec if behind else Need(0, 0, 0)
        return all(
            need == 0 or need + kept <= free
            for need, kept, free in zip(waiter.spec, reserved, self.free, strict=True)
        )

    def earliest(self, waiter: Waiter) -> float | None:
        free, at = list(self.free), self.now
        ends = sorted(self.running.values(), key=lambda run: float("inf") if run[1] is None else run[1])
        for need, ends_by in [(Need(0, 0, 0), self.now), *ends]:
            if ends_by is None:
                return None
            free = [have + back for have, back in zip(free, need, strict=True)]
            at = max(at, ends_by)
            if all(want <= have for want, have in zip(waiter.spec, free, strict=True)):
                return at
        return None

    def gpu_free(self) -> bool:
        return self.free.gpus > 0

    def start(self, waiter: Waiter) -> None:
        limit = waiter.max_runtime_seconds
        assert waiter.key not in self.running, "started twice"
        self.running[waiter.key] = (waiter.spec, None if limit is None else self.now + limit)
        assert min(self.free) >= 0, "more was given away than there is"

    def end(self, key: str) -> None:
        del self.running[key]


def drain(queue: Queue, machine: Machine) -> list[str]:
    """Start whoever may; their keys, in order."""
    started = []
    while (waiter := queue.next(machine.now, machine)) is not None:
        assert queue.remove(waiter.key) == waiter
        machine.start(waiter)
        started.append(waiter.key)
    return started
