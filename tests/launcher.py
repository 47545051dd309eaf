"""Starts `aura-actors` out of a process that has it loaded: a new interpreter costs five times as much to start.

Owns that process, one for each process of the tests (`python -m tests.launcher`), and `launch`, whose answer is to
what was started what `subprocess.Popen` is to a child. What runs is the command line in a process of its own, with
its own signals, environment and end; for the start itself, a test takes a new interpreter. Knows no command.
"""

import atexit
import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from aura_actors.__main__ import main

ROOT = Path(__file__).resolve().parents[1]


class Launched:
    """A running command. Its answers and errors are those of `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], environ: dict[str, str], out: int, err: int) -> None:
        ours, theirs = socket.socketpair()
        order = json.dumps({"arguments": [*arguments], "environ": environ}).encode()
        with ours, theirs:
            socket.send_fds(_launcher(), [order], [theirs.fileno(), out, err])
            theirs.close()
            self._told = ours.makefile("r")
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        try:
            return self.wait(timeout=0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, when it ends. Raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                assert timeout is not None
                raise subprocess.TimeoutExpired("aura-actors", timeout)
            self.returncode = os.waitstatus_to_exitcode(int(self._told.readline()))
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing once it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it as the kernel does."""
        self.send_signal(signal.SIGKILL)


class Piped(Launched):
    """The same, with pipes for what it says, as text."""

    def __init__(self, arguments: Sequence[str], environ: dict[str, str]) -> None:
        (out, to_out), (err, to_err) = os.pipe(), os.pipe()
        super().__init__(arguments, environ, to_out, to_err)
        os.close(to_out)
        os.close(to_err)
        self.stdout, self.stderr = os.fdopen(out), os.fdopen(err)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it still says on stdout and stderr until it ends."""
        said: dict[str, str] = {}
        readers = [threading.Thread(target=self._read, args=(said, each)) for each in ("stdout", "stderr")]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        return said["stdout"], said["stderr"]

    def _read(self, said: dict[str, str], name: str) -> None:
        stream = getattr(self, name)
        said[name] = ""
        if not stream.closed:
            with stream:
                said[name] = stream.read()


def launch(arguments: Sequence[str], environ: dict[str, str]) -> Piped:
    """`aura-actors ARGUMENTS` with this environment."""
    return Piped(arguments, environ)


def launch_into(log: Path, arguments: Sequence[str], environ: dict[str, str]) -> Launched:
    """The same; what it says is added to a file."""
    with log.open("ab") as said:
        return Launched(arguments, environ, said.fileno(), said.fileno())


@cache
def _launcher() -> socket.socket:
    """Started with the first command, ended with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.launcher", str(theirs.fileno())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


# --- the process that has everything loaded ---


def take_orders(orders: socket.socket) -> int:
    """Fork for each order, until nobody can give any. The exit status, which in a fork is that of the command."""
    for name in ("cli.app", "cli.serve", "runtime"):
        import_module(f"aura_actors.{name}")
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    while True:
        order, fds, _, _ = socket.recv_fds(orders, 2**20, 3)
        _reap()
        if not order:
            return 0
        if os.fork() == 0:
            orders.close()
            return _keep(json.loads(order), *fds)
        for each in fds:
            os.close(each)


def _keep(order: dict[str, Any], told: int, out: int, err: int) -> int:
    """Be the parent of the command: tell its pid, and how it ended."""
    pid = os.fork()
    if pid == 0:
        os.close(told)
        return _become(order["arguments"], order["environ"], out, err)
    os.close(out)
    os.close(err)
    os.write(told, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(told, f"{status}\n".encode())
    os._exit(0)


def _become(arguments: list[str], environ: dict[str, str], out: int, err: int) -> int:
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  # as an interpreter has them, to its end
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115  # the same
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["aura-actors", *arguments]
    os.environ.clear()
    os.environ.update(environ)
    return main()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    sys.exit(take_orders(socket.socket(fileno=int(sys.argv[1]))))
