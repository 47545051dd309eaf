"""Whose process a driver means: NVIDIA's drivers know no PID namespaces and give the host's numbers.

Owns the one question "which process of ours is that". In the first namespace the numbers are ours. Below it they
can be translated where the host's /proc is mounted, through the line NSpid of proc(5); otherwise nobody can tell.
"""

import os
from pathlib import Path

_FIRST_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO of the kernel: the same on every Linux."""


def own_pid(root: Path, host_pid: int) -> int | None:
    """The process's number in our own PID namespace; None where it is in another or cannot be known."""
    proc = root / "proc"
    ours = _namespace(proc / "self")
    if ours is None or ours == _FIRST_NAMESPACE:
        return host_pid
    numbers = _numbers(proc / str(host_pid) / "status")
    # One number: this /proc is our own namespace's, and whoever has that number in it is somebody else.
    if len(numbers) < 2 or _namespace(proc / str(host_pid)) != ours:
        return None
    return numbers[-1]


def _namespace(process: Path) -> str | None:
    try:
        return os.readlink(process / "ns/pid")  # noqa: PTH115  (the target is a text, not a path)
    except OSError:
        return None


def _numbers(status: Path) -> list[int]:
    """The process's numbers from the namespace of this /proc inwards."""
    try:
        lines = status.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        name, _, numbers = line.partition(":")
        if name == "NSpid":
            return [int(number) for number in numbers.split()]
    return []
