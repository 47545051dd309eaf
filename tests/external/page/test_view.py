"""How the page can be used: on a phone, by keyboard alone, in light and dark, with everything named."""

from typing import TYPE_CHECKING, Final, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.external.page.conftest import live, settles

if TYPE_CHECKING:
    from tests.external.page.conftest import Browser, Daemon

SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
pytestmark = pytest.mark.external

BEYOND = """() => [...document.querySelectorAll("body *")].filter((element) => {
  const box = element.getBoundingClientRect();
  const hidden = element.closest("[hidden], dialog:not([open]), .skip, .unseen, .u-over, svg");
  return !hidden && box.width > 0 && (box.right > innerWidth + 1 || box.left < -1);
}).map((element) => `${element.tagName} ${element.id} ${element.className}`)"""

# WCAG 2: the contrast of every visible text with the first opaque background behind it.
PALE = """() => {
  const pen = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgba = (color) => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = color; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data]; };
  const light = (color) => { const [r, g, b] = rgba(color).slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (element) => { for (let at = element; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor; if (rgba(color)[3] > 250) return color; } return "white"; };
  const texts = [...document.querySelectorAll("body *")].filter((element) => element.checkVisibility() &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
  return texts.map((element) => {
    const [one, two] = [light(getComputedStyle(element).color), light(behind(element))];
    return [(Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05), element.textContent.slice(0, 30)];
  }).filter(([contrast]) => contrast < 4.5);
}"""

NAMELESS = """() => [...document.querySelectorAll(
    "button, [role=meter], [role=progressbar], [role=region], [role=img], input, a")]
  .filter((element) => element.checkVisibility() && !element.closest(".skip"))
  .filter((element) => !(element.getAttribute("aria-label") || element.getAttribute("aria-labelledby") ||
    element.labels?.length || element.textContent.trim())).map((element) => element.outerHTML.slice(0, 80))"""


def crowd(served: "Daemon") -> None:
    """Long names, several jobs: what makes a page too wide."""
    for number in range(3):
        name = f"a-very-long-name-of-a-job-that-nobody-would-choose-but-some-program-does-{number}"
        body = {
            "jobId": name,
            "memoryBytes": 1,
            "kind": "transcode",
            "owner": "studio-of-some-length",
            "ttlSeconds": 99,
        }
        served.ask("POST", "api/admission/jobs", body)
    unbroken = {"jobId": "j" * 128, "kind": "k" * 60, "owner": "\u202eo" * 60, "memoryBytes": 1, "waitSeconds": 0.1}
    served.ask("POST", "api/admission/jobs", unbroken)


def test_on_a_phone_nothing_is_cut_off(browser: "Browser", served: "Daemon") -> None:
    crowd(served)

    def look(page: Page) -> None:
        live(page)
        expect(page.locator("#jobs tr")).to_have_count(3, timeout=10_000)
        for width in (390, 360):
            page.set_viewport_size({"width": width, "height": 780})
            settles(page, BEYOND, [])  # a chart takes its new size a frame after the page
            settles(page, "document.documentElement.scrollWidth", width)

    browser.visit(served.url, look)


def test_every_text_can_be_read_in_light_and_dark_and_everything_has_a_name(
    browser: "Browser", served: "Daemon"
) -> None:
    crowd(served)

    def look(page: Page) -> None:
        live(page)
        expect(page.locator("#jobs tr")).to_have_count(3, timeout=10_000)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            settles(page, PALE, [])
        settles(page, NAMELESS, [])

    browser.visit(served.url, look)


def test_the_keyboard_is_enough(browser: "Browser", served: "Daemon") -> None:
    def look(page: Page) -> None:
        live(page)
        page.keyboard.press("?")
        expect(page.locator("#help")).to_be_visible()
        expect(page.locator("#keys")).to_contain_text("go to Cleanup")
        page.keyboard.press("Escape")
        expect(page.locator("#help")).to_be_hidden()
        page.keyboard.press("4")
        expect(page.locator("#cleanup-card")).to_be_focused()
        expect(page.locator("#cleanup-title")).to_be_in_viewport()
        page.keyboard.press("Tab")
        expect(page.locator("#cleanup").get_by_role("button", name="Dry run temp-files")).to_be_focused()
        page.keyboard.press("w")
        expect(page.locator("#window")).to_have_text("15 min")
        expect(page.locator("#cpu-chart")).to_contain_text("15 min ago")
        page.keyboard.press("p")
        expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
        clock = page.locator('[data-value="process.uptimeSeconds"]')
        stood = clock.inner_text()
        page.wait_for_timeout(1_500)
        assert clock.inner_text() == stood
        page.keyboard.press("p")
        expect(clock).not_to_have_text(stood)

    browser.visit(served.url, look)
