"""make doctor: it finds what is wrong, names one fix, and changes nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import digitalocean
import pytest

from ops.cloud.api import Cloud, CloudError, Droplet, Size
from ops.console.errors import Failed
from ops.console.settings import AccountSettings, Settings
from ops.doctor import account, machine
from ops.doctor.findings import Patient, Skipped
from ops.terraform.run import refused_variables
from tests import gh
from tests.api import conformance
from tests.gh import Repository
from tests.needs import need_terraform
from tests.project import TERRAFORM, TOKEN, Api, Project, address, another

ROOM = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 25000000 1 {disk} 9% /"
CHANGED_KEY = """cat >&2 <<'SAID'
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
Host key verification failed.
SAID
exit 255"""


def findings(output: str) -> dict[str, tuple[str, str]]:
    """Every finding by its name: its status and its text, with the fix if there is one."""
    found = re.findall(r"^(ok|FAIL|skip|warn) +(.+?)  +(.*(?:\n {6}.*)*)", output, re.MULTILINE)
    return {one: (status, text) for status, name, text in found for one in name.split(", ")}


def examine(project: Project, *arguments: str, **settings: str | None) -> Any:
    """Run the doctor; its exit status has to fit what it found."""
    done = project.verb("doctor", *arguments, **settings)
    found = findings(done.stdout)
    failed = [text for status, text in found.values() if status == "FAIL"]
    assert done.returncode == (1 if failed else 0)
    printed = done.stdout + (done.stderr or "")
    assert ("Fix each FAIL above" in printed) == bool(failed)
    for text in failed:
        assert text.count("Fix: ") == 1
        assert text.partition("Fix: ")[2].strip()
    return found


def droplet(api: Api) -> str:
    """A droplet made by somebody else; its address."""
    return address(another(api))


def everything(folder: Path) -> dict[str, int]:
    """Every file below, and when it changed; Python's caches apart."""
    return {
        str(path.relative_to(folder)): path.lstat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in str(path)
    }


def test_ready_to_deploy(project: Project, api: Api) -> None:
    before = everything(project.folder)
    found = examine(project, "--before-deploy")
    assert set(found) == {
        "terraform",
        "settings",
        "ssh",
        "ansible",
        "ssh key",
        "token",
        "scopes",
        "account",
        "reserved ip",
        "new key",
        "region",
        "size",
        "backups",
    }
    assert {status for status, _ in found.values()} == {"ok"}
    assert "$6 a month" in found["size"][1]
    assert "cannot be found out by reading" in found["scopes"][1]
    assert everything(project.folder) == before
    assert {entry["method"] for entry in conformance.journal(api.journal)} == {"GET"}
    assert conformance.check(api.journal) == []


@pytest.mark.parametrize(
    ("setting", "value", "right"),
    [
        ("TF_VAR_name", "my digits", 'such as "digits" or "digits-staging"'),
        ("TF_VAR_domain", "https://digits.example.org", "without http://"),
        ("TF_VAR_allowed_ssh_addresses", "203.0.113.7,home", "203.0.113.7,198.51.100.7"),
        ("TF_VAR_allowed_ssh_addresses", "203.0.113.256", '["203.0.113.7/32", "2001:db8::/64"]'),
        ("TF_VAR_droplets", "many", "a number is required"),
        ("TF_VAR_image", "ubuntu-24-04-x64", "written for Debian"),
    ],
)
def test_a_variable_that_terraform_refuses(
    project: Project, setting: str, value: str, right: str
) -> None:
    """What the doctor is content with, deploy takes: both ask Terraform itself."""
    refused = machine_settings(project, **{setting: value})
    assert refused.keys() == {setting.removeprefix("TF_VAR_")}
    assert right in next(iter(refused.values()))


@pytest.mark.parametrize(
    ("setting", "value", "reported"),
    [
        ("ACME", "maybe", "ACME=maybe is neither on nor off."),
        ("ACME_ROOT", "none.pem", "root certificate cannot be read"),
        ("APP_FOLDER", "infra", "APP_FOLDER=infra holds no Dockerfile."),
        ("PIP_CONF", "~/none.conf", "/none.conf is no file."),
    ],
)
def test_what_would_fail_only_after_the_droplet_is_made(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str, reported: str
) -> None:
    need_terraform()
    monkeypatch.setenv(setting, value)
    monkeypatch.delenv("IMAGE", raising=False)
    with pytest.raises(Failed) as caught:
        machine.settings(Patient(Settings.read()))
    assert reported in caught.value.what
    assert caught.value.then


