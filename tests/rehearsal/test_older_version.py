"""What the bash version of the commands has set up becomes the new one with `make deploy`.

As its owner does it: the same clone, at the older commit, then at this one.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import places
from tests.needs import need
from tests.rehearsal import deployment as deployments
from tests.rehearsal.deployment import ROOT, Deployment, run, url_in
from tests.rehearsal.load import under_load
from tests.rehearsal.log import APP, count, record, sql

pytestmark = [pytest.mark.long, pytest.mark.timeout(3000)]

OLDER = "100cd6c5b77ad096edfca47165ea1e5af361226e"  # the last one with the bash commands


def git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=False)


@pytest.fixture
def clone(volumes_before: set[str]) -> Iterator[Path]:
    """This repository at the older commit; its rehearsal is cleared away at the end."""
    del volumes_before
    known = git("cat-file", "-e", f"{OLDER}^{{commit}}").returncode == 0
    need(known, "the history of this repository", "git fetch --unshallow")
    ours = ("docker", "ps", "--all", "--quiet", "--filter", f"label={places.LABEL}")
    stands = subprocess.run(ours, capture_output=True, text=True, check=True).stdout
    need(not stands, "that no rehearsal stands, of any clone", "make destroy TARGET=rehearsal")
    # A short path: ssh keeps a socket below it.
    with tempfile.TemporaryDirectory(prefix="old-") as name:
        folder = Path(name)
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        subprocess.run(["git", "-C", folder, "checkout", "--quiet", OLDER], check=True)
        yield folder
        # `rehearsal down` ends every rehearsal of this machine: where the deploy was refused since
        # another clone has one, there is nothing of ours to end.
        if (folder / ".rehearsal").exists():
            make(folder, "destroy", "CONFIRM=digits", "BACKUP=no")
            down = ["scripts/in", "rehearsal", "-m", "rehearsal", "down"]
            subprocess.run(down, cwd=folder, check=True)


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A verb in the clone; its two outputs come back as one."""
    return run("make", "-C", str(folder), "--silent", "TARGET=rehearsal", *words)


def test_it_becomes_the_new_one_and_drops_no_request(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = make(clone, "deploy", "RESTORE=none")
    assert older.returncode == 0
    monkeypatch.setattr(deployments, "STATE", clone / ".rehearsal")
    deployments.trust_the_authority(tmp_path)
    made = Deployment(older.stdout, url_in(older.stdout))
    before = made.ssh("tail -n 1 /opt/digits/releases.log | cut -f 5").strip()
    made.ssh("digits-backup manual")
    dumps = made.ssh("ls /var/backups/digits")
    here = git("rev-parse", "HEAD").stdout.strip()
    subprocess.run(["git", "-C", clone, "checkout", "--quiet", here], check=True)
    with under_load(made.url) as load:
        newer = make(clone, "deploy", "RESTORE=none")
    assert newer.returncode == 0
    assert load.failed == []
    assert load.requests > 500
    assert_the_app_has_its_own_role(made)
    # The history, the dumps and the way back are still there.
    releases = json.loads(made.ssh("digits releases --json"))["releases"]
    assert [one["id"] for one in releases][:1] == [before]
    assert len(releases) == 2
    assert set(dumps.split()) <= set(made.ssh("ls /var/backups/digits").split())
    assert (
        made.ssh("ls /opt/digits/releases.log /usr/local/lib/digits 2>&1 || true").count("No such")
        == 2
    )
    # What a pipeline of the older version calls.
    assert re.search(r"^release +", made.ssh("digits-status"), re.MULTILINE)
    with under_load(made.url) as load:
        assert make(clone, "rollback").returncode == 0
    assert load.failed == []
    assert json.loads(made.ssh("digits releases --json"))["releases"][-1]["id"] == before
    assert_the_app_has_its_own_role(made)  # the older image's, too


def assert_the_app_has_its_own_role(made: Deployment) -> None:
    """The database is the older version's. The app stores a prediction, and may do nothing else."""
    before = count(made)
    record(made)
    assert count(made) == before + 1
    sql(made, "CREATE TABLE of_root AS SELECT 'a secret' AS secret")
    app = made.ssh(f"{APP} | head -n 1").strip()
    hostile = (ROOT / "tests/hostile_app.py").read_text()
    assert made.ssh(f"docker exec -i {app} python -", hostile) == "tried with 1 secrets\n"
    sql(made, "DROP TABLE of_root")
    assert count(made) == before + 1
    # Root's own commands go on as before.
    assert f", {before + 1} answer" in made.ssh("digits status")
    dump = made.ssh("digits backup manual").split()[-1]
    assert f"the database holds {before + 1}" in made.ssh(f"digits restore --look <{dump}")
