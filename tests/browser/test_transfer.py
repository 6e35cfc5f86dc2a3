"""What a visit transfers through nginx: little at first, next to nothing the second time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Page, expect

from tests import nginx
from tests.browser.page import DigitsPage

PATIENCE = 60_000  # milliseconds


@dataclass
class Visit:
    """The requests of one visit that did not come from the browser's cache."""

    sizes: dict[str, int] = field(default_factory=dict)
    cached: set[str] = field(default_factory=set)

    @property
    def requests(self) -> int:
        """How many there are."""
        return len(self.sizes.keys() - self.cached)

    @property
    def transferred(self) -> int:
        """What they transfer, headers included, in bytes."""
        return sum(size for request, size in self.sizes.items() if request not in self.cached)


def visited(page: Page, url: str) -> Visit:
    """Open the page, and count until it can be drawn on."""
    visit = Visit()

    def response(event: dict[str, Any]) -> None:
        if event["response"].get("fromDiskCache"):
            visit.cached.add(event["requestId"])

    def finished(event: dict[str, Any]) -> None:
        visit.sizes[event["requestId"]] = event["encodedDataLength"]

    def from_memory(event: dict[str, Any]) -> None:
        visit.cached.add(event["requestId"])

    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.on("Network.responseReceived", response)
    wire.on("Network.requestServedFromCache", from_memory)
    wire.on("Network.loadingFinished", finished)
    page.goto(url, timeout=PATIENCE)
    expect(DigitsPage(page).canvas).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("status")).to_contain_text("Draw", timeout=PATIENCE)
    page.wait_for_load_state("networkidle")
    wire.detach()
    return visit


def test_a_visit_transfers_little_and_the_second_comes_from_the_cache(
    browser: Browser, url: str, tmp_path: Path
) -> None:
    with nginx.nginx(tmp_path, int(url.rsplit(":", 1)[1])) as port:
        deadline = time.monotonic() + 120
        while True:
            context = browser.new_context()
            page = context.new_page()
            try:
                first = visited(page, f"http://127.0.0.1:{port}")
                second = visited(page, f"http://127.0.0.1:{port}")
            except (AssertionError, Error):
                # Chromium gives up its requests when a container begins or ends: see DigitsPage.
                if time.monotonic() > deadline:
                    raise
            else:
                break
            finally:
                context.close()
    print(first.requests, first.transferred, second.requests, second.transferred)
    assert 50 < first.requests < 94
    assert 500_000 < first.transferred < 900_000
    assert second.requests < 10
    assert second.transferred < 20_000
