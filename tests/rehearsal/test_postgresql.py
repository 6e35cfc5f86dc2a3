"""make upgrade-database: from PostgreSQL 17 to 18, under load, broken at every step, and back."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.crowd import Crowd, visiting
from tests.rehearsal.deployment import ROOT, Deployment, run
from tests.rehearsal.load import under_load
from tests.rehearsal.log import count, empty, fill, sql
from tests.rehearsal.releases import put

pytestmark = pytest.mark.timeout(1200)

# In place of docker on the droplet: the command that matches $BREAK for the $NTH time fails, or
# takes the upgrade along with it (HOW=kill). Compose's project stands before the words.
BREAKER = """#!/bin/bash
case "$COMPOSE_PROJECT_NAME $*" in
$BREAK)
  echo >>/tmp/broken/times
  if [ "$(wc -l </tmp/broken/times)" = "$NTH" ]; then
    [ "$HOW" != kill ] || pkill --signal KILL --full '[s]bin/digits upgrade-database'
    echo "broken on purpose" >&2
    exit 1
  fi
  ;;
esac
exec /usr/bin/docker "$@"
"""
# Each step that can fail, by the words of the command that takes it.
STEPS = {
    "make the volume": ("*volume create*", 1),
    "start the new one": ("digits-upgrade *compose* up *", 1),
    "log in as the app does": ("*psql --host=db*", 1),
    "hold the answers": ("*exec --interactive * psql *", 1),
    "dump": ("*pg_dump*", 1),
    "read the dump back": ("*pg_restore --file=/dev/null*", 1),
    "restore": ("*pg_restore --username*", 1),
    "read the old one": ("*COPY (SELECT*", 1),
    "read the new one": ("*COPY (SELECT*", 2),
    "give the app its role": ("*exec --interactive * sh -c *", 1),
    "close it for writing": ("*SET default_transaction_read_only = on*", 1),
    "take it down beside the old one": ("digits-upgrade *compose* down*", 2),
    "write the old one down": ("*CHECKPOINT*", 1),
    "stop the old one": ("*stop --signal QUIT*", 1),
    "take the old one away": ("digits rm *", 1),
    "start the new one in its place": ("digits compose* up * db", 1),
}


def major(deployment: Deployment) -> str:
    return sql(deployment, "SELECT current_setting('server_version_num')::int / 10000")


def volumes(deployment: Deployment) -> list[str]:
    return sorted(deployment.ssh("docker volume ls --quiet --filter name=digits_postgres").split())


def upgrade(**env: str) -> tuple[int, str]:
    done = run("make", "upgrade-database", "TARGET=rehearsal", **env)
    return done.returncode, done.stdout


@contextmanager
def visitors(deployment: Deployment) -> Iterator[Crowd]:
    """People who answer, and press again when asked to; no answer of theirs may be lost."""
    before = count(deployment)
    with visiting(deployment.url, 3, patient=True) as crowd:
        yield crowd
    assert crowd.failed == []
    assert crowd.answers > 0
    assert count(deployment) - before == crowd.answers


def broken(deployment: Deployment, step: str, how: str) -> str:
    """Try to move to 18, with one step that fails; what was said."""
    pattern, nth = STEPS[step]
    settings = f"PATH=/tmp/broken:$PATH BREAK={shlex.quote(pattern)} NTH={nth} HOW={how}"
    deployment.ssh(
        "rm -rf /tmp/broken && mkdir /tmp/broken"
        f" && printf %s {shlex.quote(BREAKER)} >/tmp/broken/docker && chmod 755 /tmp/broken/docker"
    )
    printed = deployment.ssh(f"{settings} digits upgrade-database me 18 2>&1 || echo failed")
    assert len(deployment.ssh("cat /tmp/broken/times").splitlines()) >= nth, (step, printed)
    return printed


def assert_as_before(deployment: Deployment, step: str, printed: str) -> None:
    assert major(deployment) == "17", (step, printed)
    assert volumes(deployment) == ["digits_postgres"], (step, printed)
    left = deployment.ssh("ls /opt/digits; docker ps --all --format '{{.Names}}'").split()
    assert "upgrade" not in left, (step, printed)
    assert not [name for name in left if name.startswith("digits-upgrade")], (step, printed)


@pytest.fixture(scope="module", autouse=True)
def _many_rows(deployment: Deployment) -> Iterator[None]:
    """A log of ten thousand answers, in a database that was never moved; as before at the end."""
    fill(deployment)
    yield
    deployment.ssh("digits upgrade-database me drop; digits upgrade-database me 17")
    deployment.ssh("digits upgrade-database me drop")
    empty(deployment)


def test_without_a_version_it_is_the_newest_minor_one(deployment: Deployment) -> None:
    status, printed = upgrade()
    assert status == 0, printed
    assert re.search(r"Nothing to do: PostgreSQL 17\.\d+ runs", printed)
    assert not deployment.ssh("ls /opt/digits | grep postgres.env || true")


def test_a_version_that_is_not_to_be_had_changes_nothing(deployment: Deployment) -> None:
    status, printed = upgrade(VERSION="99")
    assert status != 0
    assert "postgres:99-trixie could not be pulled" in printed
    assert "Check that there is such a version" in printed
    assert major(deployment) == "17"


def test_a_minor_upgrade_and_back_lose_no_answer(
    deployment: Deployment,
) -> None:
    deployment.ssh("docker tag postgres:17-trixie postgres:17.999-trixie")
    with visitors(deployment), under_load(deployment.url) as load:
        assert "In service: PostgreSQL 17" in deployment.ssh("digits upgrade-database me 17.999")
        image = deployment.ssh("docker inspect --format '{{.Config.Image}}' digits-db-1").strip()
        assert image == "postgres:17.999-trixie"
        assert "In service: PostgreSQL 17" in deployment.ssh("digits upgrade-database me 17")
    assert load.failed == []
    recipe = 'FROM postgres:17-trixie\nENTRYPOINT ["false"]\n'
    build = "docker build --quiet --tag postgres:17.998-trixie - 2>/dev/null"
    deployment.ssh(f"printf %s {shlex.quote(recipe)} | {build}")
    printed = deployment.ssh(
        "DATABASE_WITHIN=20 digits upgrade-database me 17.998 2>&1 || echo failed"
    )
    assert printed.endswith("failed\n")
    assert "The database did not start from postgres:17.998-trixie" in printed
    assert_as_before(deployment, "minor", printed)
    deployment.ssh("docker image rm postgres:17.999-trixie postgres:17.998-trixie")


def test_more_than_the_predictions_stops_the_upgrade(deployment: Deployment) -> None:
    have_18()
    sql(deployment, "CREATE DATABASE notes")
    printed = deployment.ssh("digits upgrade-database me 18 2>&1 || echo failed")
    sql(deployment, "DROP DATABASE notes")
    assert "Beside the predictions there is more" in printed
    assert "database notes" in printed
    assert_as_before(deployment, "others", printed)


def have_18() -> None:
    """Let the droplets' Docker Hub have 18, as the verb does in a rehearsal."""
    offer = (
        "from rehearsal.places import PROJECT; from rehearsal.droplet.containers import Containers"
        "; from rehearsal.offline import base_images, docker_hub"
        "; docker_hub.offer(Containers(PROJECT), base_images.NEXT_POSTGRES)"
    )
    assert run(str(ROOT / ".venv/rehearsal/bin/python"), "-c", offer).returncode == 0


