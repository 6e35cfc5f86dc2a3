"""The real app on a real PostgreSQL, and its page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests import pen
from tests.browser.page import DigitsPage
from tests.conftest import hold_beside_no
from tests.postgres import Database
from tests.served import served

SHARE = 0.65  # of the canvas's side, for the longer side of a digit


@pytest.fixture(autouse=True)
def _no_containers_beside(locks: Path) -> Iterator[None]:
    with hold_beside_no(locks, "browsers", "containers"):
        yield


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    server = Database(tmp_path_factory.mktemp("pg") / "data")
    yield server
    server.remove()


@pytest.fixture(scope="module")
def url(database: Database) -> Iterator[str]:
    """Where the app is served."""
    with served(database.url) as app:
        yield app.url


@pytest.fixture
def empty_log(database: Database) -> Database:
    """The database with no answer in it, running."""
    database.start()
    if database.query("SELECT to_regclass('predictions')") != [(None,)]:
        database.query("TRUNCATE predictions")
    return database


DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}


# What a finger changes, test_layout.py and test_strokes.py hold each time.
@pytest.fixture(
    params=[DESKTOP, pytest.param(PHONE, marks=pytest.mark.long)], ids=["desktop", "phone"]
)
def page(
    browser: Browser, url: str, empty_log: Database, request: pytest.FixtureRequest
) -> Iterator[DigitsPage]:
    """The page, freshly opened: with a mouse on a desktop, with a finger on a phone."""
    assert empty_log.query("SELECT 1")
    context = browser.new_context(**request.param)
    digits = DigitsPage(context.new_page())
    digits.open(url)
    yield digits
    context.close()


def rows(database: Database) -> list[tuple[object, ...]]:
    """Return what is logged, or nothing if the table was never needed."""
    if database.query("SELECT to_regclass('predictions')") == [(None,)]:
        return []
    return database.query("SELECT predicted_digit, true_label, predicted_at FROM predictions")


@pytest.fixture(scope="session")
def pen_digits() -> list[tuple[int, pen.Strokes]]:
    """A drawing of each label, 0 to 9."""
    return [(label, pen.drawing(label, SHARE)) for label in range(10)]
