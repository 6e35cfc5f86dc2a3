"""make adopt: a second laptop takes a deployment in, and the first one notices nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.api import conformance
from tests.deployment.test_destroy import total
from tests.deployment.test_which_droplet import made_by_terraform, reserved
from tests.doctor.test_doctor import examine
from tests.project import APPLY, Api, Project, address, another

LONG = pytest.mark.long
NOTHING = "Nothing: the account is as the configuration says."
LETS_IN = 'case "$*" in *"read -r key"*) cat >>"$LET_IN" ;; esac'


def clone(project: Project, name: str = "b", key: bool = True) -> Project:
    """The same project on another laptop: without a state, with the same SSH key or another."""
    folder = project.folder.with_name(name)
    left_out = shutil.ignore_patterns("terraform.tfstate*", "known_hosts*", "key*")
    shutil.copytree(project.folder, folder, symlinks=True, ignore=left_out)
    settings = project.settings | {
        "PATH": project.settings["PATH"].replace(str(project.folder), str(folder)),
        "TMPDIR": str(folder / "tmp"),
        "SSH_KNOWN_HOSTS": str(folder / "known_hosts"),
    }
    own = folder / "key"
    if key:
        for half in ("key", "key.pub"):
            shutil.copy(project.folder / half, folder)
    else:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", own], check=True)
    settings |= {
        "TF_VAR_ssh_public_key_path": f"{own}.pub",
        "ANSIBLE_PRIVATE_KEY_FILE": str(own),
    }
    return replace(project, folder=folder, settings=settings)


@pytest.fixture
def deployed(project: Project, api: Api) -> Project:
    """A deployment that was made from here; its droplet accepts every login."""
    made_by_terraform(project, api)
    project.ssh_says("exit 0")
    return project


def adopt(project: Project, **settings: str | None) -> str:
    """Adopt; what is printed."""
    done = project.verb("adopt", **settings)
    assert done.returncode == 0
    return done.stdout


def plan(project: Project, **settings: str) -> str:
    """What Terraform would change; nothing, if nothing is said."""
    done = project.run(
        "terraform", "-chdir=infra/terraform", "plan", "-input=false", "-detailed-exitcode",
        **settings,
    )  # fmt: skip
    assert done.returncode in (0, 2)
    return "" if done.returncode == 0 else done.stdout


def account(api: Api) -> dict[str, Any]:
    """All that the account has of what Terraform makes."""
    kinds = ("droplets", "reserved_ips", "firewalls", "tags", "account/keys", "projects")
    return {kind: api.call("GET", kind).json() for kind in kinds}


def writes(api: Api, since: int) -> list[str]:
    """What was asked of the API that is no question."""
    entries = conformance.journal(api.journal)[since:]
    return [f"{e['method']} {e['path']}" for e in entries if e["method"] != "GET"]


def test_a_second_laptop_adopts_and_the_first_goes_on(deployed: Project, api: Api) -> None:
    second = clone(deployed)
    refused = second.verb("deploy")
    assert refused.returncode == 1
    assert "Terraform here does not know it" in refused.stdout
    assert "go on with it from here: make adopt TARGET=rehearsal" in refused.stdout

    before, since = account(api), len(conformance.journal(api.journal))
    printed = adopt(second)
    for kind in ("droplet", "project", "firewall", "ssh key", "tag"):
        assert f"Imported {kind} digits." in printed
    assert f"Imported reserved ip {reserved(api)}." in printed
    assert NOTHING in printed
    assert "accepts your login" in printed
    assert "make release TARGET=rehearsal" in printed
    # The account is as it was: it was told once more what the project holds, and that is all.
    [reported] = writes(api, since)
    assert re.fullmatch(r"POST /v2/projects/\S+/resources", reported)
    assert account(api) == before
    assert conformance.check(api.journal) == []

    assert plan(second) == ""
    assert plan(deployed) == ""
    for laptop in (second, deployed):
        laptop.without("ops/verbs/release.py")
        assert "No changes." in laptop.verb("deploy").stdout

    # The first laptop is lost; from the second all of it goes.
    shutil.rmtree(deployed.folder)
    second.backup("echo /1.dump")
    done = second.verb("destroy", CONFIRM="digits")
    assert "Destroy complete! Resources: 7 destroyed." in done.stdout
    assert "Nothing that costs money is left of digits." in done.stdout
    for kind in ("droplets", "reserved_ips", "firewalls", "tags", "account/keys"):
        assert total(api, kind) == 0, kind


def test_twice_and_where_all_is_known(deployed: Project, api: Api) -> None:
    assert "Nothing to adopt: Terraform here knows all of it already." in adopt(deployed)
    second = clone(deployed)
    adopt(second)
    since = len(conformance.journal(api.journal))
    printed = adopt(second)
    assert "Nothing to adopt" in printed
    assert NOTHING in printed
    assert writes(api, since) == []


def test_with_a_key_of_ones_own(deployed: Project, api: Api, tmp_path: Path) -> None:
    """The first laptop's key stays and adds yours; without it, the command to add it is printed."""
    second = clone(deployed, key=False)
    second.ssh_says("echo 'root@203.0.113.1: Permission denied (publickey).' >&2; exit 255")
    done = second.verb("adopt")
    assert done.returncode == 1
    assert "Everything is imported, but the droplet does not accept your login" in done.stdout
    [droplet] = api.call("GET", "droplets").json()["droplets"]
    assert f"cloud.digitalocean.com/droplets/{droplet['id']}/access" in done.stdout
    key = (second.folder / "key.pub").read_text().strip()
    assert f"echo '{key}' >>/root/.ssh/authorized_keys" in done.stdout
    # Yours was added to the account, and neither laptop's plan takes the other's away.
    assert total(api, "account/keys") == 2
    assert plan(second) == ""
    assert plan(deployed) == ""

    let_in = tmp_path / "let-in"
    second.ssh_says(LETS_IN)
    with_the_first = {"ANSIBLE_PRIVATE_KEY_FILE": str(deployed.folder / "key")}
    fits = "is the private half of another key"
    assert fits in second.verb("adopt", **with_the_first, LET_IN=str(let_in)).stdout
    adopt(second, LET_IN=str(let_in))
    assert let_in.read_text().strip() == key

    # Yours goes with the deployment, and the other one, which stays, hinders no new one.
    gone = second.verb("destroy", CONFIRM="digits", BACKUP="no").stdout
    assert "Left, and free of charge:\n  ssh key     digits" in gone
    assert examine(second, "--before-deploy")["account"][0] == "ok"


