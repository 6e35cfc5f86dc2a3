"""A rollback by its verb, with visitors; tests/droplet/test_rollback.py has where it leads to."""

from __future__ import annotations

import re
import time

import pytest

from tests.rehearsal.deployment import Deployment, run
from tests.rehearsal.load import under_load
from tests.rehearsal.releases import image_that_serves, put

pytestmark = pytest.mark.timeout(900)


def test_a_rollback_drops_no_request_and_needs_no_room(deployment: Deployment) -> None:
    before = image_that_serves(deployment)
    another = deployment.variant("another")
    assert "In service" in put(deployment, "digits:another")
    assert image_that_serves(deployment) == another
    with under_load(deployment.url) as load:
        started = time.monotonic()
        done = run("make", "rollback", "TARGET=rehearsal", DISK_NEEDED="99999999")
        seconds = time.monotonic() - started
    assert done.returncode == 0, done.stdout[-3000:]
    print(f"rolled back in {seconds:.0f} s")
    assert seconds < 60
    assert load.failed == []
    assert image_that_serves(deployment) == before
    listed = run("make", "releases", "TARGET=rehearsal").stdout
    assert re.search(rf"^\* .* rollback .* {before[7:19]} ", listed, re.MULTILINE)
    assert listed.count("\n* ") == 1
    # To one that is not kept here.
    refused = run("make", "rollback", "TARGET=rehearsal", "RELEASE=0123456789ab")
    assert refused.returncode != 0
    assert "is not on the droplet" in refused.stdout
    assert "make releases TARGET=rehearsal" in refused.stdout
