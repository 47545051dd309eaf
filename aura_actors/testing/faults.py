"""Failures on purpose: of a part of a tree, by its name, and of an actor, by the number of the call.

Owns how a test says where and when it fails. What follows is the supervisor's decision, as for any other failure.
"""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, TypeVar

from aura_actors.errors import Gone
from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.supervisor import Supervisor

if TYPE_CHECKING:
    from aura_actors.runtime import Runtime

M = TypeVar("M")


def _on_purpose() -> Exception:
    return RuntimeError("crashed on purpose")


def crash(tree: "Supervisor | Runtime", part: str, error: Exception | None = None) -> None:
    """End a child as if `error` had escaped from it: `sampler` of a runtime, `shop/till` of nested supervisors.

    Raises `Gone` where there is no such child, or where it does not run.
    """
    supervisor = tree if isinstance(tree, Supervisor) else tree.parts.supervisor
    *path, name = part.split("/")
    for step in path:
        below = next((node.service for node in supervisor.nodes() if node.name == step), None)
        if not isinstance(below, Supervisor):
            raise Gone(f"{supervisor.name} has no supervisor {step!r}")
        supervisor = below
    supervisor.crash(name, error or _on_purpose())


def failing(
    factory: Callable[[], Actor[M]],
    *,
    opens: Collection[int] = (),
    before: Collection[int] = (),
    after: Collection[int] = (),
    closes: Collection[int] = (),
    error: Callable[[], Exception] = _on_purpose,
) -> Callable[[], Actor[M]]:
    """A factory of the same actor, in which chosen calls fail; calls are counted from 1, over all incarnations.

    `opens`: the actor's `open` is not reached. `before`: the message is not looked at. `after`: it has been dealt
    with, and the answer is lost. `closes`: the actor has closed, and the error comes on top.
    """
    plan = _Plan(opens=opens, before=before, after=after, closes=closes, error=error)
    return lambda: _Failing(factory(), plan)


class _Plan:
    """Which calls fail, and how many there have been: outlives the incarnations."""

    def __init__(
        self,
        *,
        opens: Collection[int],
        before: Collection[int],
        after: Collection[int],
        closes: Collection[int],
        error: Callable[[], Exception],
    ) -> None:
        self.opens, self.before, self.after, self.closes = opens, before, after, closes
        self.opened = self.handled = self.closed = 0
        self._error = error

    def strike(self, number: int, chosen: Collection[int]) -> None:
        if number in chosen:
            raise self._error()


class _Failing(Actor[M]):
    def __init__(self, actor: Actor[M], plan: _Plan) -> None:
        self._actor = actor
        self._plan = plan

    async def open(self, context: Context[M]) -> None:
        self._plan.opened += 1
        self._plan.strike(self._plan.opened, self._plan.opens)
        await self._actor.open(context)

    async def handle(self, message: M) -> object:
        self._plan.handled += 1
        number = self._plan.handled
        self._plan.strike(number, self._plan.before)
        reply = await self._actor.handle(message)
        self._plan.strike(number, self._plan.after)
        return reply

    async def close(self) -> None:
        self._plan.closed += 1
        await self._actor.close()
        self._plan.strike(self._plan.closed, self._plan.closes)
