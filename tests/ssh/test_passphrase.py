"""An SSH key with a passphrase that no agent has: a check cannot ask, and that is no answer."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.console.settings import SshSettings
from ops.ssh.connection import options
from tests.deployment.test_destroy import total
from tests.doctor.test_doctor import examine
from tests.fleet.test_release import three
from tests.project import Api, Project

__all__ = ["three"]  # the fixture

# As ssh answers a check. What is run for a person would ask for the passphrase, and get in.
LOCKED = """
[[ "$*" != *BatchMode=yes* ]] || {
  echo 'root@203.0.113.1: Permission denied (publickey).' >&2; exit 255; }
"""
NOT_CHECKED = "has a passphrase, and no ssh-agent holds it"


def lock(project: Project) -> None:
    """Give the project's key a passphrase."""
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a secret", "-f"]
    subprocess.run([*change, str(project.folder / "key")], check=True)


@pytest.fixture
def locked(project: Project) -> Project:
    """A deployment, and a key whose passphrase only a person knows."""
    project.deployed()
    lock(project)
    project.ssh_says(LOCKED)
    return project


def output(project: Project, verb: str, **settings: str | None) -> str:
    done = project.verb(verb, **settings)
    assert done.returncode == 1
    assert NOT_CHECKED in done.stdout
    assert f"ssh-add {project.folder / 'key'}" in done.stdout
    assert "No agent runs: eval $(ssh-agent) first." in done.stdout
    return done.stdout


def test_nothing_is_destroyed_on_the_strength_of_it(locked: Project, api: Api) -> None:
    printed = output(locked, "destroy", CONFIRM="digits")
    assert "NO BACKUP can be made" not in printed
    assert "does not accept your SSH key" not in printed
    assert total(api, "droplets") == 1
    # Nor replaced.
    printed = output(locked, "deploy", TF_VAR_region="ams3", REPLACE="yes")
    assert total(api, "droplets") == 1
    # Whoever wants no backup needs no key.
    assert locked.verb("destroy", CONFIRM="digits", BACKUP="no").returncode == 0


def test_the_lockout_guard_is_not_skipped(locked: Project, api: Api) -> None:
    [before] = api.call("GET", "firewalls").json()["firewalls"]
    output(locked, "deploy", TF_VAR_allowed_ssh_addresses='["198.51.100.7/32"]')
    assert api.call("GET", "firewalls").json()["firewalls"] == [before]
    # A droplet that does not answer keeps nobody from a change, but it is said.
    locked.ssh_says("echo 'ssh: connect to host x port 22: Connection timed out' >&2; exit 255")
    locked.without("ops/verbs/release.py")
    done = locked.verb("deploy", TF_VAR_allowed_ssh_addresses='["198.51.100.7/32"]')
    assert "Whether this plan locks you out of ssh was not checked" in done.stdout
    assert "It admits: 198.51.100.7/32." in done.stdout


def test_doctor_names_ssh_add(locked: Project) -> None:
    status, text = examine(locked)["login"]
    assert status == "FAIL"
    assert NOT_CHECKED in text
    assert "ssh-add " in text


def test_none_of_several_is_turned_off_for_it(three: tuple[Project, object], api: Api) -> None:
    project, _ = three
    lock(project)
    project.ssh_says(LOCKED)
    for verb in ("release", "rollback"):
        output(project, verb, WITHOUT="digits-2")
    listed = api.call("GET", "droplets?tag_name=digits").json()["droplets"]
    assert {one["status"] for one in listed} == {"active"}


@pytest.fixture
def agent(locked: Project) -> Iterator[dict[str, str]]:
    """The settings of an agent that has the key."""
    started = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True)
    settings = dict(re.findall(r"(SSH_\w+)=([^;]+);", started.stdout))
    answer = locked.folder / "answer"
    answer.write_text("#!/bin/sh\necho a secret\n")
    answer.chmod(0o755)
    asks = {"SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force"}
    environment = {**os.environ, **settings, **asks}
    subprocess.run(["ssh-add", "-q", locked.folder / "key"], env=environment, check=True)
    yield settings
    subprocess.run(["ssh-agent", "-k"], env=environment, check=True, capture_output=True)


def test_with_an_agent_a_no_is_a_no(locked: Project, agent: dict[str, str]) -> None:
    status, text = examine(locked, **agent)["login"]
    assert status == "FAIL"
    assert "does not accept your SSH key" in text
    # The agent may refuse, too: it asks for a touch, or is locked.
    refuses = "sign_and_send_pubkey: signing failed for ED25519: agent refused operation"
    locked.ssh_says(LOCKED.replace("echo '", f"echo '{refuses}\n", 1))
    assert "is refused by the ssh-agent" in examine(locked, **agent)["login"][1]


def test_a_key_that_ssh_finds_by_itself(locked: Project) -> None:
    """None is named: it is one of those that ssh would try."""
    own = "exec /usr/bin/ssh"
    file = locked.folder / "bin/ssh"
    reported = f'[ "$1" != -G ] || {{ echo identityfile {locked.folder / "key"}; exit; }}'
    file.write_text(re.sub(r'\[ "\$1" != -G \] \|\| exec .*', reported, file.read_text()))
    assert own not in file.read_text()
    text = examine(locked, ANSIBLE_PRIVATE_KEY_FILE=None)["login"][1]
    assert NOT_CHECKED in text


def test_nothing_of_the_config_is_read(tmp_path: Path) -> None:
    """No agent is forwarded: root on the droplet could use your keys as long as you are there."""
    config, key = tmp_path / "config", tmp_path / "key"
    config.write_text(f"Host *\n  ForwardAgent yes\n  IdentityFile {tmp_path}/other\n  User you\n")
    named = SshSettings(private_key=str(key))
    command = ["ssh", "-F", str(config), *options(named, tmp_path / "pins"), "-G", "root@host"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "forwardagent no" in output
    assert [line for line in output if line.startswith("identityfile")] == [f"identityfile {key}"]
