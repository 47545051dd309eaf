"""Small files of the kernel, read whole: once, or again and again. Refuses to know what stands in them."""

import os
import sys
import threading
import weakref
from collections.abc import Callable

Read = Callable[[str], str | None]
"""`read_small`, or the same from files that are held."""

_MOST_BYTES = 65_536
_READ_ONLY = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
_SURELY_THE_END_BYTES = 2048
"""The kernel fills a page with whole records. A record of a held file is shorter than this, so what leaves more
than half of a page empty was all there is."""
_MOST_HELD = 64


def read_small(path: str) -> str | None:
    """The text; None where there is no such file, or where the kernel does not support or allow reading it.

    Four system calls: `open()` of the standard library makes seven, which is most of what such a file costs.
    """
    try:
        descriptor = os.open(path, _READ_ONLY)
    except OSError:
        return None
    try:
        parts = []
        while part := os.read(descriptor, _MOST_BYTES):  # a table of many records comes a page at a time
            parts.append(part)
        return _text(b"".join(parts))
    except OSError:  # ENOTSUP and EOPNOTSUPP, ENODEV of a group that was removed, EIO
        return None
    finally:
        os.close(descriptor)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


# --- again and again -------------------------------------------------------------------------------------------


class HeldFiles:
    """The same for files whose records are shorter than 2 KiB, opened once and then read by `pread`.

    That is a fifth of the cost. A descriptor that fails is given back and its file opened anew, because a control
    group that was removed may have been made again. After a fork nothing is held: `self` in a path is another
    process then. Safe to use from several threads; beyond `most` files the others are opened each time.
    """

    def __init__(self, most: int = _MOST_HELD) -> None:
        self._most = most if hasattr(os, "pread") else 0
        self._held: dict[str, _Descriptor] = {}
        self._owner = os.getpid()
        with _HOLDERS_LOCK:
            _HOLDERS.add(self)

    def let_go(self) -> None:
        """Hold nothing. What is read later is held again."""
        self._held = {}

    def read(self, path: str) -> str | None:
        """The text, or None as for `read_small`."""
        if self._owner != os.getpid():
            self.let_go()
            self._owner = os.getpid()
        held = self._held.get(path)
        try:
            if held is not None:
                return held.text()
        except OSError:
            self._held.pop(path, None)
        if len(self._held) >= self._most:
            return read_small(path)
        try:
            held = _Descriptor(path)
            text = held.text()
        except OSError:
            return None
        self._held[path] = held
        return text


class _Descriptor:
    """Closed when nobody has it any more, so never while another thread reads."""

    def __init__(self, path: str) -> None:
        self._number: int | None = None
        self._number = os.open(path, _READ_ONLY)

    def text(self) -> str:
        assert self._number is not None
        content = os.pread(self._number, _MOST_BYTES, 0)
        if len(content) < _SURELY_THE_END_BYTES:
            return _text(content)
        parts, length = [content], len(content)
        while part := os.pread(self._number, _MOST_BYTES, length):
            parts.append(part)
            length += len(part)
        return _text(b"".join(parts))

    def __del__(self) -> None:
        if self._number is not None:
            os.close(self._number)


_HOLDERS: "weakref.WeakSet[HeldFiles]" = weakref.WeakSet()
_HOLDERS_LOCK = threading.Lock()


def let_go_of_files() -> None:
    """Give back every descriptor that is held anywhere: who sampled has ended, and the process may live on."""
    with _HOLDERS_LOCK:
        holders = list(_HOLDERS)
    for each in holders:
        each.let_go()


_PROC = HeldFiles()


def proc_text(name: str) -> str | None:
    """A file of `/proc` about the machine or about this process (`self/stat`); None where that is not Linux's."""
    import psutil  # here: who reads small files does without it

    return _PROC.read(f"{psutil.PROCFS_PATH}/{name}") if sys.platform == "linux" else None
