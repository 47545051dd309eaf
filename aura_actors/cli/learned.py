"""What a daemon has learned of a kind of job: taken for `--memory auto`, held against a declaration otherwise.

Owns the sentences; the statistics and the rule are the daemon's.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from aura_actors.client.run.remote import Transport
from aura_actors.client.run.screen import Screen
from aura_actors.wire.kinds import Kind, Kinds
from aura_actors.wire.units import format_size

PATH: Final = "/api/admission/kinds"
FAR_OVER: Final = 1.5
FAR_UNDER: Final = 0.9


def advise(transport: Transport, screen: Screen, body: Mapping[str, object], *, auto: bool) -> dict[str, object]:
    """The needs with the memory that `auto` means; a line where a declaration is far from what runs needed."""
    kind = _find(transport, str(body["kind"]))
    needed = None if kind is None else kind.reserve_bytes
    if auto:
        if needed is None:
            screen.say(f"too little is known of kind {body['kind']} yet: the daemon's default is reserved")
            return dict(body)
        return {**body, "memoryBytes": needed}
    declared = body.get("memoryBytes")
    if kind is not None and needed and isinstance(declared, int):
        hint(screen, kind, needed, declared)
    return dict(body)


def hint(screen: Screen, kind: Kind, needed: int, declared: int) -> None:
    """One line, if it is worth one."""
    if FAR_UNDER * needed <= declared <= FAR_OVER * needed:
        return
    how = "more" if declared > needed else "less"
    screen.say(
        f"--memory {format_size(declared)} is far {how} than kind {kind.kind} was seen to need"
        f" in {kind.runs} runs: --memory auto would reserve {format_size(needed)}"
    )


def _find(transport: Transport, name: str) -> Kind | None:
    """None where nothing is known, or the daemon does not tell. Raises Unavailable where there is none."""
    reply = transport.send("GET", PATH)
    if reply.status != 200:
        return None
    try:
        known = msgspec.json.decode(reply.content, type=Kinds)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return next((kind for kind in known.kinds if kind.kind == name), None)
