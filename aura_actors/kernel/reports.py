"""What a supervisor says: of a start that failed, of giving up, of a crash, and of its children as they are.

Owns the words; knows nothing of when they are said.
"""

import msgspec


class StartFailed(Exception):
    """A child did not get ready at its first start; nothing of it is left running."""

    def __init__(self, child: str, text: str) -> None:
        super().__init__(f"{child} did not start: {text}")
        self.child = child


class GaveUp(Exception):
    """A child used up the restart budget. A crash of its own kind, so that no parent takes it for a normal end."""

    def __init__(self, supervisor: str, child: str, text: str) -> None:
        super().__init__(f"{supervisor} gave up on {child}: {text}")
        self.child = child


class CrashReport(msgspec.Struct, frozen=True, kw_only=True):
    """A child ended with an error. `retry_seconds` is None where it is not started again."""

    child: str
    generation: int
    error: str
    exception: BaseException
    retry_seconds: float | None


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One child as it is now. `crashed_at` is wall time in seconds since 1970."""

    name: str
    state: str
    generation: int
    restarts: int
    last_crash: str | None
    crashed_at: float | None
    service: object
