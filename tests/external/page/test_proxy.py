"""The page behind nginx, below a path of its own: files, HTTP, the feed, a token and an operator's button."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.external.page.conftest import live, settles

if TYPE_CHECKING:
    from tests.external.page.conftest import Browser, Daemon

pytestmark = pytest.mark.external

CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /tools/aura/ {{
      proxy_pass {upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
  map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
}}
"""


@contextmanager
def nginx(command: str, folder: Path, upstream: str) -> Iterator[int]:
    """In front of `upstream`, on a free port."""
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=port, upstream=upstream))
    running = subprocess.Popen(
        [command, "-c", str(folder / "nginx.conf"), "-p", str(folder)], stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < end
                time.sleep(0.02)
        yield port
    finally:
        running.terminate()
        running.wait(10)


def test_below_a_path_of_a_reverse_proxy_everything_works(
    browser: "Browser",
    daemon: "Callable[..., Daemon]",
    program: Callable[[str, str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")  # where Debian has it, and users do not look
    command = program("nginx", "nginx-light")
    served = daemon(AURA_HTTP__TOKEN="s3cret", AURA_HTTP__ROOT_PATH="/tools/aura")

    def look(page: Page) -> None:
        page.locator("#token").fill("s3cret")
        page.locator("#token").press("Enter")
        live(page)
        expect(page.locator("#actors")).to_contain_text("sampler", timeout=10_000)
        settles(page, "async () => (await import('./static/state.js')).timeline.size >= 2", True)
        page.locator("#drain").click()
        page.locator("#confirm-yes").click()
        expect(page.locator("#brake")).to_contain_text("Draining", timeout=10_000)

    with nginx(command, tmp_path / "nginx", f"http://127.0.0.1:{served.port}") as port:
        browser.visit(f"http://127.0.0.1:{port}/tools/aura/", look)
    log = (tmp_path / "nginx" / "access.log").read_text()
    assert "s3cret" not in log
    assert 'GET /tools/aura/feed HTTP/1.1" 101' in log
