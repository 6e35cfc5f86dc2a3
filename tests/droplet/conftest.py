"""What the tests of the droplet's package share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from droplet import disk
from tests.droplet.model import Droplet

disk.RESERVE = 150_000  # which is faster to write, and enough for a container of the model


@pytest.fixture
def droplet() -> Iterator[Droplet]:
    """A droplet in memory before its first release."""
    made = Droplet()
    yield made
    assert not made.world.violations
