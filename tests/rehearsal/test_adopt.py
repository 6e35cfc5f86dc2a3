"""A second clone takes the deployment in; make drift says what differs; what fails turns red."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from rehearsal import terraform_root
from tests.rehearsal.deployment import STATE, Deployment, rehearsed, run

pytestmark = pytest.mark.timeout(900)

FAILING = "/run/systemd/system/digits-backup.service.d"  # the nightly backup, which fails
NOTHING = "Nothing: the account is as the configuration says."


@pytest.fixture(scope="module")
def second(deployment: Deployment) -> Path:
    """Another clone's Terraform root, without a state."""
    del deployment
    folder = STATE / "second/terraform"
    terraform_root.make(folder)
    return folder


def in_the_second(second: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A verb as the other clone runs it."""
    own = {"TERRAFORM_DIR": str(second), "SSH_KNOWN_HOSTS": str(second.parent / "known_hosts")}
    given = (f"{name}={value}" for name, value in (own | settings).items())
    return rehearsed("env", *given, ".venv/ops/bin/python", "-m", "ops", *words)


def what_serves(deployment: Deployment) -> dict[str, str]:
    """The settings of a release of what serves already."""
    image = deployment.live()["id"]
    return {"IMAGE": image, "NO_PULL": "yes"}


def test_two_clones_manage_one_deployment(deployment: Deployment, second: Path) -> None:
    refused = in_the_second(second, "deploy")
    assert refused.returncode == 1
    assert "go on with it from here: make adopt" in refused.stdout
    adopted = in_the_second(second, "adopt")
    assert adopted.returncode == 0
    assert NOTHING in adopted.stdout
    assert "accepts your login" in adopted.stdout
    for folder in (second, STATE / "terraform"):
        plan = ("terraform", f"-chdir={folder}", "plan", "-input=false", "-detailed-exitcode")
        assert rehearsed(*plan).returncode == 0
    serves = what_serves(deployment)
    assert in_the_second(second, "release", **serves).returncode == 0
    assert run("make", "release", "TARGET=rehearsal", **serves).returncode == 0


@pytest.mark.long
def test_drift_is_printed_and_deploy_fixes_it(deployment: Deployment, second: Path) -> None:
    deployment.ssh(
        "echo '# by hand' >>/etc/nginx/nginx.conf"
        "; echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/10-digits.conf"
        "; systemctl disable --now digits-backup.timer"
        "; chmod 0777 /opt/digits; dpkg --remove --force-depends unattended-upgrades"
    )
    done = run("make", "drift", "TARGET=rehearsal")
    assert done.returncode == 2, done.stdout
    assert "Error 2" in done.stdout
    assert "-# by hand" in done.stdout
    assert "-PasswordAuthentication yes" in done.stdout
    for task in ("Configure nginx", "Allow keys", "Start the timers", "Make the app's folder"):
        assert task in done.stdout
    assert "Install Debian's packages" in done.stdout
    # It only looked.
    assert "# by hand" in deployment.ssh("cat /etc/nginx/nginx.conf")
    assert run("make", "deploy", "TARGET=rehearsal", **what_serves(deployment)).returncode == 0
    done = in_the_second(second, "drift")
    assert done.returncode == 0, done.stdout
    assert "Nothing differs." in done.stdout


def health(deployment: Deployment) -> int:
    return requests.get(f"{deployment.url}/health", timeout=20).status_code


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until it holds; systemd and the watch take note of what fails a moment later."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_failed_backup_is_red_until_one_works(deployment: Deployment) -> None:
    deployment.ssh("systemctl start digits-backup.service")
    until(lambda: "digits-backup" not in deployment.ssh("digits alert"), 10)
    # Containers that were ended on purpose, minutes ago, may be in it.
    before = deployment.ssh("digits alert")
    assert health(deployment) == (503 if before else 200)
    lines = r"[Service]\nExecStart=\nExecStart=/bin/false\n"
    deployment.ssh(
        f"mkdir {FAILING}; printf '{lines}' >{FAILING}/fails.conf; systemctl daemon-reload"
    )
    try:
        deployment.ssh("systemctl start digits-backup.service || :")
        until(lambda: health(deployment) == 503, 10)
        assert requests.get(deployment.url, timeout=20).status_code == 200
        assert "the nightly dump failed" in run("make", "status", "TARGET=rehearsal").stdout
    finally:
        deployment.ssh(f"rm -r {FAILING}; systemctl daemon-reload")
    deployment.ssh("systemctl start digits-backup.service")
    until(lambda: "digits-backup" not in deployment.ssh("digits alert"), 10)
    after = deployment.ssh("digits alert")
    assert health(deployment) == (503 if after else 200)


def test_a_container_that_keeps_ending_is_red(deployment: Deployment) -> None:
    database = "docker container inspect --format '{{.State.Pid}}' digits-db-1"
    for _ in range(3):
        deployment.ssh(f"kill -9 $({database})")
        deadline = time.monotonic() + 60
        while deployment.ssh(database).strip() == "0" and time.monotonic() < deadline:
            time.sleep(1)
    until(lambda: "database-restarts, since" in deployment.ssh("digits alert"), 30)
    assert health(deployment) == 503
