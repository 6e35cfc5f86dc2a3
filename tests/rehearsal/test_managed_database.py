"""The predictions move to the managed database and back, under load; a move back is killed.

The steps in between are tests/droplet/test_model.py's; here everything is real.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from rehearsal import standing
from rehearsal.droplet.containers import Containers
from rehearsal.places import PROJECT
from tests.crowd import visiting
from tests.rehearsal.database import fail_over, rotate_authority
from tests.rehearsal.deployment import Deployment, run
from tests.rehearsal.fleet import account
from tests.rehearsal.load import under_load
from tests.rehearsal.log import checksum, count, empty, fill

pytestmark = [pytest.mark.timeout(1200), pytest.mark.long]

MANAGED = {"TF_VAR_managed_database": "true"}
# Without this, a deploy keeps what the one before has set.
LOCAL = {"TF_VAR_managed_database": "false"}
# In docker's place on the droplet: the release is killed before the command that matches.
KILLER = """#!/bin/bash
case "$*" in
PATTERN) pkill --signal KILL --full '[s]bin/digits release'; exit 1 ;;
esac
exec /usr/bin/docker "$@"
"""


ENGINES = Containers(PROJECT)


def cluster() -> dict[str, Any]:
    """The managed database, as the engines name it."""
    [one] = account("databases")["databases"]
    return {"id": one["id"], "host": one["connection"]["host"]}


def serves(deployment: Deployment) -> str:
    """The database that has the answers."""
    return str(deployment.live()["database"])


@contextmanager
def visitors(deployment: Deployment) -> Iterator[None]:
    """People who answer, and press again when asked to; no answer is lost, none is doubled."""
    before, same = count(deployment), checksum(deployment)
    with (
        under_load(deployment.url, askers=2, stayers=0) as load,
        visiting(deployment.url, 3, patient=True) as crowd,
    ):
        yield
    print(load.requests, load.failed, crowd.answers, crowd.again, crowd.failed)
    assert load.failed == []
    assert crowd.answers > 0
    # A page that has to reconnect loses what was drawn; what was acknowledged is stored.
    rows = count(deployment) - before
    assert crowd.answers <= rows <= crowd.answers + len(crowd.failed)
    assert checksum(deployment) == same


def killed_at(deployment: Deployment, pattern: str) -> None:
    """Move the predictions back, and be killed before this command of Docker's."""
    script = shlex.quote(KILLER.replace("PATTERN", pattern))
    deployment.ssh(
        f"mkdir -p /tmp/killer && printf %s {script} >/tmp/killer/docker"
        " && chmod 755 /tmp/killer/docker"
    )
    printed = deployment.ssh("PATH=/tmp/killer:$PATH DRAIN=1 digits migrate me 2>&1; echo ended $?")
    deployment.ssh("rm -r /tmp/killer")
    assert "\nended 137\n" in printed, printed
    # Nobody calls another command: the watch sees to it.
    deadline = time.monotonic() + 60
    while "moving" in deployment.ssh("ls /opt/digits"):
        assert time.monotonic() < deadline, deployment.ssh("journalctl -u digits-watchdog -n 20")
        time.sleep(1)
    deployment.ssh("flock --timeout 60 /run/lock/digits true")


@pytest.fixture(scope="module", autouse=True)
def _local_again(deployment: Deployment) -> Iterator[None]:
    """A log of ten thousand answers; at the end the droplet has its own database, as before."""
    fill(deployment)
    yield
    if serves(deployment) == "managed":
        run("make", "deploy", "TARGET=rehearsal", **LOCAL)
    empty(deployment)


