"""One command under one lease, from the fork to the exit status.

The order: fork a child that waits, give it a control group of its own, ask for a lease in its name, let it become
the command, pass signals on until it ends, give the lease back, leave nothing behind. If this process is killed,
the command goes on, and its lease with it for as long as the daemon lets it live unrenewed. Decides no admission.
"""

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from aura_actors.client.run import exits, group
from aura_actors.client.run.command import Held, missing
from aura_actors.client.run.lease import Claim, Keeper, NotNow, Report, Waiting
from aura_actors.client.run.screen import Screen
from aura_actors.client.run.signals import ENDING, TO_ALL, Signals, Taken
from aura_actors.client.run.terminal import Terminal
from aura_actors.errors import AuraError, NeverFits, Unavailable
from aura_actors.wire.units import format_size

_LOOK_SECONDS: Final = 0.5

Needs = dict[str, object]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, and how."""

    command: Sequence[str]
    needs: Callable[[], Needs]
    """The body of the acquire; called once there is a child, because it may ask the daemon."""
    wait_seconds: float
    """`math.inf`: as long as it takes."""
    cap: bool = False
    verbose: bool = False
    own_groups: Sequence[str] = ()
    """Directory of the control group that we are in, in the hierarchy that accounts for memory, and those above."""
    unified: bool = False
    """That hierarchy is v2."""


class _Left(Exception):
    """It never began; with which exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def run(job: Job, keeper: Keeper, screen: Screen) -> int:
    """Carry it out; the exit status. See `exits`."""
    error = missing(job.command[0])
    if error is not None:
        screen.say(f"{job.command[0]}: {error.strerror}")
        return exits.of_exec(error)
    return _Run(job, keeper, screen).run()


