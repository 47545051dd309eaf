"""The HTTP operation that tells a client who it is here, so that it offers only what it may do.

Knows no token: the guard has found out who calls before.
"""

from aura_actors.edges.http.api import Answer, Call, Operations
from aura_actors.edges.http.caller import owner
from aura_actors.wire.access import AccessGranted

access = Operations("access")


@access.add("GET", "/api/access", responses={200: AccessGranted})
async def show_access(call: Call) -> Answer:
    """Say who asks, and which scopes that opens."""
    return Answer(body=AccessGranted(owner=owner(call), scopes=sorted(call.caller.scopes)))
