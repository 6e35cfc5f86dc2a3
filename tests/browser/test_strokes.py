"""One pointer draws one stroke, and releasing it anywhere ends that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, expect

from tests import pen
from tests.browser.conftest import DESKTOP, PHONE, rows
from tests.browser.page import PATIENCE, DigitsPage
from tests.postgres import Database

PenDigits = list[tuple[int, pen.Strokes]]
SEVEN = [(0.2, 0.2), (0.5, 0.2), (0.8, 0.2), (0.65, 0.5), (0.5, 0.85)]


@contextmanager
def opened(browser: Browser, url: str, look: dict[str, Any]) -> Iterator[DigitsPage]:
    """The page in a window of this look, until the block ends."""
    context = browser.new_context(**look)
    page = DigitsPage(context.new_page())
    page.open(url)
    yield page
    context.close()


@pytest.fixture
def desktop(browser: Browser, url: str, empty_log: Database) -> Iterator[DigitsPage]:
    assert empty_log.query("SELECT 1")
    with opened(browser, url, DESKTOP) as page:
        yield page


@pytest.fixture
def phone(browser: Browser, url: str, empty_log: Database) -> Iterator[DigitsPage]:
    assert empty_log.query("SELECT 1")
    with opened(browser, url, PHONE) as page:
        yield page


def on_canvas(page: DigitsPage, x: float, y: float) -> tuple[float, float]:
    box = page.canvas.bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def middle(locator: Any) -> tuple[float, float]:
    box = locator.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


SENT = """
    window.sent = [];
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
        window.sent.push(performance.now() - window.up);
        return send.call(this, data);
    };
    addEventListener("mouseup", () => { window.up = performance.now(); }, true);
