"""Admission on the page: what is reserved and used, who waits and why, and what an operator may do about it."""

import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from tests.external.page.conftest import live

if TYPE_CHECKING:
    from tests.external.page.conftest import Browser, Daemon

pytestmark = pytest.mark.external

HOG = "import time; held = bytearray(b'x') * 300_000_000; print('held', flush=True); time.sleep(50)"


def job(name: str, **more: Any) -> dict[str, Any]:
    return {"jobId": name, "memoryBytes": 400_000_000, "ttlSeconds": 120, **more}


def test_a_real_load_moves_the_gauges_and_the_queue_says_why_each_waits(
    browser: "Browser", served: "Daemon"
) -> None:
    hog = subprocess.Popen([sys.executable, "-c", HOG], stdout=subprocess.PIPE)

    def look(page: Page) -> None:
        live(page)
        expect(page.locator("#jobs-empty")).to_have_text("No job is running.")
        expect(page.locator("#queue-empty")).to_have_text("Nobody waits.")
        answer = served.ask_here("POST", "api/admission/jobs", job("render-1", pid=hog.pid))
        assert answer.status_code == 201, answer.text
        for name in ("render-2", "render-3"):
            assert served.ask("POST", "api/admission/jobs", job(name)).status_code == 201
        used = page.locator("#jobs tr", has_text="render-1").locator(".used .bar")
        expect(used).to_have_attribute("aria-valuenow", re.compile(r"^([7-9]|\d\d)\d(\.\d)?$"), timeout=15_000)
        waits = threading.Thread(
            target=served.ask, args=("POST", "api/admission/jobs", job("render-4", waitSeconds=30))
        )
        waits.start()
        place = page.locator("#queue > li")
        expect(place).to_contain_text("render-4", timeout=10_000)
        expect(place.locator(".reasons")).to_contain_text("all 3 job slots are taken")
        expect(place).to_contain_text(re.compile(r"waited [2-9] s"), timeout=10_000)
        page.locator("#jobs tr", has_text="render-2").get_by_role("button", name="Revoke").click()
        page.get_by_role("dialog").get_by_role("button", name="End it").click()
        expect(page.locator("#toasts")).to_contain_text("The lease of render-2 has ended.")
        expect(page.locator("#jobs")).to_contain_text("render-4", timeout=10_000)
        expect(page.locator("#queue-empty")).to_be_visible()
        told = page.locator("#happenings")
        expect(told).to_contain_text("render-1 was granted")
        expect(told).to_contain_text("1 granted, 1 revoked")
        waits.join(10)

    try:
        assert hog.stdout is not None
        assert hog.stdout.readline() == b"held\n"
        browser.visit(served.url, look)
    finally:
        hog.kill()
        hog.communicate()


def test_a_job_that_began_while_one_was_asked_about_its_place_is_left_alone(
    browser: "Browser", served: "Daemon"
) -> None:
    def look(page: Page) -> None:
        leases = {name: served.ask("POST", "api/admission/jobs", job(name)).json() for name in ("a", "b", "c")}
        assert served.ask("POST", "api/admission/jobs", job("d", waitSeconds=0.2)).status_code == 202
        live(page)
        page.locator("#queue").get_by_role("button", name="Remove").click()
        secret = {"Aura-Lease": leases["a"]["leaseId"]}
        assert served.ask("DELETE", "api/admission/jobs/a", **secret).status_code == 204
        assert served.ask("POST", "api/admission/jobs", job("d")).status_code in (200, 201)
        expect(page.locator("#jobs")).to_contain_text("d", timeout=10_000)
        expect(page.locator("#queue > li")).to_have_count(0)
        page.locator("#confirm-yes").click()
        expect(page.locator("#toasts")).to_contain_text("d did not wait any more.")
        assert "d" in [each["jobId"] for each in served.ask("GET", "api/admission/jobs").json()["active"]]

    browser.visit(served.url, look)


def test_what_a_client_calls_itself_is_text_and_nothing_else(browser: "Browser", served: "Daemon") -> None:
    """A browser that took it for markup would ask for the picture, and would complain of the script."""
    named = {
        "active": '<img src="no-such-picture" onerror="throw 1">',
        "queue": "</li><script>throw 2</script>\x1b[2J\u202e__proto__",
    }

    def look(page: Page) -> None:
        for number in range(3):
            served.ask("POST", "api/admission/jobs", job(f"__proto__{number}", owner=named["active"]))
        served.ask("POST", "api/admission/jobs", job("constructor", owner=named["queue"], waitSeconds=0.1))
        live(page)
        expect(page.locator("#jobs tr")).to_have_count(3, timeout=10_000)
        expect(page.locator("#jobs tr").first).to_contain_text(named["active"])
        expect(page.locator("#queue > li")).to_contain_text("</li><script>throw 2</script>")

    browser.visit(served.url, look)


def test_an_operator_drains_and_admits_again(browser: "Browser", served: "Daemon") -> None:
    def look(page: Page) -> None:
        live(page)
        drain = page.locator("#drain")
        drain.click()
        page.keyboard.press("Escape")
        expect(drain).to_have_attribute("aria-pressed", "false")
        drain.click()
        page.locator("#confirm-yes").click()
        expect(drain).to_have_text("Admit again", timeout=10_000)
        expect(page.locator("#brake")).to_contain_text("nothing new is admitted")
        expect(page.locator("#happenings li").first).to_contain_text("Draining: nothing new is admitted")
        assert served.ask("POST", "api/admission/jobs", job("late")).status_code == 503
        drain.click()
        expect(drain).to_have_text("Drain", timeout=10_000)

    browser.visit(served.url, look)
    assert served.ask("POST", "api/admission/jobs", job("late")).status_code == 201


def test_whoever_may_only_read_is_offered_nothing_else(browser: "Browser", guarded: "Daemon") -> None:
    def look(page: Page) -> None:
        page.locator("#token").fill("only-read")
        with page.expect_response("**/api/access") as answer:
            page.locator("#token").press("Enter")
            live(page)
        assert answer.value.json() == {"owner": "viewer", "scopes": ["read"]}
        expect(page.locator("#cleanup")).to_contain_text("temp-files")
        expect(page.locator("#drain")).to_be_hidden()
        expect(page.get_by_role("button", name="Dry run")).to_be_hidden()

    browser.visit(guarded.url, look)


MANY = """async () => {
  const { remember } = await import("./static/views/happenings.js");
  const ts = new Date().toISOString();
  remember({ topic: "alerts", ts, data: { text: "memory is at 95 %", clearedAt: null } });
  const latest = [{ key: "a-job", detail: "memory: no room" }];
  for (let granted = 2; granted < 40; granted++) {
    remember({ topic: "admission", ts, data: { counts: { granted, refused: 1 }, latest } });
  }
  remember({ topic: "admission", ts, data: { counts: { never: 1 }, latest } });
}"""


def test_decisions_leave_room_for_what_is_rare(browser: "Browser", served: "Daemon") -> None:
    def look(page: Page) -> None:
        live(page)
        page.evaluate(MANY)
        lines = page.locator("#happenings li")
        expect(lines).to_have_count(11)
        expect(lines.first).to_contain_text("a-job does not fit this machine: memory: no room")
        expect(lines.first).to_have_attribute("data-level", "high")
        expect(lines.nth(1)).to_contain_text("39 granted, 1 refused")
        expect(lines.last).to_contain_text("Memory is at 95 %")

    browser.visit(served.url, look)
