"""What the tests of others' use share: a look at one level, and the parts of what is in use there."""

from aura_actors.domain.accounts import MACHINE
from aura_actors.domain.external import External, Level


def look(external: External, at: float, used: int, attributed: int = 0, capacity: int = 1000) -> None:
    external.look(at, Level(name=MACHINE, capacity_bytes=capacity, used_bytes=used), attributed)


def parts(external: External) -> tuple[int, int, int]:
    """Y, K and the sum of credit."""
    return external.peak_bytes, external.ghost_bytes, external.credited_bytes
