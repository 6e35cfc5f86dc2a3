"""make destroy: nothing is left. And a fresh start: cut off, begun again, with the old answers."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from tests.infra import conformance
from tests.rehearsal.deployment import (
    ROOT,
    STATE,
    Deployment,
    clean_environment,
    leftovers,
    run,
    url_in,
)

pytestmark = pytest.mark.timeout(900)

APP = "docker ps --quiet --filter label=com.docker.compose.service=app"
AN_ANSWER = (
    "from datetime import UTC, datetime; from digits import prediction_log;"
    " prediction_log.default().record(datetime.now(UTC), 7, 1)"
)

# What was logged when the droplet went, and the backup that `make destroy` made of it.
last: dict[str, tuple[list[tuple[datetime, int, int]], Path]] = {}


def test_destroy_leaves_nothing(
    deployment: Deployment, volumes_before: set[str], tmp_path: Path
) -> None:
    journal = tmp_path / "requests.jsonl"
    shutil.copy(STATE / "api" / "requests.jsonl", journal)
    deployment.ssh(f"docker exec $({APP}) python -c {shlex.quote(AN_ANSWER)}")
    rows = deployment.rows()
    done = run("make", "destroy", "TARGET=rehearsal", "CONFIRM=digits")
    assert done.returncode == 0
    backup = re.search(r"Backed up to (backups/\S+)", done.stdout)
    assert backup
    last["droplet"] = (rows, ROOT / backup[1])
    assert "Nothing that costs money is left of digits." in done.stdout
    assert "Destroy complete! Resources: 7 destroyed." in done.stdout
    found = leftovers(volumes_before)
    assert not any(found.values()), found
    # The rehearsal only counts if it spoke DigitalOcean's language all the way.
    assert conformance.check(journal) == []


def cut_off(marker: str, backup: Path) -> str:
    """Start `make deploy`, press Ctrl-C as soon as it prints `marker`, and return what it said."""
    process = subprocess.Popen(
        # What is started in the background may ignore Ctrl-C, and so would all it starts.
        ("env", "--default-signal=INT", "make", "deploy", "TARGET=rehearsal", f"RESTORE={backup}"),
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if marker in line:
            os.killpg(process.pid, signal.SIGINT)
            break
    else:
        raise AssertionError("".join(lines))
    lines.extend(process.stdout)
    assert process.wait(120) != 0
    return "".join(lines)


@pytest.mark.long
def test_a_deployment_that_was_cut_off_goes_on_and_takes_the_old_answers(
    volumes_before: set[str],
) -> None:
    if "droplet" not in last:
        pytest.fail("test_destroy_leaves_nothing has to run before: it makes the backup")
    rows, backup = last["droplet"]
    assert rows
    try:
        print(cut_off("digitalocean_droplet.app: Creating", backup))
        print(cut_off("TASK [docker", backup))
        print(cut_off("==> Release", backup))
        # A first release that fails: nothing serves, and nobody is told otherwise.
        first = run("make", "release", "TARGET=rehearsal", "IMAGE=nowhere.invalid/digits:1")
        assert first.returncode != 0
        assert "could not be pulled" in first.stdout
        assert "Nothing serves yet." in first.stdout
        assert "still serves" not in first.stdout
        done = run("make", "deploy", "TARGET=rehearsal", f"RESTORE={backup}")
        assert done.returncode == 0
        fresh = Deployment(done.stdout, url_in(done.stdout))
        assert f"{len(rows)} answers came back." in done.stdout
        assert fresh.rows() == rows
    finally:
        run("make", "destroy", "TARGET=rehearsal", "CONFIRM=digits", "BACKUP=no")
    found = leftovers(volumes_before)
    assert not any(found.values()), found
