"""The page in a real browser, against a whole runtime."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from playwright.sync_api import Page, expect, sync_playwright

from aura_actors.config.secret import Secret
from aura_actors.config.sections import Http
from aura_actors.testing import crash, open_test_runtime

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CPU = '[data-value="system.cpu.overallUsagePercent"]'

UPTIME = '[data-value="process.uptimeSeconds"]'


class Browser:
    """One page, and everything it complained about or asked of strangers."""

    def __init__(self, chromium: str, url: str) -> None:
        self.complaints: list[str] = []
        self._chromium = chromium
        self._url = url

    def visit(self, look: Callable[[Page], None]) -> None:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=self._chromium, args=ARGUMENTS)
            page = browser.new_page()
            page.on("console", lambda message: self._hear(message.type, message.text))
            page.on("pageerror", lambda error: self.complaints.append(str(error)))
            page.on("request", lambda request: self._request(request.url))
            page.goto(self._url)
            look(page)
            browser.close()

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def _request(self, url: str) -> None:
        if not url.startswith((self._url, self._url.replace("http", "ws", 1))):
            self.complaints.append(f"asked {url}")


@pytest.mark.external
async def test_the_gauges_move_and_the_page_asks_nobody_else(
    tmp_path: Path, program: Callable[[str, str], str]
) -> None:
    chromium = program("chromium", "chromium")

    def look(page: Page) -> None:
        expect(page.locator("#connection-text")).to_have_text("live", timeout=15_000)
        expect(page.locator(CPU).first).to_have_text(re.compile(r"\d"), timeout=15_000)
        clock = page.locator(UPTIME)
        expect(clock).not_to_have_text(clock.inner_text(), timeout=15_000)
        expect(page.locator("body")).to_contain_text("sampler")

    async with open_test_runtime(tmp_path / "data") as house:
        browser = Browser(chromium, house.http)
        await trio.to_thread.run_sync(browser.visit, look)
    assert browser.complaints == []


@pytest.mark.external
async def test_the_page_reconnects_after_the_listener_crashed(
    tmp_path: Path, program: Callable[[str, str], str]
) -> None:
    chromium = program("chromium", "chromium")
    async with open_test_runtime(tmp_path / "data") as house:

        def look(page: Page) -> None:
            expect(page.locator("#connection-text")).to_have_text("live", timeout=15_000)
            trio.from_thread.run_sync(crash, house.runtime, "listener")
            expect(page.locator("body")).to_contain_text("crashed on purpose", timeout=20_000)
            expect(page.locator("#connection-text")).to_have_text("live", timeout=15_000)

        await trio.to_thread.run_sync(Browser(chromium, house.http).visit, look)


@pytest.mark.external
async def test_the_page_asks_for_the_token_it_needs(tmp_path: Path, program: Callable[[str, str], str]) -> None:
    chromium = program("chromium", "chromium")

    def look(page: Page) -> None:
        box = page.locator('input[type="password"]')
        expect(box).to_be_visible(timeout=15_000)
        box.fill("s3cret")
        box.press("Enter")
        expect(page.locator("#connection-text")).to_have_text("live", timeout=15_000)
        expect(page.locator(CPU).first).to_have_text(re.compile(r"\d"), timeout=15_000)

    async with open_test_runtime(tmp_path / "data", http=Http(token=Secret("s3cret"))) as house:
        await trio.to_thread.run_sync(Browser(chromium, house.http).visit, look)
