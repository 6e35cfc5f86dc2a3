"""An API that is checked, and patience."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.api import conformance
from tests.project import Api


@pytest.fixture
def checked(api: Api) -> Iterator[Api]:
    """An API whose every request and answer fits DigitalOcean's description."""
    yield api
    assert conformance.check(api.journal) == []


def until(condition: Callable[[], object]) -> None:
    """Wait for what is done in the background."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
