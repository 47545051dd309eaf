"""Why a request is not granted, in words: one function for each kind of shortage.

Owns the sentences and how a shortage is told from what others use. Decides nothing.
"""

from aura_actors.domain.accounts import Account, Measured
from aura_actors.domain.busy_gate import BusyGate
from aura_actors.domain.devices import Devices
from aura_actors.domain.holding import Reserved
from aura_actors.domain.needs import GpuNeed
from aura_actors.domain.reasons import Shortfall


def no_slot(size: int, available: int, holders: tuple[str, ...], waiting: str | None) -> Shortfall:
    """All job slots are taken, or the last free one is kept. Below 0: there are fewer than are in use."""
    if waiting is not None:
        return kept("jobs", 1, available, waiting)
    text = f"all {size} job slots are taken"
    return Shortfall(dimension="jobs", needed=1, available=available, holders=holders, text=text)


def busy(dimension: str, what: str, gate: BusyGate, expected_busy_percent: float) -> Shortfall:
    """Something that is shared is too busy, or about to be with what has just begun."""
    text = f"{what} is {expected_busy_percent:.0f} % busy or about to be, above {gate.open_percent:g} %"
    return Shortfall(
        dimension=dimension,
        needed=100 - gate.open_percent,
        available=100 - expected_busy_percent,
        external=True,
        text=text,
    )


def braked(text: str) -> Shortfall:
    """The run-time brake is on."""
    return Shortfall(dimension="brake", needed=1, available=0, external=True, text=text)


def stale(account: str, seconds: float) -> Shortfall:
    """What an account rests on was not measured for too long."""
    text = f"{account} was not measured for more than {seconds:.0f} s"
    return Shortfall(dimension="stale_sensor", needed=1, available=0, external=True, text=text)


def short(
    account: Account, needed: int, available: int, holders: tuple[str, ...], waiting: str | None
) -> Shortfall:
    """There is not enough of an account now; below 0 it is more than used up."""
    if waiting is not None:
        return kept(account.name, needed, available, waiting)
    external = isinstance(account, Measured) and needed > account.room + account.promised + account.ghosts
    what = account.name.removeprefix("units:").replace("_", " ")
    if external:
        text = f"others use so much {what} that it would not fit even if every job ended"
        holders = ()
    elif holders:
        text = f"the {what} is reserved by running jobs"
    elif account.ghosts:
        text = f"jobs that have just ended have not given the {what} back yet"
    else:
        text = f"there is not enough {what} left"
    return Shortfall(
        dimension=account.name, needed=needed, available=available, holders=holders, external=external, text=text
    )


def too_much(account: Account, needed: int, most: int) -> Shortfall:
    """More than there ever is."""
    text = f"more {account.name.replace('_', ' ')} than this machine has even when idle"
    if account.name == "memory_limit":
        text = "more than the configured memory_limit"
    return Shortfall(dimension=account.name, needed=needed, available=most, external=True, text=text)


def no_such_unit(name: str) -> Shortfall:
    """A dimension that nobody configured."""
    text = f"there is no unit {name}: the configuration has no [admission.units.{name}]"
    return Shortfall(dimension=f"units:{name}", needed=1, available=0, external=True, text=text)


def no_such_device(need: GpuNeed, known: int, able: int) -> Shortfall:
    """There are not so many devices, or none so large."""
    text = "no GPU is known on this machine" if not known else f"{able} of {known} GPUs are large enough"
    return Shortfall(dimension="gpu", needed=need.count, available=able, external=True, text=text)


def no_device(need: GpuNeed, devices: Devices, holders: tuple[str, ...], behind: Reserved | None) -> Shortfall:
    """No device, or not enough of them, can take it now."""
    present = [device for device in devices if device.present]
    free = [device for device in present if device.free_for(need)]
    if behind is not None:
        left = [device for device in free if device.free_for(need, behind.devices.get(device.uuid))]
        if len(free) >= need.count:
            return kept("gpu", need.count, len(left), behind.key)
        free = left
    if not devices.asked:
        text = "the GPU probe has not answered yet"
    elif not present:
        text = "the GPU driver does not answer now"
    elif all(device.gate.closed() for device in present):
        text = f"every GPU is more than {present[0].gate.threshold_percent:g} % busy"
    else:
        text = f"{len(free)} of {len(present)} GPUs can take it now"
    external = not holders or not present
    return Shortfall(
        dimension="gpu",
        needed=need.count,
        available=min(len(free), need.count),
        holders=() if external else holders,
        external=external,
        text=text,
    )


def kept(dimension: str, needed: float, available: float, waiting: str) -> Shortfall:
    """There would be enough, if nobody waited longer."""
    text = f"it is kept for {waiting}, which has waited longest"
    return Shortfall(dimension=dimension, needed=needed, available=available, holders=(waiting,), text=text)
