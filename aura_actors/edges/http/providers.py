"""HTTP operations on providers: list them, ask for a slot, renew it, say how the call went."""

from contextlib import suppress
from typing import Annotated, NoReturn

from msgspec import Meta

from aura_actors.edges.http.api import Answer, Call, Operations
from aura_actors.edges.http.caller import owner, process
from aura_actors.edges.http.turns import turn
from aura_actors.edges.services import ask
from aura_actors.errors import Foreign, Gone, Refused
from aura_actors.messages import admission as m
from aura_actors.messages import public
from aura_actors.wire import admission as wire

slots = Operations("providers")

LEASE = {"Aura-Lease": "The leaseId that the grant answered with."}
PROVIDER = {"name": Annotated[wire.Name, Meta(description="The provider; any case.")]}
SLOT = PROVIDER | {
    "slotId": Annotated[
        str, Meta(min_length=1, max_length=128, description="The slotId that the grant answered with.")
    ]
}


@slots.add("GET", "/api/providers", responses={200: wire.Providers})
async def list_providers(call: Call) -> Answer:
    """List providers, their slots and their budgets."""
    return Answer(body=public.providers(await ask(call.services.admission, m.Describe())))


@slots.add(
    "POST",
    "/api/providers/{name}/slots",
    path_types=PROVIDER,
    body=wire.SlotBody,
    body_required=False,
    responses={201: wire.Slot, 410: wire.Problem, 429: wire.Problem},
)
async def acquire_slot(call: Call) -> Answer:
    """Ask for the right to make one call to a provider, and wait up to waitSeconds; no place is kept then."""
    body: wire.SlotBody = call.body
    request = m.AcquireSlot(
        provider=call.path["name"],
        owner=owner(call, body),
        tokens=body.tokens,
        ttl_seconds=body.ttl_seconds,
        process=await process(call, body),
    )
    answer = await turn(call, request, body.wait_seconds)
    if isinstance(answer, m.Queued):
        await _leave(call, answer)
    return Answer(body=public.slot(answer.lease, call.moment), status=201)


async def _leave(call: Call, place: m.Queued) -> NoReturn:
    with suppress(Gone, Foreign):  # it is not there any more
        await ask(call.services.admission, m.Leave(key=place.key, ticket=place.ticket))
    text = "; ".join(short.text for short in place.reasons) or "its turn did not come"
    raise Refused(
        f"no slot within waitSeconds: {text}",
        reasons=place.reasons,
        retry_after_seconds=place.retry_after_seconds,
    )


@slots.add(
    "POST",
    "/api/providers/{name}/slots/{slotId}/renew",
    path_types=SLOT,
    body=wire.SlotRenewBody,
    body_required=False,
    parameters=LEASE,
    responses={200: wire.Slot, 410: wire.Problem},
)
async def renew_slot(call: Call) -> Answer:
    """Keep a provider slot for another ttlSeconds."""
    request = m.Renew(key=_key(call), secret=call.headers.get("aura-lease"), ttl_seconds=call.body.ttl_seconds)
    return Answer(body=public.slot(await ask(call.services.admission, request), call.moment))


@slots.add(
    "DELETE",
    "/api/providers/{name}/slots/{slotId}",
    path_types=SLOT,
    body=wire.SlotReleaseBody,
    body_required=False,
    parameters=LEASE,
    responses={204: None, 410: wire.Problem},
)
async def release_slot(call: Call) -> Answer:
    """Give a provider slot back, and say how the call went."""
    body: wire.SlotReleaseBody = call.body
    request = m.Release(
        key=_key(call), secret=call.headers.get("aura-lease"), outcome=body.outcome, tokens=body.tokens
    )
    await ask(call.services.admission, request)
    return Answer(body=b"", status=204)


def _key(call: Call) -> str:
    return m.slot_key(call.path["name"], call.path["slotId"])
