"""What several of these tests need: one rehearsed deployment for all of them, a browser's tab.

Deploying takes minutes, so what a test changes it puts back, or a fixture does, and the next one
finds the deployment as a `make deploy` leaves it. Any file runs alone, and again.

Tests run in this order: those without a deployment, while it is made; those with it; those with a
larger one; those that destroy it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page

from rehearsal.offline.base_images import BaseImages
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
from tests.rehearsal.log import add, record


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by what they need."""
    fixtures = ("deployment", "larger", "destroyed")

    def turn(item: pytest.Item) -> int:
        needs = getattr(item, "fixturenames", ())
        return max((number for number, name in enumerate(fixtures, 1) if name in needs), default=0)

    items.sort(key=turn)


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


@pytest.fixture(scope="session", autouse=True)
def _deploying(request: pytest.FixtureRequest) -> Iterator[Callable[[], str] | None]:
    """One `make deploy TARGET=rehearsal`, in the background; who waits for it gets what it printed.

    It is cleared away at the end. One that stands (STANDING_REHEARSAL=yes) is taken as it is, and
    left.
    """
    if not any("deployment" in getattr(item, "fixturenames", ()) for item in request.session.items):
        yield None
        return
    request.getfixturevalue("volumes_before")
    # Once, and not by the tests in the foreground as well.
    BaseImages().provide_all()
    with ThreadPoolExecutor(1) as background:
        # Dumps of earlier rehearsals are no business of this one.
        words = ["url"] if STATE.exists() else ["deploy", "RESTORE=none"]
        deploy = background.submit(run, "make", "--silent", "TARGET=rehearsal", *words)

        def printed() -> str:
            done = deploy.result()
            assert done.returncode == 0, done.stdout[-3000:]
            return done.stdout

        try:
            yield printed
        finally:
            deploy.result()
            if STATE.exists() and not os.environ.get("STANDING_REHEARSAL"):
                run("scripts/in", "rehearsal", "-m", "rehearsal", "down")


@pytest.fixture(scope="session")
def deployment(
    _deploying: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """The rehearsed deployment, with an answer in its log."""
    printed = _deploying()
    trust_the_authority(tmp_path_factory.mktemp("authority"))
    made = Deployment(printed, url_in(printed) if "| " in printed else printed.split()[-1])
    record(made)
    return made


# A droplet with two processors, and so two processes; a Space for offsite backups; and a domain,
# to see what a deploy prints about one that does not lead here yet.
LARGER = {
    "TF_VAR_size": "s-2vcpu-4gb",
    "TF_VAR_backup_bucket": "rehearsed-copies",
    "TF_VAR_domain": "digits.example.org",
}


@pytest.fixture(scope="session")
def larger(deployment: Deployment) -> Iterator[str]:
    """What `make deploy` printed that made the deployment larger.

    Where it has not been destroyed, it gets its first size again.
    """
    add(deployment)
    done = run("make", "deploy", "TARGET=rehearsal", **LARGER)
    assert done.returncode == 0, done.stdout[-3000:]
    yield done.stdout
    if os.environ.get("STANDING_REHEARSAL") and STATE.exists():
        back = {"COPIES_REPOSITORY": "none", "DROP_COPIES": "yes", **dict.fromkeys(LARGER, "")}
        back["TF_VAR_size"] = "s-1vcpu-1gb"
        done = run("make", "deploy", "TARGET=rehearsal", **back)
        assert done.returncode == 0, done.stdout[-3000:]
        assert deployment.ssh("ls -d /etc/digits/copies 2>/dev/null || true") == ""
        assert "Set-Cookie" not in requests.get(deployment.url, timeout=30).headers


@pytest.fixture
def app_folder(tmp_path: Path) -> Path:
    """A copy of the app to change and release."""
    folder = tmp_path / "app"
    shutil.copytree(ROOT / "app", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder
