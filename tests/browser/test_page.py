"""What a visitor can do, in a real browser against a real database."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests import pen
from tests.browser.conftest import rows
from tests.browser.page import PATIENCE, DigitsPage, Stroke
from tests.postgres import Database
from tests.served import served

PenDigits = list[tuple[int, pen.Strokes]]
BAD = [
    "abc",
    "\u00b2",
    "-1",
    "10",
    "3.5",
    "\u0663\u0663",
    "x" * 10_000,
    "1'; DROP TABLE predictions;--",
]


@pytest.fixture
def drawn(page: DigitsPage, pen_digits: PenDigits) -> tuple[DigitsPage, int]:
    """The page with a digit drawn on it, and what is predicted."""
    page.draw(pen_digits[3][1])
    return page, page.prediction()[0]


def test_what_people_draw_is_recognised(page: DigitsPage, pen_digits: PenDigits) -> None:
    right = 0
    for label, strokes in pen_digits:
        page.draw(strokes)
        digit, confidence = page.prediction()
        assert 0.1 <= confidence <= 1
        right += digit == label
        page.submit_correction(str(label))
        page.wait_until_cleared()
    assert right >= 9


def test_correct_logs_one_row_and_clears_the_page(
    page: DigitsPage, pen_digits: PenDigits, empty_log: Database
) -> None:
    before = datetime.now(UTC)
    page.draw(pen_digits[2][1])
    digit, _ = page.prediction()
    assert not page.canvas_is_empty()
    after = datetime.now(UTC)
    page.label.fill("9")  # typed, then thought better of
    page.press_correct()
    page.wait_until_cleared()
    ((predicted, label, at),) = rows(empty_log)
    assert (predicted, label) == (digit, digit)
    # When the prediction was made, not when the button was pressed.
    assert isinstance(at, datetime)
    assert before <= at <= after


def test_a_correction_logs_the_label_and_clears_the_page(
    page: DigitsPage, pen_digits: PenDigits, empty_log: Database
) -> None:
    logged = []
    for typed, label in (("7", 7), (" 7 ", 7), ("0", 0), ("\uff15", 5), ("\u0665", 5)):
        page.draw(pen_digits[3][1])
        logged.append((page.prediction()[0], label))
        page.submit_correction(typed)
        page.wait_until_cleared()
        assert sorted(row[:2] for row in rows(empty_log)) == sorted(logged)


def test_an_answer_is_thanked_for_until_the_next_stroke(
    page: DigitsPage, pen_digits: PenDigits
) -> None:
    status = page.page.get_by_role("status")
    expect(status).to_contain_text("Draw one digit")
    region = status.element_handle()  # one that stays: screen readers read out what changes in it
    for typed in (None, "4"):
        page.draw(pen_digits[4][1])
        page.prediction()
        expect(status).to_contain_text("Right? If not, which digit was it?")
        page.submit_correction(typed) if typed else page.press_correct()
        page.wait_until_cleared()
        expect(status).to_have_text("Saved, thank you. Draw another.")
    page.draw(pen_digits[3][1])
    page.prediction()
    expect(status).not_to_contain_text("Saved")
    page.tool("Clear").click()
    assert "Draw one digit" in page.hint()
    assert status.evaluate("(now, before) => now === before", region)


def test_after_an_answer_the_focus_is_on_the_drawing_area(
    page: DigitsPage, pen_digits: PenDigits
) -> None:
    expect(page.page.locator("body")).to_be_focused()  # not before there is an answer
    for button, key in ((page.correct, "Enter"), (page.submit, "Space")):
        page.draw(pen_digits[4][1])
        page.prediction()
        page.label.fill("4")
        button.focus()
        page.page.keyboard.press(key)
        page.wait_until_cleared()
        area = page.page.get_by_role("img", name="Drawing area")
        expect(area).to_have_count(1)
        expect(area).to_be_focused()


def test_correct_is_the_button_that_stands_out(drawn: tuple[DigitsPage, int]) -> None:
    page, _ = drawn
    correct, submit = (
        button.evaluate("button => getComputedStyle(button).backgroundColor")
        for button in (page.correct, page.submit)
    )
    assert correct == "rgb(37, 99, 235)"
    assert submit != correct


def test_a_guess_is_no_large_digit(browser: Browser, empty_log: Database) -> None:
    guesses = (
        "import runpy; from digits import recogniser\n"
        "answers = [(7, 0.5), (8, 0.496), (7, 0.42)]\n"
        "def guess(_): return recogniser.Recognition(*answers.pop(), (0.1,) * 10)\n"
        "recogniser.recognise = guess\n"
        "runpy.run_path('serve.py', run_name='__main__')"
    )
    with served(empty_log.url, command=(sys.executable, "-c", guesses)) as app:
        context = browser.new_context()
        page = DigitsPage(context.new_page())
        page.open(app.url)
        for guess in ("Not sure. Perhaps a 7 (42 %)", "Not sure. Perhaps an 8 (50 %)", ""):
            page.draw([[[0.2, 0.2], [0.8, 0.8]]])
            page.prediction()
            if guess:
                expect(page.page.get_by_role("status")).to_contain_text(guess)
            else:
                expect(page.page.get_by_role("status")).not_to_contain_text("Not sure")
            digit = page.page.get_by_test_id("digit").bounding_box()
            assert digit is not None
            assert (digit["height"] < 40) == bool(guess)
            page.press_correct()  # a guess can be answered, too
            page.wait_until_cleared()
        assert sorted(row[:2] for row in rows(empty_log)) == [(7, 7), (7, 7), (8, 8)]
        context.close()


def test_enter_submits_the_correction(drawn: tuple[DigitsPage, int], empty_log: Database) -> None:
    page, digit = drawn
    page.label.fill("5")
    page.label.press("Enter")
    page.wait_until_cleared()
    assert [row[:2] for row in rows(empty_log)] == [(digit, 5)]


def test_an_input_that_is_no_digit_is_refused_and_everything_is_kept(
    drawn: tuple[DigitsPage, int], empty_log: Database
) -> None:
    page, digit = drawn
    ink = page.ink()
    for typed in BAD:
        page.submit_correction(typed)
        assert "digit from 0 to 9" in page.message()
        expect(page.label).to_have_value(typed)
        assert page.ink() == ink
        assert page.prediction()[0] == digit
    assert rows(empty_log) == []
    page.submit_correction("4")  # and nothing is in the way of a good one
    page.wait_until_cleared()
    assert [row[:2] for row in rows(empty_log)] == [(digit, 4)]


def test_an_empty_field_is_asked_for(drawn: tuple[DigitsPage, int], empty_log: Database) -> None:
    page, digit = drawn
    page.submit_correction("")
    assert "Type the digit first" in page.message()
    assert page.prediction()[0] == digit
    assert rows(empty_log) == []


@pytest.mark.parametrize("tool", ["Undo", "Clear"])
def test_a_new_drawing_empties_the_field(
    page: DigitsPage, pen_digits: PenDigits, empty_log: Database, tool: str
) -> None:
    page.draw(pen_digits[3][1])
    page.prediction()
    page.label.fill("3")
    page.tool(tool).click()
    page.hint()
    page.draw(pen_digits[8][1][:1] if tool == "Undo" else pen_digits[8][1])
    page.prediction()
    expect(page.label).to_have_value("")
    page.submit.click()
    assert "Type the digit first" in page.message()
    assert rows(empty_log) == []


def test_what_was_typed_before_correct_is_about_no_later_drawing(
    page: DigitsPage, pen_digits: PenDigits, empty_log: Database
) -> None:
    page.draw(pen_digits[3][1])
    page.prediction()
    page.label.fill("5")
    page.press_correct()
    page.wait_until_cleared()
    page.draw(pen_digits[8][1])
    page.prediction()
    page.submit.click()
    assert "Type the digit first" in page.message()
    assert [row[:2] for row in rows(empty_log)] == [(3, 3)]


def test_one_more_stroke_keeps_the_field(page: DigitsPage, pen_digits: PenDigits) -> None:
    page.draw(pen_digits[3][1])
    page.prediction()
    page.label.fill("3")
    page.draw([[[0.1, 0.9], [0.15, 0.95]]])
    page.settle()
    expect(page.label).to_have_value("3")


def test_an_empty_canvas_cannot_be_answered(page: DigitsPage, empty_log: Database) -> None:
    expect(page.correct).to_be_disabled()
    expect(page.submit).to_be_disabled()
    expect(page.page.get_by_role("status")).to_contain_text("Draw")
    assert rows(empty_log) == []


DOT: list[Stroke] = [[[0.5, 0.5], [0.505, 0.5]]]
COVERED: list[Stroke] = [[[0.04 + x / 11, 0.02 + y / 41] for x in range(11)] for y in range(40)]
LINE: list[Stroke] = [[[0.1, 0.5], [0.5, 0.52], [0.9, 0.5]]]
TEN: list[Stroke] = [
    [[0.25, 0.3], [0.25, 0.7]],
    [[0.6, 0.3], [0.5, 0.5], [0.6, 0.7], [0.7, 0.5], [0.6, 0.3]],
]


def test_what_cannot_be_a_digit_gets_a_hint(page: DigitsPage, pen_digits: PenDigits) -> None:
    for strokes, hint in (
        (DOT, "Draw it larger"),
        (LINE, "flat line"),
        (COVERED, "Too much ink"),
        (TEN, "One digit at a time"),
    ):
        page.draw(strokes)
        expect(page.page.get_by_role("status")).to_contain_text(hint, timeout=PATIENCE)
        expect(page.correct).to_be_disabled()
        expect(page.submit).to_be_disabled()
        page.tool("Clear").click()
        assert "Draw one digit" in page.hint()
        assert page.canvas_is_empty()
    page.draw(pen_digits[3][1])
    assert page.prediction()[0] == 3


def test_a_stroke_can_be_undone_and_nothing_else_is_offered(
    page: DigitsPage, pen_digits: PenDigits
) -> None:
    assert len(pen_digits[3][1]) == 1
    page.draw(pen_digits[3][1])
    before = page.prediction()
    page.draw([[[0.1, 0.9], [0.9, 0.1]]])
    page.settle()
    page.tool("Undo").click()
    assert page.prediction() == before
    names = page.page.locator(".st-key-canvas button:visible").evaluate_all(
        "buttons => buttons.map(button => button.ariaLabel)"
    )
    assert names == ["Undo", "Clear"]


def test_the_curious_see_what_the_network_saw(page: DigitsPage, pen_digits: PenDigits) -> None:
    about = page.page.locator(".st-key-about")
    bars, picture = about.get_by_role("listitem"), about.get_by_role("img")
    page.draw(pen_digits[3][1])
    page.prediction()
    expect(bars.first).not_to_be_visible()
    page.page.get_by_text("What the network sees").click()
    for label in (3, 8):  # it stays open
        page.draw(pen_digits[label][1])
        digit, confidence = page.prediction()
        assert digit == label
        expect(bars).to_have_count(10)
        expect(picture).to_be_visible()
        assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]
        shares = [float(text.split()[1]) for text in bars.all_inner_texts()]
        assert shares[digit] == max(shares) == pytest.approx(100 * confidence)
        assert sum(shares) == pytest.approx(100, abs=1)
        page.press_correct()
        page.wait_until_cleared()
        expect(about).to_contain_text("Draw a digit first.")  # nothing of the past
        expect(bars).to_have_count(0)


def test_the_visitor_reads_what_is_stored_and_where_the_source_is(
    browser: Browser, url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = browser.new_context()
    page = DigitsPage(context.new_page())
    page.open(url)
    expect(page.page.get_by_text("Answers are stored without a name.")).to_be_visible()
    about = page.page.locator(".st-key-about")
    expect(about.get_by_role("link")).to_have_count(0)
    monkeypatch.setenv("SOURCE_URL", "https://example.org/digits")
    with served(database.url) as app:
        page.open(app.url)
        link = about.get_by_role("link", name="Source code")
        expect(link).to_have_attribute("href", "https://example.org/digits")
        context.close()


def test_a_shared_link_shows_what_it_is(browser: Browser, url: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    response = context.request.get(url, headers={"X-Forwarded-Proto": "https"})
    secure = url.replace("http", "https", 1)
    page.set_content(response.text().replace("<script", "<template"))
    contents = page.locator("meta[content]").evaluate_all(
        """all => Object.fromEntries(all.map(
            each => [each.getAttribute("property") || each.name, each.content]))"""
    )
    assert page.title() == contents["og:title"] == "Draw a digit"
    assert contents["description"] == contents["og:description"]
    assert "recognises it" in contents["description"]
    assert contents["og:url"] == f"{secure}/"
    assert contents["og:image"] == f"{secure}/preview.png"
    for name, size in (("preview.png", (1200, 630)), ("favicon.png", (64, 64))):
        answer = context.request.get(f"{url}/{name}")
        assert answer.headers["content-type"] == "image/png"
        assert Image.open(BytesIO(answer.body())).size == size
    context.close()


def test_the_keyboard_goes_from_left_to_right(drawn: tuple[DigitsPage, int]) -> None:
    page, _ = drawn
    page.correct.focus()
    for element in (page.label, page.submit):
        page.page.keyboard.press("Tab")
        expect(element).to_be_focused()


def test_enter_and_a_click_at_once_are_one_row(
    drawn: tuple[DigitsPage, int], empty_log: Database
) -> None:
    page, digit = drawn
    page.label.fill("5")
    page.label.press("Enter", no_wait_after=True)
    page.submit.evaluate("button => button.click()")
    page.wait_until_cleared()
    page.settle()
    assert [row[:2] for row in rows(empty_log)] == [(digit, 5)]


def test_a_double_click_is_one_row(
    page: DigitsPage, pen_digits: PenDigits, empty_log: Database
) -> None:
    page.draw(pen_digits[1][1])
    page.prediction()
    page.correct.dblclick()
    page.wait_until_cleared()
    page.draw(pen_digits[6][1])
    page.prediction()
    page.label.fill("6")
    page.submit.dblclick()
    page.wait_until_cleared()
    assert len(rows(empty_log)) == 2


def test_with_the_database_down_nothing_is_lost(
    drawn: tuple[DigitsPage, int], empty_log: Database
) -> None:
    page, digit = drawn
    ink = page.ink()
    empty_log.stop()
    try:
        page.submit_correction("8")
        assert "Your answer could not be saved: the database does not answer." in page.message()
        expect(page.label).to_have_value("8")
        assert page.ink() == ink
        assert page.prediction()[0] == digit
    finally:
        empty_log.start()
    page.submit.click()
    page.wait_until_cleared()
    assert [row[:2] for row in rows(empty_log)] == [(digit, 8)]


def test_two_visitors_do_not_see_each_other(
    browser: Browser, url: str, drawn: tuple[DigitsPage, int]
) -> None:
    mine, digit = drawn
    context = browser.new_context()
    other = DigitsPage(context.new_page())
    other.open(url)
    assert other.canvas_is_empty()
    expect(other.correct).to_be_disabled()
    context.close()
    assert mine.prediction()[0] == digit


def test_a_page_without_its_server_says_so_and_comes_back(
    browser: Browser, database: Database, pen_digits: PenDigits
) -> None:
    context = browser.new_context()
    with served(database.url) as first:
        page = DigitsPage(context.new_page())
        page.open(first.url)
        port = int(first.url.rsplit(":", 1)[1])
    notice = (
        "getComputedStyle(document.querySelector('[data-testid=stApp]'), '::after').visibility"
        " === 'visible' && getComputedStyle(document.querySelector('[data-testid=stApp]'),"
        " '::after').content.includes('The connection is lost.')"
    )
    page.page.wait_for_function(notice, timeout=30_000)
    with served(database.url, port):
        page.wait_until_connected()
        assert not page.page.evaluate(notice)
        page.draw(pen_digits[3][1])
        assert page.prediction()[0] == 3
        context.close()
