# The map. Imports point inward: a line may use any line below it, `|` means strangers to each other.
#
#   __main__  cli/     the command line: parse, call, print
#   testing/           for users' tests and ours
#   runtime/ | client/ composition root: the one place that knows every part | the SDK: only wire and errors
#   config/            settings from file, environment and options; refuses with a path
#   edges/ | actors/   HTTP, feed, page | the shells around the rules, one actor per file
#   workers/           child processes, each owned by an actor: the GPU probe
#   stores/            what must survive: SQLite
#   collectors/ | cleaners/   one source of readings | one kind of cleanup per file; blocking, no Trio
#   messages/          what actors say to each other, and how facts are said in public
#   domain/ | kernel/ | wire/   the rules, pure | the actor kernel on Trio | the public JSON
#   errors             every exception that is raised on purpose
"""Supervised actors that keep a machine doing heavy work usable: measure, admit, clean up, show."""

from typing import TYPE_CHECKING, Any

from aura_actors._version import __version__

if TYPE_CHECKING:
    from aura_actors.client import Aura as Aura
    from aura_actors.client import connect as connect
    from aura_actors.config import Settings as Settings
    from aura_actors.runtime import Runtime as Runtime
    from aura_actors.runtime import open_runtime as open_runtime

# Resolved when first used: a client of a daemon must not load the server.
_HOMES = {
    "open_runtime": "runtime", "Runtime": "runtime", "Settings": "config", "connect": "client", "Aura": "client",
}  # fmt: skip

__all__ = ["Aura", "Runtime", "Settings", "__version__", "connect", "open_runtime"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
