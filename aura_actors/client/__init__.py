"""The client SDK: reservations, provider slots and live values of a daemon, for programs on Trio and on asyncio.

    async with aura_actors.connect("http://127.0.0.1:8080") as aura:
        async with aura.reserve("video-123", memory="2GiB", wait="10m") as lease:
            ...

Knows the public JSON (`wire`) and the errors, and nothing of the server, so that a program never loads it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aura_actors.client.aura import Aura as Aura
    from aura_actors.client.aura import connect as connect
    from aura_actors.client.held import Lease as Lease
    from aura_actors.client.held import Slot as Slot
    from aura_actors.client.session import Session as Session
    from aura_actors.client.subscription import Frames as Frames
    from aura_actors.wire.arguments import Needs as Needs

# Resolved when first used: the command line has its requests and its rules from here, and no loop to wait in.
_HOMES = {
    "Aura": "client.aura", "connect": "client.aura", "Lease": "client.held", "Slot": "client.held",
    "Session": "client.session", "Frames": "client.subscription", "Needs": "wire.arguments",
}  # fmt: skip

__all__ = ["Aura", "Frames", "Lease", "Needs", "Session", "Slot", "connect"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"aura_actors.{_HOMES[name]}"), name)
