"""What a benchmark says: machine facts, figures, ratios, as a table or as JSON. Measures nothing."""

import os
import platform
import statistics
from collections.abc import Sequence
from typing import Any

import msgspec
import trio


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark's result. A ratio is ours / the peer's, None where the peer is not there (see `notes`)."""

    name: str
    ratios: dict[str, float | None]
    figures: dict[str, float]
    notes: list[str] = []

    def to_json(self) -> bytes:
        """One line."""
        return msgspec.json.encode({"name": self.name, "machine": machine(), **self._parts()})

    def _parts(self) -> dict[str, Any]:
        return {"ratios": self.ratios, "figures": self.figures, "notes": self.notes}

    def to_text(self) -> str:
        """A table for people."""
        rows = [(name, "n/a" if value is None else f"{value:.3g} x") for name, value in self.ratios.items()]
        rows += [(name, f"{value:,.6g}") for name, value in self.figures.items()]
        width = max(len(name) for name, _ in rows)
        lines = [self.name, *(f"  {name:<{width}}  {value}" for name, value in rows)]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "trio": trio.__version__,
    }


def median(values: Sequence[float]) -> float:
    """The middle of several rounds, which one noisy round cannot move."""
    return statistics.median(values)
