"""`aura-actors top`: the live page in a terminal, fed by the same feed. Never loads the server.

`command` has the options; `live` and `lines` are the ways to show; `watch` follows the daemon, through the client
SDK, into a `state`. What is drawn from it (`screen` with its sections, `plain`) is pure.
"""

from aura_actors.cli.top.command import top as top
