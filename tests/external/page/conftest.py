"""The page in a real browser: a browser that notes every complaint, and daemons in processes of their own.

Each costs a second of processor time to start, so tests share them as far as they can: `served` is
left as it was found, `guarded` is only looked at, and `daemon` is for those that need settings of their own.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.folders import shared

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_SECONDS = 20
EVERYDAY = {
    "AURA_ADMISSION__CPU_THRESHOLD_PERCENT": "100",
    "AURA_ADMISSION__MEMORY_THRESHOLD_PERCENT": "100",
    "AURA_ADMISSION__RESERVED_FOR_UI": "0",
    "AURA_ADMISSION__JOB_SLOTS": "3",
    "AURA_ALERTS__CPU_PERCENT": "100",  # the machine that tests may be busy, and that is no news here
    "AURA_ALERTS__MEMORY_PERCENT": "100",
}
LISTEN = """
addEventListener("securitypolicyviolation",
  (event) => console.error("policy:", event.violatedDirective, event.blockedURI));
"""


class Chromium:
    """One process for all tests of a worker, in a thread of its own: Playwright's loop must not meet Trio's."""

    def __init__(self, command: str) -> None:
        self._thread = ThreadPoolExecutor(1, "chromium")
        self._thread.submit(self._open, command).result()

    def _open(self, command: str) -> None:
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=command, args=ARGUMENTS)

    def show(self, look: Callable[[Page], None], context: dict[str, Any]) -> None:
        """Call `look` with a page of a profile of its own, and wait until it is done."""

        def shown() -> None:
            profile = self._browser.new_context(**context)
            try:
                look(profile.new_page())
            finally:
                profile.close()

        self._thread.submit(shown).result()

    def close(self) -> None:
        """End the process."""
        self._thread.submit(self._browser.close).result(PATIENCE_SECONDS)
        self._thread.submit(self._playwright.stop).result(PATIENCE_SECONDS)
        self._thread.shutdown()


class Browser:
    """One page at a time, and everything it complained about or asked of strangers."""

    def __init__(self, chromium: Chromium) -> None:
        self.complaints: list[str] = []
        self.forgiven: tuple[str, ...] = ()
        """Complaints that a test brings about: a browser reports every connection that breaks."""
        self._chromium = chromium

    def visit(self, url: str, look: Callable[[Page], None], **context: Any) -> None:
        """Open the page, look at it, close it. Blocking: call it in a thread where Trio runs.

        Nothing glides unless `context` wants it: painting that costs more than the rest of the graphics.
        """

        def looking(page: Page) -> None:
            page.add_init_script(LISTEN)
            page.on("console", lambda message: self._hear(message.type, message.text))
            page.on("pageerror", lambda error: self.complaints.append(str(error)))
            page.on("request", lambda request: self._request(url, request.url))
            page.on("websocket", lambda socket: self._request(url, socket.url))
            page.goto(url)
            look(page)

        self._chromium.show(looking, {"reduced_motion": "reduce", **context})

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(each in text for each in self.forgiven):
            self.complaints.append(text)

    def _request(self, ours: str, asked: str) -> None:
        origin = ours.rstrip("/") + "/"
        if not asked.startswith((origin, origin.replace("http", "ws", 1))):
            self.complaints.append(f"asked {asked}")


@pytest.fixture(scope="session")
def chromium_at() -> Iterator[Callable[[str], Chromium]]:
    """Start it when the first test needs it."""
    running: dict[str, Chromium] = {}

    def at(command: str) -> Chromium:
        if command not in running:
            running[command] = Chromium(command)
        return running[command]

    yield at
    for each in running.values():
        each.close()


@pytest.fixture
def browser(program: Callable[[str, str], str], chromium_at: Callable[[str], Chromium]) -> Iterator[Browser]:
    """At the end nobody may have complained."""
    made = Browser(chromium_at(program("chromium", "chromium")))
    yield made
    assert made.complaints == []


def live(page: Page) -> None:
    """Wait until the page hears the server and shows what it heard."""
    expect(page.locator("#connection-text")).to_have_text("live", timeout=20_000)
    expect(page.locator("#age")).to_contain_text("old", timeout=20_000)


def settles(page: Page, script: str, wanted: Any, arg: Any = None) -> None:
    """Wait until the script gives this. The page's policy forbids `eval`, with which Playwright would wait."""
    end = time.monotonic() + PATIENCE_SECONDS
    while (found := page.evaluate(script, arg)) != wanted and time.monotonic() < end:
        page.wait_for_timeout(50)
    assert found == wanted


