"""make patch: what it says and asks, and the order of what Ansible does on each droplet.

Ansible is the real one, and so are the play and its role; its modules are stand-ins that note what
they are asked to do (stand_in_module), since no droplet is behind them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deployment.test_which_droplet import made_by_terraform
from tests.project import ROOT, Api, Project, environment

MODULES = ("apt", "command", "file", "reboot", "stat", "uri", "wait_for")
NAMES = ("digits", "digits-2", "digits-3")
# What is done to a droplet behind a balancer that gets a new kernel, in this order.
WHOLE = ["drained", "waited 18 s", "upgrade", "restart", "reboot"]
WHOLE += ["serves", "is well", "waited 18 s"]


class Servers:
    """Three droplets in folders, and the play for them."""

    def __init__(self, root: Path) -> None:
        self.state = root / "state"
        self.folder = root / "ansible"
        for name in NAMES:
            (self.state / name).mkdir(parents=True)
        shutil.copytree(ROOT / "infra/ansible/roles/patch", self.folder / "roles/patch")
        shutil.copy(ROOT / "infra/ansible/patch.yml", self.folder)
        (self.folder / "library").mkdir()
        for module in MODULES:
            shutil.copy(
                ROOT / "tests/provision/stand_in_module",
                self.folder / f"library/stand_in_{module}.py",
            )
        named = re.compile(rf"ansible\.builtin\.({'|'.join(MODULES)}):")
        for file in (self.folder / "roles").rglob("*.yml"):
            text = re.sub(r"( *)(\S+command:) (.+)", r"\1\2\n\1  words: \3", file.read_text())
            file.write_text(named.sub(r"stand_in_\1:", text))
        play = self.folder / "patch.yml"
        reported = "  environment:\n    HOST: '{{ inventory_hostname }}'\n  roles:"
        text = play.read_text().replace("ansible.builtin.apt:", "stand_in_apt:")
        play.write_text(text.replace("  roles:", reported))

    def have(self, name: str, *what: str) -> None:
        for one in what:
            (self.state / name / one).touch()

    def play(self, notice: int = 18) -> tuple[int, str]:
        """Run it; Ansible's exit status and what it printed."""
        python = environment("ops")
        here = {"ansible_connection": "local", "ansible_python_interpreter": str(python)}
        inventory = {"droplet": {"hosts": dict.fromkeys(NAMES, here)}}
        (self.folder / "hosts.json").write_text(json.dumps(inventory))
        reported = json.dumps({"patch_notice": notice, "patch_healthy": 10})
        done = subprocess.run(
            [python.with_name("ansible-playbook"), "-i", self.folder / "hosts.json", "-e", reported,
             self.folder / "patch.yml"],
            env=os.environ | {"STATE": str(self.state), "ANSIBLE_NOCOLOR": "1"},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        print(done.stdout, done.stderr)
        return done.returncode, done.stdout

    def log(self) -> dict[str, list[str]]:
        """What was done since the last time, by droplet, which come one after the other."""
        file = self.state / "log"
        lines = file.read_text().splitlines() if file.exists() else []
        file.write_text("")
        steps: dict[str, list[str]] = {}
        last = ""
        for line in lines:
            name, _, what = line.partition(": ")
            assert name == last or name not in steps, "not one droplet after the other"
            steps.setdefault(name, []).append(what)
            last = name
        return steps


@pytest.fixture
def servers(tmp_path: Path) -> Servers:
    return Servers(tmp_path)


def test_one_after_the_other_each_drained_first(servers: Servers) -> None:
    servers.have("digits", "packages", "kernel")
    servers.have("digits-2", "packages")
    servers.have("digits-3", "reboot")
    assert servers.play()[0] == 0
    without_reboot = [step for step in WHOLE if step != "reboot"]
    assert servers.log() == {"digits": WHOLE, "digits-2": without_reboot, "digits-3": WHOLE}
    # Once more: there is nothing to do.
    assert servers.play()[0] == 0
    assert servers.log() == {}


def test_it_stops_at_the_first_that_does_not_come_back(servers: Servers) -> None:
    for name in NAMES:
        servers.have(name, "packages", "kernel")
    servers.have("digits-2", "lost", "ill")
    assert servers.play()[0] != 0
    steps = servers.log()
    assert steps["digits"] == WHOLE
    assert "reboot" in steps["digits-2"]
    assert "digits-3" not in steps
    # It goes on where it stopped.
    for file in ("lost", "ill"):
        (servers.state / "digits-2" / file).unlink()
    assert servers.play()[0] == 0
    assert servers.log() == {"digits-3": WHOLE}


def test_a_failed_upgrade_is_no_reason_to_stay_out(servers: Servers) -> None:
    for name in NAMES:
        servers.have(name, "packages")
    servers.have("digits", "broken")
    assert servers.play()[0] != 0
    assert servers.log() == {"digits": [s for s in WHOLE if s not in ("restart", "reboot")]}
    assert not (servers.state / "digits/drained").exists()


def test_not_while_a_release_runs(servers: Servers) -> None:
    servers.have("digits", "packages", "busy")
    status, printed = servers.play()
    assert status != 0
    assert "A release or another change runs on this droplet" in printed
    assert servers.log() == {}


def test_without_a_balancer_nobody_waits_for_one(servers: Servers) -> None:
    servers.have("digits", "packages", "kernel")
    assert servers.play(notice=0)[0] == 0
    assert servers.log() == {"digits": ["upgrade", "restart", "reboot", "is well"]}


def test_what_still_runs_an_old_version_is_restarted(servers: Servers) -> None:
    """No package is newer: an upgrade by itself has installed them, and nothing was restarted."""
    servers.have("digits", "old")
    servers.have("digits-2", "old-for-good")
    assert servers.play(notice=0)[0] == 0
    restarted = ["upgrade", "restart", "is well"]
    assert servers.log() == {
        "digits": restarted,
        "digits-2": ["upgrade", "restart", "reboot", "is well"],
    }
    assert servers.play(notice=0)[0] == 0
    assert servers.log() == {}


PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: told {{ patch_notice }}
    - ansible.builtin.assert:
        that: lookup('env', 'BAD') == ''
"""
# apt-get's answer is of the droplet whose address is asked.
SSH = """
host=$(grep -o 'root@[0-9.]*' <<<"$*" | head -n 1 | cut -d @ -f 2)
[ "$host" != "$DOWN" ] || { echo "ssh: connect to host $host port 22: timed out" >&2; exit 255; }
case "$*" in *dist-upgrade*)
  echo "${WAITS:-0}"
  for one in $OLD; do echo "NEEDRESTART-SVC: $one"; done
  [ -z "$REBOOT" ] || echo reboot ;;
