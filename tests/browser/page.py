"""The page as a visitor uses it, for any URL: draw, read the answer, press the buttons."""

from __future__ import annotations

import time
from collections.abc import Sequence

from playwright.sync_api import Error, Locator, Page, expect

Stroke = Sequence[Sequence[float]]
PATIENCE = 60_000  # milliseconds


class DigitsPage:
    """Drives a Playwright page; waits for what it asks for, and fails with its name."""

    def __init__(self, page: Page, patience: float = PATIENCE) -> None:
        self.page = page
        self.patience = patience

    @property
    def correct(self) -> Locator:
        """The Correct button."""
        return self.page.get_by_role("button", name="Correct", exact=True)

    @property
    def label(self) -> Locator:
        """The text input for the true digit."""
        return self.page.get_by_role("textbox", name="True digit")

    @property
    def submit(self) -> Locator:
        """The Submit Correction button."""
        return self.page.get_by_role("button", name="Submit Correction", exact=True)

    @property
    def canvas(self) -> Locator:
        """The canvas that takes the pen: the topmost, if there are layers."""
        return self.page.locator(".st-key-canvas canvas").last

    def tool(self, name: str) -> Locator:
        """One of the canvas's own buttons."""
        return self.page.locator(".st-key-canvas").get_by_role("button", name=name, exact=True)

    def open(self, url: str) -> None:
        """Open the page and wait until it can be drawn on.

        Loads it again if need be: Chromium gives up its requests whenever one of the
        machine's network interfaces comes or goes, as those of containers do.
        """
        deadline = time.monotonic() + self.patience / 1000
        while True:
            try:
                self.page.goto(url, timeout=self.patience)
                expect(self.submit).to_be_visible(timeout=self.patience / 3)
                expect(self.canvas).to_be_visible(timeout=self.patience / 3)
                # What the page writes as HTML needs a script of its own, which is loaded last.
                expect(self.page.get_by_role("status")).to_have_count(1, timeout=self.patience / 3)
            except (AssertionError, Error):
                if time.monotonic() > deadline:
                    raise
                self.page.wait_for_timeout(500)
            else:
                return

    def draw(self, strokes: Sequence[Stroke]) -> None:
        """Draw with the mouse, or a finger where there is a touch screen.

        A stroke is a list of [x, y], 0 to 1 across the canvas.
        """
        self.canvas.scroll_into_view_if_needed()
        box = self.canvas.bounding_box()
        assert box is not None
        finger = self.page.evaluate("navigator.maxTouchPoints") > 0
        for stroke in strokes:
            points = [
                (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke
            ]
            (self._touch if finger else self._drag)(points)

    def _drag(self, points: Sequence[tuple[float, float]]) -> None:
        mouse = self.page.mouse
        mouse.move(*points[0])
        mouse.down()
        for point in points:
            mouse.move(*point)
        mouse.up()

    def _touch(self, points: Sequence[tuple[float, float]]) -> None:
        session = self.page.context.new_cdp_session(self.page)
        for kind, point in [("touchStart", points[0]), *(("touchMove", p) for p in points)]:
            touches = [{"x": point[0], "y": point[1]}]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        session.detach()

    def settle(self) -> None:
        """Wait until what was drawn has been sent and answered."""
        # The canvas tells of a stroke 200 ms after it; an earlier stroke may show already.
        self.page.wait_for_timeout(300)
        idle = self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
        expect(idle).to_have_count(1, timeout=self.patience)

    def wait_until_connected(self) -> None:
        """Wait until the page has its server again."""
        connected = self.page.locator("[data-testid=stApp][data-test-connection-state=CONNECTED]")
        expect(connected).to_have_count(1, timeout=self.patience)
        self.settle()

    def prediction(self) -> tuple[int, float]:
        """Wait for the prediction of the whole drawing; return digit and confidence, 0 to 1."""
        self.settle()
        digit = self.page.get_by_test_id("digit")
        expect(digit).to_be_visible(timeout=self.patience)
        expect(self.correct).to_be_enabled(timeout=self.patience)
        sure = self.page.get_by_test_id("confidence").inner_text()
        return int(digit.inner_text()), float(sure.strip().removesuffix("%")) / 100

    def hint(self) -> str:
        """Wait for the answer to a drawing that is no digit, and return it."""
        self.settle()
        expect(self.page.get_by_test_id("digit")).to_have_count(0)
        return self.page.get_by_role("status").inner_text().strip()

    def press_correct(self) -> None:
        """Press Correct."""
        self.correct.click(timeout=self.patience)

    def submit_correction(self, text: str) -> None:
        """Type into the text input and press Submit Correction."""
        self.label.fill(text, timeout=self.patience)
        self.submit.click(timeout=self.patience)

    def message(self) -> str:
        """Wait for a message to the visitor and return it."""
        alert = self.page.get_by_role("alert").filter(has_text=".")
        expect(alert).to_be_visible(timeout=self.patience)
        return alert.inner_text().strip()

    def ink(self) -> int:
        """Return how many of the canvas's pixels are bright."""
        count = self.canvas.evaluate(
            """async canvas => {
                // A stroke that has just ended is drawn with the next frame.
                const frame = () => new Promise(requestAnimationFrame);
                await frame();
                await frame();
                const all = [...canvas.parentElement.querySelectorAll('canvas')];
                let bright = 0;
                for (const one of all) {
                    if (!one.width || !one.height) continue;
                    const {data} = one.getContext('2d')
                        .getImageData(0, 0, one.width, one.height);
                    for (let i = 0; i < data.length; i += 4)
                        if (data[i] * data[i + 3] > 128 * 255) bright++;
                }
                return bright;
            }"""
        )
        return int(count)

    def canvas_is_empty(self) -> bool:
        """Return whether the canvas shows no ink at all."""
        return self.ink() == 0

    def wait_until_cleared(self) -> None:
        """Wait until canvas, prediction and input are as on a fresh page."""
        expect(self.page.get_by_test_id("digit")).to_have_count(0, timeout=self.patience)
        expect(self.correct).to_be_disabled(timeout=self.patience)
        expect(self.label).to_have_value("", timeout=self.patience)
        expect(self.canvas).to_be_visible(timeout=self.patience)
        assert self.canvas_is_empty()
