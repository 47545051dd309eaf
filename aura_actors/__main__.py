"""`python -m aura_actors` and the script `aura-actors`. Knows only that there is a command line.

Whoever is told to stop while it is still being loaded has nothing to put in order, and just ends: a daemon with 0,
any other command by the signal.
"""

import gc
import os
import signal
import sys


def main() -> int:
    """Run the command that the process was started with; the exit status."""
    if sys.argv[1:2] == ["serve"]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: os._exit(0))
        gc.disable()  # what is loaded stays: `cli.serve` enables the collector once all of it is there
    interrupted = signal.getsignal(signal.SIGINT)
    if interrupted is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from aura_actors.cli.app import run

    signal.signal(signal.SIGINT, interrupted)
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
