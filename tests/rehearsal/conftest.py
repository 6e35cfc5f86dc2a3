"""What several of these tests need: one rehearsed deployment for all of them, a browser's tab.

Deploying takes minutes, so what a test changes it puts back, or a fixture does, and the next one
finds the deployment as a `make deploy` leaves it. Any file runs alone, and again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.needs import need, need_docker
from tests.rehearsal.deployment import (
    ROOT,
    STATE,
    Deployment,
    run,
    trust_the_authority,
    url_in,
    volumes,
)
from tests.rehearsal.log import record


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests for which the deployment has to be gone come last: the others would need a new one."""
    items.sort(key=lambda item: "destroyed" in getattr(item, "fixturenames", ()))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh visitor: no cookies, a desktop's window.

    Whether a browser takes the site's certificate, test_https.py sees.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900}, ignore_https_errors=True)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def volumes_before() -> set[str]:
    """The machine's volumes before the rehearsal; refuses to run over somebody's own rehearsal."""
    need_docker()
    # While working on these tests: STANDING_REHEARSAL=yes uses the one that stands, and leaves it.
    need(
        os.environ.get("STANDING_REHEARSAL") or not STATE.exists(),
        "that no rehearsal stands",
        "make destroy TARGET=rehearsal",
    )
    return volumes()


@pytest.fixture(scope="session")
def deployment(
    volumes_before: set[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """One `make deploy TARGET=rehearsal`, from nothing unless one stands; cleared away at the end.

    What the deploy from nothing printed is kept beside the rehearsal, for the tests of it.
    """
    del volumes_before
    first = not STATE.exists()
    try:
        # Dumps of earlier rehearsals are no business of this one.
        done = run("make", "deploy", "TARGET=rehearsal", "RESTORE=none")
        assert done.returncode == 0, done.stdout[-3000:]
        if first:
            (STATE / "first-deploy").write_text(done.stdout)
        trust_the_authority(tmp_path_factory.mktemp("authority"))
        made = Deployment(done.stdout, url_in(done.stdout))
        record(made)
        yield made
    finally:
        if STATE.exists() and not os.environ.get("STANDING_REHEARSAL"):
            run("scripts/in", "rehearsal", "-m", "rehearsal", "down")


@pytest.fixture
def app_folder(tmp_path: Path) -> Path:
    """A copy of the app to change and release."""
    folder = tmp_path / "app"
    shutil.copytree(ROOT / "app", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder
