"""Hourly copies outside the droplet: made, tested, restored; and the droplet that is gone."""

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
PLACE = "/etc/digits/copies"
STATE_OF_COPIES = "/var/lib/digits/copies"


def deploy(*words: str, **env: str) -> str:
    done = run("make", "deploy", "TARGET=rehearsal", *words, **env)
    assert done.returncode == 0
    return done.stdout


def said_by(deployment: Deployment, command: str) -> str:
    return deployment.ssh(f"{command} 2>&1 || echo failed")


@pytest.fixture(scope="module")
def over_sftp(deployment: Deployment) -> Deployment:
    """The deployment with its copies on an sftp host: the droplet's own sshd, as any."""
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
    said = deploy(**sftp)
    assert f"Backed up to {sftp['COPIES_REPOSITORY']}: {count(deployment)} answers." in said
    assert "Keep it somewhere else, too" in said
    return deployment


@pytest.mark.long
def test_copies_over_sftp(over_sftp: Deployment) -> None:
    assert "There are no new predictions since the last offsite backup." in said_by(
        over_sftp, "digits offsite hourly"
    )
    assert "restores, with" in said_by(over_sftp, "digits offsite test")
    add(over_sftp)
    over_sftp.ssh("mv /srv/copies /srv/away && touch /srv/copies")
    said = said_by(over_sftp, "digits offsite hourly")
    assert said.endswith("failed\n")
    assert "No prediction was changed." in said
    over_sftp.ssh("rm /srv/copies && mv /srv/away /srv/copies")
    assert "Backed up to" in said_by(over_sftp, "digits offsite hourly")


@pytest.mark.long
def test_a_place_without_room_is_said(over_sftp: Deployment) -> None:
    over_sftp.ssh(
        f"cp {PLACE}/env /root/env; mkdir /srv/small; mount -t tmpfs -o size=12k tmpfs /srv/small"
        f"; sed -i s,/srv/copies,/srv/small, {PLACE}/env"
    )
    rows = count(over_sftp)
    said = said_by(over_sftp, "digits offsite now")
    over_sftp.ssh(f"mv /root/env {PLACE}/env; umount /srv/small; rmdir /srv/small")
    assert "there is no room left in sftp:root@127.0.0.1:/srv/small" in said
    assert said.endswith("failed\n")
    assert count(over_sftp) == rows
    assert "Backed up to" in said_by(over_sftp, "digits offsite now")


@pytest.mark.long
def test_a_restore_that_is_cut_off_is_whole_or_not_at_all(over_sftp: Deployment) -> None:
    copied = count(over_sftp)
    assert f"{copied} answers." in said_by(over_sftp, "digits offsite now")
    add(over_sftp)
    for seconds in (1, 2, 3, 4):
        said_by(over_sftp, f"timeout --signal KILL {seconds} digits offsite restore")
        assert count(over_sftp) in (copied, copied + 1)
    requests.get(over_sftp.url, timeout=20).raise_for_status()
    over_sftp.ssh("digits offsite restore")
    assert count(over_sftp) == copied


@pytest.mark.long
def test_a_damaged_copy_is_found_and_the_good_one_before_it_taken(over_sftp: Deployment) -> None:
    good = count(over_sftp)
    assert f"{good} answers." in said_by(over_sftp, "digits offsite now")
    over_sftp.ssh("touch /root/then; sleep 1")
    add(over_sftp)
    assert f"{good + 1} answers." in said_by(over_sftp, "digits offsite now")
    over_sftp.ssh(
        "find /srv/copies/data -type f -newer /root/then"
        " -exec dd if=/dev/zero of={} bs=64 seek=1 count=2 conv=notrunc status=none ';'"
    )
    said = over_sftp.ssh("digits offsite restore 2>&1")
    assert "It cannot be read: what is in sftp:root@127.0.0.1:/srv/copies is damaged." in said
    assert "Taking the one before it." in said
    assert count(over_sftp) == good
    add(over_sftp)
    said = said_by(over_sftp, "digits offsite test")
    assert re.search(rf"the newest good one is of \S+, with {good} answers", said)
    assert f"a new backup restores, with {good + 1} answers" in said
    assert said.endswith("failed\n"), "somebody is to hear of it"
    said = said_by(over_sftp, "digits offsite test")
    assert "ok: the backup of" in said
    assert not said.endswith("failed\n")
    damaged = re.findall(r"digits offsite remove (\w+)", said)
    assert damaged
    for one in damaged:
        over_sftp.ssh(f"digits offsite remove {one}")
    assert "damaged" not in over_sftp.ssh("digits offsite test")


@pytest.fixture
def copied(deployment: Deployment, larger: str) -> Deployment:
    """The deployment with a Space for its offsite backups."""
    del larger
    return deployment


def test_an_hourly_copy_to_a_space_of_our_own(copied: Deployment) -> None:
    assert "digits-copies.timer" in copied.ssh("systemctl list-timers --no-legend")
    add(copied)
    copied.ssh("systemctl start digits-copies.service")
    assert f"\t{len(copied.rows())}\t" in copied.ssh("digits offsite list").splitlines()[0]
    copied.ssh("systemctl start digits-copies-test.service")
    said = run("make", "status", "TARGET=rehearsal").stdout
    assert re.search(
        rf"^offsite +\S+Z, {len(copied.rows())} answers, in s3:http", said, re.MULTILINE
    )
    assert re.search(r"^restore test +\S+Z ok: the backup of \S+ restores", said, re.MULTILINE)
    assert re.search(r"^backed up +\d+ \w+ old: the repository", said, re.MULTILINE)
    assert "0\n" in copied.ssh("docker exec digits-db-1 psql -U digits -Atc \"SELECT count(*)"
                               " FROM pg_database WHERE datname LIKE '%test%'\"")  # fmt: skip


