"""The managed database and the laptop: what Ansible gets, who connects, and the move back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.backup import restore_on_create
from ops.cloud import prices
from ops.console.errors import Failed
from ops.console.settings import ScaleSettings, SshSettings
from ops.database import migration
from ops.ssh.connection import Host
from tests.project import Api, Project

MANAGED = {"TF_VAR_managed_database": "true"}
# Without this, a deploy keeps what the one before has set.
LOCAL = {"TF_VAR_managed_database": "false"}
SSH = """
echo "$*" >>"$SSH_LOG"
case "$*" in
*"digits migrate"*) terraform -chdir=infra/terraform state list | grep database_cluster >>"$SSH_LOG"
  echo "Nothing has changed" >&2; exit "$HOME_ENDS" ;;
*"digits releases"*) echo '{"releases": [{"name": "digits:1", "id": "sha256:1"}]}' ;;
esac
"""
# In Ansible's place: what it gets.
PLAY = """
import os
def play(settings, *_failure, database=None, **_more):
    print("TOLD", (database or {}).get("MANAGED_DATABASE"))
"""


def test_what_ansible_gets() -> None:
    credentials = {"host": "private-x", "password": "secret", "admin_password": "another"}
    assert json.loads(migration.for_ansible(credentials)["MANAGED_DATABASE"]) == credentials
    # There is none: that is not the same as no value.
    assert json.loads(migration.for_ansible({})["MANAGED_DATABASE"]) == {"host": ""}
    with pytest.raises(Failed, match="did not return the database's password"):
        migration.for_ansible(credentials | {"password": ""})


@pytest.mark.parametrize("size", prices.DATABASES)
@pytest.mark.parametrize("droplets", [1, 2, 3, 10])
@pytest.mark.parametrize("processes", [1, 2, 4, 8])
def test_all_processes_together_stay_under_the_limit(
    size: str, droplets: int, processes: int
) -> None:
    scale = ScaleSettings(managed_database="true", droplets=str(droplets), database_size=size)
    allowed = 22 * int(size.rpartition("-")[2].removesuffix("gb"))
    if processes * (droplets + 1) > allowed - 4:
        with pytest.raises(Failed, match=f"{size} takes {allowed} connections"):
            migration.connections(scale, processes)
        return
    each = migration.connections(scale, processes)
    assert 1 <= each <= 8
    assert each * processes * (droplets + 1) <= allowed - 4


def test_one_that_is_too_small_names_one_that_is_not() -> None:
    scale = ScaleSettings(managed_database="true", droplets="10")
    with pytest.raises(Failed) as error:
        migration.connections(scale, 2)
    assert "export TF_VAR_database_size=db-s-1vcpu-2gb" in "\n".join(error.value.lines())
    assert migration.connections(ScaleSettings(droplets="1"), 16) == 0


def deploy(project: Project, **settings: str) -> str:
    """Make it from nothing, with an ssh that notes what it is told; what deploy said."""
    project.settings |= {
        "SSH_LOG": str(project.folder / "ssh.log"),
        "HOME_ENDS": "0",
        "BRING_BACKUP": "no",
        "RESTORE": "none",
    }
    project.ssh_says(SSH)
    project.without("ops/verbs/release.py")
    with (project.folder / "ops/provision/ansible.py").open("a") as module:
        module.write(PLAY)
    done = project.verb("deploy", **settings)
    assert done.returncode == 0
    return done.stdout


@pytest.fixture
def deployed(project: Project) -> Project:
    """A deployment with the managed database."""
    printed = deploy(project, **MANAGED)
    reported = json.loads(printed.partition("TOLD ")[2].partition("\n")[0])
    assert reported["user"] == reported["database"] == "digits"
    assert reported["ca"].startswith("-----BEGIN CERTIFICATE-----")
    return project


def log(project: Project) -> str:
    return Path(project.settings["SSH_LOG"]).read_text()


def databases(api: Api) -> int:
    return int(api.call("GET", "databases").json()["meta"]["total"])


def test_the_predictions_move_back_before_terraform_runs(deployed: Project, api: Api) -> None:
    assert "digits migrate" not in log(deployed)
    assert databases(api) == 1
    done = deployed.verb("deploy", **LOCAL)
    assert done.returncode == 0
    # The database was still there during the move back.
    assert "digitalocean_database_cluster.app[0]" in log(deployed)
    assert done.stdout.index("Move the predictions back") < done.stdout.index("Apply complete!")
    assert 'TOLD {"host": ""}' in done.stdout
    assert databases(api) == 0
    again = deployed.verb("deploy", **LOCAL)
    assert again.returncode == 0
    assert "Move the predictions back" not in again.stdout


def test_a_failed_move_back_keeps_the_database(deployed: Project, api: Api) -> None:
    done = deployed.verb("deploy", HOME_ENDS="1", **LOCAL)
    assert done.returncode == 1
    assert "could not be moved back from the managed database; why is above" in done.stdout
    assert "Terraform has changed nothing" in done.stdout
    assert "Apply complete!" not in done.stdout
    assert databases(api) == 1
    assert deployed.verb("deploy", **LOCAL).returncode == 0
    assert databases(api) == 0


def test_of_three_the_others_are_drained_before(project: Project, api: Api) -> None:
    deploy(project, **MANAGED, TF_VAR_droplets="3")
    fleet = project.folder / "ops/deployment/fleet.py"
    fleet.write_text(fleet.read_text().replace("time.sleep(", "abs("))
    done = project.verb("deploy", **LOCAL, TF_VAR_droplets="1")
    assert done.returncode == 0
    printed = log(project)
    assert printed.count("touch /run/digits-drained") == 2
    assert printed.index("touch /run/digits-drained") < printed.index("digits migrate")
    assert databases(api) == 0
    assert api.call("GET", "droplets").json()["meta"]["total"] == 1


def test_a_new_droplet_begins_with_what_the_managed_database_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = {"releases": '{"releases": []}\n', "--held": 'Starting the database\n{"held": 12}\n'}

    def must(_host: Host, command: str, **_more: object) -> str:
        return next(text for word, text in printed.items() if word in command)

    monkeypatch.setattr(Host, "must", must)
    start = restore_on_create.Start("newest", tmp_path, is_managed=True)
    assert restore_on_create.restore(start, Host(SshSettings(), "203.0.113.1")) is None
    assert "The managed database holds 12 answers, so nothing has to be" in capsys.readouterr().out
