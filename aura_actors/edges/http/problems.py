"""Errors as RFC 9457 problem documents.

Owns which status an error of ours has, and turns msgspec's path into a JSON pointer. The text is the error's own:
one clear sentence, never a traceback.
"""

import json
import math
import re

import msgspec

from aura_actors import errors
from aura_actors.edges.http.api import Answer
from aura_actors.messages import public
from aura_actors.wire.admission import Problem
from aura_actors.wire.mismatch import in_words

TITLES = {
    201: "Granted",
    202: "It goes on",
    400: "Bad request",
    401: "Token needed",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    408: "Request too slow",
    409: "Conflict",
    410: "Gone",
    413: "Body too large",
    415: "Unsupported media type",
    421: "Misdirected request",
    422: "Unacceptable content",
    426: "Upgrade required",
    429: "No room now",
    500: "Internal error",
    503: "Not available now",
}

# The first family that an error belongs to decides.
STATUS: tuple[tuple[type[errors.AuraError], int, str], ...] = (
    (errors.NeverFits, 422, "never-fits"),
    (errors.SpecChanged, 422, "spec-changed"),
    (errors.InvalidValue, 422, "invalid-value"),
    (errors.Conflict, 409, "conflict"),
    (errors.Foreign, 403, "foreign"),
    (errors.Gone, 410, "gone"),
    (errors.NotFound, 404, "not-found"),
    (errors.UsageError, 400, "usage"),
    (errors.Refused, 429, "no-room"),
    (errors.Draining, 503, "draining"),
    (errors.Unavailable, 503, "unavailable"),
)

# msgspec names no entry of an object whose names are free (`$.units[...]`): the pointer is the object's then.
_PATH = re.compile(r"^(?P<text>.*?)(?: - at (?:`key` in )?`(?P<path>[^`]*?)(?:\[\.\.\.\][^`]*)?`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>.*)`$", re.DOTALL)


def problem(
    status: int, detail: str, *, kind: str | None = None, headers: dict[str, str] | None = None, **members: object
) -> Answer:
    """A problem document with this status. `kind` is the last part of its type."""
    title = TITLES.get(status, "Error")
    slug = kind or title.lower().replace(" ", "-")
    body = Problem(type=f"/problems/{slug}", title=title, status=status, detail=detail)
    if members:
        body = msgspec.structs.replace(body, **members)
    return Answer(body=body, status=status, content_type="application/problem+json", headers=headers or {})


def from_error(error: errors.AuraError) -> Answer:
    """The answer to an error that was raised on purpose."""
    status, slug = next((s, k) for family, s, k in STATUS if isinstance(error, family))
    members: dict[str, object] = {}
    headers: dict[str, str] = {}
    if isinstance(error, errors.NeverFits | errors.Refused) and error.reasons:
        members["reasons"] = [public.reason(reason) for reason in error.reasons]
    if isinstance(error, errors.InvalidValue) and error.path:
        members["pointer"] = error.path
    if isinstance(error, errors.Unavailable):
        seconds = error.retry_after_seconds or 1.0
        headers["Retry-After"] = str(math.ceil(seconds))
        members["retry_after_seconds"] = round(seconds, 3)
    return problem(status, str(error), kind=slug, headers=headers, **members)


def from_validation(error: msgspec.ValidationError) -> Answer:
    """422, with the pointer to the value that is at fault."""
    found = _PATH.match(str(error))
    text, path = (found["text"], found["path"] or "") if found else (str(error), "")
    steps = re.findall(r"\.([^.\[\]]+)|\[([^\]]*)\]", path.removeprefix("$"))
    pointer = "".join(f"/{_escaped(name or index)}" for name, index in steps)
    unknown = _UNKNOWN.search(text)
    if unknown:
        pointer += f"/{_escaped(unknown['name'])}"
    where = f" (at {pointer})" if pointer else ""
    return problem(422, f"{in_words(text)}{where}", kind="invalid-value", pointer=pointer)


def from_malformed(raw: str | bytes, error: Exception) -> Answer:
    """400; or 422 with the pointer, where all that is wrong is a number that JSON has no word for (NaN)."""
    try:
        pointer = _odd_number(json.loads(raw))
    except (ValueError, RecursionError):
        pointer = None
    if pointer is None:
        return problem(400, f"the body is not JSON: {error}")
    return problem(
        422, f"NaN and Infinity are no numbers here (at {pointer})", kind="invalid-value", pointer=pointer
    )


def _odd_number(value: object, pointer: str = "") -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else pointer
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = (_odd_number(each, f"{pointer}/{_escaped(str(key))}") for key, each in inner)
    return next((place for place in found if place is not None), None)


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
