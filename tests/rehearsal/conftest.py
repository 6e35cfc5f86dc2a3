"""What several of these tests need: a browser tab, and what stands in for the internet."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from rehearsal.offline import build
from tests.conftest import need


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh visitor: no cookies, a desktop's window.

    Whether a browser takes the site's certificate, test_8_https.py sees.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900}, ignore_https_errors=True)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def offline() -> Iterator[dict[str, str]]:
    """The base images, and the settings of a build, where the registries do not answer."""
    engine = subprocess.run(["docker", "info"], capture_output=True, check=False)
    need(engine.returncode == 0, "no Docker engine answers", "sudo systemctl start docker")
    with build.prepared() as settings:
        yield settings
