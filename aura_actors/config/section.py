"""What every table of the configuration is, and the kinds of values that several of them have. Knows no key."""

from typing import Annotated

import msgspec

from aura_actors.config.readers import Duration, ListOf, Number, Text

Percent = Annotated[float, Number(above=0, maximum=100)]
Names = Annotated[tuple[str, ...], ListOf(Text(r"[!-~]+", "a name without spaces"))]
Interval = Annotated[float, Duration(0.001)]
PerMinute = Annotated[float | None, Number(above=0, maximum=1_000_000_000)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table of the configuration."""
