"""What a page's messages mean to a session that has never seen it, without a browser."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from digits import strokes
from tests.postgres import Database
from tests.served import served
from tests.visitor import Visitor
from training import handwriting


def drawing(seed: int = 0) -> np.ndarray:
    lines = [line.tolist() for line in handwriting.seven(np.random.default_rng(seed))]
    return strokes.draw(strokes.fitted(lines, 0.6), strokes.PEN)


def run(visit: Coroutine[None, None, None]) -> None:
    """Run it in a thread: in this one, Playwright's loop may be running."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, visit).result()


def logged(database: Database) -> list[tuple[object, ...]]:
    return database.query("SELECT predicted_digit, true_label, predicted_at FROM predictions")


async def again(url: str, before: Visitor, shown: str, answer: int) -> Visitor:
    """Press a button of a page that another session has filled; return the page that comes."""
    visitor = Visitor(url)
    visitor.take_over(before, shown)
    await visitor.connect()
    await visitor.answer(answer)
    await visitor.page.close()
    return visitor


@pytest.mark.parametrize("label", [7, 4])
def test_the_first_message_of_a_session_may_be_a_press(database: Database, label: int) -> None:
    async def visit() -> None:
        async with Visitor(app.url) as first:
            await first.draw(drawing(1))
            await first.answer(7)  # so that the page is on its second canvas
            await first.draw(drawing(2))
            assert first.digit == 7
        for _ in range(2):  # and once more, as if the first had not been confirmed
            page = await again(app.url, first, first.shown, label)
            assert page.digit is None
            assert page.message == ""
            assert page.shown == "2-2"

    with served(database.url) as app:
        run(visit())
        made_at = sorted(row[2] for row in logged(database))  # type: ignore[type-var]
        assert [row[:2] for row in logged(database)] == [(7, 7), (7, label)]
        assert made_at[0] != made_at[1]


def test_a_press_is_taken_for_no_other_prediction(database: Database) -> None:
    """Of another digit, or of a time that cannot be."""

    async def visit() -> None:
        async with Visitor(app.url) as first:
            await first.draw(drawing(1))
            canvas, digit, micros, digest = first.shown.rsplit("-", 3)
            assert digit == "7"
        for other in (f"{canvas}-3-{micros}-{digest}", canvas, "", "x" * 100):
            page = await again(app.url, first, other, 7)
            assert "was not saved" in page.message
            assert page.digit == 7
        assert database.query("SELECT to_regclass('predictions')") == [(None,)]
        for days in (-2, 2):
            at = int(micros) + days * 86_400_000_000
            await again(app.url, first, f"{canvas}-7-{at}-{digest}", 7)

    with served(database.url) as app:
        before = datetime.now(UTC)
        run(visit())
        assert len(logged(database)) == 2
        for row in logged(database):
            assert isinstance(row[2], datetime)
            assert before <= row[2] <= before + timedelta(minutes=10)
