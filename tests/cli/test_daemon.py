"""How client commands find a daemon, show their token, and say what went wrong."""

import socket
import socketserver
import threading
from pathlib import Path
from typing import Any

import pytest

from aura_actors.cli.app import run
from aura_actors.cli.daemon import find_daemon
from aura_actors.errors import Unavailable


def failure(capsys: pytest.CaptureFixture[str], *arguments: str, status: int) -> str:
    """What a failing command writes: one line on stderr."""
    assert run(arguments) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_nobody_at_the_address_is_one_line_that_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        err = failure(capsys, "status", "--url", url, status=3)
    assert url in err
    assert "`aura-actors serve`" in err
    assert "--url" in err


def test_a_missing_unix_socket_says_how_to_start_a_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "`aura-actors serve`" in failure(capsys, "status", "--url", f"unix:{tmp_path}/none", status=3)


def test_a_daemon_that_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        daemon = find_daemon(f"http://127.0.0.1:{silent.getsockname()[1]}", None, {})
        with pytest.raises(Unavailable, match="did not answer in time"):
            daemon.send("GET", "/", within_seconds=0.05)


def test_a_peer_that_hangs_up_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    class HangUp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1)

    with socketserver.TCPServer(("127.0.0.1", 0), HangUp) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        err = failure(capsys, "status", "--url", f"http://127.0.0.1:{server.server_address[1]}", status=3)
        thread.join()
    assert "could not be asked" in err


@pytest.mark.parametrize(
    "url",
    [
        *["localhost:8080", "ftp://a", "http://", "http://a:99999", "http://[::1"],
        *["unix:relative", "http://a:b@c", "\x1b[0m", "http://a b", "http://a/\x1b", f"http://{'a' * 64}"],
    ],
)
def test_an_address_that_is_none_is_a_wrong_call(capsys: pytest.CaptureFixture[str], url: str) -> None:
    err = failure(capsys, "status", "--url", url, status=2)
    assert "--url" in err
    assert "\x1b" not in err


def test_the_environments_address_is_named_where_it_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURA_URL", "nowhere")
    assert "AURA_URL" in failure(capsys, "status", status=2)


def test_the_option_wins_over_the_environment(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURA_URL", "http://127.0.0.1:1")
    assert run(["status", "--json", "--url", daemon.url]) == 0


def test_the_default_is_the_default_address_of_serve() -> None:
    daemon = find_daemon(None, None, {})
    assert daemon.url == "http://127.0.0.1:8080"


def test_a_path_of_the_address_is_kept(daemon: Any) -> None:
    daemon.answers["GET /aura/api/actors"] = (200, {})
    asked = find_daemon(f"{daemon.url}/aura", None, {})
    assert asked.get("/api/actors") == b"{}"


def test_a_proxy_of_the_environment_never_sees_the_token(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert run(["status", "--json"]) == 0


def test_the_token_comes_from_the_file_or_the_environment(
    daemon: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AURA_TOKEN", "from-environment")
    (tmp_path / "token").write_text("from-file\n")
    run(["status", "--json"])
    assert daemon.asked[-1][1]["Authorization"] == "Bearer from-environment"
    run(["status", "--json", "--token-file", str(tmp_path / "token")])
    assert daemon.asked[-1][1]["Authorization"] == "Bearer from-file"


def test_without_a_token_no_header_is_sent(daemon: Any) -> None:
    run(["status", "--json"])
    assert "Authorization" not in daemon.asked[-1][1]


@pytest.mark.parametrize("content", [b"", b"s3cret\r\nx: y", b"s3cret word", b"\xff", None])
def test_a_bad_token_file_is_a_wrong_call_and_is_not_repeated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    err = failure(capsys, "status", "--token-file", str(file), status=2)
    assert "--token-file" in err
    assert "s3cret" not in err


@pytest.mark.parametrize(
    ("status", "body", "part"),
    [
        (401, b"", "AURA_TOKEN"),
        (403, b'{"detail": "scope operate is missing"}', "scope operate is missing"),
        (404, b"<html>", "answered 404 to /api/metrics/utilization"),
        (421, b'{"title": "foreign host"}', "foreign host"),
        (503, b'{"detail": 3}', "answered 503"),
        (302, b"", "answered 302"),
    ],
)
def test_a_refusal_is_one_line_with_the_daemons_reason(
    daemon: Any, capsys: pytest.CaptureFixture[str], status: int, body: bytes, part: str
) -> None:
    daemon.answers["GET /api/metrics/utilization"] = (status, body)
    assert part in failure(capsys, "status", status=3)


@pytest.mark.parametrize("name", ["aura.sock", "a ?b#c%41"])
def test_a_unix_socket_is_asked_like_any_other(tmp_path: Path, name: str) -> None:
    path = tmp_path / name

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")

    with socketserver.UnixStreamServer(str(path), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        daemon = find_daemon(f"unix:{path}", None, {})
        assert daemon.get("/api/actors") == b"{}"
        thread.join()