"""


def test_a_drawing_is_sent_at_once_and_quick_strokes_together(desktop: DigitsPage) -> None:
    desktop.page.evaluate(SENT)
    waits = []
    for _ in range(3):  # the machine may be busy at one of them
        desktop.draw([SEVEN])
        desktop.prediction()
        waits.append(desktop.page.evaluate("window.sent[0]"))
        desktop.press_correct()
        desktop.wait_until_cleared()
        desktop.page.evaluate("window.sent = []")
    assert min(waits) < 150  # the canvas by itself waits 200 ms
    desktop.draw([[(x / 20, 0.2), (x / 20, 0.8)] for x in range(1, 20)])
    desktop.settle()
    assert 1 < desktop.page.evaluate("window.sent.length") < 15


@pytest.mark.parametrize("over", ["undo", "correct", "label", "submit"])
def test_a_release_over_something_disabled_ends_the_stroke(desktop: DigitsPage, over: str) -> None:
    places = {
        "undo": desktop.tool("Undo"),
        "correct": desktop.correct,
        "label": desktop.label,
        "submit": desktop.submit,
    }
    expect(places[over]).to_be_disabled()
    mouse = desktop.page.mouse
    mouse.move(*on_canvas(desktop, *SEVEN[0]))
    mouse.down()
    for point in SEVEN:
        mouse.move(*on_canvas(desktop, *point))
    mouse.move(*middle(places[over]))
    mouse.up()
    desktop.prediction()
    ink = desktop.ink()
    mouse.move(*on_canvas(desktop, 0.1, 0.9))
    mouse.move(*on_canvas(desktop, 0.9, 0.9))
    desktop.page.wait_for_timeout(300)
    assert desktop.ink() == ink


def test_the_right_button_draws_nothing(desktop: DigitsPage) -> None:
    mouse = desktop.page.mouse
    mouse.move(*on_canvas(desktop, 0.2, 0.5))
    mouse.down(button="right")
    mouse.move(*on_canvas(desktop, 0.8, 0.5))
    mouse.up(button="right")
    mouse.move(*on_canvas(desktop, 0.8, 0.8))
    assert desktop.canvas_is_empty()


class Fingers:
    """Several fingers on a screen, by number."""

    def __init__(self, page: DigitsPage) -> None:
        self.page = page
        self.session: CDPSession = page.page.context.new_cdp_session(page.page)
        self.down: dict[int, tuple[float, float]] = {}

    def put(self, number: int, x: float, y: float) -> None:
        """Put a finger down, or move it."""
        kind = "touchMove" if number in self.down else "touchStart"
        self.down[number] = on_canvas(self.page, x, y)
        self._send(kind)

    def lift(self, number: int) -> None:
        """Lift a finger."""
        del self.down[number]
        self._send("touchEnd")

    def _send(self, kind: str) -> None:
        points = [{"id": n, "x": x, "y": y} for n, (x, y) in self.down.items()]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.mark.parametrize("palm_leaves_first", [True, False])
def test_a_palm_in_mid_stroke_changes_nothing(phone: DigitsPage, palm_leaves_first: bool) -> None:
    fingers = Fingers(phone)
    for point in SEVEN[:2]:
        fingers.put(1, *point)
    fingers.put(2, 0.9, 0.95)
    for n, point in enumerate(SEVEN[2:]):
        fingers.put(1, *point)
        fingers.put(2, 0.9, 0.95 - n / 50)
    for number in (2, 1) if palm_leaves_first else (1, 2):
        fingers.lift(number)
    assert phone.prediction()[0] == 7
    right = phone.canvas.evaluate(
        """top => {
            const lower = top.parentElement.querySelector("canvas");
            const { width, height } = lower;
            const x = Math.round(0.85 * width), y = Math.round(0.8 * height);
            const { data } = lower.getContext("2d").getImageData(x, y, width - x, height - y);
            return data.filter((value, n) => n % 4 === 0 && value > 128).length;
        }"""
    )
    assert right == 0
    ink = phone.ink()
    fingers.put(1, 0.2, 0.9)  # and the next stroke is drawn
    fingers.put(1, 0.5, 0.9)
    fingers.lift(1)
    phone.settle()
    assert phone.ink() > ink


def test_a_pen_goes_before_a_palm(phone: DigitsPage) -> None:
    fingers = Fingers(phone)
    fingers.put(1, 0.9, 0.95)
    fingers.put(1, 0.9, 0.8)

    def pen_event(kind: str, point: tuple[float, float]) -> None:
        x, y = on_canvas(phone, *point)
        fingers.session.send(
            "Input.dispatchMouseEvent",
            {
                "type": kind, "x": x, "y": y, "pointerType": "pen", "button": "left",
                "buttons": 0 if kind == "mouseReleased" else 1, "clickCount": 1,
            },
        )  # fmt: skip

    pen_event("mousePressed", SEVEN[0])
    for point in SEVEN:
        pen_event("mouseMoved", point)
        fingers.put(1, 0.9, 0.7)
    pen_event("mouseReleased", SEVEN[-1])
    fingers.lift(1)
    assert phone.prediction()[0] == 7


# What browsers do to a canvas that is read, in place of its pixels.
READS = {
    "random": "n => Math.floor(Math.random() * 256)",
    "white": "n => 255",
    "repeated": "(n, old) => [7, 90, 200, 255][n % 4]",
    "noise": "(n, old) => old + Math.floor(Math.random() * 5) - 2",
}
PROTECTS = """() => {
    const change = CHANGE;
    const read = CanvasRenderingContext2D.prototype.getImageData;
    const changed = (context, ...area) => {
        const image = read.apply(context, area);
        image.data.forEach((old, n) => { image.data[n] = change(n, old); });
        return image;
    };
    CanvasRenderingContext2D.prototype.getImageData = function (...area) {
        return changed(this, ...area);
    };
    const write = HTMLCanvasElement.prototype.toDataURL;
    HTMLCanvasElement.prototype.toDataURL = function (...options) {
        const copy = document.createElement("canvas");
        [copy.width, copy.height] = [this.width, this.height];
        const context = this.getContext("2d");
        copy.getContext("2d").putImageData(changed(context, 0, 0, this.width, this.height), 0, 0);
        return write.apply(copy, options);
    };
}"""


@pytest.mark.parametrize("look", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("kind", READS)
def test_a_canvas_that_the_browser_protects(
    browser: Browser,
    url: str,
    empty_log: Database,
    pen_digits: PenDigits,
    kind: str,
    look: dict[str, Any],
) -> None:
    context = browser.new_context(**look)
    context.add_init_script(f"({PROTECTS.replace('CHANGE', READS[kind])})()")
    page = DigitsPage(context.new_page())
    page.open(url)
    page.draw(pen_digits[3][1])
    if kind == "noise":
        assert page.prediction()[0] == 3
    else:
        status = page.page.get_by_role("status")
        expect(status).to_contain_text("Allow canvas access", timeout=PATIENCE)
        expect(page.correct).to_be_disabled()
        expect(page.submit).to_be_disabled()
    assert rows(empty_log) == []
    context.close()
