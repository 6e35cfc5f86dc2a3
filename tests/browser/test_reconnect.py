"""A press means what the visitor sees, whatever became of the session behind the page."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests import pen
from tests.browser.conftest import DESKTOP, PHONE, rows
from tests.browser.page import DigitsPage
from tests.browser.wire import wire
from tests.postgres import Database
from tests.served import served

PenDigits = list[tuple[int, pen.Strokes]]

# Serves the page, and forgets a session as soon as its connection ends, not after two minutes.
FORGETS = """
import runpy
from streamlit.runtime.memory_session_storage import MemorySessionStorage
before = MemorySessionStorage.__init__
MemorySessionStorage.__init__ = lambda self, **_: before(self, ttl_seconds=0)
runpy.run_path("serve.py", run_name="__main__")
"""


# A session is lost for a finger as for a mouse.
@pytest.fixture(
    params=[DESKTOP, pytest.param(PHONE, marks=pytest.mark.long)], ids=["desktop", "phone"]
)
def page(
    browser: Browser, empty_log: Database, request: pytest.FixtureRequest
) -> Iterator[DigitsPage]:
    """A page that is not opened yet: with a mouse, and with a finger."""
    assert empty_log.query("SELECT 1")
    context = browser.new_context(**request.param)
    yield DigitsPage(context.new_page())
    context.close()


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def answer_one(page: DigitsPage, strokes: pen.Strokes) -> None:
    """Draw and answer, so that the page is no longer on its first canvas."""
    page.draw(strokes)
    page.prediction()
    page.press_correct()
    page.wait_until_cleared()


# What a session that has never seen the page makes of a press, tests/app/test_session.py has.
@pytest.mark.parametrize(("answered", "typed"), [(False, None), (True, "6")])
def test_the_first_press_after_a_restart_is_stored(
    page: DigitsPage, pen_digits: PenDigits, empty_log: Database, answered: bool, typed: str | None
) -> None:
    with served(empty_log.url) as first:
        page.open(first.url)
        if answered:
            answer_one(page, pen_digits[2][1])
        page.draw(pen_digits[3][1])
        digit, _ = page.prediction()
        if typed:
            page.label.fill(typed)
    with served(empty_log.url, port_of(first.url)):
        page.wait_until_connected()
        expect(page.page.get_by_test_id("digit")).to_have_text(str(digit))
        assert not page.canvas_is_empty()
        (page.submit if typed else page.correct).click()
        page.wait_until_cleared()
        stored = sorted(rows(empty_log), key=lambda row: str(row[2]))
        assert stored[-1][:2] == (digit, int(typed or digit))
        assert len(stored) == 1 + answered
        answer_one(page, pen_digits[4][1])  # and the next one is as ever
        assert len(rows(empty_log)) == 2 + answered


def test_the_first_press_after_a_long_time_without_a_connection_is_stored(
    page: DigitsPage, pen_digits: PenDigits, empty_log: Database
) -> None:
    with (
        served(empty_log.url, command=(sys.executable, "-c", FORGETS)) as app,
        wire(port_of(app.url)) as line,
    ):
        page.open(line.url)
        answer_one(page, pen_digits[2][1])
        page.draw(pen_digits[3][1])
        digit, _ = page.prediction()
        line.cut()
        page.page.wait_for_timeout(1_000)
        page.wait_until_connected()
        page.press_correct()
        page.wait_until_cleared()
        assert len(rows(empty_log)) == 2
        assert (digit, digit) in [row[:2] for row in rows(empty_log)]


def test_an_answer_that_was_stored_unconfirmed_is_not_stored_twice(
    page: DigitsPage, pen_digits: PenDigits, empty_log: Database
) -> None:
    with served(empty_log.url) as first, wire(port_of(first.url)) as line:
        page.open(line.url)
        page.draw(pen_digits[3][1])
        digit, _ = page.prediction()
        line.deaf = True
        page.press_correct()
        for _ in range(600):
            if rows(empty_log):
                break
            page.page.wait_for_timeout(100)
        expect(page.page.get_by_test_id("digit")).to_have_count(1)  # it has heard of nothing
        os.kill(first.pid, signal.SIGTERM)  # a release ends the process
        line.cut()
        page.page.wait_for_timeout(1_000)
        line.deaf = False
        with served(empty_log.url, line.port):
            page.wait_until_connected()
            page.press_correct()
            page.wait_until_cleared()
            assert [row[:2] for row in rows(empty_log)] == [(digit, digit)]


def test_what_was_drawn_without_a_connection_is_shown_before_it_is_stored(
    page: DigitsPage, pen_digits: PenDigits, empty_log: Database
) -> None:
    with served(empty_log.url) as first:
        page.open(first.url)
        page.draw(pen_digits[7][1])
        seven, _ = page.prediction()
    page.tool("Clear").click()
    page.draw(pen_digits[3][1])
    with served(empty_log.url, port_of(first.url)):
        page.wait_until_connected()
        page.press_correct()  # beside it still stands what the 7 was taken for
        assert "was not saved" in page.message()
        assert rows(empty_log) == []
        digit, _ = page.prediction()
        assert digit != seven
        page.press_correct()
        page.wait_until_cleared()
        assert [row[:2] for row in rows(empty_log)] == [(digit, digit)]


def test_only_our_own_words_are_shown_without_a_server(
    page: DigitsPage, pen_digits: PenDigits, empty_log: Database
) -> None:
    with served(empty_log.url) as first:
        page.open(first.url)
        # Streamlit's dialog comes after some attempts. What can be read then?
        page.page.evaluate(
            """() => new MutationObserver(() => {
                if (document.querySelector("[data-testid=stDialog]"))
                    window.words = document.body.innerText;
            }).observe(document.body, { childList: true })"""
        )
    page.page.wait_for_function("window.words", timeout=120_000)
    words = page.page.evaluate("window.words + document.body.innerText")
    for word in ("Streamlit", "streamlit", "Connection error", "internet"):
        assert word not in words
    expect(page.page.locator("[data-testid=stDialog]")).to_have_count(0)
    notice = "getComputedStyle(document.querySelector('[data-testid=stApp]'), '::after')"
    assert "connection is lost" in page.page.evaluate(f"{notice}.content")
    page.draw(pen_digits[3][1])  # nothing lies over the page
    assert not page.canvas_is_empty()


def test_only_our_own_words_are_shown_before_the_first_connection(
    page: DigitsPage, empty_log: Database
) -> None:
    page.page.route_web_socket("**/_stcore/stream", lambda socket: socket.close())
    page.page.route("**/_stcore/health", lambda route: route.abort())
    with served(empty_log.url) as app:
        page.page.goto(app.url)
        dialog = page.page.locator("[data-testid=stDialog]")
        dialog.wait_for(state="attached", timeout=120_000)
        assert not dialog.is_visible()
        notice = "getComputedStyle(document.querySelector('[data-testid=stApp]'), '::after')"
        assert "connection is lost" in page.page.evaluate(f"{notice}.content")


def test_an_error_is_one_sentence_of_ours(page: DigitsPage, empty_log: Database) -> None:
    breaks = (
        "import runpy; from digits import recogniser\n"
        "def broken(rgba): raise ValueError('a secret')\n"
        "recogniser.recognise = broken\n"
        "runpy.run_path('serve.py', run_name='__main__')"
    )
    with served(empty_log.url, command=(sys.executable, "-c", breaks)) as app:
        page.open(app.url)
        page.draw([[[0.2, 0.2], [0.8, 0.8]]])
        error = page.page.locator("[data-testid=stException]")
        expect(error).to_have_count(1, timeout=60_000)
        assert "went wrong" in error.evaluate("e => getComputedStyle(e, '::after').content")
        words = page.page.evaluate("document.body.innerText")
        for word in ("Ask", "Google", "ChatGPT", "Error", "secret", "Traceback"):
            assert word not in words
