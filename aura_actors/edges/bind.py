"""Taking an address: listening sockets for TCP and unix paths, and one clear sentence where that is not possible.

Owns binding, stale socket files and the removal of ours. Blocking (it resolves names): call it before the loop
runs or in a thread. Knows nothing of what is served.
"""

import errno
import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

from aura_actors.errors import AlreadyServed, InvalidValue

BACKLOG = 512
_PORT_TRIES = 8
_NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def bind(host: str | None, port: int, unix: str | Path | None = None) -> list[socket.socket]:
    """Listen on every address of `host` (None: no TCP) at `port` (0: any free one), and on the path `unix`.

    Raises `AlreadyServed` where somebody listens there, `InvalidValue` where it cannot be had at all.
    """
    sockets: list[socket.socket] = []
    try:
        if host is not None:
            sockets += _bind_tcp(host, port)
        if unix is not None:
            sockets.append(_bind_unix(Path(unix)))
    except BaseException:  # raised again: no socket stays open
        release(sockets)
        raise
    return sockets


def release(sockets: Sequence[socket.socket]) -> None:
    """Close sockets of `bind` and remove their files."""
    for sock in sockets:
        path = sock.getsockname() if sock.family == socket.AF_UNIX and sock.fileno() != -1 else ""
        sock.close()
        if path:
            Path(path).unlink(missing_ok=True)


def address_of(sock: socket.socket, scheme: str = "http") -> str:
    """Where a client finds it: `http://127.0.0.1:8080`, `http://[::1]:8080` or `unix:/path`."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if sock.family == socket.AF_INET6 else name[0]
    return f"{scheme}://{host}:{name[1]}"


def _bind_tcp(host: str, port: int) -> list[socket.socket]:
    if not 0 <= port <= 65_535:
        raise InvalidValue(f"{port} is not a port (0 to 65535)", path="http.port")
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise InvalidValue(f"{host!r} is not a name or address that resolves", path="http.host") from error
    targets = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    for _ in range(_PORT_TRIES if port == 0 else 1):
        sockets = _bind_all(host, port, targets)
        if sockets:
            return sockets
    raise AlreadyServed(f"no port is free on every address of {host}")


def _bind_all(host: str, port: int, targets: Sequence[tuple[int, tuple[object, ...]]]) -> list[socket.socket]:
    """Bind all addresses at one port. Empty where port 0 gave one that is taken on another address."""
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, address in targets:
        chosen = sockets[0].getsockname()[1] if sockets else port
        try:
            sockets.append(_listen_tcp(family, (address[0], chosen, *address[2:])))
        except OSError as error:
            if error.errno in _NOT_HERE:
                missing = error
                continue
            release(sockets)
            if error.errno == errno.EADDRINUSE and sockets and port == 0:
                return []
            raise _tcp_error(error, str(address[0]), port) from error
    if not sockets:
        raise InvalidValue(f"{host!r} is not an address of this machine", path="http.host") from missing
    return sockets


def _listen_tcp(family: int, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _notice_the_lost(sock)
        sock.bind(address)
        sock.listen(BACKLOG)
    except BaseException:  # raised again: no socket stays open
        sock.close()
        raise
    return sock


def _notice_the_lost(sock: socket.socket) -> None:
    """Connections inherit it: a peer that vanished without a word, perhaps while it waits, is found out in 60 s."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):  # not everywhere
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _tcp_error(error: OSError, host: str, port: int) -> AlreadyServed | InvalidValue:
    if error.errno == errno.EADDRINUSE:
        return AlreadyServed(f"port {port} on {host} is in use; choose another with --port, or 0 for any free one")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return InvalidValue(f"this user may not listen on port {port} of {host}", path="http.port")
    return InvalidValue(f"cannot listen on {host} port {port}: {error.strerror}", path="http.host")


def _bind_unix(path: Path) -> socket.socket:
    _clear_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        sock.bind(str(path))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise _unix_error(error, path) from error
    finally:
        os.umask(previous)
    return sock


def _clear_stale(path: Path) -> None:
    """Remove a socket file that nobody listens on; refuse a live one and anything that is not a socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unix_error(error, path) from error
    if not stat.S_ISSOCK(mode):
        raise InvalidValue(f"{path} exists and is not a socket", path="http.unix")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unix_error(error, path) from error
        else:
            raise AlreadyServed(f"{path} is served by a running program")


def _unix_error(error: OSError, path: Path) -> AlreadyServed | InvalidValue:
    if error.errno in {errno.EADDRINUSE, errno.EAGAIN} or isinstance(error, TimeoutError):
        return AlreadyServed(f"{path} is served by a running program")
    return InvalidValue(f"cannot listen on {path}: {error.strerror or error}", path="http.unix")
