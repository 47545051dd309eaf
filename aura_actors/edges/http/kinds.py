"""The HTTP operation on kinds of jobs: what past runs were seen to need. Owns the translation alone."""

from aura_actors.edges.http.api import Answer, Call, Operations
from aura_actors.edges.services import ask
from aura_actors.messages import admission as m
from aura_actors.messages import public
from aura_actors.wire.kinds import Kinds

kinds = Operations("admission")


@kinds.add("GET", "/api/admission/kinds", responses={200: Kinds})
async def list_kinds(call: Call) -> Answer:
    """List what past runs of each kind of job were seen to need: memory at the peak, and time."""
    return Answer(body=public.kinds(await ask(call.services.admission, m.Describe())))
