"""One HTTP operation as data: what it takes, what it answers, and the function that does it.

Owns the shape that the application, the OpenAPI document and the tests share. Knows no framework.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from aura_actors.edges.services import Services


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back. `body` is a Struct to encode, or bytes that are sent as they are."""

    body: Any
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, decoded: `body` has the operation's type, header names are lower case."""

    services: Services
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


Handler = Callable[[Call], Awaitable[Answer]]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path. `responses` maps a status to its body's type, None for no body."""

    method: str
    path: str
    """With parameters in braces: `/api/admission/jobs/{jobId}`."""
    handler: Handler
    summary: str
    tag: str
    responses: Mapping[int, Any]
    body: Any = None
    body_required: bool = True
    parameters: Mapping[str, str] = {}
    """Header (`Aura-Lease`) and query (`?wait`) parameters with their description."""
    path_types: Mapping[str, Any] = {}
    """Types that path parameters must have; plain text where none is given."""


H = TypeVar("H", bound=Handler)


class Operations:
    """A list of operations, filled by decorating their functions."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.all: list[Operation] = []

    def add(self, method: str, path: str, *, responses: Mapping[int, Any], **options: Any) -> Callable[[H], H]:
        """Decorate the function that does `method` on `path`; the first line of its docstring is the summary."""

        def enter(handler: H) -> H:
            summary = (handler.__doc__ or "").strip().splitlines()[0]
            operation = Operation(
                method=method,
                path=path,
                handler=handler,
                summary=summary,
                tag=self.tag,
                responses=responses,
                **options,
            )
            self.all.append(operation)
            return handler

        return enter
