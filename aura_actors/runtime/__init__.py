"""The whole runtime, put together.

parts      the composition root: the one file that knows every part, and the supervision tree as data
opening    `open_runtime`: claim the data directory, run the tree, stop it in order
library    what an embedding program holds: reserve, provider, latest values; needs: their arguments;
           reservation: the leases behind them
serving    `serve`: the daemon around it (sockets, signals, ready file); systemd: telling it how we are
"""

from aura_actors.runtime.library import Runtime
from aura_actors.runtime.opening import open_runtime
from aura_actors.runtime.serving import serve

__all__ = ["Runtime", "open_runtime", "serve"]
