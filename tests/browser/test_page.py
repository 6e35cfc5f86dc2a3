"""What a visitor can do, in a real browser against a real database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import rows
from tests.browser.page import DigitsPage, Stroke
from tests.postgres import Database

PenDigits = list[tuple[int, list[Stroke]]]
BAD = ["abc", "", "-1", "10", "3.5", "\uff17", "x" * 10_000, "1'; DROP TABLE predictions;--"]


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


@pytest.mark.parametrize(("typed", "label"), [("7", 7), (" 7 ", 7), ("0", 0)])
def test_a_correction_logs_the_label_and_clears_the_page(
    drawn: tuple[DigitsPage, int], empty_log: Database, typed: str, label: int
) -> None:
    page, digit = drawn
    page.submit_correction(typed)
    page.wait_until_cleared()
    assert [row[:2] for row in rows(empty_log)] == [(digit, label)]


def test_enter_submits_the_correction(drawn: tuple[DigitsPage, int], empty_log: Database) -> None:
    page, digit = drawn
    page.label.fill("5")
    page.label.press("Enter")
    page.wait_until_cleared()
    assert [row[:2] for row in rows(empty_log)] == [(digit, 5)]


def test_what_is_no_digit_is_said_and_everything_is_kept(
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


def test_an_empty_canvas_cannot_be_answered(page: DigitsPage, empty_log: Database) -> None:
    expect(page.correct).to_be_disabled()
    expect(page.submit).to_be_disabled()
    expect(page.page.get_by_role("status")).to_contain_text("Draw")
    assert rows(empty_log) == []


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
        assert "could not be saved" in page.message()
        expect(page.label).to_have_value("8")
        assert page.ink() == ink
        assert page.prediction()[0] == digit
    finally:
        empty_log.start()
    page.submit.click()
    page.wait_until_cleared()
    assert [row[:2] for row in rows(empty_log)] == [(digit, 8)]


def test_the_three_elements_stand_in_one_row(drawn: tuple[DigitsPage, int]) -> None:
    page, _ = drawn
    size = page.page.viewport_size
    assert size is not None
    boxes = [e.bounding_box() for e in (page.correct, page.label, page.submit)]
    right_of_last = 0.0
    for box in boxes:
        assert box is not None
        assert box["x"] >= right_of_last
        right_of_last = box["x"] + box["width"]
    middles = [box["y"] + box["height"] / 2 for box in boxes if box]
    assert max(middles) - min(middles) < 8
    assert right_of_last <= size["width"]
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.page.evaluate(overflow) <= 0


def test_nothing_jumps_when_the_prediction_appears(page: DigitsPage, pen_digits: PenDigits) -> None:
    before = page.correct.bounding_box()
    page.draw(pen_digits[5][1])
    page.prediction()
    assert page.correct.bounding_box() == before


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
