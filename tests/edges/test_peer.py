"""Who a request came from: over real connections, and as the owner of a lease."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from aura_actors.collectors.identity import Peer
from aura_actors.collectors.process_look import start_ticks_of
from aura_actors.edges.access import Access
from aura_actors.edges.bind import bind, release
from aura_actors.edges.feed import Desk, Feed
from aura_actors.edges.http.api import CALLER
from aura_actors.edges.http.guard import Guard
from aura_actors.edges.listener import Listener
from aura_actors.edges.peer import Caller, caller_of, owner_of
from aura_actors.edges.tokens import TRUSTED, Credential, Standing
from aura_actors.errors import InvalidValue
from aura_actors.messages.admission import AdmissionMessage
from aura_actors.messages.backlog import Backlog
from aura_actors.testing import Probe

linux = pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the system does not say who is connected")

ASK = "GET /{pid} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n{headers}\r\n"
CLIENT = """
import os, socket, sys
family, address, headers = eval(sys.argv[1])
with socket.socket(family) as s:
    s.connect(address)
    head = f"GET /{os.getpid()} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n"
    s.sendall(f"{head}{headers}\\r\\n".encode())
    sys.stdout.buffer.write(b"".join(iter(lambda: s.recv(4096), b"")))
"""


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """An application that says who called, and what came of claiming the process id in the path."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    caller: Caller = scope["state"][CALLER]
    try:
        process = await trio.to_thread.run_sync(caller.claim, int(scope["path"][1:]))
        claimed: Any = [process.pid, process.start_ticks]
    except InvalidValue as error:
        claimed = str(error)
    told = {
        "token": caller.token_name,
        "uid": caller.unix_uid,
        "pid": caller.unix_pid,
        "host": caller.host,
        "port": caller.address[1] if caller.address else None,
        "localPort": caller.local_port,
        "owner": owner_of(caller, "body"),
        "claimed": claimed,
        "known": len(caller.peer.claims),
    }
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


Open = Callable[..., AbstractAsyncContextManager[list[socket.socket]]]


@pytest.fixture
def door(tmp_path: Path) -> Open:
    """`async with door(access) as (tcp, unix)`: the sockets of a listener behind the guard."""

    @asynccontextmanager
    async def opened(access: Access | None = None) -> AsyncIterator[list[socket.socket]]:
        sockets = bind("127.0.0.1", 0, tmp_path / "s")
        rules, stopping = access or Access(), trio.Event()
        desk = Desk(admission=Probe[AdmissionMessage]().ref, bytes_per_job=1)
        feed = Feed(epoch="e", backlog=Backlog(()), access=rules, desk=desk, sampler_interval_seconds=1)
        listener = Listener(sockets, Guard(tell, rules), feed)
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(listener.run, stopping=stopping))
                yield sockets
                stopping.set()
        finally:
            release(sockets)

    return opened


async def ask(sock: socket.socket, pid: int = 1, headers: str = "") -> tuple[dict[str, Any], Any]:
    """What is told to this process, and the address that it had."""
    with trio.fail_after(10):
        client = trio.socket.socket(sock.family)
        await client.connect(sock.getsockname())
        async with trio.SocketStream(client) as stream:
            await stream.send_all(ASK.format(pid=pid, connection="close", headers=headers).encode())
            return body(b"".join([piece async for piece in stream])), client.getsockname()


async def ask_as_child(sock: socket.socket, *before: str, headers: str = "") -> dict[str, Any]:
    """What is told to another process, which claims its own id."""
    where = repr((int(sock.family), sock.getsockname(), headers))
    with trio.fail_after(30):
        done = await trio.run_process(
            [*before, sys.executable, "-I", "-S", "-c", CLIENT, where],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return body(done.stdout)


def body(answer: bytes) -> dict[str, Any]:
    head, _, text = answer.partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0], answer
    found: dict[str, Any] = json.loads(text[text.index(b"{") : text.rindex(b"}") + 1])
    return found