@pytest.mark.long
def test_whichever_step_fails_17_goes_on(deployment: Deployment) -> None:
    have_18()
    with visitors(deployment), under_load(deployment.url) as load:
        for step in STEPS:
            printed = broken(deployment, step, "fail")
            assert printed.endswith("failed\n"), (step, printed)
            assert "postgres:17-trixie is live again, with every answer." in printed, (
                step,
                printed,
            )
            assert_as_before(deployment, step, printed)
    assert load.failed == []


@pytest.mark.long
def test_wherever_it_is_killed_17_comes_back(deployment: Deployment) -> None:
    have_18()
    there = "while [ -s /run/lock/digits.holder ]; do sleep 0.2; done"
    with visitors(deployment):
        # From each of three states: 18 is filled, 17 is closed for writing, 17 is gone.
        for step in ("restore", "close it for writing", "take the old one away"):
            printed = broken(deployment, step, "kill")
            # digits-watchdog clears up within ten seconds, and any other command at once.
            deployment.ssh(f"timeout 180 sh -c '{there}'")
            assert_as_before(deployment, step, printed)


def test_from_17_to_18_under_load(deployment: Deployment) -> None:
    with visitors(deployment) as crowd, under_load(deployment.url) as load:
        status, printed = upgrade(VERSION="18")
    assert status == 0, printed
    assert "it will not store answers: it says to press again" in printed
    assert re.search(r"In service: PostgreSQL 18\.\d+, with the same rows and checksums", printed)
    assert re.search(r"public\.predictions 1\d{4} [0-9a-f]{64}", printed)
    assert major(deployment) == "18"
    assert load.failed == []
    print(f"{crowd.answers} answers, {crowd.again} presses that were asked to come again")
    # At the path that 18 wants, on a volume of its own; the old one is kept.
    mounts = "{{range .Mounts}}{{.Name}} {{.Destination}} {{end}}"
    mounted = deployment.ssh(f"docker inspect --format '{mounts}' digits-db-1")
    assert "digits_postgres-18 /var/lib/postgresql " in mounted
    assert volumes(deployment) == ["digits_postgres", "digits_postgres-18"]
    status, printed = upgrade(VERSION="18")
    assert status == 0, printed
    assert "Nothing to do: PostgreSQL 18" in printed


