"""How many sockets one process of the fan-out benchmark may open."""

import resource

SPARE = 200
"""For everything that is no client."""


def raise_descriptor_limit(clients: int) -> None:
    """Let this process have a socket for each client, as far as the system allows; raises OSError beyond that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients + SPARE
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard > 0 else wanted, hard))


def most_clients() -> int:
    """How many the hard limit allows in one process."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 2**20 if hard < 0 else hard - SPARE