@linux
async def test_a_unix_client_is_known_by_its_user_and_process(door: Open) -> None:
    async with door() as (_, unix):
        told, _ = await ask(unix, os.getpid())
    assert (told["uid"], told["pid"]) == (os.getuid(), os.getpid())
    assert (told["host"], told["port"], told["localPort"]) == ("", None, None)
    assert told["owner"] == f"uid:{os.getuid()}"
    assert told["claimed"] == [os.getpid(), start_ticks_of(os.getpid())]


async def test_a_tcp_client_is_known_by_its_address(door: Open) -> None:
    async with door() as (tcp, _):
        told, here = await ask(tcp, -1)
        assert told["localPort"] == tcp.getsockname()[1]
    assert (told["host"], told["port"]) == here
    assert (told["uid"], told["pid"], told["owner"]) == (None, None, "body")


@linux
@pytest.mark.parametrize("index", [0, 1])
async def test_another_process_binds_a_lease_to_itself_over_either_socket(door: Open, index: int) -> None:
    async with door() as sockets:
        told = await ask_as_child(sockets[index])
    assert isinstance(told["claimed"], list), told
    assert told["pid"] in (None, told["claimed"][0])


@pytest.fixture
def apart(program: Callable[[str, str], str]) -> tuple[str, ...]:
    """The command around one that is to run in a pid namespace of its own. A skip amid a task loses its reason."""
    command = (program("unshare", "util-linux"), "-pf", "--kill-child")
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no pid namespace can be made here (it needs root)")
    return command


@linux
@pytest.mark.parametrize("index", [0, 1])
async def test_a_client_in_a_pid_namespace_of_its_own_is_not_believed(
    door: Open, index: int, apart: tuple[str, ...]
) -> None:
    """It says 1, which is somebody else here."""
    async with door() as sockets:
        told = await ask_as_child(sockets[index], *apart)
    assert "/pid" in told["claimed"]


@linux
async def test_what_was_believed_is_remembered_for_the_connection(door: Open) -> None:
    async with door() as (_, unix):
        with trio.fail_after(10):
            client = trio.socket.socket(socket.AF_UNIX)
            await client.connect(unix.getsockname())
            async with trio.SocketStream(client) as stream:
                for connection in ("keep-alive", "close"):
                    asked = ASK.format(pid=os.getpid(), connection=connection, headers="")
                    await stream.send_all(asked.encode())
                    answer = b""
                    while not answer.endswith(b"\r\n0\r\n\r\n"):
                        answer += await stream.receive_some()
                assert body(answer)["known"] == 1
        told, _ = await ask(unix, -1)
        assert told["known"] == 0


@linux
async def test_a_client_that_goes_while_it_is_looked_at_hurts_nobody(door: Open) -> None:
    async with door() as (tcp, unix):
        for sock in (tcp, unix) * 5:
            client = trio.socket.socket(sock.family)
            await client.connect(sock.getsockname())
            await client.send(ASK.format(pid=os.getpid(), connection="close", headers="").encode())
            client.close()
        told, _ = await ask(unix, os.getpid())
        assert isinstance(told["claimed"], list)


async def test_a_request_with_forwarding_headers_is_not_believed_about_processes(door: Open) -> None:
    """Its address and user stay the connection's: only a trusted proxy is believed about those."""
    for header in ("X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7", "Via: 1.1 x", "X-Real-IP: 192.0.2.7"):
        async with door() as (tcp, _):
            told = await ask_as_child(tcp, headers=f"{header}\r\n")
        assert "behind a proxy" in told["claimed"]
        assert told["host"] == "127.0.0.1"


@linux
async def test_behind_a_trusted_proxy_the_client_has_its_own_address_and_no_process(door: Open) -> None:
    access = Access(trusted_proxies=("127.0.0.0/8", "unix"))
    async with door(access) as sockets:
        for sock in sockets:
            told = await ask_as_child(sock, headers="X-Forwarded-For: 10.0.0.1, 192.0.2.7\r\n")
            assert (told["host"], told["uid"], told["pid"], told["owner"]) == ("192.0.2.7", None, None, "body")
            assert "behind a proxy" in told["claimed"]