def test_move_to_the_managed_database_under_load(deployment: Deployment) -> None:
    with visitors(deployment):
        done = run("make", "deploy", "TARGET=rehearsal", **MANAGED)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Moving the predictions from the droplet's own database" in done.stdout
    assert "Both databases hold the same " in done.stdout
    assert serves(deployment) == "managed"
    status = deployment.ssh("digits status")
    assert "PostgreSQL 17" in status
    assert f" at DigitalOcean, {count(deployment)} answers" in status
    # Nothing of the password is where everybody looks.
    inspected = deployment.ssh("docker inspect $(docker ps --quiet)")
    password = deployment.ssh("sed -n s/^password=//p /opt/digits/database/pg_service.conf").strip()
    assert len(password) > 8
    assert password not in inspected + done.stdout
    # What looks after the log works there as it did.
    assert "Backed up to " in deployment.ssh("digits backup manual")
    newest = "$(ls -t /var/backups/digits/*.dump | head -n 1)"
    assert f"the database holds {count(deployment)}." in deployment.ssh(
        f"digits restore --look <{newest}"
    )
    refused = run("make", "upgrade-database", "TARGET=rehearsal")
    assert "which DigitalOcean keeps up to date" in refused.stdout


def test_down_for_a_while(deployment: Deployment) -> None:
    """The page goes on, nothing is restarted, and no acknowledged answer is lost."""
    listed = subprocess.run(
        ["docker", "ps", "--format", "{{.Names}}", "--filter", f"name=^{PROJECT}-database-"],
        capture_output=True,
        text=True,
        check=True,
    )
    [engine] = listed.stdout.split()
    before = deployment.ssh("docker ps --quiet").split()
    with visitors(deployment):
        subprocess.run(["docker", "kill", engine], capture_output=True, check=True)
        time.sleep(12)
        assert requests.get(deployment.url, timeout=30).status_code == 200
        assert "does not answer; the page goes on" in deployment.ssh("digits status")
        subprocess.run(["docker", "start", engine], capture_output=True, check=True)
        time.sleep(8)
    assert deployment.ssh("docker ps --quiet").split() == before


def test_another_address(deployment: Deployment) -> None:
    """The database's machine dies and another takes its name: nobody has to do anything."""
    with visitors(deployment):
        fail_over(ENGINES, ENGINES.name("database", cluster()["id"]), cluster()["host"])
        time.sleep(15)
    assert f" at DigitalOcean, {count(deployment)} answers" in deployment.ssh("digits status")


def test_another_password_and_another_authority(deployment: Deployment) -> None:
    """Status says what is wrong, the page says to press again, and a deploy brings the new one."""
    apps = "docker ps --quiet --filter label=com.docker.compose.service=app"
    before = deployment.ssh(apps)
    with visitors(deployment):
        path = f"databases/{cluster()['id']}/users/digits/reset_auth"
        assert account(path, method="POST")["user"]["password"]
        time.sleep(5)
        assert "its password or authority is another" in deployment.ssh("digits status")
        done = run("make", "deploy", "TARGET=rehearsal", **MANAGED)
        assert done.returncode == 0, done.stdout[-3000:]
    assert deployment.ssh(apps) == before
    with visitors(deployment):
        rotate_authority(ENGINES.name("database", cluster()["id"]))
        standing.stop()  # it hears of another authority when it starts
        time.sleep(5)
        assert "its password or authority is another" in deployment.ssh("digits status")
        done = run("make", "deploy", "TARGET=rehearsal", **MANAGED)
        assert done.returncode == 0, done.stdout[-3000:]
    assert deployment.ssh(apps) == before


def test_killed_while_moving_back(deployment: Deployment) -> None:
    with visitors(deployment):
        killed_at(deployment, "*--interactive*PGTZ*psql*")  # the copy is about to be written
        assert serves(deployment) == "managed"
        time.sleep(3)
    with visitors(deployment):
        killed_at(deployment, '"rm --force --volumes digits-move"')
        if serves(deployment) == "managed":
            # The first such command is of the client's start, before the switch.
            assert "Both databases hold" in deployment.ssh("DRAIN=1 digits migrate me")
        assert serves(deployment) == "local"
        time.sleep(3)


def test_move_back_under_load(deployment: Deployment) -> None:
    with visitors(deployment):
        done = run("make", "deploy", "TARGET=rehearsal", **LOCAL)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Nothing to move: the predictions are in the droplet's own database." in done.stdout
    assert serves(deployment) == "local"
    assert "database" not in deployment.ssh("ls /opt/digits").split()
    assert run("make", "deploy", "TARGET=rehearsal").stdout.count("Nothing to do") == 1
