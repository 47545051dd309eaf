"""`python -m aura_actors` and the script `aura-actors`. Knows only that there is a command line."""

import sys

from aura_actors.cli.app import run


def main() -> int:
    """Run the command that the process was started with; the exit status."""
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
