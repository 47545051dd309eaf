"""Takes the pictures of the live page in docs/images: a real daemon, real jobs, a real browser.

    .venv/bin/python docs/screenshots.py [SECONDS]

Starts a daemon of its own, lets jobs run, wait and allocate for so long (150 s: the charts need something to show),
looks at what a cleanup would do, and photographs the page in light, in dark and at the width of a phone. Needs
Debian's chromium.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import ViewportSize, sync_playwright

IMAGES = Path(__file__).parent / "images"
DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 375, "height": 812}
GROWING = """
import time
held = []
for _ in range(60):
    held.append(bytearray(b"x") * 12_000_000)
    time.sleep({pause})
time.sleep(600)
"""
CONFIG = """
[admission]
job_slots = 3
cpu_threshold_percent = 100
[cleanup.temp-files]
older_than = "1s"
[providers.OpenAI]
max_concurrent = 4
requests_per_minute = 60
tokens_per_minute = 90000
[providers.Anthropic]
max_concurrent = 2
"""


def scene(folder: Path, running: ExitStack) -> str:
    """A daemon with something to do; gives its address."""
    (folder / "aura.toml").write_text(CONFIG)
    ready = folder / "ready"
    command = [sys.executable, "-m", "aura_actors", "serve", "--port", "0", "--config", str(folder / "aura.toml")]
    daemon = subprocess.Popen(
        [*command, "--data-dir", str(folder / "data"), "--ready-file", str(ready)], stderr=subprocess.DEVNULL
    )
    running.callback(lambda: (daemon.terminate(), daemon.wait(20)))
    while not (ready.exists() and ready.read_text()):
        time.sleep(0.1)
    http: str = json.loads(ready.read_text())["http"]
    old = folder / "data" / "temp" / "render-cache"
    old.mkdir()
    for number in range(120):
        (old / f"frame-{number:04}.tmp").write_bytes(os.urandom(200_000))
    return http


def jobs(http: str, running: ExitStack) -> None:
    """Two that allocate, one that only reserves, two that wait, and calls to a provider."""

    def ask(path: str, **body: Any) -> None:
        with httpx2.Client(base_url=http, trust_env=False, timeout=900) as client:
            client.post(f"/api/{path}", json={"ttlSeconds": 300, **body}).raise_for_status()

    def wait(**body: Any) -> None:
        with suppress(httpx2.HTTPError):  # the daemon ends before its turn comes
            ask("admission/jobs", **body)

    def start(job_id: str, pause: float, memory: int, **more: Any) -> None:
        process = subprocess.Popen([sys.executable, "-c", GROWING.format(pause=pause)])
        running.callback(process.wait)
        running.callback(process.kill)
        ask("admission/jobs", jobId=job_id, pid=process.pid, memoryBytes=memory, owner="studio", **more)

    start("video-123", 1.0, 2 << 30, kind="render", cpuCores=0.5)
    start("thumbs-7", 2.0, 1 << 30, kind="transcode", cpuCores=0.5, priority="high")
    ask("admission/jobs", jobId="llm-batch-3", memoryBytes=4 << 30, kind="inference", owner="research")
    for name, memory in (("video-124", 2 << 30), ("llm-batch-4", 8 << 30)):
        wanted = {"jobId": name, "memoryBytes": memory, "waitSeconds": 800, "owner": "studio", "kind": "render"}
        threading.Thread(target=wait, kwargs=wanted, daemon=True).start()
        time.sleep(0.5)
    for tokens in (900, 2400, 600):
        ask("providers/OpenAI/slots", tokens=tokens)


def photograph(http: str) -> None:
    """The three pictures."""
    chromium = shutil.which("chromium") or sys.exit("chromium is not installed (Debian package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        desk, phone = browser.new_page(viewport=DESK), browser.new_page(viewport=PHONE, device_scale_factor=2)
        for page in (desk, phone):
            page.goto(http)
            page.wait_for_timeout(4_000)
        desk.get_by_role("button", name="Dry run temp-files").click()
        desk.locator(".report:visible").wait_for()
        desk.get_by_role("button", name="Dismiss").click()
        desk.evaluate("scrollTo(0, 0)")
        desk.screenshot(path=IMAGES / "page.png", full_page=True)
        desk.emulate_media(color_scheme="dark")
        desk.wait_for_timeout(1_500)
        desk.screenshot(path=IMAGES / "page-dark.png", full_page=True)
        phone.screenshot(path=IMAGES / "page-phone.png")
        browser.close()


def main() -> None:
    """All of it."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 150.0
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        http = scene(Path(folder), running)
        jobs(http, running)
        time.sleep(seconds)
        photograph(http)


if __name__ == "__main__":
    main()
