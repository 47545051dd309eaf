"""One whole sample beside psutil's own calls and a scrape of node_exporter; attribution beside bare `statm` reads.

A sample is asked of the actor, so the thread, rates and the Snapshot are in it, and so are pressure and control
groups, which psutil does not read. Our collectors read the kernel's tables through descriptors that they hold;
psutil is called as anybody calls it, without a thread between, for the same figures. node_exporter reads more than
we do; its scrape is what people compare with. Attribution is one pass over 40 leases of 20 processes; its floor is
one `pread` of `statm` for each, on descriptors held open.
"""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial

import psutil
import trio

from aura_actors.actors.sampler import Sampler
from aura_actors.collectors.attribution import Attribution
from aura_actors.collectors.files import read_small
from aura_actors.collectors.procfs import parse_stat
from aura_actors.collectors.registry import DEFAULT_COLLECTORS
from aura_actors.domain.attribution import Root
from aura_actors.domain.snapshot import Snapshot
from aura_actors.kernel.cell import Cell
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.threads import Threads
from aura_actors.messages.sampler import CollectNow, SamplerMessage
from benchmarks.report import Report, median

LEASES = 40
PROCESSES = 20
NODE_EXPORTER = "prometheus-node-exporter"


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, once."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# --- a whole sample -------------------------------------------------------------------------------------------


def psutil_calls() -> None:
    """The figures of a sample that psutil has, and nothing else."""
    psutil.cpu_times()
    psutil.cpu_times(percpu=True)
    psutil.virtual_memory()
    process = psutil.Process()
    with process.oneshot():
        process.memory_info()
        process.num_threads()
        process.create_time()
        process.cpu_times()
        process.num_fds()
    psutil.net_io_counters(pernic=True, nowrap=False)
    mounts = {mount.mountpoint for mount in psutil.disk_partitions(all=False)}
    for mount in {*mounts, "/"}:
        with contextlib.suppress(OSError):
            psutil.disk_usage(mount)
    psutil.disk_io_counters(perdisk=True, nowrap=False)


@contextlib.contextmanager
def node_exporter() -> Iterator[Callable[[], None] | None]:
    """A function that scrapes one on loopback; None if it is not installed."""
    program = shutil.which(NODE_EXPORTER) or shutil.which("node_exporter")
    if program is None:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def scrape() -> None:
        connection.request("GET", "/metrics")
        connection.getresponse().read()

    try:
        for _ in range(500):
            try:
                scrape()
            except OSError:
                connection.close()
                time.sleep(0.01)
            else:
                break
        yield scrape
    finally:
        connection.close()
        process.terminate()
        process.wait()


async def samples(rounds: int, each: int, scrape: Callable[[], None] | None) -> dict[str, list[float]]:
    """Seconds of each, medians within a round, interleaved."""
    latest: Latest[Snapshot | None] = Latest(None)
    threads = Threads()
    cell: Cell[SamplerMessage] = Cell(
        "sampler",
        lambda: Sampler(DEFAULT_COLLECTORS, latest, threads.limiter, 1e6, time.monotonic, time.time),
    )
    figures: dict[str, list[float]] = {"sample": [], "psutil": [], "threaded": [], "scrape": []}
    limiter = trio.CapacityLimiter(1)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(cell.run, stopping=trio.Event()))
        for _ in range(rounds):
            ours = []
            for _ in range(each):
                began = time.perf_counter()
                await cell.ref.ask(CollectNow(), within=5)
                ours.append(time.perf_counter() - began)
            figures["sample"].append(median(ours))
            figures["psutil"].append(median([seconds(psutil_calls) for _ in range(each)]))
            threaded = []
            for _ in range(each):
                began = time.perf_counter()
                await trio.to_thread.run_sync(psutil_calls, limiter=limiter)
                threaded.append(time.perf_counter() - began)
            figures["threaded"].append(median(threaded))
            if scrape is not None:
                figures["scrape"].append(median([seconds(scrape) for _ in range(max(3, each // 10))]))
        nursery.cancel_scope.cancel()
    return figures


# --- attribution ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def trees(count: int, size: int) -> Iterator[list[list[int]]]:
    """The ids of so many trees of so many sleeping processes, each tree's root first."""
    script = "for _ in $(seq $1); do sleep 600 & done; echo; wait"
    running = [
        subprocess.Popen(
            ["sh", "-c", script, "tree", str(size - 1)], stdout=subprocess.PIPE, start_new_session=True
        )
        for _ in range(count)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        yield [
            [process.pid, *(child.pid for child in psutil.Process(process.pid).children())] for process in running
        ]
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def root_of(lease: int, pid: int) -> Root:
    """The root that admission will name."""
    row = parse_stat(read_small(f"/proc/{pid}/stat"))
    assert row is not None
    return Root(lease=lease, pid=pid, start_ticks=row.start_ticks)


def attribution(rounds: int) -> dict[str, list[float]]:
    """Seconds of a pass with all the descriptors it wants, of one with 256 only, and of the bare reads."""
    with trees(LEASES, PROCESSES) as pids:
        roots = tuple(root_of(lease, tree[0]) for lease, tree in enumerate(pids))
        plenty = Attribution(lambda: roots, descriptors=2 * LEASES * PROCESSES)
        few = Attribution(lambda: roots, descriptors=256)
        held = [os.open(f"/proc/{pid}/statm", os.O_RDONLY) for tree in pids for pid in tree]

        def bare() -> None:
            for descriptor in held:
                os.pread(descriptor, 128, 0)

        try:
            for each in (plenty, few):  # the first pass reads the whole process table
                found = each.read().groups
                assert sum(group.processes for group in found) == len(held) == LEASES * PROCESSES
            figures: dict[str, list[float]] = {"plenty": [], "few": [], "bare": []}
            for _ in range(rounds):
                figures["bare"].append(seconds(bare))
                figures["plenty"].append(seconds(plenty.read))
                figures["few"].append(seconds(few.read))
        finally:
            for descriptor in held:
                os.close(descriptor)
    return figures


def ratio(ours: list[float], peers: list[float]) -> float | None:
    """Median over the rounds; None without a peer."""
    return median([a / b for a, b in zip(ours, peers, strict=True)]) if peers else None


def run(*, quick: bool) -> Report:
    """Measure."""
    with node_exporter() as scrape:
        whole = trio.run(samples, 7 if quick else 21, 30 if quick else 100, scrape)
    passes = attribution(20 if quick else 100)
    figures = {
        "sample_microseconds": median(whole["sample"]) * 1e6,
        "psutil_microseconds": median(whole["psutil"]) * 1e6,
        "attribution_milliseconds": median(passes["plenty"]) * 1e3,
        "attribution_with_256_descriptors_milliseconds": median(passes["few"]) * 1e3,
        "statm_microseconds": median(passes["bare"]) * 1e6 / (LEASES * PROCESSES),
    }
    if scrape is not None:
        figures["node_exporter_microseconds"] = median(whole["scrape"]) * 1e6
    return Report(
        name="sample",
        ratios={
            "vs_psutil": ratio(whole["sample"], whole["psutil"]),
            "vs_psutil_in_a_thread": ratio(whole["sample"], whole["threaded"]),
            "vs_node_exporter": ratio(whole["sample"], whole["scrape"]),
            "attribution_vs_statm": ratio(passes["plenty"], passes["bare"]),
            "attribution_with_256_descriptors_vs_statm": ratio(passes["few"], passes["bare"]),
        },
        figures=figures,
        notes=[] if scrape is not None else [f"node_exporter is not installed (Debian package {NODE_EXPORTER})"],
    )