def machine_settings(project: Project, **given: str) -> dict[str, str]:
    """The variables that Terraform refuses, as the doctor asks for them."""
    environment = project.settings | {"TERRAFORM_DIR": str(project.folder / "infra/terraform")}
    with mock.patch.dict(os.environ, environment | given, clear=True):
        return refused_variables(Settings.read().terraform)


def test_variables_that_terraform_takes(project: Project) -> None:
    good = {
        "TF_VAR_domain": "DIGITS.example.org",
        "TF_VAR_allowed_ssh_addresses": "203.0.113.7",
        "TF_VAR_region": "fra1\r",
        "TF_WORKSPACE": "another",
    }
    assert machine_settings(project, **good) == {}
    # A file of variables counts, too, and what is no variable's fault is Terraform's to print.
    (project.folder / "infra/terraform/terraform.tfvars").write_text('name = "my digits"\n')
    assert machine_settings(project).keys() == {"name"}
    project.command("terraform", "echo '{'; exit 1")
    assert machine_settings(project) == {}


def test_what_terraform_would_refuse_costs_nothing(project: Project, api: Api) -> None:
    done = project.verb("deploy", TF_VAR_name="my digits", TF_VAR_domain="a b")
    status, text = findings(done.stdout)["settings"]
    assert status == "FAIL"
    assert "TF_VAR_domain: Give a name such as" in text
    assert "TF_VAR_name: Give a name of 2 to 63" in text
    assert "Terraform: the droplet" not in done.stdout
    assert {entry["method"] for entry in conformance.journal(api.journal)} == {"GET"}


