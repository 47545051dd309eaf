"""A scenario file: how jobs arrive, what they declare and use, who lies, what else runs on the machine.

Owns the shape of the TOML and what is wrong with one. Chance is in `workload.py`; nothing here runs anything. Sizes
are MiB in files, because people write them, and bytes everywhere else.
"""

import tomllib
from pathlib import Path
from typing import Literal

import msgspec

MIB = 2**20
SHIPPED = Path(__file__).with_name("scenarios")


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table: what is misspelt is refused, not ignored."""


class Arrivals(Table, frozen=True, kw_only=True):
    """When jobs come. `trace` has its times in the file; the others have `count` jobs."""

    process: Literal["at_once", "poisson", "bursts", "trace"] = "at_once"
    count: int = 40
    from_seconds: float = 0.0
    rate_per_second: float = 1.0
    """Of `poisson`."""
    burst: int = 10
    """Jobs that come together, of `bursts`."""
    every_seconds: float = 10.0
    """Between two bursts."""
    times_seconds: tuple[float, ...] = ()
    """Of `trace`."""


class Kind(Table, frozen=True, kw_only=True):
    """One sort of job. Memory is taken in equal steps over the ramp, held, and given back at the end."""

    name: str
    weight: float = 1.0
    count: int | None = None
    """Exactly so many of the arrivals, spread evenly; the other kinds share the rest by weight."""
    declared_mib: tuple[int, ...]
    """Each job declares one of these."""
    uses: tuple[float, float] = (1.0, 1.0)
    """Each uses a share of its declaration between these two."""
    ramp_seconds: float = 3.0
    hold_seconds: tuple[float, float] = (2.0, 2.0)
    """Each holds it for a time between these two."""
    cores: float = 0.0
    history_runs: int = 0
    """Runs of this kind that are known from before, to those who learn."""


class Lies(Table, frozen=True, kw_only=True):
    """A share of the jobs uses `factor` times what it declares."""

    share: float = 0.0
    factor: float = 1.5


class Hog(Table, frozen=True, kw_only=True):
    """A process that nobody admitted: it takes memory, holds it, and goes."""

    memory_mib: int
    from_seconds: float
    until_seconds: float
    ramp_seconds: float = 0.5


class Crashes(Table, frozen=True, kw_only=True):
    """A share of the jobs dies half-way together with its client, which says nothing to anybody."""

    share: float = 0.0


class Scenario(Table, frozen=True, kw_only=True):
    """A whole file."""

    name: str
    about: str
    limit_mib: int = 2048
    reserve_mib: int = 200
    """Kept free by every policy that keeps something free."""
    arrivals: Arrivals
    kinds: tuple[Kind, ...]
    lies: Lies = Lies()
    hogs: tuple[Hog, ...] = ()
    crashes: Crashes = Crashes()

    def __post_init__(self) -> None:
        """Raises `ValueError` for what could never run."""
        most_mib = self.limit_mib - self.reserve_mib
        for kind in self.kinds:
            if max(kind.declared_mib) > most_mib:
                raise ValueError(f"{kind.name} declares more than the {most_mib} MiB that there are")
        if not self.kinds:
            raise ValueError("there are no kinds of jobs")

    @property
    def room(self) -> "Room":
        """What policies may give away."""
        return Room(limit_bytes=self.limit_mib * MIB, reserve_bytes=self.reserve_mib * MIB)


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """The memory that is shared."""

    limit_bytes: int
    """At this much in use the kernel kills."""
    reserve_bytes: int

    @property
    def allowed_bytes(self) -> int:
        """A: what may be promised."""
        return self.limit_bytes - self.reserve_bytes


def load(name: str) -> Scenario:
    """A shipped scenario by name, or a file. Raises `ValueError` or `OSError`."""
    path = SHIPPED / f"{name}.toml"
    path = path if path.exists() else Path(name)
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), Scenario, strict=False)
    except ValueError as error:  # of TOML, of msgspec, and ours
        raise ValueError(f"{path}: {error}") from error


def shipped() -> list[str]:
    """Names of the shipped scenarios."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))
