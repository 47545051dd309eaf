"""The words for what a token may do, as clients and configuration write them. Knows no token."""

from typing import Final, Literal, get_args

Scope = Literal["read", "admit", "operate"]
"""`read`: look, and listen to the feed. `admit`: take and give back leases. `operate`: end those of others, drain,
clean up, let go of GPUs. None includes another."""

SCOPES: Final[frozenset[Scope]] = frozenset(get_args(Scope))
"""All of them."""
