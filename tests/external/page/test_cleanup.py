"""Cleanup on the page: look first, run, see how far it is, read the report, take it back."""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.external.page.conftest import live

if TYPE_CHECKING:
    from tests.external.page.conftest import Browser, Daemon

pytestmark = pytest.mark.external

REPORT: dict[str, Any] = {
    "runId": "run-1",
    "task": "temp-files",
    "dryRun": False,
    "startedAt": "2026-01-31T12:00:00Z",
    "finishedAt": "2026-01-31T12:00:07Z",
    "outcome": "done",
    "detail": None,
    "removed": 34,
    "kept": {"open": 2, "younger": 5},
    "failures": {"/data/temp/x": "Permission denied"},
    "freedBytes": 3 * 2**30,
    "freedAllocatedBytes": 3 * 2**30,
    "quarantined": 34,
    "undoable": True,
}
PROGRESS: dict[str, Any] = {
    "runId": "run-2",
    "dryRun": True,
    "phase": "scanning",
    "scanned": 12345,
    "removed": 7,
    "freedBytes": 2**30,
    "totalBytes": 4 * 2**30,
    "filesPerSecond": 512.4,
}


def test_a_dry_run_removes_nothing_and_its_report_opens(
    browser: "Browser", daemon: "Callable[..., Daemon]"
) -> None:
    served = daemon(AURA_CLEANUP__TEMP_FILES__OLDER_THAN="100ms")
    folder = served.data / "temp" / "old"
    folder.mkdir()
    for number in range(20):
        (folder / f"f{number}").write_bytes(b"x" * 10_000)

    def look(page: Page) -> None:
        live(page)
        row = page.locator("#cleanup > li").filter(has_text="temp-files")
        row.get_by_role("button", name="Dry run").click()
        expect(page.locator("#toasts")).to_contain_text("temp-files: would remove", timeout=30_000)
        expect(row.locator(".report")).to_contain_text("195 KiB")
        assert len(list(folder.iterdir())) == 20
        row.get_by_role("button", name="Run", exact=False).last.click()
        page.get_by_role("dialog").get_by_role("button", name="Run it").click()
        expect(row).to_contain_text("ago: removed", timeout=30_000)
        assert not folder.exists() or not list(folder.iterdir())

    browser.visit(served.url, look)


class Told:
    """The feed in a test's hands: what the server will say of a long run is said here."""

    def __init__(self) -> None:
        self._socket: WebSocketRoute | None = None
        self._seq = 0

    def take(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(lambda _: self._send({"type": "subscribed", "topics": ["cleanup"], "recovered": {}}))
        self._send({"type": "hello", "epoch": "e", "topics": ["cleanup"], "limits": {"heartbeatSeconds": 60}})

    def task(self, **task: Any) -> None:
        state = {
            "task": "temp-files",
            "enabled": True,
            "everySeconds": [3600.0],
            "nextRunAt": "2026-01-31T13:00:00Z",
        }
        self._publish("snapshot", {"tasks": [state | {"running": False, "lastReport": None} | task]})

    def happened(self, report: dict[str, Any]) -> None:
        self._publish("event", report)

    def _publish(self, kind: str, data: Any) -> None:
        self._seq += 1
        stamp = "2026-01-31T12:10:00Z"
        self._send({"type": kind, "topic": "cleanup", "epoch": "e", "seq": self._seq, "ts": stamp, "data": data})

    def _send(self, frame: dict[str, Any]) -> None:
        assert self._socket is not None
        self._socket.send(json.dumps(frame))


def test_a_long_run_shows_how_far_it_is_and_can_be_taken_back(browser: "Browser", served: "Daemon") -> None:
    told = Told()
    undone: list[str] = []

    def undo(route: Route) -> None:
        undone.append(route.request.url)
        route.fulfill(json=REPORT)

    def look(page: Page) -> None:
        page.route_web_socket("**/feed", told.take)
        page.route("**/undo", undo)
        page.reload()
        expect(page.locator("#connection-text")).to_have_text("live")
        told.task(running=True)
        bar = page.get_by_role("progressbar", name="Cleanup temp-files")
        expect(bar).to_be_visible()
        assert bar.get_attribute("aria-valuenow") is None
        told.task(running=True, progress=PROGRESS)
        expect(bar).to_have_attribute("aria-valuenow", "25")
        words = (
            "dry run: scanning · 12,345 files seen · 7 items to remove · 1.0\u00a0GiB of 4.0\u00a0GiB · 512 files/s"
        )
        expect(page.locator("#cleanup .progress")).to_have_text(words)
        expect(page.locator("#cleanup").get_by_role("button", name="Dry run")).to_be_disabled()
        told.task(lastReport=REPORT)
        expect(bar).to_be_hidden()
        told.happened(REPORT)
        expect(page.locator("#happenings")).to_contain_text("temp-files removed 34 items, 3.0\u00a0GiB")
        row = page.locator("#cleanup > li")
        # The clock of the page goes on while the stamps stand still.
        expect(row).to_contain_text(re.compile("9 min 5[3-9] s ago: removed 34 items, 3.0\u00a0GiB, 1 failed"))
        row.get_by_role("button", name="Report").click()
        expect(row.locator(".report")).to_contain_text("Kept: younger5")
        expect(row.locator(".failures")).to_have_text("/data/temp/x: Permission denied")
        row.get_by_role("button", name="Undo").click()
        page.locator("#confirm-yes").click()
        expect(page.locator("#toasts")).to_contain_text("what the run removed is back")
        told.task(lastReport=REPORT | {"undoable": False})
        expect(row.get_by_role("button", name="Undo")).to_be_hidden()

    browser.visit(served.url, look)
    assert undone == [f"{served.url}api/cleanup/runs/run-1/undo"]
