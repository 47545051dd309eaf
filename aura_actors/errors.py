"""Every exception that this package raises on purpose.

Two families, told apart by whose move is next. `UsageError`: the caller broke a rule, and the same call
will fail again (HTTP 4xx, exit status 2). `Unavailable`: the caller did nothing wrong, the answer is "not
now" (HTTP 429 or 503). Anything else that escapes is a defect. Knows nothing of any part's data.
"""

from typing import Any


class AuraError(Exception):
    """Root of every exception raised on purpose."""


class UsageError(AuraError):
    """The caller broke a rule; trying again unchanged will fail again."""


class Unavailable(AuraError):
    """The caller did nothing wrong; the answer is no, for now.

    `retry_after_seconds` is a hint, or None where nobody can say.
    """

    def __init__(self, text: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


# --- usage ---------------------------------------------------------------------------------------------


class InvalidValue(UsageError):
    """A value, a unit or a configuration key is not acceptable. `path` says where (`http.port`)."""

    def __init__(self, text: str, *, path: str = "") -> None:
        super().__init__(f"{path}: {text}" if path else text)
        self.path = path


class AlreadyServed(UsageError):
    """The data directory, the port or the socket belongs to another running daemon."""


class Conflict(UsageError):
    """The id is taken by somebody else's live lease."""


class SpecChanged(UsageError):
    """The id is taken by the caller's own live lease, which asked for something else."""


class Foreign(UsageError):
    """The secret shown is not the one that was handed out; nothing was changed."""


class Gone(UsageError):
    """There is no such lease or ticket, or no longer."""


class NotFound(UsageError):
    """Nothing by this name is known."""


class NeverFits(UsageError):
    """The request is larger than this machine or its budget, even when idle. `reasons` say in what."""

    def __init__(self, text: str, *, reasons: tuple[Any, ...]) -> None:
        super().__init__(text)
        self.reasons = reasons


# --- not now -------------------------------------------------------------------------------------------


class Refused(Unavailable):
    """The request does not fit now. `reasons` say what is short, by how much, and who holds it."""

    def __init__(
        self, text: str, *, reasons: tuple[Any, ...] = (), retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(text, retry_after_seconds=retry_after_seconds)
        self.reasons = reasons


class Draining(Unavailable):
    """Nothing new is admitted for now: an operator wants the machine to run empty, or the runtime ends."""


class Unreachable(Unavailable):
    """No daemon answers at this address, or the connection to it was lost.

    With `sent` the question had gone out: what came of it is unknown.
    """

    def __init__(self, text: str, *, sent: bool = False) -> None:
        super().__init__(text)
        self.sent = sent


class StoreUnavailable(Unavailable):
    """What must survive a restart could not be written, so nothing was changed."""


class MailboxFull(Unavailable):
    """The actor has more waiting than its mailbox may hold; the message was not accepted."""


class NotStarted(Unavailable):
    """The actor ended before it looked at the question: asking again is safe."""


class Lost(Unavailable):
    """The actor crashed while it worked on the question: what came of it is unknown.

    `generation` is the incarnation that crashed.
    """

    def __init__(self, text: str, *, generation: int, retry_after_seconds: float | None = None) -> None:
        super().__init__(text, retry_after_seconds=retry_after_seconds)
        self.generation = generation


class AskTimeout(Unavailable):
    """The asker's own deadline passed; the question is skipped if nobody has begun it."""
