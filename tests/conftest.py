"""What all tests share: one rule for tests that cannot run here, and their surroundings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserType, sync_playwright

# Programs that tests start should keep their compiled modules, or each start
# compiles some thousand files anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def need(condition: object, reason: str, fix: str) -> None:
    """Go on if `condition` holds; else skip on a laptop, and fail where CI is set.

    A test that cannot run proves nothing, so it must not look green in CI.
    `reason` says what is missing, `fix` is the command that mends it.
    """
    if condition:
        return
    message = f"{reason}. Mend it:  {fix}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def launch(browser_type: BrowserType, home: Path | None = None) -> Browser:
    """Start this machine's Chromium or Chrome, or the one in $CHROMIUM.

    In `home` it finds the certificate authorities that it is to trust beside its own.
    """
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    program = os.environ.get("CHROMIUM") or next(filter(None, found), None)
    need(program, "There is no Chromium here", "sudo apt-get install chromium libatomic1")
    arguments = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-gpu",
        "--disable-sync",
        "--no-first-run",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    environment: dict[str, str | float | bool] = {**os.environ}
    if home:
        environment["HOME"] = str(home)
    return browser_type.launch(
        executable_path=program, args=arguments, timeout=300_000, env=environment
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, until the block ends."""
    with sync_playwright() as playwright:
        started = launch(playwright.chromium)
        yield started
        started.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each opens windows of its own."""
    with chromium() as started:
        yield started
