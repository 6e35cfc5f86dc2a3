"""Hourly offsite backups: made, tested, restored; and a droplet that is deleted."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time

import pytest
import requests

from tests.crowd import visiting
from tests.rehearsal.conftest import LARGER
from tests.rehearsal.deployment import STATE, Deployment, run, url_in
from tests.rehearsal.log import add, count
from tests.rehearsal.releases import app_containers

pytestmark = pytest.mark.timeout(1200)
FOLDER = "/etc/digits/copies"
STATE_THERE = "/var/lib/digits/copies"


def deploy(*words: str, **env: str) -> str:
    done = run("make", "deploy", "TARGET=rehearsal", *words, **env)
    assert done.returncode == 0
    return done.stdout


def printed_by(deployment: Deployment, command: str) -> str:
    return deployment.ssh(f"{command} 2>&1 || echo failed")


@pytest.fixture(scope="module")
def over_sftp(deployment: Deployment) -> Deployment:
    """The deployment with its offsite backups on an sftp host, the droplet's own sshd."""
    key = STATE / "copies_key"
    key.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text().strip()
    deployment.ssh(
        f"echo {shlex.quote(public)} >>/root/.ssh/authorized_keys"
        "; rm -rf /srv/copies; mkdir /srv/copies"
    )
    add(deployment)
    sftp = {"COPIES_REPOSITORY": "sftp:root@127.0.0.1:/srv/copies", "COPIES_SSH_KEY": str(key)}
    printed = deploy(**sftp)
    assert f"Backed up to {sftp['COPIES_REPOSITORY']}: {count(deployment)} answers." in printed
    assert "Keep it somewhere else, too" in printed
    return deployment


@pytest.mark.long
def test_backups_over_sftp(over_sftp: Deployment) -> None:
    assert "There are no new predictions since the last offsite backup." in printed_by(
        over_sftp, "digits offsite hourly"
    )
    assert "restores, with" in printed_by(over_sftp, "digits offsite test")
    add(over_sftp)
    over_sftp.ssh("mv /srv/copies /srv/away && touch /srv/copies")
    printed = printed_by(over_sftp, "digits offsite hourly")
    assert printed.endswith("failed\n")
    assert "No prediction was changed." in printed
    over_sftp.ssh("rm /srv/copies && mv /srv/away /srv/copies")
    assert "Backed up to" in printed_by(over_sftp, "digits offsite hourly")


@pytest.mark.long
def test_a_repository_without_room(over_sftp: Deployment) -> None:
    over_sftp.ssh(
        f"cp {FOLDER}/env /root/env; mkdir /srv/small; mount -t tmpfs -o size=12k tmpfs /srv/small"
        f"; sed -i s,/srv/copies,/srv/small, {FOLDER}/env"
    )
    rows = count(over_sftp)
    printed = printed_by(over_sftp, "digits offsite now")
    over_sftp.ssh(f"mv /root/env {FOLDER}/env; umount /srv/small; rmdir /srv/small")
    assert "sftp:root@127.0.0.1:/srv/small takes no files: it is full, or can only be" in printed
    assert printed.endswith("failed\n")
    assert count(over_sftp) == rows
    assert "Backed up to" in printed_by(over_sftp, "digits offsite now")


@pytest.fixture
def offsite(deployment: Deployment, larger: str) -> Deployment:
    """The deployment with a Space for its offsite backups."""
    del larger
    return deployment


def test_an_hourly_backup_to_a_space(offsite: Deployment) -> None:
    assert "digits-copies.timer" in offsite.ssh("systemctl list-timers --no-legend")
    add(offsite)
    offsite.ssh("systemctl start digits-copies.service")
    assert f"\t{len(offsite.rows())}\t" in offsite.ssh("digits offsite list").splitlines()[0]
    offsite.ssh("systemctl start digits-copies-test.service")
    printed = run("make", "status", "TARGET=rehearsal").stdout
    assert re.search(
        rf"^offsite +\S+Z, {len(offsite.rows())} answers, in s3:http", printed, re.MULTILINE
    )
    assert re.search(r"^restore test +\S+Z ok: the backup of \S+ restores", printed, re.MULTILINE)
    assert re.search(r"^backed up +\d+ \w+ old: the repository", printed, re.MULTILINE)
    assert "0\n" in offsite.ssh("docker exec digits-db-1 psql -U digits -Atc \"SELECT count(*)"
                               " FROM pg_database WHERE datname LIKE '%test%'\"")  # fmt: skip


