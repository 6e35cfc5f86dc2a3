"""make destroy: nothing is left. And a fresh start: cut off, begun again, with the old answers."""

from __future__ import annotations

import os
import re
import shutil
import signal
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tests.api import conformance
from tests.rehearsal.deployment import (
    ROOT,
    STATE,
    Deployment,
    begin,
    ended,
    leftovers,
    read_until,
    run,
    url_in,
)
from tests.rehearsal.log import record

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Destroyed:
    """What `make destroy` printed, what it left, and what was logged when the droplet went."""

    output: str
    left: dict[str, str]
    requests: Path
    rows: list[tuple[datetime, int, int]]

    @property
    def backup(self) -> Path:
        """The backup that it made."""
        found = re.search(r"Backed up to (backups/\S+)", self.output)
        assert found
        return ROOT / found[1]


@pytest.fixture(scope="session")
def destroyed(
    deployment: Deployment, volumes_before: set[str], tmp_path_factory: pytest.TempPathFactory
) -> Destroyed:
    """The deployment gone. What uses this comes last: conftest.py sees to it."""
    journal = tmp_path_factory.mktemp("api") / "requests.jsonl"
    shutil.copy(STATE / "requests.jsonl", journal)
    record(deployment)
    rows = deployment.rows()
    done = run("make", "destroy", "TARGET=rehearsal", "CONFIRM=digits")
    assert done.returncode == 0
    return Destroyed(done.stdout, leftovers(volumes_before), journal, rows)


def test_destroy_leaves_nothing(destroyed: Destroyed) -> None:
    assert destroyed.backup.exists()
    assert "Nothing that costs money is left of digits." in destroyed.output
    done = r"^Destroy complete! Resources: \d+ destroyed\.$"
    assert re.search(done, destroyed.output, re.MULTILINE)
    assert not any(destroyed.left.values()), destroyed.left


def test_the_rehearsal_spoke_digitaloceans_language_all_the_way(destroyed: Destroyed) -> None:
    assert conformance.check(destroyed.requests) == []


def cut_off(marker: str, backup: Path) -> str:
    """Start `make deploy`, press Ctrl-C as soon as it prints `marker`; all that it printed."""
    process = begin("make", "deploy", "TARGET=rehearsal", f"RESTORE={backup}")
    lines = read_until(process, marker)
    os.killpg(process.pid, signal.SIGINT)
    return ended(process, lines)


@pytest.mark.long
def test_a_deployment_that_was_cut_off_goes_on_and_takes_the_old_answers(
    destroyed: Destroyed, volumes_before: set[str]
) -> None:
    rows, backup = destroyed.rows, destroyed.backup
    assert rows
    try:
        print(cut_off("digitalocean_droplet.app: Creating", backup))
        print(cut_off("TASK [docker", backup))
        print(cut_off("==> Release", backup))
        # A first release that fails: nothing serves, and nobody is told otherwise.
        first = run("make", "release", "TARGET=rehearsal", "IMAGE=nowhere.invalid/digits:1")
        assert first.returncode != 0
        assert "could not be pulled" in first.stdout
        assert "Nothing is live yet." in first.stdout
        assert "is still live" not in first.stdout
        done = run("make", "deploy", "TARGET=rehearsal", f"RESTORE={backup}")
        assert done.returncode == 0
        fresh = Deployment(done.stdout, url_in(done.stdout))
        assert f"{len(rows)} answers restored." in done.stdout
        assert fresh.rows() == rows
    finally:
        run("make", "destroy", "TARGET=rehearsal", "CONFIRM=digits", "BACKUP=no")
    found = leftovers(volumes_before)
    assert not any(found.values()), found
