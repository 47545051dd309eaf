"""The guide's job runner: start each command when there is room for it, and never more than the machine carries.

    python examples/job_runner.py --memory 512MiB -- ./render.sh one two three

runs `./render.sh one`, `./render.sh two` and `./render.sh three`, each under a lease of its own. Their use counts
as this program's, together. AURA_URL says where the daemon is.
"""

import argparse
import os
import sys
from pathlib import Path

import trio

import aura_actors
from aura_actors.errors import AuraError, NeverFits

NOT_RUN = 125


async def run(
    aura: aura_actors.Aura, number: int, command: str, argument: str, memory: str, codes: list[int]
) -> None:
    """Wait for room, run, give the room back."""
    try:
        async with aura.reserve(
            f"runner-{os.getpid()}-{number}", memory=memory, wait="1h", kind=Path(command).name
        ) as lease:
            print(f"{argument}: starts under fence {lease.fence}", flush=True)
            done = await trio.run_process([command, argument], check=False)
            codes.append(done.returncode if done.returncode >= 0 else 128 - done.returncode)
    except NeverFits as never:
        print(f"{argument}: never: {never}", file=sys.stderr)
        codes.append(NOT_RUN)
    except (AuraError, OSError) as error:
        print(f"{argument}: {error}", file=sys.stderr)
        codes.append(NOT_RUN)


async def main() -> int:
    """The worst exit status of all commands."""
    parser = argparse.ArgumentParser(description="Run a command for each argument, when there is room.")
    parser.add_argument("--memory", default="2GiB", help="what one command uses at most")
    parser.add_argument("command")
    parser.add_argument("arguments", nargs="+")
    options = parser.parse_args()
    codes: list[int] = []
    async with aura_actors.connect() as aura, trio.open_nursery() as nursery:
        for number, argument in enumerate(options.arguments, 1):
            nursery.start_soon(run, aura, number, options.command, argument, options.memory, codes)
    return max(codes)


if __name__ == "__main__":
    sys.exit(trio.run(main))