def test_the_secrets_are_nowhere_else(offsite: Deployment, larger: str) -> None:
    state = json.loads((STATE / "terraform/terraform.tfstate").read_text())
    key = state["outputs"]["backup_key"]["value"]["secret_key"]
    password = (STATE / "copies_password").read_text().strip()
    assert (STATE / "copies_password").stat().st_mode & 0o777 == 0o600
    modes = offsite.ssh(f"stat --format '%a %n' {FOLDER} {FOLDER}/*").splitlines()
    assert f"700 {FOLDER}" in modes
    private = [line for line in modes[1:] if not line.endswith("known_hosts")]
    assert {line.split()[0] for line in private} == {"600"}
    for secret in (key, password):
        assert secret not in larger
        found = offsite.ssh(
            f"grep -rlF {secret} /etc /opt /var/log /var/lib/digits /run /root 2>/dev/null || true"
        ).split()
        assert all(file.startswith(FOLDER) for file in found), found
        assert offsite.ssh(f"journalctl --no-pager | grep -cF {secret} || true").strip() == "0"
    add(offsite)
    words = offsite.ssh(
        "digits offsite now >/dev/null & sleep 1; for i in 1 2 3 4 5 6; do"
        " cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; sleep 0.3; done; wait"
    )
    assert "restic" in words
    assert key not in words
    assert password not in words


@pytest.mark.long
def test_a_failure_is_printed_and_changes_nothing(offsite: Deployment) -> None:
    add(offsite)
    rows = offsite.rows()
    env = f"{FOLDER}/env"
    offsite.ssh(f"cp {env} /root/env")
    # What a Space alone can say; tests/backup/test_offsite.py has the rest.
    wrong = {
        f"sed -i s/^AWS_ACCESS_KEY_ID=.*/AWS_ACCESS_KEY_ID=DO0/ {env}": "its key is wrong",
        f"sed -i s/rehearsed-copies/another-bucket/ {env}": "does not let the droplet in",
    }
    try:
        for spoil, reason in wrong.items():
            offsite.ssh(spoil)
            printed = printed_by(offsite, "digits offsite hourly")
            offsite.ssh(f"cp /root/env {env}")
            assert reason in printed
            assert printed.endswith("failed\n")
            assert reason in offsite.ssh(f"cat {STATE_THERE}/failed")
    finally:
        offsite.ssh(f"mv /root/env {env}")
    assert offsite.rows() == rows
    assert "Backed up to" in printed_by(offsite, "digits offsite hourly")
    assert offsite.ssh(f"ls {STATE_THERE}").split().count("failed") == 0


@pytest.mark.long
def test_a_deleted_droplet_is_recreated_with_its_newest_backup(offsite: Deployment) -> None:
    with visiting(offsite.url, 10) as crowd:
        time.sleep(10)
        at_the_backup = count(offsite)
        offsite.ssh("systemctl start digits-copies.service")
        time.sleep(5)
        answered, gone_at = crowd.answers, time.monotonic()
        _delete_the_droplet()
        time.sleep(5)
        refused = run("make", "deploy", "TARGET=rehearsal", **LARGER)
        printed = deploy("RESTORE=newest", **LARGER)
        minutes = (time.monotonic() - gone_at) / 60
        time.sleep(10)
    # The later answers are from these visitors, who came back by themselves.
    back = re.search(r"(\d+) answers restored\. Predictions after", printed)
    assert back
    assert at_the_backup <= int(back[1])
    assert refused.returncode != 0
    assert url_in(printed) == offsite.url
    assert crowd.answers > answered
    assert count(offsite) > int(back[1])
    print(f"MEASURED: {back[1]} answers back, {minutes:.1f} minutes without a page")


def _delete_the_droplet() -> None:
    """As in DigitalOcean's control panel."""
    url, token = ((STATE / name).read_text().strip() for name in ("api-url", "token"))
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {token}"
    [droplet] = session.get(f"{url}/v2/droplets", timeout=30).json()["droplets"]
    session.delete(f"{url}/v2/droplets/{droplet['id']}", timeout=120).raise_for_status()


def test_no_container_and_no_layer_of_the_image_holds_a_secret(offsite: Deployment) -> None:
    secrets = [(STATE / "copies_password").read_text().strip()]
    secrets += offsite.ssh("cat /opt/digits/secrets/*").split()
    inspected = offsite.ssh("docker inspect $(docker ps --quiet)")
    assert [secret for secret in secrets if secret in inspected] == []
    # Its layers are not packed, so what they hold can be found: the name of a file of the app.
    image = offsite.ssh(
        "docker inspect --format '{{.Image}}' " + app_containers(offsite)[0]
    ).strip()
    words = shlex.quote("\n".join(["streamlit_app.py", *secrets]))
    found = f"LC_ALL=C grep --text --only-matching --fixed-strings {words} | sort --unique"
    assert offsite.ssh(f"docker save {image} | {found}").split() == ["streamlit_app.py"]
