"""The page and its server: it stays connected, asks nobody else, and needs the token that the server needs."""

import signal
import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, Route, expect

from tests.external.page.conftest import live, settles

if TYPE_CHECKING:
    from tests.external.page.conftest import Browser, Daemon

pytestmark = pytest.mark.external

UPTIME = '[data-value="process.uptimeSeconds"]'
INKED = "(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((part) => part > 0)"
BROKEN = ("WebSocket connection to", "ERR_CONNECTION_REFUSED")


def test_the_page_moves_and_asks_nobody_else(browser: "Browser", served: "Daemon") -> None:
    def look(page: Page) -> None:
        live(page)
        clock = page.locator(UPTIME)
        expect(clock).not_to_have_text(clock.inner_text(), timeout=15_000)
        expect(page.locator("#actors")).to_contain_text("sampler")

    browser.visit(served.url, look)


def test_the_charts_begin_with_what_happened_before_the_page_was_opened(
    browser: "Browser", served: "Daemon"
) -> None:
    def look(page: Page) -> None:
        page.wait_for_load_state("networkidle")  # the same question of the first load is answered
        with page.expect_response("**/api/metrics/history?*") as answer:
            page.reload()
            live(page)
        before = len(answer.value.json()["entries"])
        assert before > 5
        settles(page, "async () => (await import('./static/state.js')).timeline.size >= 3", True)
        settles(page, INKED, True, page.locator("#cpu-chart canvas").element_handle())

    while len(served.ask("GET", "api/metrics/history").json()["entries"]) < 12:
        time.sleep(0.1)
    browser.visit(served.url, look)


def test_history_that_did_not_come_is_asked_for_again_and_each_time_later(
    browser: "Browser", served: "Daemon"
) -> None:
    browser.forgiven = ("ERR_FAILED", "status of 503")
    asked_at: list[float] = []

    def answer(route: Route) -> None:
        asked_at.append(time.monotonic())
        if len(asked_at) == 1:
            route.abort()
        elif len(asked_at) < 4:
            route.fulfill(status=503, json={"detail": "not now"})
        else:
            route.continue_()

    def look(page: Page) -> None:
        page.wait_for_load_state("networkidle")
        page.route("**/api/metrics/history?*", answer)
        page.reload()
        live(page)
        settles(page, "async () => (await import('./static/state.js')).timeline.size >= 12", True)
        page.wait_for_timeout(1_500)

    while len(served.ask("GET", "api/metrics/history").json()["entries"]) < 12:
        time.sleep(0.1)
    browser.visit(served.url, look)
    first, second, third, fourth = asked_at  # until it came, and no longer
    assert fourth - third > third - second > 0.9
    assert second - first > 0.9


def test_what_a_token_opens_is_asked_again_where_the_question_was_lost(
    browser: "Browser", served: "Daemon"
) -> None:
    browser.forgiven = ("ERR_FAILED", "status of 503")
    lost: list[str] = []

    def answer(route: Route) -> None:
        lost.append(route.request.url)
        if len(lost) == 1:
            route.abort()
        elif len(lost) == 2:
            route.fulfill(status=503, json={"detail": "not now"})
        else:
            route.continue_()

    def look(page: Page) -> None:
        page.route("**/api/access", answer)
        page.reload()
        live(page)
        expect(page.locator("#drain")).to_be_visible(timeout=10_000)
        page.wait_for_timeout(1_500)

    browser.visit(served.url, look)
    assert len(lost) == 3, "asked until it is known, and no longer"


def test_a_daemon_that_was_killed_and_started_again_is_found_again(browser: "Browser", served: "Daemon") -> None:
    browser.forgiven = BROKEN

    def look(page: Page) -> None:
        live(page)
        page.wait_for_load_state("networkidle")  # what is asked once is answered: no question is cut in two
        served.end(signal.SIGKILL)
        expect(page.locator("#connection-text")).to_have_text("reconnecting", timeout=10_000)
        served.start()
        live(page)
        expect(page.locator("#happenings")).to_contain_text("The server was restarted.")
        clock = page.locator(UPTIME)
        expect(clock).not_to_have_text(clock.inner_text(), timeout=15_000)

    browser.visit(served.url, look)


def test_the_token_is_asked_for_kept_for_the_tab_and_forgotten_on_request(
    browser: "Browser", guarded: "Daemon"
) -> None:
    def look(page: Page) -> None:
        box = page.locator('input[type="password"]')
        expect(box).to_be_focused(timeout=15_000)
        box.fill("wrong")
        box.press("Enter")
        expect(page.locator("#token-error")).to_have_text("This token was refused.")
        box.fill("s3cret")
        box.press("Enter")
        live(page)
        page.reload()
        live(page)
        assert "s3cret" not in page.url
        assert page.evaluate("localStorage.length + document.cookie.length") == 0
        page.locator("#forget").click()
        expect(box).to_be_visible(timeout=15_000)

    browser.forgiven = ("401",)
    browser.visit(guarded.url, look)
