"""The states of a supervised child, as a table. What is not in the table raises and changes nothing."""

import enum


class State(enum.Enum):
    """Where a child is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Signal(enum.Enum):
    """What happens to a child."""

    LAUNCH = "launch"
    READY = "ready"
    STOP = "stop"
    RETRY_LATER = "retry later"
    REST = "rest"
    """It ended, and is not started again."""


NEXT: dict[tuple[State, Signal], State] = {
    (State.WAITING, Signal.LAUNCH): State.STARTING,
    (State.WAITING, Signal.STOP): State.STOPPED,
    (State.STARTING, Signal.READY): State.RUNNING,
    (State.STARTING, Signal.STOP): State.STOPPING,
    (State.STARTING, Signal.RETRY_LATER): State.BACKOFF,
    (State.STARTING, Signal.REST): State.STOPPED,
    (State.RUNNING, Signal.STOP): State.STOPPING,
    (State.RUNNING, Signal.RETRY_LATER): State.BACKOFF,
    (State.RUNNING, Signal.REST): State.STOPPED,
    (State.BACKOFF, Signal.LAUNCH): State.STARTING,
    (State.BACKOFF, Signal.STOP): State.STOPPED,
    (State.STOPPING, Signal.READY): State.STOPPING,
    (State.STOPPING, Signal.REST): State.STOPPED,
    (State.STOPPING, Signal.RETRY_LATER): State.BACKOFF,
    (State.STOPPED, Signal.STOP): State.STOPPED,
}


class IllegalTransition(RuntimeError):
    """A defect in the supervisor: this cannot happen to a child in that state."""


def advance(state: State, signal: Signal) -> State:
    """The state after `signal`."""
    try:
        return NEXT[state, signal]
    except KeyError:
        raise IllegalTransition(f"{signal.value} while {state.value}") from None