@pytest.mark.long
def test_18_stays_after_releases_and_backups(deployment: Deployment) -> None:
    rows = count(deployment)
    deployment.variant("after-18", light=True)
    serves = deployment.live()["id"]
    assert "In service" in put(deployment, "digits:after-18")
    assert "Going back to" in deployment.ssh("DRAIN=1 digits rollback me@here")
    assert deployment.live()["id"] == serves
    done = run("make", "deploy", "TARGET=rehearsal", f"IMAGE={serves}", "NO_PULL=yes")
    assert done.returncode == 0
    assert "changed=0" in done.stdout
    deployment.ssh("systemctl start digits-backup.service")
    assert (major(deployment), count(deployment)) == ("18", rows)
    status = deployment.ssh("digits status")
    assert re.search(r"database +PostgreSQL 18\.", status)
    assert re.search(r"kept +the volume of the database before \(digits_postgres\)", status)


def test_drop_removes_the_old_database(deployment: Deployment) -> None:
    status, printed = upgrade(DROP="yes")
    assert status == 0, printed
    assert "Removed 1 volume: digits_postgres." in printed
    assert volumes(deployment) == ["digits_postgres-18"]
    assert "Nothing to do: no earlier database is kept." in upgrade(DROP="yes")[1]
    # A backup is still made where there is no volume of the first name any more.
    assert run("make", "backup", "TARGET=rehearsal").returncode == 0
    assert major(deployment) == "18"


def test_back_to_17_and_a_dump_of_18(deployment: Deployment) -> None:
    backup = deployment.ssh("digits backup manual").split()[-1]
    rows = count(deployment)
    assert "In service: PostgreSQL 17" in deployment.ssh("digits upgrade-database me 17")
    assert count(deployment) == rows
    printed = deployment.ssh(f"digits restore <{backup} 2>&1 || echo refused")
    assert "That file was written by PostgreSQL 18, and the database is 17." in printed
    assert "make upgrade-database VERSION=18" in printed
    assert printed.endswith("refused\n")
    deployment.ssh("digits upgrade-database me drop")
    # As on a new droplet: an empty database is moved to where the dump is from.
    sql(deployment, "DROP TABLE predictions")
    printed = deployment.ssh(f"digits restore <{backup}")
    assert "the empty database is upgraded from 17 first" in printed
    assert (major(deployment), count(deployment)) == ("18", rows)
