"""One HTTP operation as data: what it takes, what it answers, and the function that does it.

Owns the shape that the application, the OpenAPI document and the tests share, and which scope an operation needs
that names none. Knows no framework.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec
import trio

from aura_actors.edges.peer import Caller
from aura_actors.edges.services import Services
from aura_actors.messages.public import Moment
from aura_actors.wire.scopes import Scope

CALLER = "aura.caller"
"""In the state of a request's scope: the `Caller`, once the guard has let it in."""

_OPEN = "/health/"
_ADMITTING = ("/api/admission/", "/api/providers/")
_OPERATING = ("/revoke", "/drain")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back. `body` is a Struct to encode, or bytes that are sent as they are."""

    body: Any
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, decoded: `body` has the operation's type, header names are lower case."""

    services: Services
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    closing: trio.Event
    """Set when the daemon ends: whoever waits has a moment left to be answered."""

    @property
    def moment(self) -> Moment:
        """Now, to turn monotonic seconds into dates."""
        return Moment(self.services.clock(), self.services.wall())


Handler = Callable[[Call], Awaitable[Answer]]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path. `responses` maps a status to its body's type; None: no body, a tuple: one of them."""

    method: str
    path: str
    """With parameters in braces: `/api/admission/jobs/{jobId}`."""
    handler: Handler
    summary: str
    description: str
    """What the summary leaves out; may be empty."""
    tag: str
    responses: Mapping[int, Any]
    body: Any = None
    body_required: bool = True
    parameters: Mapping[str, str] = {}
    """Header (`Aura-Lease`) and query (`?wait`) parameters with their description."""
    path_types: Mapping[str, Any] = {}
    """Types that path parameters must have; plain text where none is given."""
    scope: Scope | None = None
    """What a token needs for it; None is open to all. `Operations.add` fills it in by `usual_scope`."""


def usual_scope(method: str, path: str) -> Scope | None:
    """`read` to look, `admit` for leases; all else that changes something is `operate`, and health is open."""
    if path.startswith(_OPEN):
        return None
    if method == "GET":
        return "read"
    return "admit" if path.startswith(_ADMITTING) and not path.endswith(_OPERATING) else "operate"


H = TypeVar("H", bound=Handler)


class Operations:
    """A list of operations, filled by decorating their functions."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.all: list[Operation] = []

    def add(self, method: str, path: str, *, responses: Mapping[int, Any], **options: Any) -> Callable[[H], H]:
        """Decorate the function that does `method` on `path`.

        The first line of its docstring is the summary, the rest the description.
        """

        def enter(handler: H) -> H:
            summary, _, description = inspect.cleandoc(handler.__doc__ or "").partition("\n")
            operation = Operation(
                method=method,
                path=path,
                handler=handler,
                summary=summary,
                description=" ".join(description.split()),
                tag=self.tag,
                responses=responses,
                **{"scope": usual_scope(method, path), **options},
            )
            self.all.append(operation)
            return handler

        return enter
