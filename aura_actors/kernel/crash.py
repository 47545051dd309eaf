"""Telling a crash from a cancellation, and naming it.

Owns the reading of exception groups: what is left when every `trio.Cancelled` is taken out is the crash.
"""


def split(error: BaseException) -> tuple[Exception | None, BaseException | None]:
    """The crash in `error`, and what must go on up: cancellation, KeyboardInterrupt, SystemExit."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(Exception)
    if isinstance(error, Exception):
        return error, None
    return None, error


def cause(error: BaseException) -> BaseException:
    """The one exception inside groups of one; a group of several stays a group."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def describe(error: BaseException) -> str:
    """The crash in one line: type and text, every member of a group."""
    error = cause(error)
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe(e) for e in error.exceptions)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
