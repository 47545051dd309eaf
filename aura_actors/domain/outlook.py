"""When there will be room at the latest, as far as anybody can say.

Owns that look ahead: running leases end by their enforced runtimes, one by one, and give back what they hold.
Changes nothing. Refuses to guess how long anybody runs who has no limit.
"""

from math import inf

from aura_actors.domain.holding import Holding
from aura_actors.domain.ledger import Ledger
from aura_actors.domain.needs import JobSpec


def earliest(ledger: Ledger, spec: JobSpec, now: float) -> float | None:
    """The latest moment by which `spec` can start (monotonic seconds), if nobody else begins before.

    None where nobody can say: somebody runs without a limit, others use what it needs, or a rate is limited.
    """
    if any(reason.external for reason in ledger.judge(spec, now).reasons) or _rated(ledger, spec):
        return None
    missing = _missing(ledger, spec)
    latest = now
    for holding in sorted(ledger.holdings.values(), key=lambda each: each.lease.ends_by_runtime_at):
        if not missing:
            break
        ends_at = holding.lease.ends_by_runtime_at
        if ends_at == inf:
            return None
        latest = max(latest, ends_at)
        for name, amount in _given_back(ledger, holding):
            if name in missing:
                missing[name] -= amount
                if missing[name] <= 0:
                    del missing[name]
    return None if missing else latest


def _missing(ledger: Ledger, spec: JobSpec) -> dict[object, float]:
    """What is short, and by how much. What ghosts hold is given back, or is external use, in a moment."""
    plan = ledger.reserve("", spec).plan
    missing: dict[object, float] = {
        account: amount - account.room - account.ghosts for account, amount in plan.charges.items()
    }
    missing["slots"] = spec.job_slots - (ledger.slots.size - ledger.slots.used) if spec.job_slots else 0
    for device in plan.devices:
        taken = device.holders if spec.gpu is not None and spec.gpu.exclusive else {}
        missing[device.uuid] = len(taken) or int(any(device.holders.values()))
    for need in spec.providers:
        missing[need.name.casefold()] = 1 - ledger.providers.free(need.name)
    return {name: amount for name, amount in missing.items() if amount > 0}


def _rated(ledger: Ledger, spec: JobSpec) -> bool:
    """Whether a provider limits its requests or tokens: whoever goes before may use them up."""
    providers = [ledger.providers.find(need.name) for need in spec.providers]
    return any(provider.requests is not None or provider.tokens is not None for provider in providers)


def _given_back(ledger: Ledger, holding: Holding) -> list[tuple[object, float]]:
    """What a lease gives back when it ends."""
    spec = holding.lease.spec
    back: list[tuple[object, float]] = [*ledger.charges_of(holding).items()]
    back += [(device.uuid, 1) for device in holding.devices]
    back += [(need.name.casefold(), 1) for need in spec.providers]
    return [*back, ("slots", spec.job_slots)]
