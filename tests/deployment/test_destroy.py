"""make destroy: it shows what goes, asks, backs up, and proves that nothing is left."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from tests import gh
from tests.api import conformance
from tests.gh import Repository
from tests.project import APPLY, ROOT, Api, Project

DROPLET = {"name": "digits", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}


def total(api: Api, kind: str) -> int:
    return int(api.call("GET", kind).json()["meta"]["total"])


def destroy(project: Project, **settings: str | None) -> Any:
    return project.verb("destroy", **settings)


def remember_host(project: Project, ip: str) -> None:
    key = (project.folder / "key.pub").read_text()
    (project.folder / "known_hosts").write_text(f"{ip} {key}203.0.113.254 {key}")


def test_nothing_at_all(project: Project, api: Api) -> None:
    done = destroy(project)
    assert done.returncode == 0
    assert "There is nothing to destroy" in done.stdout
    assert "CONFIRM" not in done.stdout
    assert {entry["method"] for entry in conformance.journal(api.journal)} == {"GET"}


def test_from_question_to_nothing_left(project: Project, api: Api) -> None:
    project.deployed()
    [droplet] = api.call("GET", "droplets").json()["droplets"]
    ip = droplet["networks"]["v4"][0]["ip_address"]
    reserved = api.call("GET", "reserved_ips").json()["reserved_ips"][0]["ip"]
    remember_host(project, ip)

    # With nobody to ask, it shows what would go and refuses.
    done = destroy(project)
    assert done.returncode == 1
    assert f"droplet     digits  {ip}, s-1vcpu-1gb in fra1, $6 a month" in done.stdout
    assert f"reserved ip {reserved}  the site's address" in done.stdout
    for kind in ("project", "firewall", "ssh key", "tag"):
        assert f"{kind:<11} digits" in done.stdout
    assert "digitalocean_droplet.app" in done.stdout
    assert "no terminal" in done.stdout
    assert "the same command with CONFIRM=digits" in done.stdout

    done = destroy(project, CONFIRM="yes")
    assert done.returncode == 1
    assert '"yes" is not digits' in done.stdout

    project.backup("echo the disk is full >&2; exit 1")
    done = destroy(project, CONFIRM="digits")
    assert done.returncode == 1
    assert "The last backup failed" in done.stdout
    assert "BACKUP=no" in done.stdout
    assert total(api, "droplets") == 1

    project.backup("echo /var/backups/1.dump")
    done = destroy(project, CONFIRM="digits")
    assert done.returncode == 0
    assert done.stdout.index("Backed up to backups/digits/1.dump") < done.stdout.index(
        "Destroying..."
    )
    assert "Destroy complete! Resources: 7 destroyed." in done.stdout
    assert "Nothing that costs money is left of digits." in done.stdout
    for kind in ("droplets", "reserved_ips", "firewalls", "tags", "account/keys"):
        assert total(api, kind) == 0, kind
    assert total(api, "projects") == 1  # the account's own
    known = (project.folder / "known_hosts").read_text()
    assert ip not in known
    assert "203.0.113.254" in known
    assert conformance.check(api.journal) == []

    assert "There is nothing to destroy" in destroy(project).stdout


def test_asked_on_a_terminal(project: Project, api: Api) -> None:
    project.deployed()
    ours, theirs = os.openpty()
    os.write(ours, b"no\n")
    project.stdin = theirs
    done = destroy(project)
    assert done.returncode == 1
    assert "Destroy it all? Type digits: " in done.stdout
    assert total(api, "droplets") == 1
    os.write(ours, b"digits\n")
    done = destroy(project)
    assert done.returncode == 0
    assert "NO BACKUP can be made" in done.stdout
    assert total(api, "droplets") == 0
    os.close(ours)
    os.close(theirs)


def test_half_made(project: Project, api: Api) -> None:
    """A droplet without firewall and project; it does not answer, which is said before."""
    project.terraform(*APPLY, "-target=digitalocean_droplet.app")
    assert total(api, "projects") == 1
    done = destroy(project, CONFIRM="digits")
    assert done.returncode == 1
    assert "NO BACKUP can be made" in done.stdout
    printed = "Without a backup the answers would be lost, so nothing was removed."
    assert printed in done.stdout
    assert "the same command with BACKUP=no" in done.stdout
    assert total(api, "droplets") == 1
    done = destroy(project, CONFIRM="digits", BACKUP="no")
    assert done.returncode == 0
    assert "Backed up" not in done.stdout
    assert "Nothing that costs money is left" in done.stdout
    assert total(api, "droplets") == 0


def test_another_name_than_is_set_now(project: Project, api: Api) -> None:
    """What goes, and what has to be typed, is what Terraform made."""
    project.deployed("-var", "name=numbers")
    assert destroy(project, CONFIRM="digits", BACKUP="no").returncode == 1
    assert total(api, "droplets") == 1
    assert destroy(project, CONFIRM="numbers", BACKUP="no").returncode == 0
    assert total(api, "droplets") == 0


def test_state_is_elsewhere(project: Project, api: Api) -> None:
    """Terraform here knows nothing of the droplet: it is taken in first, and then all goes."""
    api.call("POST", "droplets", {**DROPLET, "tags": ["digits"]})
    done = destroy(project, CONFIRM="digits", BACKUP="no")
    assert done.returncode == 1
    assert "droplet     digits" in done.stdout
    assert "Nothing was destroyed." in done.stdout
    assert "Import it, then run this again: make adopt TARGET=rehearsal" in done.stdout
    assert total(api, "droplets") == 1
    project.ssh_says("exit 0")
    assert project.verb("adopt").returncode == 0
    assert destroy(project, CONFIRM="digits", BACKUP="no").returncode == 0
    assert total(api, "droplets") == 0


def test_terraform_fails(project: Project, api: Api) -> None:
    """Its failure is not the last word: what is left is still asked for."""
    project.deployed()
    known = project.folder / "known_hosts"
    known.write_text("203.0.113.254 x\n")
    own = subprocess.run(["which", "terraform"], capture_output=True, text=True, check=True)
    real = own.stdout.strip()
    project.command(
        "terraform", f'case "$*" in *" destroy "*) exit 1 ;; *) exec {real} "$@" ;; esac'
    )
    done = destroy(project, CONFIRM="digits", BACKUP="no")
    assert done.returncode == 1
    assert "Left, and paid for until it is removed:\n  droplet     digits" in done.stdout
    assert "Not everything is gone" in done.stdout
    assert total(api, "droplets") == 1


def test_a_reserved_ip_that_stays_is_named(project: Project, api: Api) -> None:
    """On no droplet it costs money: whether Terraform made it, or nobody knows who."""
    project.deployed()
    [ours] = (one["ip"] for one in api.call("GET", "reserved_ips").json()["reserved_ips"])
    stray = api.call("POST", "reserved_ips", {"region": "fra1"}).json()["reserved_ip"]["ip"]
    # All is gone but the reserved IP: the provider did not get to the end.
    real = subprocess.run(["which", "terraform"], capture_output=True, text=True, check=True)
    keeps = f'{real.stdout.strip()} "$@" -target=digitalocean_droplet.app'
    project.command(
        "terraform",
        f'case "$*" in *" destroy "*) terraform() {{ {real.stdout.strip()} "$@"; }}; '
        "terraform -chdir=infra/terraform state rm digitalocean_reserved_ip.app; "
        f'{keeps}; exit 1 ;; *) exec {real.stdout.strip()} "$@" ;; esac',
    )
    done = destroy(project, CONFIRM="digits", BACKUP="no")
    assert done.returncode == 1
    assert f"Left, and paid for until it is removed:\n  reserved ip {ours}" in done.stdout
    assert total(api, "droplets") == 0

    (project.folder / "bin/terraform").unlink()
    api.call("DELETE", f"reserved_ips/{ours}")
    done = destroy(project, CONFIRM="digits", BACKUP="no")
    assert done.returncode == 0
    assert "Nothing that costs money is left of digits." in done.stdout
    assert f"reserved IPs that are on no droplet, whosever they were: {stray}." in done.stdout


def test_an_address_that_was_taken_off_the_droplet_goes_too(project: Project, api: Api) -> None:
    project.deployed()
    [ours] = (one["ip"] for one in api.call("GET", "reserved_ips").json()["reserved_ips"])
    api.call("POST", f"reserved_ips/{ours}/actions", {"type": "unassign"})
    done = destroy(project, CONFIRM="digits", BACKUP="no")
    assert done.returncode == 0
    assert f"reserved ip {ours}  on none of these droplets" in done.stdout
    assert total(api, "reserved_ips") == 0


def with_a_pipeline(project: Project, api: Api, host_key: str) -> tuple[Path, dict[str, str]]:
    """A deployment, and what GitHub keeps: secrets for a droplet with this host key."""
    project.deployed()
    [droplet] = api.call("GET", "droplets").json()["droplets"]
    ip = droplet["networks"]["v4"][0]["ip_address"]
    remember_host(project, ip)
    key = project.folder / "deploy_key"
    for file in (key, key.with_name("deploy_key.pub")):
        file.write_text("ssh-ed25519 AAAA digits pipeline\n")
    repository = Repository(
        variables={"DROPLET_HOST_KEY": f"{ip} {host_key}", "OTHER": "x"},
        environment={"DEPLOY_KEY": "a", "DIGITALOCEAN_TOKEN": "b", "OTHER": "c"},
    )
    kept = project.folder / "github.json"
    project.command("gh", gh.script(kept, repository))
    settings = {"GH_REPO": gh.NAME, "DEPLOY_KEY_FILE": str(key), "CONFIRM": "digits"}
    return kept, settings | {"BACKUP": "no"}


def test_the_pipelines_credentials_are_removed(project: Project, api: Api) -> None:
    ours = (project.folder / "key.pub").read_text()
    kept, settings = with_a_pipeline(project, api, ours)
    done = destroy(project, **settings)
    assert done.returncode == 0
    assert "me/digits has no key and no token for this deployment any more." in done.stdout
    repository = Repository.read(kept)
    assert (repository.variables, repository.environment) == ({"OTHER": "x"}, {"OTHER": "c"})
    assert not list(project.folder.glob("deploy_key*"))


def test_another_deployments_pipeline_keeps_its_credentials(project: Project, api: Api) -> None:
    theirs = (ROOT / "infra/terraform/tests/fixtures/other_key.pub").read_text()
    kept, settings = with_a_pipeline(project, api, theirs)
    assert destroy(project, **settings).returncode == 0
    repository = Repository.read(kept)
    assert set(repository.environment or ()) == {"DEPLOY_KEY", "DIGITALOCEAN_TOKEN", "OTHER"}
    assert "DROPLET_HOST_KEY" in repository.variables


def test_where_github_cannot_be_asked_the_next_step_is_printed(project: Project, api: Api) -> None:
    _, settings = with_a_pipeline(project, api, "ssh-ed25519 AAAA")
    project.command("gh", "exit 1")
    done = destroy(project, **settings)
    assert done.returncode == 0
    assert "it still has DEPLOY_KEY and DIGITALOCEAN_TOKEN" in done.stdout
