"""Which process a client means by an id, with real processes and real sockets; and who is not believed."""

import math
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aura_actors.collectors import identity, socket_owner
from aura_actors.collectors.identity import Peer, claim, identify
from aura_actors.collectors.process_look import LARGEST_PID, look, start_ticks_of
from aura_actors.errors import InvalidValue
from tests.collectors.clients import ME, NOBODY, Start, connect, python, refused, start, unix

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
__all__ = ["start"]


# --- a client on the unix socket ---------------------------------------------------------------------------


def test_a_unix_client_is_believed_about_itself_and_its_children(start: Start) -> None:
    child = start()
    peer = unix()
    assert claim(ME, peer).pid == ME
    assert claim(child.pid, peer).start_ticks == start_ticks_of(child.pid)


def test_a_process_that_is_not_there_is_refused(start: Start) -> None:
    child = start("true")
    child.wait()
    assert "no such process" in refused(child.pid, unix())


@pytest.mark.parametrize("pid", [0, -1, LARGEST_PID + 1, 2**64])
def test_an_impossible_id_is_refused(pid: int) -> None:
    assert "expected a process id" in refused(pid, unix())


def test_a_process_of_another_user_is_refused(start: Start) -> None:
    """Also with the peer's word that it is somebody: 12345 is neither root nor the daemon's user."""
    child = start()
    assert "another user" in refused(child.pid, unix(uid=12_345))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_a_process_of_the_clients_own_user_is_believed_and_no_mixture(start: Start) -> None:
    child = python(start, f"import os; os.setuid({NOBODY})")
    assert claim(child.pid, unix(uid=NOBODY)).pid == child.pid
    mixed = python(start, f"import os; os.seteuid({NOBODY})")
    assert "another user" in refused(mixed.pid, unix(uid=NOBODY))
    assert claim(child.pid, unix(uid=0)).pid == child.pid


def test_root_and_the_daemons_user_speak_for_everybody(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    child = python(start, f"import os; os.setuid({NOBODY})") if os.geteuid() == 0 else start()
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert claim(child.pid, unix(uid=0)).pid == child.pid
    assert claim(child.pid, unix(uid=4711)).pid == child.pid
    assert "another user" in refused(child.pid, unix(uid=12_345))


def test_the_first_process_and_the_daemon_are_nobodys_job(start: Start) -> None:
    """Not even root's, unless it is they who ask."""
    child = start()
    for pid in (1, ME):
        if look(pid) is not None:
            assert "first process" in refused(pid, unix(child.pid, uid=0))
    assert claim(ME, unix(ME)).pid == ME


def test_a_client_in_an_invisible_namespace_is_refused() -> None:
    """The kernel says 0 then."""
    assert "another PID namespace" in refused(ME, unix(0))


def test_a_client_that_nothing_is_known_of_is_refused() -> None:
    assert "does not say" in refused(ME, Peer())


def test_a_client_whose_process_ended_or_was_replaced_is_refused(start: Start) -> None:
    child = start()
    assert "has ended" in refused(ME, unix(child.pid, start_ticks=1))
    peer = unix(child.pid)
    child.kill()
    child.wait()
    assert "has ended" in refused(ME, peer)


def test_behind_a_proxy_nobody_is_believed() -> None:
    assert "proxy" in refused(ME, unix(), proxied=True)


def test_where_proc_is_another_namespaces_nobody_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "namespace_is_ours", lambda: False)
    assert "does not see" in refused(ME, unix())


def test_what_was_believed_once_is_not_proved_again_unless_it_is_another_process(start: Start) -> None:
    child, other = start(), start()
    peer = unix(child.pid)
    claim(other.pid, peer)
    child.kill()
    child.wait()
    assert claim(other.pid, peer) == identify(other.pid)
    peer.claims[other.pid] -= 1  # as if the id had been used again
    with pytest.raises(InvalidValue, match="has ended"):
        claim(other.pid, peer)