def test_its_secrets_are_nowhere_else(copied: Deployment, larger: str) -> None:
    state = json.loads((STATE / "terraform/terraform.tfstate").read_text())
    key = state["outputs"]["backup_key"]["value"]["secret_key"]
    password = (STATE / "copies_password").read_text().strip()
    assert (STATE / "copies_password").stat().st_mode & 0o777 == 0o600
    modes = copied.ssh(f"stat --format '%a %n' {PLACE} {PLACE}/*").splitlines()
    assert f"700 {PLACE}" in modes
    private = [line for line in modes[1:] if not line.endswith("known_hosts")]
    assert {line.split()[0] for line in private} == {"600"}
    for secret in (key, password):
        assert secret not in larger
        found = copied.ssh(
            f"grep -rlF {secret} /etc /opt /var/log /var/lib/digits /run /root 2>/dev/null || true"
        ).split()
        assert all(file.startswith(PLACE) for file in found), found
        assert copied.ssh(f"journalctl --no-pager | grep -cF {secret} || true").strip() == "0"
    add(copied)
    words = copied.ssh(
        "digits offsite now >/dev/null & sleep 1; for i in 1 2 3 4 5 6; do"
        " cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; sleep 0.3; done; wait"
    )
    assert "restic" in words
    assert key not in words
    assert password not in words


@pytest.mark.long
def test_what_goes_wrong_is_said_and_changes_nothing(copied: Deployment) -> None:
    add(copied)
    rows = copied.rows()
    env = f"{PLACE}/env"
    copied.ssh(f"cp {env} /root/env")
    # What a Space alone can say; tests/backup/test_offsite.py has the rest.
    wrong = {
        f"sed -i s/^AWS_ACCESS_KEY_ID=.*/AWS_ACCESS_KEY_ID=DO0/ {env}": "its key is wrong",
        f"sed -i s/rehearsed-copies/another-bucket/ {env}": "does not let the droplet in",
    }
    try:
        for spoil, reason in wrong.items():
            copied.ssh(spoil)
            said = said_by(copied, "digits offsite hourly")
            copied.ssh(f"cp /root/env {env}")
            assert reason in said
            assert said.endswith("failed\n")
            assert reason in copied.ssh(f"cat {STATE_OF_COPIES}/failed")
    finally:
        copied.ssh(f"mv /root/env {env}")
    assert copied.rows() == rows
    assert "Backed up to" in said_by(copied, "digits offsite hourly")
    assert copied.ssh(f"ls {STATE_OF_COPIES}").split().count("failed") == 0


@pytest.mark.long
def test_the_droplet_is_gone_and_comes_back(copied: Deployment) -> None:
    with visiting(copied.url, 10) as crowd:
        time.sleep(10)
        at_the_copy = count(copied)
        copied.ssh("systemctl start digits-copies.service")
        time.sleep(5)
        answered, gone_at = crowd.answers, time.monotonic()
        _delete_the_droplet()
        time.sleep(5)
        refused = run("make", "deploy", "TARGET=rehearsal", **LARGER)
        said = deploy("RESTORE=newest", **LARGER)
        minutes = (time.monotonic() - gone_at) / 60
        time.sleep(10)
    # What came since is from these visitors, who came back by themselves.
    back = re.search(r"(\d+) answers restored\. Predictions after", said)
    assert back
    assert at_the_copy <= int(back[1])
    assert refused.returncode != 0
    assert url_in(said) == copied.url
    assert crowd.answers > answered
    assert count(copied) > int(back[1])
    print(f"MEASURED: {back[1]} answers back, {minutes:.1f} minutes without a page")


def _delete_the_droplet() -> None:
    """As in DigitalOcean's control panel."""
    url, token = ((STATE / name).read_text().strip() for name in ("api-url", "token"))
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {token}"
    [droplet] = session.get(f"{url}/v2/droplets", timeout=30).json()["droplets"]
    session.delete(f"{url}/v2/droplets/{droplet['id']}", timeout=120).raise_for_status()


def test_no_container_and_no_layer_of_the_image_holds_a_secret(copied: Deployment) -> None:
    secrets = [(STATE / "copies_password").read_text().strip()]
    secrets.append(copied.ssh("cat /opt/digits/secrets/postgres_password").strip())
    inspected = copied.ssh("docker inspect $(docker ps --quiet)")
    assert [secret for secret in secrets if secret in inspected] == []
    # Its layers are not packed, so what they hold can be found: the name of a file of the app.
    image = copied.ssh("docker inspect --format '{{.Image}}' " + app_containers(copied)[0]).strip()
    words = shlex.quote("\n".join(["streamlit_app.py", *secrets]))
    found = f"LC_ALL=C grep --text --only-matching --fixed-strings {words} | sort --unique"
    assert copied.ssh(f"docker save {image} | {found}").split() == ["streamlit_app.py"]
