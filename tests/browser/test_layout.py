"""The page fits every window and helps everybody; on a phone nothing zooms or moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from digits.strokes import CANVAS, PEN
from tests import pen
from tests.browser.page import DigitsPage
from tests.postgres import Database

PenDigits = list[tuple[int, pen.Strokes]]
KEYBOARD = 260  # pixels
MARGIN = 12  # pixels, on either side of the canvas


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    [(360, 740, "light"), (390, 740, "dark"), (768, 1024, "dark"), (1920, 1080, "light")],
)
def test_the_page_fits_every_window(
    browser: Browser, url: str, pen_digits: PenDigits, width: int, height: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = DigitsPage(context.new_page())
    page.open(url)
    page.draw(pen_digits[3][1])
    page.prediction()
    right_of_last = 0.0
    boxes = [e.bounding_box() for e in (page.correct, page.label, page.submit)]
    for box in boxes:
        assert box is not None
        assert box["x"] >= right_of_last
        right_of_last = box["x"] + box["width"]
    middles = [box["y"] + box["height"] / 2 for box in boxes if box]
    assert max(middles) - min(middles) < 8
    assert right_of_last <= width
    canvas = page.canvas.bounding_box()
    assert canvas is not None
    assert abs(canvas["x"] + canvas["width"] / 2 - width / 2) < 10
    # The three elements are as wide as the canvas.
    assert boxes[0] is not None
    assert boxes[0]["x"] == pytest.approx(canvas["x"], abs=1)
    assert right_of_last == pytest.approx(canvas["x"] + canvas["width"], abs=1)
    everything = page.page.evaluate(
        "() => [document.documentElement.scrollWidth,"
        " document.querySelector('[data-testid=stMain]').scrollHeight]"
    )
    assert everything[0] <= width
    assert everything[1] <= height
    # Light text on a dark page, dark text on a light one.
    text, ground = page.page.evaluate(
        """() => ["color", "backgroundColor"].map(name =>
            getComputedStyle(document.querySelector("[data-testid=stApp]"))[name]
                .match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0))"""
    )
    assert (text > ground) == (scheme == "dark")
    assert abs(text - ground) > 400
    context.close()


# A phone on its side, the smallest such phone, a laptop at 200 % zoom, a small laptop.
@pytest.mark.parametrize(("width", "height"), [(844, 390), (568, 320), (683, 325), (1280, 600)])
def test_in_a_low_window_the_answer_is_beside_the_canvas(
    browser: Browser, url: str, pen_digits: PenDigits, width: int, height: int
) -> None:
    touch = width < 1000
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=touch, is_mobile=touch
    )
    page = DigitsPage(context.new_page())
    page.open(url)
    page.draw(pen_digits[3][1])
    assert page.prediction()[0] == 3
    canvas = page.canvas.bounding_box()
    assert canvas is not None
    left = canvas["x"] + canvas["width"]
    for element in (page.correct, page.label, page.submit):
        box = element.bounding_box()
        assert box is not None
        assert box["x"] >= left
        left = box["x"] + box["width"]
    for element in (
        page.canvas,
        page.page.get_by_test_id("digit"),
        page.tool("Clear"),
        page.submit,
    ):
        expect(element).to_be_in_viewport(ratio=1)
    assert page.page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    page.press_correct()
    page.wait_until_cleared()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_html_shows_the_title_and_the_frame_of_the_canvas(
    browser: Browser, url: str, scheme: str
) -> None:
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = DigitsPage(context.new_page())
    for width, height in ((390, 844), (844, 390), (1280, 900)):
        page.page.set_viewport_size({"width": width, "height": height})
        page.page.route("**/*.js", lambda route: route.abort())  # a slow line, before they come
        page.page.goto(url)
        first = [page.page.locator(f".first {name}").bounding_box() for name in ("h1", "div")]
        ground = page.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert ground == {"light": "rgb(248, 250, 252)", "dark": "rgb(15, 23, 42)"}[scheme]
        page.page.unroute("**/*.js")
        page.open(url)
        expect(page.page.locator(".first")).to_be_hidden()
        page.page.wait_for_timeout(500)
        title = page.page.get_by_role("heading", name="Draw a digit").bounding_box()
        assert title is not None
        assert first[0] is not None
        assert title["y"] == pytest.approx(first[0]["y"], abs=2)
        assert page.canvas.bounding_box() == pytest.approx(first[1], abs=2)
    context.close()


def test_axe_finds_nothing(browser: Browser, url: str, pen_digits: PenDigits) -> None:
    context = browser.new_context()
    page = DigitsPage(context.new_page())
    page.open(url)

    def check(what: str) -> None:
        for width, height in ((320, 568), (390, 844), (844, 390), (1280, 900)):
            page.page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                page.page.emulate_media(color_scheme=scheme)
                page.page.wait_for_timeout(200)
                found = Axe().run(page.page)
                assert found.violations_count == 0, (what, width, scheme, found.generate_report())

    check("empty")
    page.draw(pen_digits[3][1])
    page.prediction()
    page.page.get_by_text("What the network sees").click()
    page.submit.click()
    page.message()
    check("a prediction, its explanation and a message")
    page.press_correct()
    page.wait_until_cleared()
    check("thanks")
    context.close()


def test_nothing_jumps_when_the_prediction_appears(page: DigitsPage, pen_digits: PenDigits) -> None:
    before = page.correct.bounding_box()
    assert before is not None
    page.draw(pen_digits[5][1])
    page.prediction()
    assert page.correct.bounding_box() == before


@pytest.fixture(params=[(320, 568, 2), (390, 664, 3)], ids=["320px", "390px"])
def phone(
    browser: Browser, url: str, empty_log: Database, request: pytest.FixtureRequest
) -> Iterator[DigitsPage]:
    """The page on a phone of this width, height and pixel ratio."""
    assert empty_log.query("SELECT 1")
    width, height, ratio = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=ratio,
        has_touch=True,
        is_mobile=True,
    )
    page = DigitsPage(context.new_page())
    page.open(url)
    yield page
    context.close()


def size(page: DigitsPage) -> tuple[int, int]:
    """The window's width and height."""
    window = page.page.viewport_size
    assert window is not None
    return window["width"], window["height"]


