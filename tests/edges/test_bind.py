"""Taking an address, or saying in one sentence why not."""

import os
import socket
import stat
from pathlib import Path

import pytest

from aura_actors.edges.bind import address_of, bind, release
from aura_actors.errors import AlreadyServed, InvalidValue


def test_every_address_of_a_name_is_bound_at_one_port() -> None:
    """Port 0 picks a free one, the same for all."""
    sockets = bind("localhost", 0)
    ports = {sock.getsockname()[1] for sock in sockets}
    assert len(ports) == 1
    assert address_of(sockets[0]).startswith("http://")
    assert address_of(sockets[0], "ws").endswith(f":{ports.pop()}")
    release(sockets)


def test_a_taken_port_is_one_sentence() -> None:
    """And no socket is left open."""
    sockets = bind("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    with pytest.raises(AlreadyServed, match=f"^port {port} on 127.0.0.1 is in use") as refused:
        bind("127.0.0.1", port)
    assert "\n" not in str(refused.value)
    release(sockets)
    release(bind("127.0.0.1", port))


@pytest.mark.parametrize(
    ("host", "port", "path"),
    [
        ("no-such-host.invalid", 0, "http.host"),
        ("203.0.113.7", 0, "http.host"),
        ("127.0.0.1", 70_000, "http.port"),
        ("x" * 70, 0, "http.host"),
    ],
)
def test_an_address_that_cannot_be_had_names_its_setting(host: str, port: int, path: str) -> None:
    """Not resolvable, not ours, not a port."""
    with pytest.raises(InvalidValue) as refused:
        bind(host, port)
    assert refused.value.path == path


def test_a_forbidden_port_names_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be root; so the refusal is played."""

    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(InvalidValue, match="may not listen on port 80") as refused:
        bind("127.0.0.1", 80)
    assert refused.value.path == "http.port"


def test_a_unix_socket_is_private_and_removed(tmp_path: Path) -> None:
    """Mode 0600, and the process's umask is as before."""
    path = tmp_path / "s"
    before = os.umask(0o022)
    os.umask(before)
    sockets = bind(None, 0, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert address_of(sockets[0]) == f"unix:{path}"
    after = os.umask(before)
    assert after == before
    release(sockets)
    assert not path.exists()
    release(sockets)


def test_a_stale_unix_socket_is_replaced_and_a_live_one_refused(tmp_path: Path) -> None:
    """Stale: its program ended without removing it."""
    path = tmp_path / "s"
    [stale] = bind(None, 0, path)
    stale.close()
    assert path.exists()
    sockets = bind(None, 0, path)
    with pytest.raises(AlreadyServed, match="is served by a running program"):
        bind(None, 0, path)
    assert path.exists()
    release(sockets)


def test_a_path_that_cannot_be_a_socket_names_its_setting(tmp_path: Path) -> None:
    """A file is never replaced; a TCP socket bound before is closed again."""
    (tmp_path / "file").write_text("data")
    for path in (tmp_path / "file", tmp_path / "no" / "s", tmp_path / ("x" * 200), tmp_path / "file" / "s"):
        with pytest.raises(InvalidValue) as refused:
            bind("127.0.0.1", 0, path)
        assert refused.value.path == "http.unix"
    assert (tmp_path / "file").read_text() == "data"
