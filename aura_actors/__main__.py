"""`python -m aura_actors` and the script `aura-actors`. Knows only that there is a command line.

A daemon that is told to stop while it is still being loaded has nothing to put in order: it just ends, with 0.
"""

import os
import signal
import sys


def main() -> int:
    """Run the command that the process was started with; the exit status."""
    if sys.argv[1:2] == ["serve"]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: os._exit(0))
    from aura_actors.cli.app import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
