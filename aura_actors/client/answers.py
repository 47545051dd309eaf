"""What a daemon's answer means: the Struct that was asked for, or the error that the problem document names.

Owns the way from a problem's type to an error of ours, the same as in the program that embeds the runtime. Pure.
"""

from http import HTTPStatus
from typing import TypeVar

import msgspec
from msgspec import UNSET

from aura_actors import errors
from aura_actors.wire.problems import Problem, Reason

T = TypeVar("T")

_PLAIN: dict[str, type[errors.UsageError]] = {
    "spec-changed": errors.SpecChanged,
    "conflict": errors.Conflict,
    "foreign": errors.Foreign,
    "gone": errors.Gone,
}


def decoded(content: bytes, kind: type[T]) -> T:
    """The answer as that Struct. Raises Unavailable where it is something else."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise errors.Unavailable(
            f"the daemon answered something that this version does not know: {error}"
        ) from error


def error_of(status: int, content: bytes, *, url: str) -> errors.AuraError:
    """Of an answer that is not what was asked for."""
    try:
        return of_problem(msgspec.json.decode(content, type=Problem))
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = f"{url} answered {status}, and not as an aura daemon does"
        return errors.Unavailable(text) if status >= HTTPStatus.INTERNAL_SERVER_ERROR else errors.UsageError(text)


def of_problem(problem: Problem) -> errors.AuraError:
    """The error that this problem is, with its reasons."""
    name, text = problem.type.rpartition("/")[2], problem.detail
    reasons: tuple[Reason, ...] = () if problem.reasons is UNSET else tuple(problem.reasons)
    later = None if problem.retry_after_seconds is UNSET else problem.retry_after_seconds
    if name in _PLAIN:
        return _PLAIN[name](text)
    if name == "invalid-value":
        wrong = errors.InvalidValue(text)
        wrong.path = "" if problem.pointer is UNSET else problem.pointer
        return wrong
    if name == "never-fits":
        return errors.NeverFits(text, reasons=reasons)
    if name == "no-room" or problem.status == HTTPStatus.TOO_MANY_REQUESTS:
        return errors.Refused(text, reasons=reasons, retry_after_seconds=later)
    if name == "draining":
        return errors.Draining(text, retry_after_seconds=later)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.Unavailable(text, retry_after_seconds=later)
    return errors.UsageError(text)