class Daemon:
    """`aura-actors serve` as a process; the port stays the same when it is started again."""

    def __init__(self, folder: Path, config: str, **settings: str) -> None:
        self.port = 0
        self.data = folder / "data"
        self._ready = folder / "ready"
        self._config = folder / "aura.toml"
        self._config.write_text(config)
        self._settings = {"AURA_SAMPLER__INTERVAL": "200ms", **settings}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_up(self) -> bool:
        """Until it was ended."""
        return self._process is not None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Come back when it is ready."""
        self._ready.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "aura_actors",
            "serve",
            "--port",
            str(self.port),
            "--config",
            str(self._config),
        ]
        self._process = subprocess.Popen(
            [*command, "--data-dir", str(self.data), "--ready-file", str(self._ready)],
            env={**os.environ, **self._settings},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 30
        while not self._ready.exists() or not self._ready.read_text():
            assert self._process.poll() is None, "the daemon ended before it was ready"
            assert time.monotonic() < end
            time.sleep(0.02)
        self.port = int(json.loads(self._ready.read_text())["http"].rstrip("/").split(":")[-1].split("/")[0])

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send the signal, and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def clear(self) -> None:
        """Nobody holds anything, nobody waits, and whoever comes is admitted."""
        self.ask("POST", "api/admission/drain", {"on": False})
        jobs = self.ask("GET", "api/admission/jobs").json()
        for job in jobs["active"] + jobs["queue"]:
            self.ask("POST", f"api/admission/jobs/{job['jobId']}/revoke")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """One request, not through any proxy of the environment."""
        return self._ask(None, method, path, body, headers)

    def ask_here(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        """The same over the unix socket, where a claimed process is believed without a search."""
        transport = httpx2.HTTPTransport(uds=self._settings["AURA_HTTP__UNIX"])
        return self._ask(transport, method, path, body, {})

    def _ask(
        self, transport: httpx2.HTTPTransport | None, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> httpx2.Response:
        with httpx2.Client(base_url=self.url, transport=transport, trust_env=False, timeout=20) as client:
            return client.request(method, path, json=body, headers=headers)


@contextlib.contextmanager
def daemons(folder: Path) -> Iterator[Callable[..., Daemon]]:
    """Start a daemon with a configuration, and settings by the name of their environment variable."""
    with contextlib.ExitStack() as running:

        def make(config: str = "", **settings: str) -> Daemon:
            made = Daemon(folder, config, **settings)
            running.callback(made.end)
            made.start()
            return made

        yield make


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """A daemon of one's own."""
    with daemons(tmp_path) as make:
        yield make


THE_EVERYDAY, THE_GUARDED = pytest.StashKey[Daemon](), pytest.StashKey[Daemon]()


@contextlib.contextmanager
def everyday_daemon(folder: Path) -> Iterator[Daemon]:
    """Admits whatever fits into three slots, however busy the machine is."""
    with daemons(folder) as make:
        yield make(AURA_HTTP__UNIX=str(folder / "socket"), **EVERYDAY)


@contextlib.contextmanager
def guarded_daemon(folder: Path) -> Iterator[Daemon]:
    """The token `s3cret` opens everything, `only-read` what can be read."""
    token = folder / "token"
    token.write_text("only-read")
    token.chmod(0o600)
    viewer = f'[[http.tokens]]\nname = "viewer"\nscopes = ["read"]\ntoken_file = "{token}"\n'
    with daemons(folder) as make:
        yield make(viewer, AURA_HTTP__TOKEN="s3cret")


@pytest.fixture
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Running and with nothing to do; what a test leaves behind is cleared away."""
    everyday = shared(request, THE_EVERYDAY, everyday_daemon(tmp_path_factory.mktemp("everyday")))
    yield everyday
    if not everyday.is_up:
        everyday.start()
    everyday.clear()


@pytest.fixture
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Daemon:
    """One that wants a token, and is only looked at."""
    return shared(request, THE_GUARDED, guarded_daemon(tmp_path_factory.mktemp("guarded")))
