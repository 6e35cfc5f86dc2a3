"""What HTTPS costs a visitor: the same page on the same droplet, with and without."""

from __future__ import annotations

import time
from collections.abc import Iterator

from playwright.sync_api import Browser

from benchmarks.app import STOPWATCH
from benchmarks.report import Line, percentiles
from tests.browser.page import DigitsPage
from tests.conftest import chromium
from tests.pen import drawing
from tests.rehearsal.deployment import Deployment

LOADS, DRAWS = 10, 10


def the_cost_of_tls(deployment: Deployment) -> Iterator[Line]:
    """Page load, nothing cached, and mouse-up to prediction: over HTTP and HTTPS."""
    seen = {}
    with chromium() as browser:
        for acme, scheme in (("on", "https"), ("off", "http")):
            set_to = f"sed -i 's/^ACME=.*/ACME={acme}/' /etc/digits/site.env"
            deployment.ssh(f"{set_to} && digits certificate")
            seen[scheme] = _measured(browser, f"{scheme}://{deployment.site_address}")
        deployment.ssh("sed -i 's/^ACME=.*/ACME=on/' /etc/digits/site.env && digits certificate")
    for number, what in enumerate(("page load, nothing cached", "mouse-up to prediction")):
        http, https = (percentiles(seen[scheme][number])[0] for scheme in ("http", "https"))
        yield Line(f"{what}, HTTP and HTTPS", f"p50 {http:.0f} ms and {https:.0f} ms")


def _measured(browser: Browser, url: str) -> tuple[list[float], list[float]]:
    """Seconds of each page load, and of each prediction."""
    loads, draws = [], []
    for _ in range(LOADS):
        window = browser.new_context(ignore_https_errors=True)
        page = DigitsPage(window.new_page())
        started = time.perf_counter()
        page.open(url)
        loads.append(time.perf_counter() - started)
        window.close()
    page = DigitsPage(browser.new_context(ignore_https_errors=True).new_page())
    page.open(url)
    page.page.evaluate(STOPWATCH)
    for _ in range(DRAWS):
        page.draw(drawing(1))
        page.prediction()
        draws.append(float(page.page.evaluate("window.took")) / 1000)
        page.press_correct()
        page.wait_until_cleared()
    return loads, draws
