"""The page over TLS with a certificate that vouches for itself: files, HTTP, the feed and an operator's button."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.certificates import Issuer
from tests.external.page.conftest import live

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.external.page.conftest import Browser, Daemon

pytestmark = pytest.mark.external


def test_over_tls_the_page_moves_and_acts_and_its_feed_is_encrypted_too(
    browser: "Browser", daemon: "Callable[..., Daemon]", issue: Issuer
) -> None:
    """`browser` complains of all that was asked for below neither `https://` nor `wss://` of this origin."""
    pair = issue()
    served = daemon(AURA_HTTP__TLS_CERT=str(pair.cert), AURA_HTTP__TLS_KEY=str(pair.key))

    def look(page: Page) -> None:
        live(page)
        clock = page.locator('[data-value="process.uptimeSeconds"]')
        expect(clock).not_to_have_text(clock.inner_text(), timeout=15_000)
        page.locator("#drain").click()
        page.locator("#confirm-yes").click()
        expect(page.locator("#brake")).to_contain_text("Draining", timeout=10_000)

    browser.visit(f"https://127.0.0.1:{served.port}/", look, ignore_https_errors=True)
