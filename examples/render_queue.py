"""A queue of renders: as many at once as the machine carries, the urgent ones first, each bound to its own process.

    python examples/render_queue.py --memory 256MiB -- "ffmpeg -i a.mov a.mp4" "!ffmpeg -i b.mov b.mp4"

runs each command as a process of its own; those that begin with `!` go first. A render that ends gives its room to
the next one at once, even when it is killed; one that cannot run stops no other. AURA_URL says where the daemon is.
"""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

import trio

import aura_actors
from aura_actors.errors import AuraError

NOT_RUN = 125


async def render(aura: aura_actors.Aura, number: int, line: str, memory: str) -> int:
    """Wait for room, start the process, and hold the lease as long as it runs: its exit status."""
    urgent, command = line.startswith("!"), shlex.split(line.removeprefix("!"))
    if not command:
        raise ValueError("there is no command")
    name = f"render-{os.getpid()}-{number}"
    async with aura.reserve(
        name, memory=memory, wait="12h", priority="high" if urgent else "normal", kind=Path(command[0]).name
    ) as lease:
        print(f"{name}: starts, fence {lease.fence}", flush=True)
        done = await trio.run_process(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        print(f"{name}: ends with {done.returncode}", flush=True)
        return done.returncode if done.returncode >= 0 else 128 - done.returncode


async def attempt(aura: aura_actors.Aura, number: int, line: str, memory: str, codes: list[int]) -> None:
    """One render, whose failure is its own: a line on stderr, and the others go on."""
    try:
        codes.append(await render(aura, number, line, memory))
    except (AuraError, OSError, ValueError) as error:
        print(f"{line}: {error}", file=sys.stderr, flush=True)
        codes.append(NOT_RUN)


async def main() -> int:
    """The worst exit status."""
    parser = argparse.ArgumentParser(description="Render everything, no more at once than the machine carries.")
    parser.add_argument("--memory", default="2GiB", help="what one render uses at most")
    parser.add_argument("commands", nargs="+")
    options = parser.parse_args()
    codes: list[int] = []
    async with aura_actors.connect() as aura, trio.open_nursery() as nursery:
        for number, line in enumerate(options.commands, 1):
            nursery.start_soon(attempt, aura, number, line, options.memory, codes)
    return max(codes)


if __name__ == "__main__":
    sys.exit(trio.run(main))
