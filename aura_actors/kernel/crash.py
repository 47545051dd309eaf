"""Telling a crash from a cancellation, and naming it.

Owns the reading of exception groups: what is left when every `trio.Cancelled` is taken out is the crash.
"""

import trio


def split(error: BaseException) -> tuple[Exception | None, BaseException | None]:
    """The crash in `error`, and what must go on up: cancellation, KeyboardInterrupt, SystemExit."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(Exception)
    if isinstance(error, Exception):
        return error, None
    return None, error


def masked(error: BaseException) -> Exception | None:
    """The crash that a cancellation has swallowed.

    A checkpoint in a `finally` raises `Cancelled` over the exception that was on its way: only the context of
    the `Cancelled` remembers it. (So it does of one that was being handled: the two cannot be told apart.)
    """
    if isinstance(error, BaseExceptionGroup):
        found = (masked(inner) for inner in error.exceptions)
        return next((crash for crash in found if crash is not None), None)
    if not isinstance(error, trio.Cancelled):
        return None
    context = error.__context__
    while context is not None:
        if isinstance(context, Exception):
            return context
        context = context.__context__
    return None


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
