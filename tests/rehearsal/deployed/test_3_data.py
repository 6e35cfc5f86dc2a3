"""The data: backed up, wiped, restored; and what cannot be restored changes nothing."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.rehearsal.deployment import ROOT, Deployment, run

pytestmark = pytest.mark.timeout(600)


def psql(deployment: Deployment, statement: str) -> None:
    command = "docker exec digits-db-1 psql --quiet --username digits --command"
    deployment.ssh(f"{command} {shlex.quote(statement)}")


@pytest.fixture(scope="module")
def dump(deployment: Deployment) -> Path:
    """A dump of three rows, brought to this machine."""
    psql(deployment, "TRUNCATE predictions")
    for digit in "123":
        psql(deployment, "INSERT INTO predictions VALUES (now(), 1, 2)".replace("2", digit))
    before = set((ROOT / "backups").glob("*.dump"))
    done = run("make", "backup", "TARGET=rehearsal")
    assert done.returncode == 0, done.stdout
    (made,) = set((ROOT / "backups").glob("*.dump")) - before
    assert f"make restore FILE=backups/{made.name}" in done.stdout
    assert made.stat().st_mode & 0o777 == 0o600
    return made


def restore(file: Path | str, **env: str) -> tuple[int, str]:
    done = run("make", "restore", "TARGET=rehearsal", f"FILE={file}", **env)
    return done.returncode, done.stdout


def test_what_was_wiped_comes_back(deployment: Deployment, dump: Path) -> None:
    rows = deployment.rows()
    assert len(rows) == 3
    psql(deployment, "DROP TABLE predictions")
    status, said = restore(dump, CONFIRM="yes")
    assert status == 0, said
    assert "The file holds 3 answers; the database holds 0." in said
    assert deployment.rows() == rows


def test_a_restore_asks_first(deployment: Deployment, dump: Path) -> None:
    psql(deployment, "INSERT INTO predictions VALUES (now(), 9, 9)")
    status, said = restore(dump)
    assert status != 0
    assert "The file holds 3 answers; the database holds 4." in said
    assert "CONFIRM=yes" in said
    assert len(deployment.rows()) == 4


@pytest.mark.parametrize("kept", [0, 10, 500, -20])
def test_a_truncated_dump_is_refused_and_nothing_is_lost(
    deployment: Deployment, dump: Path, tmp_path: Path, kept: int
) -> None:
    rows = deployment.rows()
    torn = tmp_path / "torn.dump"
    torn.write_bytes(dump.read_bytes()[:kept])
    status, said = restore(torn, CONFIRM="yes")
    assert status != 0
    assert "Nothing was changed" in said
    assert deployment.rows() == rows


def test_no_file_is_said() -> None:
    assert "Name it: make restore FILE=" in restore("")[1]
    assert "There is no dump at nowhere.dump" in restore("nowhere.dump")[1]


def test_a_dump_is_made_every_night_and_before_every_release(deployment: Deployment) -> None:
    assert "digits-backup.timer" in deployment.ssh("systemctl list-timers --no-legend")
    deployment.ssh("systemctl start digits-backup.service")
    kept = deployment.ssh("ls /var/backups/digits")
    assert "-nightly.dump" in kept
    assert "-release.dump" in kept
    # Nobody but root reads them.
    assert deployment.ssh("stat --format %a /var/backups/digits").strip() == "700"


def test_old_dumps_go_and_the_last_one_stays(deployment: Deployment) -> None:
    deployment.ssh(
        "touch -d '8 days ago' /var/backups/digits/digits-20200101T000000Z-nightly.dump"
        " && digits-backup nightly"
    )
    assert "digits-20200101" not in deployment.ssh("ls /var/backups/digits")


def test_the_database_image_may_be_the_one_that_the_compose_file_names(
    deployment: Deployment,
) -> None:
    # As on DigitalOcean, where nothing sets POSTGRES_IMAGE; a rehearsal may have to.
    settings = deployment.ssh("cat /opt/digits/release.env")
    named = dict(line.split("=", 1) for line in settings.splitlines())
    if named["POSTGRES_IMAGE"]:
        deployment.ssh(f"docker tag {named['POSTGRES_IMAGE']} postgres:17-trixie")
    deployment.ssh("sed -i s/^POSTGRES_IMAGE=.*/POSTGRES_IMAGE=/ /opt/digits/release.env")
    rows = deployment.rows()
    # A setting that the container does not have yet makes it a release and no "nothing to do".
    deployment.ssh("sed -i 's/pids_limit: 200/pids_limit: 201/' /opt/digits/docker-compose.yml")
    release = f"NO_PULL=yes digits-release {named['APP_IMAGE']} abc1234 me@here"
    assert "In service" in deployment.ssh(release)
    image = deployment.ssh("docker inspect --format '{{.Config.Image}}' digits-db-1").strip()
    assert image == "postgres:17-trixie"
    assert "Nothing to do" in deployment.ssh(release)
    assert deployment.rows() == rows
    deployment.ssh("sed -i 's/pids_limit: 201/pids_limit: 200/' /opt/digits/docker-compose.yml")
    assert "In service" in deployment.ssh(release)


def test_another_major_version_of_postgresql_is_refused(deployment: Deployment) -> None:
    serves = deployment.ssh("cat /opt/digits/release.env")
    image = deployment.ssh("sed -n s/^APP_IMAGE=//p /opt/digits/release.env").strip()
    postgres = deployment.ssh("docker inspect --format '{{.Config.Image}}' digits-db-1").strip()
    deployment.ssh(
        f"printf 'FROM {postgres}\\nENV PG_MAJOR=18\\n' | docker build --quiet --tag postgres:18 -"
    )
    settings = "NO_PULL=yes POSTGRES_IMAGE=postgres:18"
    said = deployment.ssh(f"{settings} digits-release {image} abc1234 me@here 2>&1 || echo refused")
    assert said.endswith("refused\n")
    assert "The database was written by PostgreSQL 17" in said
    assert deployment.ssh("cat /opt/digits/release.env") == serves
    assert len(deployment.rows()) >= 3
