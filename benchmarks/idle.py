"""What it costs when nothing happens: memory and processor at 1 Hz with one page open.

The page is a feed client with the page's topics, in this process, so that its own cost is not counted. Peers do
what they do for one reader at 1 Hz: Glances's web server is asked for everything, node_exporter is scraped.
Children count.
"""

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from websockets.sync.client import connect

from benchmarks.daemon import start
from benchmarks.report import Report

TOPICS = ["system", "process", "utilization", "admission", "providers", "cleanup", "alerts", "actors"]
SETTLE_SECONDS = 3.0


def cost(pid: int, seconds: float) -> tuple[float, float]:
    """Percent of one core over `seconds`, and resident MB at their end, of a process and its children."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    began, spent = time.perf_counter(), sum(sum(p.cpu_times()[:2]) for p in processes)
    time.sleep(seconds)
    spent = sum(sum(p.cpu_times()[:2]) for p in processes) - spent
    return 100 * spent / (time.perf_counter() - began), sum(p.memory_info().rss for p in processes) / 1e6


@contextlib.contextmanager
def reading(read: Callable[[], object]) -> Iterator[None]:
    """Call `read` again and again in a thread until the block ends."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            try:
                read()
            except OSError:  # still starting
                over.wait(0.2)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=5)


def ours(seconds: float) -> tuple[float, float]:
    """The daemon with one page open."""
    with tempfile.TemporaryDirectory() as folder:
        process, http, _ = start(Path(folder))
        try:
            with connect(f"{http.replace('http', 'ws', 1)}/feed") as feed:
                feed.send(json.dumps({"type": "subscribe", "topics": TOPICS, "intervalMs": 1000}))
                with reading(lambda: feed.recv(timeout=2)):
                    time.sleep(SETTLE_SECONDS)
                    return cost(process.pid, seconds)
        finally:
            process.terminate()
            process.wait()


def polled(command: list[str], url: str, seconds: float) -> tuple[float, float]:
    """A peer that is asked once a second."""

    def ask() -> None:
        urllib.request.urlopen(url, timeout=5).read()
        time.sleep(1)

    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with reading(ask):
            time.sleep(SETTLE_SECONDS)
            return cost(process.pid, seconds)
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def run(*, quick: bool) -> Report:
    """Measure one after the other: side by side they would take each other's processor."""
    seconds = 8.0 if quick else 60.0
    figures, notes = {}, []
    figures["cpu_percent"], figures["rss_mb"] = ours(seconds)
    port = free_port()
    peers = {
        "node_exporter": (
            ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"],
            f"http://127.0.0.1:{port}/metrics",
        ),
        "glances": (
            ["glances", "-w", "-B", "127.0.0.1", "-p", str(port), "--disable-autodiscover", "--time", "1"],
            f"http://127.0.0.1:{port}/api/4/all",
        ),
    }
    ratios: dict[str, float | None] = {}
    for name, (command, url) in peers.items():
        ratios[f"vs_{name}"] = None
        if shutil.which(command[0]) is None:
            notes.append(f"{name}: {command[0]} is not installed")
            continue
        figures[f"{name}_cpu_percent"], figures[f"{name}_rss_mb"] = polled(command, url, seconds)
        ratios[f"vs_{name}"] = figures["cpu_percent"] / max(0.01, figures[f"{name}_cpu_percent"])
    return Report(name="idle", ratios=ratios, figures=figures, notes=notes)