esac
"""


@pytest.fixture
def patched(project: Project) -> Project:
    (project.folder / "infra/ansible/patch.yml").write_text(PLAY)
    project.ssh_says(SSH)
    project.settings |= {"BRING_BACKUP": "no", "DOWN": "", "REBOOT": ""}
    return project


def test_of_one_droplet_it_asks(patched: Project, api: Api) -> None:
    made_by_terraform(patched, api)
    done = patched.verb("patch")
    assert done.returncode == 0
    assert "0 packages to upgrade" in done.stdout
    assert "Nothing to do" in done.stdout

    done = patched.verb("patch", WAITS="1")
    assert done.returncode == 1
    assert "1 package to upgrade\n" in done.stdout
    assert "the page is away for about a minute" in done.stdout
    assert "the same command with CONFIRM=yes" in done.stdout
    assert patched.verb("patch", WAITS="1", CONFIRM="no").returncode == 1

    done = patched.verb("patch", REBOOT="yes", CONFIRM="yes")
    assert done.returncode == 0
    assert "0 packages to upgrade, and a reboot waits" in done.stdout
    assert "told 0" in done.stdout
    assert "Patched" in done.stdout

    done = patched.verb("patch", OLD="nginx.service dbus.service", CONFIRM="yes")
    assert done.returncode == 0
    assert "services still run an old version: nginx.service, dbus.service" in done.stdout
    assert "told 0" in done.stdout

    done = patched.verb("patch", WAITS="2", CONFIRM="yes", BAD="yes")
    assert done.returncode == 1
    assert "Not all of it was done" in done.stdout


def test_of_several_nobody_is_asked(patched: Project, api: Api) -> None:
    patched.settings |= {"TF_VAR_droplets": "2", "TF_VAR_managed_database": "true"}
    patched.deployed()
    done = patched.verb("patch", WAITS="3")
    assert done.returncode == 0
    assert "digits: 3 packages to upgrade" in done.stdout
    assert "digits-2: 3 packages to upgrade" in done.stdout
    assert "told 18" in done.stdout
    listed = api.call("GET", "droplets?tag_name=digits").json()["droplets"]
    ips = {one["name"]: one["networks"]["v4"][0]["ip_address"] for one in listed}
    done = patched.verb("patch", WAITS="3", DOWN=ips["digits-2"])
    assert done.returncode == 1
    assert "The droplet digits-2 does not answer" in done.stdout
