"""Who is restarted along with a child that ended. Pure; the supervisor carries it out.

Owns Erlang/OTP's three strategies. Whether a child comes back at all is its restart type's business.
"""

import enum


class Strategy(enum.Enum):
    """How far the end of one child reaches."""

    ONE_FOR_ONE = "one_for_one"
    """Nobody else."""
    ONE_FOR_ALL = "one_for_all"
    """Every child: they cannot do without each other."""
    REST_FOR_ONE = "rest_for_one"
    """Those started after it: they may rest on it."""

    def affected(self, ended: int, children: int) -> range:
        """The positions, in start order, of the ended child and those that go with it."""
        match self:
            case Strategy.ONE_FOR_ONE:
                return range(ended, ended + 1)
            case Strategy.ONE_FOR_ALL:
                return range(children)
            case Strategy.REST_FOR_ONE:
                return range(ended, children)
