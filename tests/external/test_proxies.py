"""The feed under a sub-path behind real proxies: it streams, and who was cut off comes back without a gap."""

import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from aura_actors.config.sections import Http
from aura_actors.testing import open_test_runtime

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{
    listen 127.0.0.1:{port};
    location /aura/ {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_read_timeout 60s;
    }}
  }}
}}
"""
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout tunnel 60s
frontend front
  bind 127.0.0.1:{port}
  option forwardfor
  use_backend aura if {{ path_beg /aura/ }}
backend aura
  server one 127.0.0.1:{upstream}
"""
PROXIES = {"nginx": (NGINX, ["-e", "stderr", "-c"]), "haproxy": (HAPROXY, ["-f"])}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def proxied(name: str, command: str, folder: Path, upstream: int) -> AsyncIterator[int]:
    """The port of a proxy, for as long as the block."""
    port, (config, options) = free_port(), PROXIES[name]
    file = folder / f"{name}.conf"
    file.write_text(config.format(folder=folder, port=port, upstream=upstream))
    process = await trio.lowlevel.open_process([command, *options, str(file)], stderr=subprocess.DEVNULL)
    try:
        with trio.fail_after(10):
            while True:
                try:
                    await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                    break
                except OSError:
                    await trio.sleep(0.01)
        yield port
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()


async def frames(websocket: WebSocketConnection, count: int) -> list[Any]:
    """So many of the topic `system`, behind the greeting and the answer."""
    seen: list[Any] = []
    with trio.fail_after(10):
        while len(seen) < count:
            frame = json.loads(await websocket.get_message())
            seen += [frame] if frame["type"] in {"snapshot", "subscribed"} else []
    return seen


@pytest.mark.external
@pytest.mark.parametrize("name", PROXIES)
async def test_the_feed_resumes_without_a_gap_behind_a_proxy_under_a_sub_path(
    tmp_path: Path, program: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """And the page, the interface and the feed are all below that path."""
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")  # where Debian has them, and users do not look
    command = program(name, name)
    http = Http(root_path="/aura", trusted_proxies=("127.0.0.1",))
    async with open_test_runtime(tmp_path, http=http) as house:
        upstream = int(house.http.removesuffix("/aura").rpartition(":")[2])
        async with proxied(name, command, tmp_path, upstream) as port, httpx2.AsyncClient() as client:
            answers = [await client.get(f"http://127.0.0.1:{port}/aura/{path}") for path in ("", "health/live")]
            assert [answer.status_code for answer in answers] == [200, 200]
            url = f"ws://127.0.0.1:{port}/aura/feed"
            async with open_websocket_url(url) as websocket:
                await websocket.send_message('{"type": "subscribe", "topics": ["system"]}')
                *_, last = await frames(websocket, 3)
            backlog = house.runtime.parts.backlog
            with trio.fail_after(20):
                while backlog.newest("system") < last["seq"] + 10:
                    await backlog.added.wait_newer(backlog.added.version)
            since = {"system": {"epoch": last["epoch"], "seq": last["seq"]}}
            async with open_websocket_url(url) as websocket:
                await websocket.send_message(
                    json.dumps({"type": "subscribe", "topics": ["system"], "since": since})
                )
                answer, *missed = await frames(websocket, 13)
            assert answer["recovered"] == {"system": True}
            assert [each["seq"] for each in missed] == list(range(last["seq"] + 1, last["seq"] + 13))
