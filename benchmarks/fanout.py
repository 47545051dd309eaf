"""One frame to thousands of clients: the feed beside `websockets.broadcast` and a loop of send() in C.

Servers and clients are processes of their own, over loopback, a core for the server where there are two. What
counts is the processor time of the server for each message: clients read all the while, so their waking is in all
three. Then the feed with a tenth of its clients stalled: beside the same without, while they are there, and until
they are gone.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.fanout_limits import most_clients
from benchmarks.report import Report, median

FRAME_BYTES = 560
SEND_BUFFER_BYTES = 64 * 1024
"""As the daemon has it."""
SMALL_BUFFER_BYTES = 4608
"""Where clients stall: so that it does not take minutes until the kernel holds no more."""
STALLED_SHARE = 10
TOLD_SECONDS = 15.0
"""For stalled clients to be cut off: the send deadline is 5 s."""


class Peer:
    """A process that answers each line with a line."""

    def __init__(self, *command: str, core: int) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            os.sched_setaffinity(self._process.pid, {cores[core]})

    def line(self) -> str:
        """What it says next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended")
        return line

    def ask(self, *words: object) -> str:
        """Say something and hear the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return self.line()

    def end(self) -> None:
        """It ends when its input does."""
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


class Pair:
    """A server with its clients."""

    def __init__(self, kind: str, *server: str, clients: int, stalled: int = 0) -> None:
        self.server = Peer(*server, core=0)
        port = self.server.line()
        self.rss_bytes_empty = self.state()["rss"] if kind == "feed" else 0
        module = (sys.executable, "-m", "benchmarks.fanout_clients")
        self.clients = Peer(*module, port, str(clients), str(stalled), kind, core=-1)
        self.server.ask("wait", clients)
        self.clients.line()

    def state(self) -> dict[str, Any]:
        """Counters of the feed."""
        counted: dict[str, Any] = json.loads(self.server.ask("state"))
        return counted

    def report(self) -> dict[str, Any]:
        """What the clients have got since the last report."""
        got: dict[str, Any] = json.loads(self.clients.ask("report"))
        return got


@contextlib.contextmanager
def pair(kind: str, *server: str, clients: int, stalled: int = 0) -> Iterator[Pair]:
    """For the time of a block."""
    made = Pair(kind, *server, clients=clients, stalled=stalled)
    try:
        yield made
    finally:
        made.server.end()
        made.clients.end()


def ours(send_buffer_bytes: int) -> tuple[str, ...]:
    """The command of the feed."""
    return (sys.executable, "-m", "benchmarks.fanout_servers", "ours", str(send_buffer_bytes))


WEBSOCKETS = (sys.executable, "-m", "benchmarks.fanout_servers", "websockets")


def floor(folder: Path) -> tuple[str, ...] | None:
    """The command of the loop in C; None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    program = folder / "floor"
    source = Path(__file__).with_name("fanout_floor.c")
    subprocess.run([compiler, "-O2", "-o", str(program), str(source)], check=True)
    return (str(program), str(FRAME_BYTES))