def test_a_key_that_the_account_has_by_another_name(deployed: Project, api: Api) -> None:
    second = clone(deployed, key=False)
    key = (second.folder / "key.pub").read_text().strip()
    api.call("POST", "account/keys", {"name": "mine", "public_key": key})
    done = second.verb("adopt")
    assert done.returncode == 1
    assert "Your account has this SSH key already, as mine" in done.stdout
    assert "Imported" not in done.stdout


def test_other_settings_are_named_and_nothing_is_changed(deployed: Project, api: Api) -> None:
    second = clone(deployed)
    since = len(conformance.journal(api.journal))
    other = {
        "TF_VAR_size": "s-1vcpu-2gb",
        "TF_VAR_allowed_ssh_addresses": '["198.51.100.7/32"]',
    }
    printed = adopt(second, **other)
    assert re.search(r'~ size += "s-1vcpu-1gb" -> "s-1vcpu-2gb"', printed)
    assert "to keep what is there: export TF_VAR_..." in printed
    assert re.search(r'\+ +"198\.51\.100\.7/32"', printed)
    assert "make deploy TARGET=rehearsal brings it in line" in printed
    assert writes(api, since) == []
    # With the settings that it was made with, a second look completes it.
    assert NOTHING in adopt(second)
    assert plan(second) == ""


def test_another_region_is_not_made_on_the_way(deployed: Project, api: Api) -> None:
    second = clone(deployed)
    printed = adopt(second, TF_VAR_region="ams3")
    assert re.search(r'~ region += "fra1" -> "ams3" # forces replacement', printed)
    assert total(api, "droplets") == 1


def test_half_of_it_is_missing(deployed: Project, api: Api) -> None:
    [firewall] = api.call("GET", "firewalls").json()["firewalls"]
    api.call("DELETE", f"firewalls/{firewall['id']}")
    second = clone(deployed)
    printed = adopt(second)
    assert "digitalocean_firewall.app will be created" in printed
    assert total(api, "firewalls") == 0
    second.without("ops/verbs/release.py")
    assert second.verb("deploy").returncode == 0
    assert plan(second) == ""
    # The first laptop's state names the firewall that is gone; it, too, is told of the new one.
    refused = deployed.verb("deploy")
    assert refused.returncode == 1
    assert "firewall digits (id " in refused.stdout
    assert "make adopt TARGET=rehearsal" in refused.stdout
    assert NOTHING in adopt(deployed)
    assert plan(deployed) == ""


def test_the_droplet_is_gone_and_its_address_is_not(deployed: Project, api: Api) -> None:
    site = reserved(api)
    [droplet] = api.call("GET", "droplets").json()["droplets"]
    api.call("DELETE", f"droplets/{droplet['id']}")
    second = clone(deployed)
    printed = adopt(second)
    assert f"Imported reserved ip {site}." in printed
    assert "digitalocean_droplet.app will be created" in printed
    assert "There is no droplet that has an address" in printed
    second.without("ops/verbs/release.py")
    assert second.verb("deploy").returncode == 0
    assert reserved(api) == site
    assert total(api, "droplets") == 1
    assert plan(second) == ""
    # The first laptop would make a second droplet: it refuses, and takes the new one in.
    refused = deployed.verb("deploy")
    assert refused.returncode == 1
    assert "Terraform here does not know it" in refused.stdout
    refused = deployed.verb("destroy", CONFIRM="digits", BACKUP="no")
    assert refused.returncode == 1
    assert "Nothing was destroyed." in refused.stdout
    assert NOTHING in adopt(deployed)
    assert plan(deployed) == ""
    assert total(api, "droplets") == 1


