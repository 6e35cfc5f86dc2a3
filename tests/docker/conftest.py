"""What several of these tests need: a Docker engine, and what stands in for the internet."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page

from rehearsal.offline import base_images
from tests.docker.stack import Stack, clone
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
    with base_images.for_a_build() as settings:
        yield settings


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, offline: dict[str, str]) -> Iterator[Stack]:
    """Build and start it as the README does; take it away, its data too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    name = f"digits-test-{uuid4().hex[:8]}"
    settings = {"APP_PORT": str(port), "APP_IMAGE": f"{name}:dev"} | offline
    made = Stack(clone(tmp_path_factory.mktemp("stack")), settings)
    (made.folder / ".env").write_text(f"COMPOSE_PROJECT_NAME={name}\n")
    try:
        # Whoever works at another project, too, may have its settings exported.
        printed = made.run(
            "env", "COMPOSE_FILE=/shop.yml", "COMPOSE_PROJECT_NAME=shop", "make", "up"
        )
        assert printed.endswith(f"The page is on http://localhost:{port}  (make down stops it)")
        yield made
    finally:
        made.compose("down", "--volumes", "--rmi", "local")
        subprocess.run(["docker", "image", "rm", f"{name}:dev"], capture_output=True, check=False)
