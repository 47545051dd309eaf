"""Alerts on the page, and the gauges that follow the same thresholds."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from playwright.sync_api import Page, expect

from aura_actors.runtime.parts import Surroundings
from aura_actors.testing import Machine, crash, open_test_runtime
from tests.external.page.conftest import live

if TYPE_CHECKING:
    from tests.external.page.conftest import Browser

pytestmark = pytest.mark.external


async def test_an_alert_is_shown_while_it_lasts_and_for_a_while_after(browser: "Browser", tmp_path: Path) -> None:
    machine = Machine(memory_bytes=1000, available_bytes=600)
    dial = '[data-meter="system.memory.usagePercent"]'

    def look(page: Page) -> None:
        live(page)
        expect(page.locator(dial)).to_have_attribute("data-level", "normal")
        machine.available_bytes = 200
        expect(page.locator(dial)).to_have_attribute("data-level", "near", timeout=10_000)
        expect(page.locator("#alerts")).to_be_hidden()
        machine.available_bytes = 50
        alert = page.locator("#alerts li")
        expect(alert).to_contain_text("Memory is at 95 % (threshold 85 %)", timeout=10_000)
        expect(page.locator(dial)).to_have_attribute("data-level", "high")
        expect(page).to_have_title("(1) Aura Actors")
        machine.available_bytes = 600
        expect(alert).to_contain_text("Memory is back at 40 %", timeout=10_000)
        expect(alert).to_contain_text("over for")
        expect(page.locator("#happenings li")).to_have_count(2)

    surroundings = Surroundings(collectors=machine.collectors)
    async with open_test_runtime(tmp_path / "data", surroundings=surroundings) as house:
        await trio.to_thread.run_sync(browser.visit, f"{house.http}/", look)


async def test_a_crash_is_told_and_the_tree_shows_it(browser: "Browser", tmp_path: Path) -> None:
    browser.forgiven = ("WebSocket connection to", "ERR_CONNECTION")

    token = trio.lowlevel.current_trio_token()
    async with open_test_runtime(tmp_path / "data") as house:

        def look(page: Page) -> None:
            live(page)
            trio.from_thread.run_sync(crash, house.runtime, "cleanup", trio_token=token)
            expect(page.locator("#happenings")).to_contain_text("cleanup crashed", timeout=10_000)
            trio.from_thread.run_sync(crash, house.runtime, "listener", trio_token=token)
            expect(page.locator("#actors")).to_contain_text("crashed on purpose", timeout=20_000)
            live(page)

        await trio.to_thread.run_sync(browser.visit, f"{house.http}/", look)