def places(page: DigitsPage) -> list[tuple[float, ...]]:
    """Where things stand, seen from the canvas, and how large they are."""
    boxes = [e.bounding_box() for e in (page.canvas, page.correct, page.label, page.submit)]
    whole = [box for box in boxes if box]
    assert len(whole) == len(boxes)
    top = whole[0]["y"]
    return [(box["x"], box["y"] - top, box["width"], box["height"]) for box in whole]


def test_the_text_input_does_not_zoom_and_asks_for_number_keys(
    phone: DigitsPage, pen_digits: PenDigits
) -> None:
    for label, strokes in pen_digits[3:5]:  # before and after an answer
        phone.draw(strokes)
        phone.prediction()
        font = phone.label.evaluate("input => parseFloat(getComputedStyle(input).fontSize)")
        assert font >= 16
        expect(phone.label).to_have_attribute("inputmode", "numeric")
        phone.submit_correction(str(label))
        phone.wait_until_cleared()


def test_nothing_moves_when_the_keyboard_comes(phone: DigitsPage, pen_digits: PenDigits) -> None:
    width, height = size(phone)
    phone.draw(pen_digits[3][1])
    phone.prediction()
    before, ink = places(phone), phone.ink()
    phone.page.evaluate(
        """() => {
            window.moved = 0;
            new PerformanceObserver(list => {
                for (const entry of list.getEntries()) window.moved += entry.value;
            }).observe({ type: "layout-shift" });
        }"""
    )
    phone.label.tap()
    # Some browsers make the window lower for the keyboard, others only cover a part of it.
    phone.page.set_viewport_size({"width": width, "height": height - KEYBOARD})
    phone.page.keyboard.type("7")
    phone.page.wait_for_timeout(500)
    assert places(phone) == before
    assert phone.page.evaluate("visualViewport.scale") == 1
    phone.page.set_viewport_size({"width": width, "height": height})
    phone.page.wait_for_timeout(500)
    assert places(phone) == before
    assert phone.page.evaluate("window.moved") == 0
    assert phone.ink() == ink
    expect(phone.label).to_have_value("7")


def test_the_canvas_takes_the_width_and_the_rest_needs_no_scrolling(
    phone: DigitsPage, pen_digits: PenDigits
) -> None:
    width, height = size(phone)
    canvas = phone.canvas.bounding_box()
    assert canvas is not None
    assert canvas["width"] == canvas["height"] == width - 2 * MARGIN
    assert canvas["x"] == MARGIN
    phone.draw(pen_digits[3][1])
    phone.prediction()
    last = phone.submit.bounding_box()
    assert last is not None
    assert last["y"] + last["height"] <= height
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_canvas_has_the_displays_own_pixels(phone: DigitsPage, pen_digits: PenDigits) -> None:
    for label, strokes in pen_digits[2:4]:  # the second on a new canvas
        wrong = phone.canvas.evaluate(
            """top => [...top.parentElement.querySelectorAll("canvas")]
                .map(each => each.getAttribute("width") - each.clientWidth * devicePixelRatio)
                .filter(difference => Math.abs(difference) > 1)"""
        )
        assert wrong == []
        phone.draw(strokes)
        assert phone.prediction()[0] == label
        phone.press_correct()
        phone.wait_until_cleared()


def test_ink_is_where_the_finger_was(phone: DigitsPage) -> None:
    phone.draw([[[0.25, 0.75], [0.25, 0.75], [0.75, 0.75]]])
    phone.settle()
    edges = phone.canvas.evaluate(
        """top => {
            const lower = top.parentElement.querySelector("canvas");
            const { width, height } = lower;
            const { data } = lower.getContext("2d").getImageData(0, 0, width, height);
            let [left, above, right, below] = [1, 1, 0, 0];
            for (let i = 0; i < data.length; i += 4) {
                if (data[i] < 128) continue;
                const x = (i / 4) % width / width, y = Math.floor(i / 4 / width) / height;
                left = Math.min(left, x); right = Math.max(right, x);
                above = Math.min(above, y); below = Math.max(below, y);
            }
            return [left, above, right, below];
        }"""
    )
    half = PEN / CANVAS / 2
    expected = [0.25 - half, 0.75 - half, 0.75 + half, 0.75 + half]
    assert edges == pytest.approx(expected, abs=0.01)
