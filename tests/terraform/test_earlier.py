"""What an earlier deploy set, and nothing sets now, is named and kept."""

from __future__ import annotations

import json
import os
import pty
import re
from typing import Any

import pytest

from ops.console.settings import Settings
from tests.project import TERRAFORM, Api, Project

SET = {
    "TF_VAR_size": "s-2vcpu-4gb",
    "TF_VAR_region": "ams3",
    "TF_VAR_domain": "digits.example.org",
    "TF_VAR_app_processes": "1",
    "TF_VAR_backups": "weekly",
    "TF_VAR_allowed_ssh_addresses": '["203.0.113.0/24"]',
    "TF_VAR_alert_email": "you@example.org",
}
NAMED = "An earlier make deploy TARGET=rehearsal set these, and nothing sets them now:"


@pytest.fixture
def near(project: Project) -> Project:
    """The project with a droplet that answers, and has no release yet."""
    project.without("ops/verbs/release.py")
    project.ssh_says("echo '{}'")
    return project


@pytest.fixture
def deployed(near: Project) -> Project:
    """A deployment that was made with other values than the defaults."""
    assert near.verb("deploy", **SET).returncode == 0
    return near


def droplet(api: Api) -> dict[str, Any]:
    [found] = api.call("GET", "droplets").json()["droplets"]
    return {"size": found["size_slug"], "region": found["region"]["slug"], "id": found["id"]}


def test_without_a_terminal_it_is_kept_and_named(deployed: Project, api: Api) -> None:
    before = droplet(api)
    done = deployed.verb("deploy")
    assert done.returncode == 0
    assert NAMED in done.stdout
    for name, value in SET.items():
        assert f"\n  {name}={value}\n" in done.stdout
    assert "put it into .env" in done.stdout
    assert droplet(api) == before
    assert len(api.call("GET", "monitoring/alerts").json()["policies"]) > 0
    # Nothing is named that is set, by whatever means.
    (deployed.folder / ".env").touch(mode=0o600)
    (deployed.folder / ".env").write_text("TF_VAR_size=s-2vcpu-4gb\n")
    (deployed.folder / "infra/terraform/mine.auto.tfvars").write_text('region = "ams3"\n')
    others = {name: SET[name] for name in SET if name not in ("TF_VAR_size", "TF_VAR_region")}
    done = deployed.verb("deploy", ENV_FILE=None, **others)
    assert (done.returncode, NAMED in done.stdout) == (0, False)


def test_what_is_set_is_changed(deployed: Project, api: Api) -> None:
    others = {name: SET[name] for name in SET if name != "TF_VAR_size"}
    done = deployed.verb("deploy", TF_VAR_size="s-4vcpu-8gb", **others)
    assert (done.returncode, NAMED in done.stdout) == (0, False)
    assert droplet(api)["size"] == "s-4vcpu-8gb"
    done = deployed.verb("deploy", TF_VAR_size="s-4vcpu-8gb", **others | {"TF_VAR_alert_email": ""})
    assert f"{NAMED}\n" not in done.stdout
    assert api.call("GET", "monitoring/alerts").json()["policies"] == []


def test_a_person_is_asked(deployed: Project, api: Api) -> None:
    others = {name: SET[name] for name in SET if name != "TF_VAR_alert_email"}
    for answer, status, alerts in (("perhaps", 1, True), ("yes", 0, True), ("no", 0, False)):
        person, deployed.stdin = pty.openpty()
        os.write(person, f"{answer}\n".encode())
        done = deployed.verb("deploy", **others)
        os.close(person)
        os.close(deployed.stdin)
        assert done.returncode == status
        assert "  TF_VAR_alert_email=you@example.org\n" in done.stdout
        assert bool(api.call("GET", "monitoring/alerts").json()["policies"]) == alerts


def test_other_verbs_take_it_for_set(deployed: Project) -> None:
    for verb in ("drift", "doctor"):
        done = deployed.verb(verb)
        assert NAMED in done.stdout
        assert "s-1vcpu-1gb" not in done.stdout


def test_another_name_an_older_state_and_none(near: Project, api: Api) -> None:
    assert NAMED not in near.verb("deploy", TF_VAR_name="school").stdout
    done = near.verb("deploy")
    assert done.returncode == 0
    assert "  TF_VAR_name=school\n" in done.stdout
    assert [one["name"] for one in api.call("GET", "droplets").json()["droplets"]] == ["school"]
    state = near.folder / "infra/terraform/terraform.tfstate"
    content = json.loads(state.read_text())
    del content["outputs"]["variables"]
    state.write_text(json.dumps(content))
    assert NAMED not in near.verb("deploy", TF_VAR_name="school").stdout
    state.write_text("{")
    done = near.verb("deploy")
    assert done.returncode == 1
    assert "Terraform's state cannot be read" in done.stdout


def test_no_variable_is_forgotten() -> None:
    """But for the one that deploy itself sets, for a while."""
    text = "".join(file.read_text() for file in TERRAFORM.glob("*.tf"))
    variables = set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))
    output = (TERRAFORM / "outputs.tf").read_text().partition('output "variables"')[2]
    kept = set(re.findall(r"^    (\w+) += var\.\1$", output, re.MULTILINE))
    assert kept == variables - {"old_address_open"}
    settings = {one.metadata["name"] for one, _ in Settings().every()}
    assert {f"TF_VAR_{name}" for name in variables} <= settings