@LONG
def test_all_of_it_was_recreated_elsewhere(deployed: Project, api: Api) -> None:
    """What the second laptop's state names is gone, whatever it is."""
    second = clone(deployed)
    adopt(second)
    deployed.terraform("destroy", "-auto-approve", "-input=false")
    deployed.terraform(*APPLY)
    assert "make adopt TARGET=rehearsal" in second.verb("deploy").stdout
    # The tag is the same, and DigitalOcean may give the same address again.
    assert adopt(second).count("Imported ") >= 4
    assert plan(second) == ""
    assert plan(deployed) == ""
    assert total(api, "droplets") == 1


def test_two_droplets_of_one_name(deployed: Project, api: Api) -> None:
    [mine] = api.call("GET", "droplets").json()["droplets"]
    stray = another(api)
    second = clone(deployed)
    since = len(conformance.journal(api.journal))
    done = second.verb("adopt")
    assert done.returncode == 1
    assert "Your account has 2 of digits" in done.stdout
    for droplet in (mine, stray):
        assert f"{droplet['id']}  droplet     digits  {address(droplet)}" in done.stdout
    assert "DROPLET_ID=" in done.stdout
    assert writes(api, since) == []
    assert "has the number DROPLET_ID=7" in second.verb("adopt", DROPLET_ID="7").stdout
    printed = adopt(second, DROPLET_ID=str(mine["id"]))
    assert f"not imported:\n  droplet     digits  {address(stray)}" in printed
    assert NOTHING in printed
    # Once it is chosen, it is known.
    assert NOTHING in adopt(second)
    assert NOTHING in adopt(deployed)


def test_another_name(project: Project, api: Api) -> None:
    made_by_terraform(project, api, "-var", "name=numbers")
    project.ssh_says("exit 0")
    second = clone(project)
    done = second.verb("adopt")
    assert done.returncode == 1
    assert "Your account has no deployment digits, so there is nothing to adopt." in done.stdout
    assert "export TF_VAR_name=numbers" in done.stdout
    assert NOTHING in adopt(second, TF_VAR_name="numbers")
    # One state, one deployment.
    another(api)
    done = second.verb("adopt")
    assert done.returncode == 1
    assert "Terraform here has made numbers" in done.stdout


def test_nothing_at_all(project: Project, api: Api) -> None:
    done = project.verb("adopt")
    assert done.returncode == 1
    assert "Make one: make deploy TARGET=rehearsal" in done.stdout
    assert {entry["method"] for entry in conformance.journal(api.journal)} == {"GET"}


@pytest.mark.parametrize("begun", [*(pytest.param(n, marks=LONG) for n in (1, 3, 6)), 7])
def test_cut_off_at_every_step(deployed: Project, begun: int) -> None:
    """Terraform is killed as it is called for the nth time; run again, it goes on."""
    second = clone(deployed)
    real = shutil.which("terraform")
    calls = second.folder / "calls"
    count = f'case "$*" in *" import "*|*" apply "*) echo x >>{calls} ;; esac'
    killed = f'[ "$(wc -l <{calls} || echo 0)" != {begun} ] || exit 137'
    calls.touch()
    second.command("terraform", f'{count}\n{killed}\nexec {real} "$@"')
    done = second.verb("adopt")
    assert done.returncode == 1
    (second.folder / "bin/terraform").unlink()
    assert NOTHING in adopt(second)
    assert plan(second) == ""
    assert plan(deployed) == ""


def test_the_state_is_what_terraform_makes_itself(deployed: Project) -> None:
    """But for what no API tells: how the droplet began."""

    def known(project: Project) -> dict[str, Any]:
        state = json.loads((project.folder / "infra/terraform/terraform.tfstate").read_text())
        return {
            f"{r['type']}.{r['name']}": r["instances"][0]["attributes"] for r in state["resources"]
        }

    second = clone(deployed)
    adopt(second)
    deployed.terraform("apply", "-refresh-only", "-auto-approve", "-input=false")
    first, other = known(deployed), known(second)
    assert first.keys() == other.keys()
    for name, attributes in first.items():
        differ = {key for key in attributes if attributes[key] != other[name].get(key)}
        differ -= {key for key in differ if not attributes[key] and not other[name].get(key)}
        assert differ <= {"ssh_keys", "user_data", "timeouts"}, name
