"""The process that does one cleanup run: it settles what a killed one left, then works step by step as it is asked.

Owns the loop over its pipes, the lock that keeps two such processes apart, and its own low priority. Nothing is
decided here: whoever asks decides how fast and how long. It ends when its requests do. Its standard output carries
frames only.
"""

import fcntl
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO, assert_never

import msgspec

from aura_actors.cleaners import Bench, Books, Cleaner, Declined, Job, Sweep, Swept, filesystem_now_ns
from aura_actors.cleaners.base import SETTLED_FIRST
from aura_actors.cleaners.pinning import lying_in, pins_of
from aura_actors.cleaners.purge import Purge
from aura_actors.cleaners.recovery import recover
from aura_actors.cleaners.undo import Undo
from aura_actors.errors import InvalidValue, StoreUnavailable
from aura_actors.stores.quarantine import QuarantineStore
from aura_actors.workers import sweep_frames as f
from aura_actors.workers.frames import read_frame, write_frame
from aura_actors.workers.politeness import be_polite

LISTED = 2_000
"""Lines in the listing of a dry run, at most."""
LOCK_SECONDS = 2.0
"""How long an earlier process is waited for that goes on with its last step after its daemon was killed."""


class Run:
    """One run, from `Begin` to its end."""

    def __init__(self, begin: f.Begin) -> None:
        self._begin = begin
        now_ns = filesystem_now_ns(begin.data_dir) if begin.now_ns is None else begin.now_ns
        self._journal = QuarantineStore(begin.journal, reading=begin.dry_run)
        self._own = lying_in(begin.own, [ground.path for ground in begin.grounds])
        self._bench = Bench(
            run_id=begin.run_id,
            data_dir=begin.data_dir,
            now_ns=now_ns,
            journal=self._journal,
            grounds={ground.path: ground for ground in begin.grounds},
            dry_run=begin.dry_run,
            pins=pins_of((*self._own, *begin.pins)),
            database=begin.database,
            quarantine_seconds=begin.quarantine_seconds,
            urgent=begin.urgent,
            task=begin.work.cleaner.name if isinstance(begin.work, f.Sweep) else "",
            books=Books(list_at_most=LISTED if begin.dry_run else 0),
        )
        self._sweep = Sweep(_Settled(_job(begin.work)), self._bench)

    def step(self, seconds: float, pins: tuple[str, ...] | None = None) -> f.Reply:
        """Work for about so long."""
        if pins is not None:
            self._bench.pins = pins_of((*self._own, *pins))
        answer = self._sweep.step(seconds)
        return self._ended(answer) if isinstance(answer, Swept) else f.Working(answer)

    def stop(self) -> f.Ended:
        """End here."""
        return self._ended(self._sweep.stop())

    def _ended(self, swept: Swept) -> f.Ended:
        try:
            return f.Ended(swept=swept, quarantine=self._journal.held(), rows=self._rows())
        except StoreUnavailable:
            return f.Ended(swept=swept, quarantine=None)
        finally:
            self._journal.close()

    def _rows(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for cleaner in () if self._begin.dry_run else _cleaners(self._begin.work):
            with suppress(Declined, OSError, sqlite3.Error):
                found |= {task: tuple(runs) for task, runs in cleaner.holds(self._bench).items()}
        return found


class _Settled(Job):
    """A job, after what a killed run left is settled. A dry run changes nothing, and leaves that too."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def work(self, bench: Bench) -> Iterator[None]:
        if not bench.dry_run:
            bench.books.phase = "recovery"
            recovered = recover(bench.journal, bench.grounds, bench.now_ns)
            for path, text in recovered.failures.items():
                bench.books.fail(path, text)
            yield
        elif any(bench.journal.moves(haul.number, limit=1, settled=False) for haul in bench.journal.hauls()):
            bench.books.leave_open(SETTLED_FIRST)
        yield from self._job.work(bench)


class _Recovery(Job):
    """What the tasks themselves take up after a kill. What one of them declines is no obstacle to the next."""

    def __init__(self, cleaners: Sequence[Cleaner]) -> None:
        self._cleaners = cleaners

    def work(self, bench: Bench) -> Iterator[None]:
        for cleaner in self._cleaners:
            bench.task = cleaner.name
            try:
                yield from cleaner.recover(bench)
            except (Declined, OSError) as refusal:
                bench.books.fail(cleaner.name, str(refusal))


def _job(work: f.Work) -> Job:
    match work:
        case f.Sweep(cleaner):
            return cleaner
        case f.Undo(run_id, cleaner):
            return Undo(run_id, cleaner)
        case f.Purge():
            return Purge()
        case f.Recover(cleaners):
            return _Recovery(cleaners)
        case _:
            assert_never(work)


def _cleaners(work: f.Work) -> Sequence[Cleaner]:
    """Whose archives the work may have changed."""
    match work:
        case f.Sweep(cleaner):
            return (cleaner,)
        case f.Undo(_, cleaner):
            return () if cleaner is None else (cleaner,)
        case f.Purge():
            return ()
        case f.Recover(cleaners):
            return cleaners
        case _:
            assert_never(work)


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the requests end."""
    decode = msgspec.msgpack.Decoder(f.Request).decode
    encode = msgspec.msgpack.Encoder().encode
    run: Run | f.Ended | None = None
    while (frame := read_frame(requests)) is not None:
        request = decode(frame)
        if isinstance(request, f.Begin):
            run = _begin(request)
        assert run is not None
        if isinstance(run, f.Ended):
            reply: f.Reply = run
        elif isinstance(request, f.Stop):
            reply = run.stop()
        elif isinstance(request, f.Step):
            reply = run.step(request.seconds, request.pins)
        else:
            reply = run.step(0)
        write_frame(replies, encode(reply))


def _begin(begin: f.Begin) -> Run | f.Ended:
    be_polite(begin.nice)
    try:
        if not begin.dry_run:
            _exclude_others(begin.data_dir)
        return Run(begin)
    except Declined as refusal:
        return f.Ended(swept=Swept(outcome="declined", detail=str(refusal)), quarantine=None)
    except OSError as error:
        return f.Ended(swept=Swept(outcome="failed", detail=f"{begin.data_dir}: {error.strerror}"), quarantine=None)
    except (StoreUnavailable, InvalidValue) as error:
        return f.Ended(swept=Swept(outcome="failed", detail=str(error)), quarantine=None)


def _exclude_others(data_dir: str) -> None:
    """For as long as this process lives. Raises `Declined` where another one does not come to its end."""
    lock = os.open(os.path.join(data_dir, "sweep.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # noqa: PTH118 - text
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(lock)
                raise Declined("the process of an earlier run is still at work on its last step") from None
            time.sleep(0.05)


def main() -> None:
    """Run as `python -m aura_actors.workers.sweep`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us in order
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with suppress(BrokenPipeError):  # the parent is gone
        serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
