"""Signals of the wrapper: none is handled, all are blocked and taken one by one; most are meant for the command.

Blocked in every thread of this process; the command gets the mask and the dispositions that we were started with.
What the keyboard sends goes to the whole foreground group, the command in it, so it is not passed on a second time.
"""

import os
import signal
from collections.abc import Iterable
from typing import Final

import msgspec

ENDING: Final = frozenset(
    {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM}
)
"""What ends whoever does not expect it."""
TO_ALL: Final = frozenset(
    {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH}
)
"""Passed to the command's whole process group where it has its own; others mean the command's first process."""
_TAKEN: Final = ENDING | TO_ALL | {signal.SIGCHLD}
_IGNORED_BY_PYTHON: Final = ("SIGPIPE", "SIGXFSZ")
_KERNEL: Final = 0x80
"""SI_KERNEL: from the terminal, not from a process."""


class Taken(msgspec.Struct, frozen=True):
    """A signal that was sent to us."""

    number: signal.Signals
    from_terminal: bool


class Signals:
    """Blocked from here on. Ignored ones stay ignored: who starts us with `nohup` means it."""

    def __init__(self) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, the kernel would keep no exit status
        self._taken = {each for each in _TAKEN if signal.getsignal(each) is not signal.SIG_IGN}
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, self._taken)

    def take(self, within_seconds: float) -> Taken | None:
        """The next one; None when the time is up. SIGCHLD also says that a thread of ours has news."""
        found = signal.sigtimedwait(self._taken, within_seconds)
        if found is None:
            return None
        return Taken(signal.Signals(found.si_signo), found.si_code == _KERNEL)

    def wake(self) -> None:
        """End a `take` of the main thread."""
        os.kill(os.getpid(), signal.SIGCHLD)

    def stop(self) -> None:
        """Stop as Ctrl-Z would have us, until somebody lets us go on."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})

    def restore(self) -> None:
        """As we were started; for the command, just before it begins."""
        _default(number for name in _IGNORED_BY_PYTHON if (number := getattr(signal, name, None)) is not None)
        _default(each for each in self._taken if signal.getsignal(each) is not signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


def _default(numbers: Iterable[signal.Signals]) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
