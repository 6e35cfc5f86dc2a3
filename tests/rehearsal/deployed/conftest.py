"""One rehearsed deployment for all tests of this folder, which run in their files' order.

Deploying takes minutes, and what comes later needs what came before; the last one destroys.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import need
from tests.rehearsal.deployment import (
    STATE,
    Deployment,
    run,
    trust_the_authority,
    url_in,
    volumes,
)


@pytest.fixture(scope="session")
def volumes_before() -> set[str]:
    """The machine's volumes before the rehearsal; refuses to run over somebody's own rehearsal."""
    need(
        subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0,
        "no Docker engine answers",
        "start it: sudo systemctl start docker",
    )
    # While working on these tests: STANDING_REHEARSAL=yes uses the one that stands.
    need(
        os.environ.get("STANDING_REHEARSAL") or not STATE.exists(),
        "a rehearsal is standing",
        "make destroy TARGET=rehearsal",
    )
    return volumes()


@pytest.fixture(scope="session")
def deployment(
    volumes_before: set[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """One `make deploy TARGET=rehearsal` from nothing; what is left of it is cleared away."""
    del volumes_before
    try:
        # Dumps of earlier rehearsals are no business of this one.
        done = run("make", "deploy", "TARGET=rehearsal", "RESTORE=none")
        assert done.returncode == 0, done.stdout[-3000:]
        trust_the_authority(tmp_path_factory.mktemp("authority"))
        yield Deployment(done.stdout, url_in(done.stdout))
    finally:
        if STATE.exists() and not os.environ.get("STANDING_REHEARSAL"):
            run("scripts/in", "rehearsal", "-m", "rehearsal", "down")