async def test_a_named_token_owns_the_lease_over_either_socket(door: Open) -> None:
    access = Access(credentials=(Credential(name="ci", token="s3cret", scopes=frozenset({"admit"})),))
    async with door(access) as sockets:
        for sock in sockets:
            told, _ = await ask(sock, headers="Authorization: Bearer s3cret\r\n")
            assert (told["token"], told["owner"]) == ("ci", "ci")


# --- rules ---------------------------------------------------------------------------------------------------

TCP = Peer(address=("127.0.0.1", 5000), local=("127.0.0.1", 80))
UNIX = Peer(unix_uid=1000, unix_pid=7)


@pytest.mark.parametrize(
    ("token", "peer", "said", "owner"),
    [
        ("ci", UNIX, "me", "ci"),
        ("ci", TCP, None, "ci"),
        (None, UNIX, "me", "uid:1000"),
        (None, Peer(unix_uid=0, unix_pid=7), "me", "uid:0"),
        (None, TCP, "me", "me"),
        (None, TCP, None, "anonymous"),
        (None, TCP, "", "anonymous"),
    ],
)
def test_the_owner_is_the_token_then_the_user_then_what_is_said(
    token: str | None, peer: Peer, said: str | None, owner: str
) -> None:
    assert owner_of(Caller(token_name=token, peer=peer), said) == owner


def forwarded(value: str, *trusted: str, peer: Peer = TCP) -> str:
    return caller_of(TRUSTED, peer, [(b"X-Forwarded-For", value.encode("latin-1"))], trusted).host


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7, 127.0.0.9", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("127.0.0.2", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("evil", "127.0.0.1"),
        ("192.0.2.7, evil", "127.0.0.1"),
        ("192.0.2.7:80", "127.0.0.1"),
        ("unix", "127.0.0.1"),
        ("\xff", "127.0.0.1"),
    ],
)
def test_of_forwarded_addresses_the_last_that_no_proxy_has_counts(value: str, host: str) -> None:
    assert forwarded(value, "127.0.0.0/8") == host


def test_who_is_no_trusted_proxy_forwards_nothing() -> None:
    assert forwarded("192.0.2.7") == "127.0.0.1"
    assert forwarded("192.0.2.7", "10.0.0.1", "unix") == "127.0.0.1"
    assert forwarded("192.0.2.7", "127.0.0.1", peer=UNIX) == ""
    assert forwarded("192.0.2.7", "unix", peer=UNIX) == "192.0.2.7"


def test_a_caller_may_do_what_its_token_opens() -> None:
    assert Caller().scopes == frozenset()
    assert caller_of(Standing(scopes=frozenset({"read"})), TCP, []).scopes == {"read"}


def test_a_socket_whose_peer_is_gone_is_nobodys() -> None:
    from aura_actors.edges.peer import peer_of

    with socket.socket() as lonely:
        assert peer_of(trio.socket.from_stdlib_socket(lonely)) == Peer()


@linux
def test_a_pair_without_a_listener_is_known_too() -> None:
    from aura_actors.edges.peer import peer_of

    one, other = socket.socketpair()
    with one, other:
        assert peer_of(trio.socket.from_stdlib_socket(one)).unix_pid == os.getpid()


@linux
async def test_a_process_that_ended_before_it_was_accepted_has_no_start(tmp_path: Path) -> None:
    from aura_actors.edges.peer import peer_of

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        script = f"import socket; socket.socket(socket.AF_UNIX).connect({server.getsockname()!r})"
        await trio.run_process([sys.executable, "-I", "-c", script], stdin=subprocess.DEVNULL)
        connection, _ = server.accept()
        with connection:
            peer = peer_of(trio.socket.from_stdlib_socket(connection))
    assert (peer.unix_uid, peer.unix_start_ticks) == (os.getuid(), None)
