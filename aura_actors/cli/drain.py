"""`aura-actors drain on|off`: let the machine run empty, or admit again."""

from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from aura_actors.cli.daemon import TokenFile, Url, find_daemon
from aura_actors.wire.admission import Drained


def drain(
    state: Annotated[Literal["on", "off"], Parameter(help="on: admit nothing new; off: admit again.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="Print the daemon's answer as JSON.")] = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Admit nothing new, or begin again. Leases that live are left alone; whoever waits is sent away."""
    daemon = find_daemon(url, token_file)
    answer = daemon.post("/api/admission/drain", {"on": state == "on"})
    drained = daemon.decode(answer, Drained)
    if json:
        print(msgspec.json.format(answer, indent=2).decode())
    else:
        print("draining: nothing new is admitted" if drained.on else "not draining: jobs are admitted")
