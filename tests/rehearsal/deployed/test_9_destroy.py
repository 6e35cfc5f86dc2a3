"""make destroy: nothing is left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.infra import conformance
from tests.rehearsal.deployment import STATE, Deployment, leftovers, run

pytestmark = pytest.mark.timeout(600)


def test_destroy_leaves_nothing(
    deployment: Deployment, volumes_before: str, tmp_path: Path
) -> None:
    journal = tmp_path / "requests.jsonl"
    shutil.copy(STATE / "api" / "requests.jsonl", journal)
    done = run("make", "destroy", "TARGET=rehearsal", "CONFIRM=digits")
    assert done.returncode == 0
    assert "Backed up to backups/" in done.stdout
    assert "Nothing that costs money is left of digits." in done.stdout
    assert "Destroy complete! Resources: 5 destroyed." in done.stdout
    found = leftovers()
    assert found.pop("volumes") == volumes_before
    assert not any(found.values()), found
    # The rehearsal only counts if it spoke DigitalOcean's language all the way.
    assert conformance.check(journal) == []
    assert deployment.url
