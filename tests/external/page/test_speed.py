"""How soon the page shows what happened, and that it does not grow while it is open.

`make soak` keeps it open for ten minutes (`AURA_PAGE_SECONDS`) and prints the figures; here it is a short while.
"""

import os
import statistics
import time
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.external.page.conftest import daemons, live

if TYPE_CHECKING:
    from tests.external.page.conftest import Browser, Daemon

SECONDS = float(os.environ.get("AURA_PAGE_SECONDS", "6"))
LOOKS = 6
pytestmark = [pytest.mark.external, pytest.mark.timeout(SECONDS + 120)]

INTERVAL_SECONDS = 1.0
PIXEL_SECONDS = 0.25
GROWN_BYTES = 500_000
READINGS = 8
GROWN_NODES = 60  # rows of the list of what happened lately, which has an end

# Notes when a system frame was published and when the browser had painted it: the task after the animation frame
# in which the page said which sample it shows.
PAINTED = """() => {
  window.painted = [];
  new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => {
    const stamp = document.querySelector("#age").title.split(" of ")[1];
    window.painted.push((Date.now() - Date.parse(stamp)) / 1000);
  }))).observe(document.querySelector("#age"), {attributeFilter: ["title"]});
}"""
SEEN = """(job) => new Promise((done) => {
  const look = () => document.querySelector("#jobs").textContent.includes(job);
  new MutationObserver((_, observer) => { if (look()) { observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(Date.now() / 1000))); } })
    .observe(document.querySelector("#jobs"), {childList: true, subtree: true, characterData: true});
})"""
WITHIN = "() => Promise.race([window.seen, new Promise((_, no) => setTimeout(() => no('never seen'), 10000))])"

SETTINGS = {
    "AURA_SAMPLER__INTERVAL": "1s",
    "AURA_ADMISSION__CPU_THRESHOLD_PERCENT": "100",
    "AURA_ADMISSION__JOB_SLOTS": "4",
    "AURA_ALERTS__CPU_PERCENT": "100",  # alerts are news, and the list of news grows until it is full
}


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Daemon]":
    """One sample a second, as users have it."""
    with daemons(tmp_path_factory.mktemp("steady")) as make:
        yield make(**SETTINGS)


def test_what_happens_is_seen_within_the_interval_and_a_quarter_of_a_second(
    browser: "Browser", steady: "Daemon"
) -> None:
    def look(page: Page) -> None:
        live(page)
        page.evaluate(PAINTED)
        waits = []
        for number in range(3):
            page.evaluate(f"void (window.seen = ({SEEN})('job-{number}'))")
            asked = time.time()
            steady.ask("POST", "api/admission/jobs", {"jobId": f"job-{number}", "memoryBytes": 1, "ttlSeconds": 99})
            waits.append(page.evaluate(WITHIN) - asked)
        painted: list[float] = page.evaluate("window.painted")
        for name, seconds in (("sample", painted), ("grant", waits)):
            print(f"{name} to pixel {statistics.median(seconds):.3f} s ({max(seconds):.3f} of {len(seconds)})")
        assert statistics.median(painted) < PIXEL_SECONDS
        assert statistics.median(waits) < INTERVAL_SECONDS + PIXEL_SECONDS

    browser.visit(steady.url, look, reduced_motion="no-preference")
    steady.clear()


def test_a_page_that_is_open_for_long_does_not_grow(browser: "Browser", steady: "Daemon") -> None:
    numbers = count()

    def look(page: Page) -> None:
        live(page)
        tools = page.context.new_cdp_session(page)
        tools.send("Performance.enable")
        readings = []
        for look in range(LOOKS):
            live_on(page, SECONDS / LOOKS)
            readings.append(measured(tools))
            print(f"after {SECONDS * (look + 1) / LOOKS:.0f} s {readings[-1]}")
        before, after = readings[LOOKS // 2 - 1], readings[-1]  # of ten minutes: the window is full by then
        assert after["JSHeapUsedSize"] - before["JSHeapUsedSize"] < GROWN_BYTES
        assert after["Nodes"] - before["Nodes"] < GROWN_NODES
        assert after["JSEventListeners"] - before["JSEventListeners"] < GROWN_NODES

    def live_on(page: Page, seconds: float) -> None:
        """Jobs come and go meanwhile, as rows of the page do."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            name = f"job-{next(numbers)}"
            body = {"jobId": name, "memoryBytes": 1, "ttlSeconds": 99}
            lease = steady.ask("POST", "api/admission/jobs", body).json()["leaseId"]
            expect(page.locator("#jobs")).to_contain_text(name, timeout=10_000)
            steady.ask("DELETE", f"api/admission/jobs/{name}", **{"Aura-Lease": lease})
            page.wait_for_timeout(500)

    browser.visit(steady.url, look, reduced_motion="no-preference")


def measured(tools: CDPSession) -> dict[str, Any]:
    """The least of several readings: one redraw leaves 0.6 MB of garbage, and may come between the two calls."""
    readings = [reading(tools) for _ in range(READINGS)]
    return {name: min(each[name] for each in readings) for name in readings[0]}


def reading(tools: CDPSession) -> dict[str, Any]:
    """After the garbage is gone: what a document holds is let go of in several rounds."""
    for _ in range(3):
        tools.send("HeapProfiler.collectGarbage")
    wanted = {"JSHeapUsedSize", "Nodes", "JSEventListeners"}
    return {
        each["name"]: each["value"]
        for each in tools.send("Performance.getMetrics")["metrics"]
        if each["name"] in wanted
    }
