"""What several of these tests need: a Docker engine, and what stands in for the internet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from rehearsal.offline import build
from tests.needs import need_docker, need_docker_plugins


@pytest.fixture(scope="session", autouse=True)
def engine_answers() -> None:
    """Skip all of these where there is no engine."""
    need_docker()
    need_docker_plugins()


@pytest.fixture(scope="module", autouse=True)
def _alone(no_browser_beside: None) -> None:
    """Containers bring network interfaces."""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh visitor: no cookies, a desktop's window."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def offline(engine_answers: None) -> Iterator[dict[str, str]]:
    """The base images, and the settings of a build, where the registries do not answer."""
    del engine_answers
    with build.prepared() as settings:
        yield settings
