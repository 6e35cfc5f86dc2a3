"""The data: backed up, wiped, restored; and what cannot be restored changes nothing."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rehearsal.offline import base_images
from tests.crowd import visiting
from tests.rehearsal.deployment import ROOT, Deployment, run
from tests.rehearsal.load import under_load

pytestmark = pytest.mark.timeout(900)
DUMPS = ROOT / "backups/rehearsal/digits"


def psql(deployment: Deployment, statement: str) -> None:
    command = "docker exec digits-db-1 psql --quiet --username digits --command"
    deployment.ssh(f"{command} {shlex.quote(statement)}")


@pytest.fixture(scope="module")
def dump(deployment: Deployment) -> Path:
    """A dump of three rows, brought to this machine."""
    psql(deployment, "TRUNCATE predictions")
    for digit in "123":
        psql(deployment, "INSERT INTO predictions VALUES (now(), 1, 2)".replace("2", digit))
    before = set(DUMPS.glob("*.dump"))
    done = run("make", "backup", "TARGET=rehearsal")
    assert done.returncode == 0, done.stdout
    (made,) = set(DUMPS.glob("*.dump")) - before
    assert f"make restore FILE=backups/rehearsal/digits/{made.name}" in done.stdout
    assert made.stat().st_mode & 0o777 == 0o600
    return made


def restore(file: Path | str, **env: str) -> tuple[int, str]:
    done = run("make", "restore", "TARGET=rehearsal", f"FILE={file}", **env)
    return done.returncode, done.stdout


def test_a_dropped_table_is_restored(deployment: Deployment, dump: Path) -> None:
    rows = deployment.rows()
    assert len(rows) == 3
    psql(deployment, "DROP TABLE predictions")
    status, printed = restore(dump, CONFIRM="yes")
    assert status == 0, printed
    assert "The file holds 3 answers; the database holds 0." in printed
    assert deployment.rows() == rows


def test_a_restore_asks_first(deployment: Deployment, dump: Path) -> None:
    psql(deployment, "INSERT INTO predictions VALUES (now(), 9, 9)")
    status, printed = restore(dump)
    assert status != 0
    assert "The file holds 3 answers; the database holds 4." in printed
    assert "CONFIRM=yes" in printed
    assert len(deployment.rows()) == 4


def test_a_truncated_dump_is_refused_and_nothing_is_lost(
    deployment: Deployment, dump: Path, tmp_path: Path
) -> None:
    rows = deployment.rows()
    torn = tmp_path / "torn.dump"
    torn.write_bytes(dump.read_bytes()[:500])
    status, printed = restore(torn, CONFIRM="yes")
    assert status != 0
    assert "Nothing was changed" in printed
    assert deployment.rows() == rows


def test_a_restore_among_visitors_loses_no_answer(deployment: Deployment, dump: Path) -> None:
    psql(deployment, "TRUNCATE predictions")
    with visiting(deployment.url, 10) as crowd:
        time.sleep(3)
        status, printed = restore(dump, CONFIRM="yes")
        time.sleep(2)
    assert status == 0, printed
    found = re.search(r"Replaced (\d+) answers; (\S+) on the droplet keeps", printed)
    assert found
    held = deployment.ssh(
        f"docker exec -i digits-db-1 pg_restore --data-only --file=- <{found[2]} | grep -c '^20'"
    )
    assert int(held) == int(found[1]) > 0
    # Those before are in that dump, those since in the log. A visitor that was told to press
    # again has not been logged.
    since = len(deployment.rows()) - 3
    assert crowd.answers == int(found[1]) + since
    assert len({at for at, _, _ in deployment.rows()}) == since + 3
    assert all("could not be saved" in problem for problem in crowd.failed), crowd.failed


def test_two_backups_within_a_second(deployment: Deployment) -> None:
    unfinished = "ls /var/backups/digits/*.part 2>/dev/null || true"
    # A backup that was killed leaves one for an hour.
    before = deployment.ssh(unfinished)
    printed = deployment.ssh("digits backup manual & digits backup manual; wait")
    assert len(set(re.findall(r"Backed up to (\S+)", printed))) == 2
    assert deployment.ssh(unfinished) == before


def test_a_dump_is_made_every_night(deployment: Deployment) -> None:
    assert "digits-backup.timer" in deployment.ssh("systemctl list-timers --no-legend")
    deployment.ssh("systemctl start digits-backup.service")
    assert "-nightly.dump" in deployment.ssh("ls /var/backups/digits")
    # Nobody but root reads them.
    assert deployment.ssh("stat --format %a /var/backups/digits").strip() == "700"


def test_the_database_image_is_the_one_that_the_compose_file_names(
    deployment: Deployment,
) -> None:
    image = deployment.ssh("docker inspect --format '{{.Config.Image}}' digits-db-1").strip()
    assert image == base_images.postgres()


@contextmanager
def _no_docker_hub(deployment: Deployment) -> Iterator[None]:
    """The droplet reaches no registry outside, and so keeps the images that it has."""
    block = (
        "add table inet no_hub; add chain inet no_hub out { type filter hook output priority 0; };"
        " add rule inet no_hub out tcp dport 443 reject with tcp reset"
    )
    deployment.ssh(f"nft '{block}'")
    try:
        yield
    finally:
        deployment.ssh("nft delete table inet no_hub")


def _image_of_the_database(deployment: Deployment) -> str:
    return deployment.ssh("docker inspect --format '{{.Image}}' digits-db-1").strip()


def _rebuilt(deployment: Deployment, name: str, recipe: str) -> None:
    """Give a name on the droplet to another image, as a pull of a newer one does."""
    text = shlex.quote(f"FROM {name}\n{recipe}\n")
    deployment.ssh(f"printf %s {text} | docker build --quiet --tag {name} - 2>/dev/null")


def test_a_release_updates_the_image_of_the_database_or_keeps_the_old_one(
    deployment: Deployment,
) -> None:
    rows = deployment.rows()
    live = deployment.live()["id"]
    postgres = deployment.ssh("docker inspect --format '{{.Config.Image}}' digits-db-1").strip()
    release = f"NO_PULL=yes digits release {live} abc1234 me@here 2>&1 || echo failed"
    first = _image_of_the_database(deployment)
    with _no_docker_hub(deployment):
        _rebuilt(deployment, postgres, "LABEL newer=yes")
        printed = deployment.ssh(release)
        assert f"Nobody knows whether there is a newer {postgres}" in printed
        assert re.search(r"Backed up to \S+-release\.dump", printed)
        assert "The database is restarted and is away for some seconds" in printed
        assert "Nothing else to do" in printed
        newer = _image_of_the_database(deployment)
        assert newer != first
        assert deployment.rows() == rows
        # One that does not start: back to the one before, and the app serves all the while.
        _rebuilt(deployment, postgres, 'ENTRYPOINT ["false"]')
        with under_load(deployment.url) as load:
            printed = deployment.ssh(f"export DATABASE_WITHIN=20; {release}")
        assert printed.endswith("failed\n")
        assert "as it is now, and runs as before; why is above." in printed
        assert load.failed == []
        assert _image_of_the_database(deployment) == newer
        assert deployment.rows() == rows
        assert "Nothing to do" in deployment.ssh(release)
    # Docker Hub, or what stands in for it, still has the first one: the next release pulls it.
    assert "The database is restarted" in deployment.ssh(release)
    assert _image_of_the_database(deployment) == first
    assert deployment.rows() == rows


def test_another_major_version_of_postgresql_is_refused(deployment: Deployment) -> None:
    serves = deployment.live()
    image = deployment.live()["id"]
    postgres = deployment.ssh("docker inspect --format '{{.Config.Image}}' digits-db-1").strip()
    release = f"NO_PULL=yes digits release {image} abc1234 me@here 2>&1 || echo refused"
    with _no_docker_hub(deployment):
        _rebuilt(deployment, postgres, "ENV PG_MAJOR=18")
        printed = deployment.ssh(release)
    deployment.ssh(f"docker pull --quiet {postgres}")
    assert printed.endswith("refused\n")
    assert "The database was written by PostgreSQL 17" in printed
    assert "Stay on 17: in docker-compose.yml, postgres:17-trixie." in printed
    assert "make upgrade-database VERSION=18" in printed
    assert deployment.live() == serves
    assert len(deployment.rows()) >= 3
