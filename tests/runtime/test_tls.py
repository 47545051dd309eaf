"""The daemon over TLS: every way in, and a certificate that is renewed while it runs."""

import json
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

import aura_actors
from aura_actors.cli.app import run
from aura_actors.client.trust import trusted
from aura_actors.errors import Unreachable
from tests.certificates import Issuer, Pair
from tests.launcher import launch
from tests.plain import sync_client
from tests.runtime.test_serve import Daemon, daemon, refused

TLS = ("AURA_HTTP__TLS_CERT", "AURA_HTTP__TLS_KEY")


@pytest.fixture(scope="module")
def files(issue: Issuer) -> Pair:
    """Where the daemon's certificate lies."""
    return issue()


@pytest.fixture(scope="module")
def served(files: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One for all tests of this file."""
    folder = tmp_path_factory.mktemp("daemon")
    environ = dict(zip(TLS, map(str, files), strict=True))
    with daemon(folder, "--unix", str(folder / "s"), "--log-format", "json", **environ) as started:
        yield started


@pytest.fixture
def trusting(files: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process believes the daemon."""
    monkeypatch.setenv("SSL_CERT_FILE", str(files.cert))
    trusted.cache_clear()
    yield
    trusted.cache_clear()


@pytest.fixture
def distrusting(issue: Issuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process believes somebody else."""
    monkeypatch.setenv("SSL_CERT_FILE", str(issue().cert))
    trusted.cache_clear()
    yield
    trusted.cache_clear()


@contextmanager
def feed_of(served: Daemon, pair: Pair, **options: Any) -> Iterator[ClientConnection]:
    """A client of the feed, greeted."""
    with connect(served.feed, ssl=pair.trust(), proxy=None, **options) as client:
        assert json.loads(client.recv(10))["type"] == "hello"
        yield client


def reread(served: Daemon) -> dict[str, Any]:
    """Send SIGHUP; what the log says of it."""
    served.process.send_signal(signal.SIGHUP)
    assert served.process.stderr is not None
    for line in served.process.stderr:
        said: dict[str, Any] = json.loads(line)
        if "configuration" in said["event"]:
            return said
    raise AssertionError("nothing was said")


def shown(served: Daemon) -> str:
    """The certificate that a new connection is shown."""
    port = int(served.http.rpartition(":")[2])
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=10)


def test_the_addresses_say_so_and_the_unix_socket_is_plain(served: Daemon, files: Pair) -> None:
    assert served.http.startswith("https://127.0.0.1:")
    assert served.feed == served.http.replace("https", "wss") + "/feed"
    with httpx2.Client(base_url=served.http, verify=files.trust(), trust_env=False) as client:
        assert client.get("/health/ready").status_code == 200
        assert client.get("/").headers["content-type"].startswith("text/html")
    plain = httpx2.HTTPTransport(uds=served.ready["unix"].removeprefix("unix:"))
    with sync_client("http://localhost", transport=plain) as client:
        assert client.get("/health/ready").status_code == 200


def test_the_feed_of_a_daemon_streams_over_tls(served: Daemon, files: Pair) -> None:
    with feed_of(served, files) as feed:
        feed.send('{"type":"subscribe","topics":["system"]}')
        frames = [json.loads(feed.recv(10)) for _ in range(3)]
        assert [each["type"] for each in frames] == ["subscribed", "snapshot", "snapshot"]


def test_the_pages_own_origin_is_the_https_one(served: Daemon, files: Pair) -> None:
    """Over plain HTTP the same name is another origin: whoever can write to that may not write here."""
    foreign = served.http.replace("https", "http")
    with httpx2.Client(base_url=served.http, verify=files.trust(), trust_env=False) as client:
        answers = [client.get("/api/alerts", headers={"Origin": each}) for each in (served.http, foreign)]
        assert [each.status_code for each in answers] == [200, 403]
    with feed_of(served, files, origin=served.http):
        pass  # greeted
    with pytest.raises(InvalidStatus, match="403"), feed_of(served, files, origin=foreign):
        pytest.fail("it was greeted")


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_program_holds_and_listens_over_tls(served: Daemon, backend: str) -> None:
    """Requests, a session over the feed, a subscription."""

    async def program() -> list[str]:
        async with aura_actors.connect(served.http) as aura:
            async with (
                aura.reserve("one", memory="1MiB"),
                aura.session() as session,
                session.reserve("two", memory="1MiB"),
            ):
                held = sorted(each.job_id for each in (await aura.jobs()).active)
            async with aura.subscribe("utilization") as frames:
                assert (await anext(frames)).topic == "utilization"
            return held

    assert anyio.run(program, backend=backend) == ["one", "two"]


@pytest.mark.usefixtures("trusting")
def test_commands_speak_tls(served: Daemon, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json", "--url", served.http]) == 0
    assert "maxConcurrentJobs" in capfd.readouterr().out
    under_a_lease = launch(["run", "--memory", "1MiB", "--url", served.http, "--", "echo", "ran"], {**os.environ})
    assert under_a_lease.communicate(timeout=30) == ("ran\n", "")
    assert under_a_lease.returncode == 0


@pytest.mark.usefixtures("distrusting")
def test_a_stranger_is_not_spoken_to_and_one_sentence_says_why(
    served: Daemon, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", "--url", served.http]) == 3
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert f"{served.http}: its certificate is not trusted (self-signed certificate)" in said
    assert "SSL_CERT_FILE" in said

    async def program(open_: Callable[[aura_actors.Aura], Any]) -> None:
        async with aura_actors.connect(served.http) as aura:
            await open_(aura)

    for backend in ("trio", "asyncio"):
        for open_ in (lambda aura: aura.alerts(), lambda aura: anext(aura.subscribe("system"))):
            with pytest.raises(Unreachable, match="its certificate is not trusted"):
                anyio.run(program, open_, backend=backend)


def test_a_stalled_handshake_and_plain_bytes_leave_the_daemon_alone(served: Daemon, files: Pair) -> None:
    port = int(served.http.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as stalled:
        stalled.sendall(b"\x16\x03\x01")
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            plain.settimeout(10)
            assert plain.recv(4096).startswith(b"HTTP/1.1 400 ")
        with httpx2.Client(base_url=served.http, verify=files.trust(), trust_env=False) as client:
            told = client.get("/metrics").text
        open_now = next(line for line in told.splitlines() if line.startswith("aura_http_connections "))
        assert float(open_now.partition(" ")[2]) >= 2
        assert "aura_http_connection_failures_total 0.0" in told


def test_a_renewed_certificate_is_shown_from_sighup_on_and_a_bad_one_never(
    served: Daemon, files: Pair, issue: Issuer
) -> None:
    """A feed that is open stays; the other one is told by the key whose file has changed."""
    renewed, first = issue(), Path(files.cert).read_text()
    with feed_of(served, files) as feed:
        files.key.write_bytes(renewed.key.read_bytes())  # half of it has come
        said = reread(served)
        assert said["level"] == "warning"
        assert "http.tls_key" in said["error"]
        assert shown(served) == first
        files.put(renewed)
        assert shown(served) == first
        assert reread(served)["changed"] == ["http.tls_cert"]
        assert shown(served) == renewed.cert.read_text()
        assert reread(served)["changed"] == []
        feed.send('{"type":"subscribe","topics":["alerts"]}')
        assert json.loads(feed.recv(10))["type"] == "subscribed"


def test_a_certificate_that_cannot_be_used_is_one_line_at_the_start(files: Pair, tmp_path: Path) -> None:
    said = refused("--port", "0", "--data-dir", str(tmp_path), **{TLS[0]: "/no", TLS[1]: str(files.key)})
    assert 'http.tls_cert: cannot read "/no": No such file or directory (from AURA_HTTP__TLS_CERT)' in said