class _Run:
    def __init__(self, job: Job, keeper: Keeper, screen: Screen) -> None:
        self._job = job
        self._keeper = keeper
        self._screen = screen
        self._terminal = Terminal()
        self._signals = Signals()
        self._held = Held(job.command, self._signals.restore, alone=not self._terminal.here)
        self._before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._group = group.make(job.own_groups, unified=job.unified, name=str(self._held.pid))
        self._ended: tuple[int, resource.struct_rusage] | None = None

    def run(self) -> int:
        report = Report()
        try:
            self._enter()
            self._begin(self._wait())
            self._keeper.keep(self._lost)
            status = self._watch()
            report = self._report()
            if report.oom_killed:
                self._screen.say("the kernel killed a process of the command for want of memory")
        except _Left as left:
            status = left.status
            self._drop()
        finally:
            self._keeper.release(report)
            self._leave()
        return status

    # --- before it begins ---

    def _enter(self) -> None:
        if self._group is None:
            return
        try:
            self._group.enter(self._held.pid)
        except OSError:
            self._group.close(kill=False)
            self._group = None

    def _wait(self) -> Claim:
        began, asking = (
            time.monotonic(),
            _Asking(self._keeper, self._needs, self._job.wait_seconds, self._signals.wake),
        )
        while not asking.over:
            if asking.waiting is not None:
                self._screen.wait(asking.waiting, time.monotonic() - began)
            self._while_waiting(self._signals.take(_LOOK_SECONDS))
        self._screen.clear()
        try:
            return asking.result()
        except AuraError as error:
            self._screen.say(str(error))
            raise _Left(_status_of(error)) from None

    def _needs(self) -> Needs:
        needs = {**self._job.needs(), "pid": self._held.pid}
        return needs if self._group is None else {**needs, "cgroup": str(self._group.path)}

    def _while_waiting(self, taken: Taken | None) -> None:
        if taken is None:
            return
        if taken.number in ENDING:
            self._screen.clear()
            raise _Left(exits.of_signal(taken.number))
        if taken.number == signal.SIGTSTP:
            self._signals.stop()
        if self._reaped():
            assert self._ended is not None
            raise _Left(exits.of_status(self._ended[0]))

    def _begin(self, claim: Claim) -> None:
        capped = self._cap(group.cap_of(claim.memory_bytes)) if self._job.cap else ""
        if self._job.verbose:
            self._screen.say(
                f"{claim.job_id} begins: fence {claim.fence}, attribution: {claim.attribution}{capped}"
            )
        error = self._held.begin()
        if error is not None:
            self._screen.say(f"{self._job.command[0]}: {error.strerror}")
            raise _Left(exits.of_exec(error))

    def _cap(self, limit_bytes: int) -> str:
        if self._group is not None:
            try:
                self._group.cap(limit_bytes)
            except OSError:
                pass
            else:
                return f", hard cap {format_size(limit_bytes)}"
        try:
            holds = self._held.limit_data(limit_bytes)
        except OSError as error:
            self._screen.say(f"no cap can be set: {error.strerror}")
            raise _Left(exits.NOT_EXECUTABLE) from None
        return f", hard cap {format_size(holds)} of data in each process"

    # --- while it runs ---

    def _watch(self) -> int:
        while not self._reaped():
            taken = self._signals.take(_LOOK_SECONDS)
            if taken is not None:
                self._pass_on(taken)
        assert self._ended is not None
        if os.WIFSIGNALED(self._ended[0]):
            self._terminal.restore()
        return exits.of_status(self._ended[0])

    def _pass_on(self, taken: Taken) -> None:
        """What the terminal sent, the kernel sent to the command too."""
        number = taken.number
        if number != signal.SIGCHLD and not (self._terminal.here and taken.from_terminal):
            self._send(number)
        if number == signal.SIGTSTP and self._terminal.here:
            self._signals.stop()

    def _send(self, number: int) -> None:
        try:
            if self._terminal.here or number not in TO_ALL:
                os.kill(self._held.pid, number)
            else:
                os.killpg(self._held.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # it has just ended; or it is somebody else's, by setuid

    def _reaped(self) -> bool:
        if self._ended is None:
            pid, status, usage = os.wait4(self._held.pid, os.WNOHANG)
            if pid:
                self._ended = (status, usage)
        return self._ended is not None

    def _lost(self, why: str) -> None:
        self._screen.say(f"the lease ended: {why}; the command goes on without it")

    # --- when it has ended ---

    def _report(self) -> Report:
        """Its peak: of the group where there is one, else of its largest process, if that is not our fork."""
        assert self._ended is not None
        if self._group is not None:
            spent = self._group.spent()
            return Report(peak_bytes=spent.peak_bytes, oom_killed=spent.oom_killed)
        largest_kib = self._ended[1].ru_maxrss
        return Report(peak_bytes=largest_kib * 1024 if largest_kib > self._before_kib else None)

    def _drop(self) -> None:
        """It never became the command."""
        if not self._reaped():
            os.kill(self._held.pid, signal.SIGKILL)
            os.waitpid(self._held.pid, 0)

    def _leave(self) -> None:
        if self._group is None:
            return
        left = self._group.close(kill=self._job.cap)
        if left and self._job.verbose:
            what = "were killed" if self._job.cap else "go on, without a lease"
            self._screen.say(f"{left} processes that it left behind {what}")


class _Asking:
    """The question, in a thread of its own; `wake` is called when it is answered."""

    def __init__(
        self, keeper: Keeper, needs: Callable[[], Needs], wait_seconds: float, wake: Callable[[], None]
    ) -> None:
        self.waiting: Waiting | None = None
        self.over = False
        self._found: Claim | None = None
        self._error: BaseException | None = None
        self._work = (keeper, needs, wait_seconds)
        self._wake = wake
        threading.Thread(target=self._ask, daemon=True, name="asking").start()

    def _ask(self) -> None:
        keeper, needs, wait_seconds = self._work
        try:
            self._found = keeper.acquire(needs(), wait_seconds, self._tell)
        except BaseException as error:  # noqa: BLE001  # raised again in the main thread
            self._error = error
        self.over = True
        self._wake()

    def _tell(self, waiting: Waiting) -> None:
        self.waiting = waiting

    def result(self) -> Claim:
        """What came of it; raises what the keeper raised."""
        if self._error is not None:
            raise self._error
        assert self._found is not None
        return self._found


def _status_of(error: AuraError) -> int:
    match error:
        case NeverFits():
            return exits.NEVER_FITS
        case NotNow():
            return exits.NOT_NOW
        case Unavailable():
            return exits.NO_DAEMON
    return exits.USAGE