def costs(
    clients: int, rounds: int, hz_rounds: int, folder: Path
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Microseconds a message of each server, round by round, and what the feed's clients and memory say."""
    commands = {"ours": ("feed", ours(SEND_BUFFER_BYTES)), "websockets": ("plain", WEBSOCKETS)}
    if (compiled := floor(folder)) is not None:
        commands["c_floor"] = ("raw", compiled)
    with contextlib.ExitStack() as stack:
        pairs = {
            name: stack.enter_context(pair(kind, *command, clients=clients))
            for name, (kind, command) in commands.items()
        }
        taken: dict[str, list[float]] = {name: [] for name in pairs}
        pause_ms = max(50, clients // 20)
        for one in pairs.values():  # everybody has been woken once
            one.server.ask("cost", 1, pause_ms)
        pairs["ours"].report()
        for _ in range(rounds):
            for name, one in pairs.items():
                taken[name].append(float(one.server.ask("cost", 4, pause_ms)))
        time.sleep(0.5)
        got, state = pairs["ours"].report(), pairs["ours"].state()
        before, began = state["spent"], time.perf_counter()
        pairs["ours"].server.ask("cost", hz_rounds, 1000)
        share = (pairs["ours"].state()["spent"] - before) / (time.perf_counter() - began)
    figures = {f"latency_ms_{name}": value for name, value in got["latency_ms"].items()}
    figures["missed_or_spoiled"] = float(got["gaps"] + got["faults"] + got["lost"])
    figures["core_percent_at_1_hz"] = 100 * share
    figures["rss_mb"] = state["rss"] / 1e6
    figures["kb_per_client"] = (state["rss"] - pairs["ours"].rss_bytes_empty) / 1e3 / clients
    return taken, figures


def stalled(clients: int, rounds: int) -> tuple[float, dict[str, float]]:
    """The ratio of publishing with a tenth of the clients stalled to publishing without, and what became of all."""
    slow = clients // STALLED_SHARE
    command = ours(SMALL_BUFFER_BYTES)
    with (
        pair("feed", *command, clients=clients) as clear,
        pair("feed", *command, clients=clients, stalled=slow) as with_slow,
    ):
        pause_ms = max(50, clients // 20)
        published = 2
        before = with_slow.state()
        with_slow.server.ask("fill", published)
        began = time.perf_counter()
        ratios, taken = [], []
        for _ in range(rounds):
            one = float(clear.server.ask("publish", 1, 20))
            other = float(with_slow.server.ask("publish", 1, 20))
            ratios.append(other / one)
            taken.append(other)
        published += rounds
        during = with_slow.state()
        while (after := with_slow.state())["slow_disconnects_total"] < slow:
            if time.perf_counter() - began > TOLD_SECONDS:
                break
            time.sleep(0.05)
        gone = time.perf_counter() - began
        with_slow.server.ask("cost", 1, pause_ms)
        time.sleep(0.5)
        got = with_slow.report()
    expected = (published + 1) * (clients - slow)
    return median(ratios), {
        "stalled_clients": float(slow),
        "stalled_cut_off": float(after["slow_disconnects_total"]),
        "stalled_gone_seconds": gone,
        "stalled_conflated": float(during["conflated_total"]),
        "stalled_publish_us": median(taken),
        "stalled_rss_growth_mb": (after["rss"] - before["rss"]) / 1e6,
        "others_lost": float(got["lost"]),
        "others_spoiled": float(got["faults"]),
        "others_missed": float(expected - got["frames"]),
        "others_gaps": float(got["gaps"]),
    }


def run(*, quick: bool) -> Report:
    """More and more clients; the ratios are of the most."""
    sizes = [1000] if quick else [100, 1000, 5000]
    notes = []
    if (most := most_clients()) < sizes[-1]:
        sizes = [*(size for size in sizes if size < most), most]
        notes.append(f"{most} clients: a process may have no more descriptors (ulimit -Hn)")
    figures: dict[str, float] = {}
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            taken, seen = costs(size, 5 if quick else 9, 2 if quick else 25, Path(folder))
            figures |= {f"{name}_us_{size}": median(values) for name, values in taken.items()}
            figures |= {f"{name}_{size}": value for name, value in seen.items()}
    biggest = sizes[-1]
    ratios: dict[str, float | None] = {"vs_c_floor": None}
    ratios["vs_websockets"] = median([a / b for a, b in zip(taken["ours"], taken["websockets"], strict=True)])
    if "c_floor" in taken:
        ratios["vs_c_floor"] = median([a / b for a, b in zip(taken["ours"], taken["c_floor"], strict=True)])
        above = [
            (a - c) / (b - c) for a, b, c in zip(taken["ours"], taken["websockets"], taken["c_floor"], strict=True)
        ]
        figures["above_floor_vs_websockets"] = median(above)
    else:
        notes.append("vs_c_floor: cc is not installed")
    ratios["publish_stalled_vs_clear"], seen = stalled(500 if quick else biggest, 5 if quick else 9)
    figures |= seen
    return Report(name="fanout", ratios=ratios, figures=figures, notes=notes)