def test_what_is_kept_for_a_connection_is_bounded(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_MOST_KEPT", 2)
    peer = unix()
    for _ in range(5):
        claim(start().pid, peer)
    assert len(peer.claims) <= 2


# --- a client in a PID namespace of its own ----------------------------------------------------------------


UNSHARED = ("unshare", "-pf", "--kill-child")


def test_a_unix_client_in_a_namespace_below_ours_is_refused(
    start: Start, program: Callable[[str, str], str]
) -> None:
    program("unshare", "util-linux")
    outer = python(start, "", before=UNSHARED)
    (inner,) = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
    assert "another PID namespace" in refused(start().pid, unix(int(inner)))


def test_a_loopback_client_in_a_namespace_below_ours_is_refused(
    start: Start, program: Callable[[str, str], str]
) -> None:
    program("unshare", "util-linux")
    with socket.create_server(("127.0.0.1", 0)) as server:
        python(start, connect(*server.getsockname()), before=UNSHARED)
        connection, address = server.accept()
        with connection:
            peer = Peer(address=address, local=connection.getsockname())
            assert "could not be found out" in refused(start().pid, peer)


# --- a client on loopback ----------------------------------------------------------------------------------


class Loopback:
    """One accepted connection, and the process that opened it."""

    def __init__(self, server: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self.connection, address = server.accept()
        self.process = process
        self.peer = Peer(address=address[:2], local=self.connection.getsockname()[:2])


@pytest.fixture(params=["127.0.0.1", "::1"])
def loopback(request: pytest.FixtureRequest, start: Start) -> Iterator[Loopback]:
    """A Python that connected, over either protocol, and has a child."""
    host = str(request.param)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"no {host} here")
    with server:
        opened = Loopback(server, python(start, connect(host, server.getsockname()[1])))
        with opened.connection:
            yield opened


def test_a_loopback_client_is_believed_about_itself(loopback: Loopback) -> None:
    assert claim(loopback.process.pid, loopback.peer).start_ticks == start_ticks_of(loopback.process.pid)


def test_a_loopback_client_is_believed_about_any_process_of_its_user(loopback: Loopback, start: Start) -> None:
    """Its own process is not named, and found all the same."""
    stranger = start()
    assert claim(stranger.pid, loopback.peer).pid == stranger.pid


def test_a_loopback_client_that_has_gone_is_refused(loopback: Loopback) -> None:
    loopback.process.kill()
    loopback.process.wait()
    assert "could not be found out" in refused(ME, loopback.peer)


def test_a_socket_that_nobody_has_open_any_more_is_not_looked_for(loopback: Loopback) -> None:
    """It is still in the table, for as long as our end is open."""
    assert loopback.peer.address is not None
    assert loopback.peer.local is not None
    assert socket_owner._find_socket(loopback.peer.address, loopback.peer.local, math.inf) is not None
    loopback.process.kill()
    loopback.process.wait()
    assert socket_owner._find_socket(loopback.peer.address, loopback.peer.local, math.inf) is None


def test_a_loopback_client_that_goes_while_it_is_looked_for_is_refused(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket_owner._find_socket

    def find(local: tuple[str, int], remote: tuple[str, int], until: float) -> tuple[int, int] | None:
        found = real(local, remote, until)
        loopback.process.kill()
        loopback.process.wait()
        return found

    monkeypatch.setattr(socket_owner, "_find_socket", find)
    assert "could not be found out" in refused(ME, loopback.peer)


def test_the_daemon_is_not_a_loopback_clients_job(loopback: Loopback) -> None:
    assert "nor the daemon" in refused(ME, loopback.peer)


def test_a_search_that_takes_too_long_is_a_refusal(loopback: Loopback) -> None:
    before = time.monotonic()
    with pytest.raises(InvalidValue, match="unix socket"):
        claim(loopback.process.pid, loopback.peer, within_seconds=0)
    assert time.monotonic() - before < 0.5


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_a_loopback_client_of_another_user_speaks_for_its_own_processes_only(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = connect(*server.getsockname())
        client = python(start, f"import os, socket; os.setuid({NOBODY}); {script}")
        with server.accept()[0] as connection:
            peer = Peer(address=connection.getpeername(), local=connection.getsockname())
            assert "another user" in refused(start().pid, peer)
            assert "another user" in refused(1, peer) or "first process" in refused(1, peer)
            assert claim(client.pid, peer).pid == client.pid


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (("192.0.2.7", 5000), ("127.0.0.1", 80)),
        (("127.0.0.1", 5000), ("192.0.2.7", 80)),
        (("2001:db8::1", 5000), ("2001:db8::2", 80)),
        (("::ffff:192.0.2.7", 5000), ("::1", 80)),
        (("127.0.0.1", 5000), None),
    ],
)
def test_over_the_network_nobody_is_believed(address: tuple[str, int], local: tuple[str, int] | None) -> None:
    assert "over the network" in refused(ME, Peer(address=address, local=local))


def test_a_remote_client_does_not_learn_which_ids_exist(start: Start) -> None:
    remote = Peer(address=("192.0.2.7", 5000), local=("192.0.2.1", 80))
    child = start("true")
    child.wait()
    assert refused(ME, remote) == refused(child.pid, remote)


def test_an_ipv4_client_with_an_ipv6_socket_is_found(start: Start) -> None:
    """Its end is in the other table, in another spelling."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        try:
            socket.socket(socket.AF_INET6).close()
        except OSError:
            pytest.skip("no IPv6 here")
        script = f"import socket; s = socket.socket(socket.AF_INET6); s.connect(('::ffff:127.0.0.1', {port}))"
        client = python(start, script)
        with server.accept()[0] as connection:
            peer = Peer(address=connection.getpeername(), local=connection.getsockname())
            assert claim(client.pid, peer).pid == client.pid


def test_a_loopback_client_that_said_all_it_had_to_say_is_found(start: Start) -> None:
    """Its socket is half closed then."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = python(start, f"{connect(*server.getsockname())}; s.shutdown(1)")
        with server.accept()[0] as connection:
            assert connection.recv(1) == b""
            peer = Peer(address=connection.getpeername(), local=connection.getsockname())
            assert claim(client.pid, peer).pid == client.pid


def test_the_claimed_process_its_ancestors_and_descendants_are_looked_into_first(start: Start) -> None:
    child = python(start, "import subprocess; subprocess.Popen(['sleep', '60'])")
    (grandchild,) = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    try:
        order = list(socket_owner._candidates(child.pid, math.inf))
        ancestors = order.index(1) if 1 in order else 1
        assert order[:2] == [child.pid, ME]
        assert order[ancestors + 1] == int(grandchild)
        assert len(order) == len(set(order))
    finally:
        os.kill(int(grandchild), 9)


def test_no_list_is_read_beyond_the_time_there_is() -> None:
    """Tables of sockets, processes and descriptors may all be long."""
    assert len(list(socket_owner._in_time(range(100_000), until=-math.inf))) < 256
    assert len(list(socket_owner._in_time(range(1000), until=math.inf))) == 1000