def test_an_ansible_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    program = tmp_path / "ansible-playbook"
    program.write_text("#!/bin/sh\necho 'ERROR: it lacks something' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(Failed, match="Ansible does not start here: ERROR: it lacks something"):
        machine.can_run_ansible(Patient(Settings()))


def test_no_token(project: Project, api: Api) -> None:
    done = project.verb("deploy", DIGITALOCEAN_TOKEN=None, GITHUB_ACTIONS=None)
    assert done.returncode == 1
    assert "DIGITALOCEAN_TOKEN is not set" in done.stdout
    assert "cloud.digitalocean.com/account/api/tokens" in done.stdout
    assert "make deploy TARGET=rehearsal" in done.stdout
    assert "\033[" not in done.stdout, "colours are for a terminal"
    assert findings(done.stdout)["size"] == ("skip", "needs a valid token")
    assert not api.journal.exists() or api.journal.read_text() == ""


def test_answer_that_is_none(project: Project) -> None:
    """Such as a proxy's error page."""
    found = examine(project, "--before-deploy", DIGITALOCEAN_API_URL="http://127.0.0.1:1/nothing")
    assert found["token"][0] == "FAIL"


def test_a_key_that_the_account_has_already(project: Project, api: Api) -> None:
    public = (project.folder / "key.pub").read_text()
    api.call("POST", "account/keys", {"name": "my laptop", "public_key": public})
    status, text = examine(project, "--before-deploy")["new key"]
    assert status == "FAIL"
    assert "Your account has this SSH key already, as my laptop" in text
    assert "ssh-keygen -t ed25519 -f ~/.ssh/digits" in text
    # One that Terraform put there is no trouble, and without the check it is Terraform who says so.
    done = project.run("terraform", "-chdir=infra/terraform", "apply", "-auto-approve")
    assert "SSH Key is already in use on your account" in done.stdout
    [key] = api.call("GET", "account/keys").json()["ssh_keys"]
    api.call("DELETE", f"account/keys/{key['id']}")
    project.terraform("apply", "-auto-approve")
    found = examine(project, "--before-deploy")
    assert found["new key"] == ("ok", "your account has it as digits")


def test_not_to_be_had(project: Project) -> None:
    wrong = {"TF_VAR_region": "mars1", "TF_VAR_size": "s-64vcpu-1tb"}
    found = examine(project, "--before-deploy", **wrong)
    for check, value, fix in (
        ("region", "mars1", "export TF_VAR_region=fra1"),
        ("size", "s-64vcpu-1tb", "export TF_VAR_size=s-1vcpu-1gb"),
    ):
        status, text = found[check]
        assert status == "FAIL"
        assert value in text
        assert fix in text


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Patient:
    """Somebody whose token is valid, with no Terraform variable set."""
    for name in ("region", "size"):
        monkeypatch.delenv(f"TF_VAR_{name}", raising=False)
    return Patient(Settings(), account=True)


def test_size_that_another_region_has(known: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Size("s-1vcpu-1gb", 1024, 1, 25, 6.0, frozenset({"nyc3"}))
    here: list[Droplet] = []
    monkeypatch.setattr(Cloud, "sizes", lambda _cloud: {there.slug: there})
    monkeypatch.setattr(Cloud, "droplets", lambda _cloud, _tag: here)
    monkeypatch.setattr(Cloud, "regions", lambda _cloud: ["nyc3"])
    with pytest.raises(Failed, match="not to be had in fra1") as caught:
        account.size(known)
    assert caught.value.then == ("export TF_VAR_region=nyc3",)
    with pytest.raises(Failed, match="no region fra1"):
        account.region(known)
    # What takes no new droplets may keep the one it has.
    here.append(Droplet("digits", "203.0.113.7", "active", "1", "fra1", "s-1vcpu-1gb"))
    assert "$6 a month" in account.size(known)
    assert "yours is there already" in account.region(known)


def test_catalogue_not_readable(known: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_cloud: Cloud) -> list[str]:
        raise CloudError("no", status=403)

    monkeypatch.setattr(Cloud, "regions", refused)
    with pytest.raises(Skipped, match="may not ask"):
        account.region(known)


def test_a_size_that_is_too_small_is_neither_taken_nor_suggested(project: Project) -> None:
    small = "s-1vcpu-512mb-10gb"
    status, text = examine(project, "--before-deploy", TF_VAR_size=small)["size"]
    assert status == "FAIL"
    assert f"{small} has 512 MB of memory; the app and its database need 1024." in text
    assert "export TF_VAR_size=s-1vcpu-1gb   (or one of: s-1vcpu-1gb s-1vcpu-2gb" in text
    unknown = examine(project, "--before-deploy", TF_VAR_size="s-0vcpu-1tb")["size"][1]
    assert small not in unknown
    planned = project.run("terraform", "-chdir=infra/terraform", "plan", TF_VAR_size=small)
    assert f"{small} has less than 1 GB of memory" in " ".join(planned.stdout.split())


def test_price_of_another_size(project: Project) -> None:
    found = examine(project, "--before-deploy", TF_VAR_size="s-1vcpu-2gb", TF_VAR_region="nyc3")
    assert found["region"] == ("ok", "nyc3")
    assert "$12 a month" in found["size"][1]


def test_too_few_scopes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer to a token that may read droplets and nothing else."""

    def get_data(_self: object, path: str, **_: object) -> dict[str, Any]:
        if path.startswith("droplets"):
            return {"droplets": []}
        raise digitalocean.DataReadError("You are not authorized to perform this operation")

    monkeypatch.setattr(digitalocean.Manager, "get_data", get_data)
    patient = Patient(Settings(account=AccountSettings(token=TOKEN)))
    patient.check("token", account.token)
    assert patient.account, "a refusal by scope proves the token"
    patient.check("scopes", account.scopes)
    assert patient.failures == 1
    printed = capsys.readouterr().out
    assert "may not read firewall, project, reserved_ip, ssh_key, tag (403)" in printed
    assert printed.count("Fix: ") == 1


def test_account_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cloud, "account_status", lambda _cloud: "locked")
    with pytest.raises(Failed, match="locked"):
        account.token(Patient(Settings()))


def test_key_pair(project: Project) -> None:
    def key(**settings: str | None) -> str:
        status, text = examine(project, "--before-deploy", **settings)["ssh key"]
        assert status == "FAIL"
        return str(text)

    private = project.folder / "key"
    none = str(project.folder / "none.pub")
    assert "ssh-keygen -t ed25519" in key(TF_VAR_ssh_public_key_path=none)
    assert "not hold a public key" in key(TF_VAR_ssh_public_key_path=str(private))
    fixture = str(TERRAFORM / "tests/fixtures/key.pub")
    assert "of another key" in key(TF_VAR_ssh_public_key_path=fixture)
    lonely = key(TF_VAR_ssh_public_key_path=fixture, ANSIBLE_PRIVATE_KEY_FILE=None)
    assert "has no private half" in lonely
    assert f"export ANSIBLE_PRIVATE_KEY_FILE={private}" in key(ANSIBLE_PRIVATE_KEY_FILE=None)
    private.chmod(0o644)
    assert f"chmod 600 {private}" in key()


def test_docker_and_terraform(project: Project) -> None:
    project.command("docker", "exit 1")
    found = examine(project, "--before-deploy", IMAGE=None)
    assert re.search("Start it: sudo (systemctl|service) ", found["docker"][1])
    assert found["buildx"][0] == found["compose"][0] == "FAIL"
    assert "docker" not in examine(project, "--before-deploy")
    project.command("terraform", 'echo \'{"terraform_version": "1.5.7"}\'')
    status, text = examine(project, "--before-deploy")["terraform"]
    assert status == "FAIL"
    assert "terraform is 1.5.7; 1.9 or newer is needed" in text


def test_nothing_deployed(project: Project) -> None:
    project.command("docker", "echo 28.0.0")
    found = examine(project)
    assert {name for name, (status, _) in found.items() if status == "skip"} == {
        "state", "droplet", "address", "login", "access", "room", "patched", "backup age", "page",
        "certificate", "secrets", "pipeline", "uptime",
    }  # fmt: skip
    assert "make deploy" in found["droplet"][1]


def test_deployed(project: Project, api: Api) -> None:
    ip = droplet(api)
    project.command("docker", "echo 28.0.0")
    printed = ROOM.format(disk=9_000_000)
    project.ssh_says(f"cat <<'SAID'\n{printed}\nMemAvailable: 400000 kB\nSAID")
    known = project.folder / "known_hosts"
    known.write_text("")
    found = examine(project, SSH_KNOWN_HOSTS=str(known))
    assert found["droplet"] == ("ok", f"digits ({ip}) is active")
    assert found["login"][0] == "ok"
    assert found["room"] == ("ok", "8789 MB of disk and 390 MB of memory are free")
    assert found["page"][0] == "FAIL", "there is no machine at that address"
    assert known.read_text() == "", "it is Ansible that remembers a host key"

    full = ROOM.format(disk=9000)
    project.ssh_says(f"cat <<'SAID'\n{full}\nMemAvailable: 400000 kB\nSAID")
    assert f"ssh root@{ip} 'du" in examine(project)["room"][1]
    project.ssh_says(f"cat <<'SAID'\n{printed}\nMemAvailable: 4000 kB\nSAID")
    assert "TF_VAR_size" in examine(project)["room"][1]

    image = "built 2025-01-31T23:59:58.123456789Z"
    project.ssh_says(f"echo {image}; echo NEEDRESTART-SVC: nginx.service")
    status, text = examine(project)["patched"]
    assert status == "warn"
    assert "services still run an old version: nginx.service." in text
    assert "make patch" in text
    project.ssh_says(f"echo {image}; echo reboot")
    assert "a reboot waits" in examine(project)["patched"][1]
    project.ssh_says(f"echo {image}; echo NEEDRESTART-VER: 3.11")
    status, text = examine(project)["patched"]
    assert status == "warn"
    assert re.search(r"The image in service is \d{3,} days old", text)
    assert "make release" in text
    project.ssh_says("date --utc '+built %FT%T.1Z'")
    status, text = examine(project)["patched"]
    assert status == "ok"
    assert "the image in service is 0 days old" in text

    project.ssh_says(CHANGED_KEY)
    found = examine(project)
    assert "another host key" in found["login"][1]
    assert f"ssh-keygen -R {ip} -f '{known}'" in found["login"][1]
    assert found["room"] == ("skip", "needs ssh")
    project.ssh_says("echo 'root@203.0.113.1: Permission denied (publickey).' >&2; exit 255")
    assert "ANSIBLE_PRIVATE_KEY_FILE" in examine(project)["login"][1]

    droplet(api)
    status, text = examine(project)["droplet"]
    assert status == "FAIL"
    assert "2 droplets carry the tag digits" in text


def test_whose_keys_are_root_on_the_droplet(project: Project, api: Api) -> None:
    droplet(api)
    keys = "# comment\nssh-ed25519 AAAA me@laptop\n\nssh-rsa BBBB digits pipeline\nssh-rsa CCCC\n"
    project.ssh_says(f"cat <<'SAID'\n{keys}SAID")
    status, text = examine(project)["access"]
    assert status == "ok"
    assert text.startswith(
        "3 keys are root there: me@laptop, digits pipeline, one without a name (CCCC)"
    )


def test_state(project: Project) -> None:
    project.deployed()
    status, text = examine(project)["state"]
    assert status == "ok"
    assert "7 resources; the droplet is digits (id " in text
    # A workspace that is not there has no state, and asking does not make it.
    assert examine(project, TF_WORKSPACE="another")["state"][0] == "skip"
    assert not (project.folder / "infra/terraform/terraform.tfstate.d").exists()


def test_broken_state(project: Project) -> None:
    (project.folder / "infra/terraform/terraform.tfstate").write_text("{broken")
    status, text = examine(project)["state"]
    assert status == "FAIL"
    assert ".backup" in text


def path_without(program: str, folder: Path) -> str:
    """A folder for PATH, with a link to every program that is in PATH but this one."""
    folder.mkdir()
    for place in map(Path, os.environ["PATH"].split(":")):
        for found in place.iterdir() if place.is_dir() else ():
            if found.name != program and not (folder / found.name).is_symlink():
                (folder / found.name).symlink_to(found)
    return str(folder)


def test_no_gh(project: Project) -> None:
    path = f"{project.folder / 'bin'}:{path_without('gh', project.folder / 'others')}"
    workflows = project.folder / ".github/workflows"
    workflows.mkdir(parents=True)
    (workflows / "deploy.yml").write_text("env: ${{ secrets.DEPLOY_KEY }}\n")
    assert examine(project, PATH=path)["secrets"] == (
        "skip",
        "gh is not installed, so GitHub cannot be asked",
    )


def test_pipeline_secrets(project: Project) -> None:
    project.settings["GH_REPO"] = gh.NAME
    workflows = project.folder / ".github/workflows"
    workflows.mkdir(parents=True)
    uses = "${{ secrets.GITHUB_TOKEN }} ${{ secrets.SSH_KEY }} ${{ secrets.DIGITALOCEAN_TOKEN }}"
    uses += " ${{ secrets.REGISTRY_PASSWORD }}"
    (workflows / "deploy.yml").write_text(f"env: {uses}\n")

    def secrets(environment: str | None, repository: str, *, lists: bool = True) -> Any:
        """What is found with these names of secrets; an environment of None is not there."""
        of_environment = None if environment is None else dict.fromkeys(environment.split(), "x")
        of_repository = dict.fromkeys(repository.split(), "x")
        kept = Repository(secrets=of_repository, environment=of_environment, lists=lists)
        project.command("gh", gh.script(project.folder / "github.json", kept))
        return examine(project)["secrets"]

    project.command("gh", "exit 1")
    assert "gh auth login" in examine(project)["secrets"][1]
    assert "does not list" in secrets("SSH_KEY", "", lists=False)[1]
    assert secrets("", "")[0] == "skip"
    one = secrets("SSH_KEY", "")
    assert "missing: DIGITALOCEAN_TOKEN" in one[1]
    assert "Fix: make pipeline" in one[1]
    both = "SSH_KEY DIGITALOCEAN_TOKEN OTHER"
    good = ("ok", "set: DIGITALOCEAN_TOKEN, SSH_KEY")
    assert secrets(both, "") == good
    # The repository's count where the environment has none, or is not there.
    assert secrets(None, both) == good
    assert secrets("SSH_KEY", "DIGITALOCEAN_TOKEN") == good


def test_what_the_pipeline_knows_of_the_droplet(project: Project, api: Api) -> None:
    project.settings["GH_REPO"] = gh.NAME
    ip = droplet(api)
    key, other = ((project.folder / "key.pub").read_text().strip(), "ssh-ed25519 AAAAother x")
    known = project.folder / "known_hosts"
    project.ssh_says(f"echo '{key}'")

    def pipeline(variable: str) -> Any:
        variables = {"DROPLET_HOST_KEY": variable} if variable else {}
        kept = Repository(variables={"REGISTRY": "elsewhere.example", **variables})
        project.command("gh", gh.script(project.folder / "github.json", kept))
        return examine(project)["pipeline"]

    assert pipeline("")[1] == "DROPLET_HOST_KEY is not set, so no pipeline deploys this"
    assert "not pinned here yet" in pipeline(f"{ip} {key}")[1]
    known.write_text(f"{ip} {key}\n")
    assert pipeline(f"{ip} {key}") == ("ok", "GitHub knows this droplet's host key")
    # As `make pipeline` sets it on a machine that hides the names in known_hosts.
    subprocess.run(["ssh-keygen", "-qHf", known], check=True, stderr=subprocess.DEVNULL)
    hidden = known.read_text().strip()
    assert ip not in hidden
    assert pipeline(hidden)[0] == "ok"
    for stale in (f"{ip} {other}", f"203.0.113.250 {key}"):
        status, text = pipeline(stale)
        assert status == "FAIL"
        assert "is another droplet's" in text
        assert "Fix: make pipeline TARGET=rehearsal" in text
    # The key of a pipeline that was set up, and a droplet that was made after that.
    deploy_key = project.folder / "infra/ansible/deploy_key.pub"
    deploy_key.write_text(key)
    assert pipeline(hidden)[0] == "ok"
    deploy_key.write_text(other)
    assert "does not accept the pipeline's key" in pipeline(hidden)[1]
