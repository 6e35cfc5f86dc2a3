"""make drift: what differs in the account and on the droplet; it changes nothing."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.adoption.test_adopt import clone, writes
from tests.api import conformance
from tests.deployment.test_which_droplet import made_by_terraform, reserved
from tests.doctor.test_doctor import everything
from tests.project import ROOT, SUFFIX, Api, Project, another

SAME = ("The account is as infra/terraform.", "The droplets are as infra/ansible.")
SET_UP = 'case "$*" in *fingerprint*) echo yes ;; esac'
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Have the file
      ansible.builtin.copy:
        content: "{{ lookup('env', 'CONTENT') }}"
        dest: FILE
        mode: "0600"
    - name: Look
      ansible.builtin.command: "true"
      changed_when: false
"""


@pytest.fixture
def deployed(project: Project, api: Api) -> Project:
    """A deployment whose server has one file."""
    made_by_terraform(project, api)
    project.ssh_says(SET_UP)
    file = project.folder / "file"
    file.write_text("one\ntwo\n")
    file.chmod(0o600)
    play = project.folder / "infra/ansible/site.yml"
    play.write_text(PLAY.replace("FILE", str(file)))
    project.settings["CONTENT"] = "one\ntwo\n"
    return project


def drift(project: Project, status: int, **settings: str) -> str:
    """What it prints, once its exit status is as it should be."""
    done = project.verb("drift", **settings)
    assert done.returncode == status
    return done.stdout


def test_nothing_differs_and_nothing_is_changed(deployed: Project, api: Api) -> None:
    drift(deployed, 0)  # Python compiles what it needs
    before, since = everything(deployed.folder), len(conformance.journal(api.journal))
    printed = drift(deployed, 0)
    assert all(same in printed for same in SAME)
    assert "Nothing differs." in printed
    assert everything(deployed.folder) == before
    assert writes(api, since) == []


def test_drift_is_printed_and_not_fixed(deployed: Project, api: Api) -> None:
    [droplet] = api.call("GET", "droplets").json()["droplets"]
    [firewall] = api.call("GET", "firewalls").json()["firewalls"]
    site = reserved(api)
    api.call("POST", f"droplets/{droplet['id']}/actions", {"type": "rename", "name": "mine"})
    api.call("POST", f"reserved_ips/{site}/actions", {"type": "unassign"})
    open_door = {"protocol": "tcp", "ports": "5432", "sources": {"addresses": ["0.0.0.0/0"]}}
    keys = ("name", "outbound_rules", "droplet_ids", "tags")
    changed = {key: firewall[key] for key in keys}
    changed["inbound_rules"] = [*firewall["inbound_rules"], open_door]
    assert api.call("PUT", f"firewalls/{firewall['id']}", changed).status_code == 200
    (deployed.folder / "file").write_text("one\nthree\n")
    since = len(conformance.journal(api.journal))

    printed = drift(deployed, 2)
    assert re.search(r'~ name += "mine" -> "digits"', printed)
    assert re.search(r'port_range += "5432"', printed)
    assert f"reserved ip {site}: it is not on the droplet" in printed
    assert "Have the file" in printed
    assert "\n-three\n" in printed
    assert "\n+two\n" in printed
    assert "[Look]" not in printed
    assert f"make deploy{SUFFIX} fixes what differs" in printed
    assert writes(api, since) == []
    assert (deployed.folder / "file").read_text() == "one\nthree\n"
    # Terraform's lock is not held.
    deployed.terraform("plan", "-input=false")


def test_the_account_alone_or_the_droplet_alone(deployed: Project, api: Api) -> None:
    printed = drift(deployed, 2, CONTENT="other\n")
    assert SAME[0] in printed
    printed = drift(deployed, 2, TF_VAR_size="s-1vcpu-2gb")
    assert SAME[1] in printed
    stray = another(api)
    printed = drift(deployed, 2)
    assert f"(id {stray['id']}): Terraform does not know it" in printed
    assert SAME[1] in printed


def test_the_droplet_is_gone_or_bare(deployed: Project, api: Api) -> None:
    deployed.ssh_says("exit 0")
    assert "The droplet digits is not set up yet." in drift(deployed, 2)
    [droplet] = api.call("GET", "droplets").json()["droplets"]
    api.call("DELETE", f"droplets/{droplet['id']}")
    printed = drift(deployed, 2)
    assert "digitalocean_droplet.app will be created" in printed
    assert "There is no droplet to look at." in printed


def test_drift_that_cannot_be_read_is_a_failure(deployed: Project) -> None:
    """Whatever is in the way is a failure, 1, and never "nothing differs"."""
    assert "does not know this token" in drift(deployed, 1, DIGITALOCEAN_TOKEN="wrong")
    play = deployed.folder / "infra/ansible/site.yml"
    good = play.read_text()
    play.write_text(good.replace('command: "true"', "assert: {that: false, fail_msg: no disk}"))
    printed = drift(deployed, 1)
    assert "Ansible could not look at all of the droplet" in printed
    assert "no disk" in printed
    play.write_text("- hosts: [\n")
    assert "Ansible could not look" in drift(deployed, 1)
    play.write_text(good)
    deployed.ssh_says("echo 'ssh: connect: Connection timed out' >&2; exit 255")
    assert "does not answer on port 22" in drift(deployed, 1)
    second = clone(deployed)
    assert "Import it first: make adopt" in drift(second, 1)


def test_nothing_is_deployed(project: Project) -> None:
    assert "Nothing is deployed yet." in drift(project, 1)


def test_make_ends_with_2_and_names_the_number() -> None:
    """make has one exit status for a recipe that fails; Python's own is for scripts."""
    text = (ROOT / "Makefile").read_text()
    assert "\t@$(OPS) drift\n" in text
    page = (ROOT / "docs/several-laptops.md").read_text()
    assert "scripts/in ops -m ops drift" in page


def test_what_only_looks_looks_in_check_mode_too() -> None:
    """A command that is skipped there registers nothing that later tasks could go by."""
    found = []
    files = [*(ROOT / "infra/ansible/roles").glob("*/tasks/*.yml")]
    assert files
    for file in files:
        if file.parent.parent.name == "patch":
            continue  # make drift does not run it
        for task in yaml.safe_load(file.read_text()) or []:
            looks = task.get("changed_when") is False and "register" in task
            if looks and task.get("check_mode") is not False:
                found.append(f"{file.name}: {task['name']}")
    assert found == []
