"""How much a test plays: little at a desk, where everything must be over in three minutes; all of it in CI.

Owns the choice between the two. A variable of the environment, where a test names one, decides over both.
"""

import os
from typing import TypeVar

T = TypeVar("T")


def effort(variable: str, *, desk: int, ci: int) -> int:
    """How many examples, clients or requests: what `variable` says, else `ci` where CI is set, else `desk`."""
    told = os.environ.get(variable)
    if told:
        return int(told)
    return ci if os.environ.get("CI") else desk


def variants(*all_of_them: T, desk: int = 1) -> tuple[T, ...]:
    """For `parametrize`, where each one takes long: all of them where CI is set, else the first ones."""
    return all_of_them if os.environ.get("CI") else all_of_them[:desk]
