"""Which droplet a verb means, and whose: Terraform's; without a state the only one; else none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests import gh
from tests.api import conformance
from tests.doctor.test_doctor import examine, findings
from tests.doctor.test_wrong_input import NOT_WITHOUT_A_DROPLET, VERBS
from tests.gh import Repository
from tests.project import APPLY, PYTHON, Api, Project, address, another


def reserved(api: Api) -> str:
    """The only reserved IP."""
    [one] = api.call("GET", "reserved_ips").json()["reserved_ips"]
    return str(one["ip"])


def made_by_terraform(project: Project, api: Api, *settings: str) -> dict[str, Any]:
    before = {droplet["id"] for droplet in api.call("GET", "droplets").json()["droplets"]}
    project.deployed(*settings)
    after = api.call("GET", "droplets").json()["droplets"]
    [droplet] = [droplet for droplet in after if droplet["id"] not in before]
    return dict(droplet)


def url(project: Project, **settings: str | None) -> str:
    done = project.verb("url", **settings)
    assert done.returncode == 0
    return done.stdout.strip()


def hosts(project: Project) -> dict[str, Any]:
    """Ansible's hosts: where ssh goes, and the site's address."""
    printed = project.run(PYTHON, "infra/ansible/inventory.py").stdout
    inventory = json.loads(printed)
    assert inventory["droplet"]["hosts"] == list(inventory["_meta"]["hostvars"])
    site = inventory["droplet"]["vars"]["site_address"]
    return {
        name: known | {"site_address": site}
        for name, known in inventory["_meta"]["hostvars"].items()
    }


def test_of_two_and_no_state_none_is_chosen(whole: Project, api: Api) -> None:
    both = [another(api), another(api)]
    lines = len(conformance.journal(api.journal))
    whole.ssh_says("echo reached; exit 0")
    for verb in NOT_WITHOUT_A_DROPLET:
        done = whole.verb(verb, **VERBS[verb])
        assert done.returncode == 1, verb
        for droplet in both:
            named = f"digits ({address(droplet)}, id {droplet['id']}, made {droplet['created_at']})"
            assert named in done.stdout, verb
        assert "Run this where make deploy TARGET=rehearsal ran" in done.stdout
        assert "reached" not in done.stdout, verb
    done = whole.run(PYTHON, "infra/ansible/inventory.py")
    assert done.returncode == 1
    assert "2 droplets carry the tag digits" in done.stdout
    # Ansible, called without a script, stops as well, and says why.
    done = whole.run(
        ".venv/ops/bin/ansible-playbook", "infra/ansible/site.yml",
        ANSIBLE_CONFIG=str(whole.folder / "infra/ansible/ansible.cfg"),
        PATH=f"{whole.folder}/.venv/ops/bin:{whole.settings['PATH']}",
    )  # fmt: skip
    assert done.returncode != 0
    assert "2 droplets carry the tag digits" in " ".join(done.stdout.split())
    assert {e["method"] for e in conformance.journal(api.journal)[lines:]} == {"GET"}


def test_the_one_that_terraform_made_is_meant_whatever_else_is_there(
    project: Project, api: Api
) -> None:
    before = another(api)
    mine = made_by_terraform(project, api)
    after = another(api)
    assert len({before["id"], mine["id"], after["id"]}) == 3
    site = reserved(api)
    assert url(project) == f"https://{site}"
    assert hosts(project) == {"digits": {"ansible_host": address(mine), "site_address": site}}
    status, text = examine(project)["droplet"]
    assert status == "FAIL"
    assert f"Yours is digits ({address(mine)}, id {mine['id']}" in text
    assert f"id {before['id']}" in text
    assert f"id {after['id']}" in text

    # Where Terraform is not installed, its state still tells.
    project.command("terraform", "exit 127")
    assert url(project) == f"https://{site}"
    (project.folder / "bin/terraform").unlink()

    # Its tag taken away, or its name changed, by hand: it is still the one.
    for other in (before, after):
        api.call("DELETE", f"droplets/{other['id']}")
    resource = {"resources": [{"resource_id": str(mine["id"]), "resource_type": "droplet"}]}
    api.call("DELETE", "tags/digits/resources", resource)
    api.call("POST", f"droplets/{mine['id']}/actions", {"type": "rename", "name": "mine"})
    assert url(project) == f"https://{site}"
    assert "does not carry the tag digits" in examine(project)["droplet"][1]
    assert hosts(project) == {"mine": {"ansible_host": address(mine), "site_address": site}}

    # Gone by hand: then it is the one that carries the tag, if there is just one.
    api.call("DELETE", f"droplets/{mine['id']}")
    assert "No droplet carries the deployment's tag." in project.verb("url").stdout
    last = another(api)
    assert url(project) == f"https://{address(last)}"


def test_a_name_that_is_another_deployments(project: Project, api: Api) -> None:
    mine = made_by_terraform(project, api, "-var", "name=numbers")
    # The name is set in one shell and forgotten in the next.
    assert url(project) == f"https://{reserved(api)}"
    assert url(project, TF_VAR_name="numbers") == f"https://{reserved(api)}"
    assert examine(project)["droplet"][0] == "ok"
    other = another(api)
    assert url(project, TF_VAR_name="numbers") == f"https://{reserved(api)}"
    done = project.verb("url")
    assert done.returncode == 1
    assert "Terraform made numbers from here" in done.stdout
    for droplet in (mine, other):
        assert f"id {droplet['id']}" in done.stdout


def test_destroy_backs_up_the_droplet_that_it_deletes(project: Project, api: Api) -> None:
    stray = another(api)
    mine = made_by_terraform(project, api)
    project.backup('echo "backup of $*" >&2; echo /1.dump')
    done = project.verb("destroy", CONFIRM="digits")
    assert done.returncode == 1
    assert "backup of" not in done.stdout, "the stray carries the tag: nothing is done yet"
    untagged = {"resources": [{"resource_id": str(stray["id"]), "resource_type": "droplet"}]}
    assert api.call("DELETE", "tags/digits/resources", untagged).status_code == 204
    done = project.verb("destroy", CONFIRM="digits")
    assert f"The droplet at {address(mine)} answers" in done.stdout
    assert re.search(rf"backup of .*root@{re.escape(address(mine))}", done.stdout)
    assert f"root@{address(stray)}" not in done.stdout
    [left] = api.call("GET", "droplets").json()["droplets"]
    assert left["id"] == stray["id"]
    # What is left of Terraform's has no answers: a second run needs no backup.
    project.terraform(*APPLY, "-target=digitalocean_tag.app")
    done = project.verb("destroy", CONFIRM="digits")
    assert "No backup is made: no droplet will be destroyed." in done.stdout
    assert "backup of" not in done.stdout


def test_a_backup_asks_the_droplet_of_the_setting(whole: Project, api: Api) -> None:
    another(api)
    another(api)
    whole.ssh_says('echo "$*" >&2; echo none')
    done = whole.verb("backup", DROPLET_IP="203.0.113.200")
    assert done.returncode == 1
    assert "There is no database on the droplet yet" in done.stdout
    assert "root@203.0.113.200" in done.stdout


def refused(project: Project, api: Api, **settings: str) -> str:
    """What `make deploy` says that changes nothing, and the doctor with it."""
    lines = len(conformance.journal(api.journal))
    done = project.verb("deploy", **settings)
    assert done.returncode == 1
    assert "so nothing was changed" in done.stdout
    assert "Terraform: the droplet" not in done.stdout
    assert {e["method"] for e in conformance.journal(api.journal)[lines:]} == {"GET"}
    status, text = findings(done.stdout)["account"]
    assert status == "FAIL"
    assert examine(project, "--before-deploy", **settings)["account"] == (status, text)
    return text


def test_a_clone_without_state_makes_no_second_deployment(project: Project, api: Api) -> None:
    mine = made_by_terraform(project, api)
    state = project.folder / "infra/terraform/terraform.tfstate"
    kept = state.read_text()
    state.unlink()
    text = refused(project, api)
    assert "Your account has this of digits already, and Terraform here does not know it: " in text
    facts = f"{address(mine)}, s-1vcpu-1gb in fra1, $6 a month, id {mine['id']}"
    assert f"droplet digits ({facts})" in text
    for kind in ("firewall", "project", "ssh key"):
        assert f"{kind} digits (id " in text
    assert "go on with it from here: make adopt TARGET=rehearsal" in text
    assert "export TF_VAR_name=digits-2" in text
    # The verbs that need no state find it.
    assert url(project) == f"https://{reserved(api)}"
    # As it says: with the state it goes on; under another name there is room.
    state.write_text(kept)
    assert examine(project, "--before-deploy")["account"][0] == "ok"
    state.unlink()
    found = examine(project, "--before-deploy", TF_VAR_name="digits-2")
    assert found["account"][0] == "ok"
    # A name that is changed to one that is taken.
    state.write_text(kept)
    other = another(api, "numbers")
    text = refused(project, api, TF_VAR_name="numbers")
    assert f"id {other['id']}" in text
    assert "go on with the one that was made from here: export TF_VAR_name=digits" in text


def test_a_stray_of_the_name(project: Project, api: Api) -> None:
    values = {"name": "digits", "purpose": "Web Application"}
    made = api.call("POST", "projects", values).json()["project"]
    text = refused(project, api)
    assert f"project digits (id {made['id']})" in text
    assert "is not needed, remove it: https://cloud.digitalocean.com" in text
    api.call("DELETE", f"projects/{made['id']}")
    # A tag alone hinders nobody. A second droplet hinders nobody either, but it is named.
    api.call("POST", "tags", {"name": "digits"})
    assert examine(project, "--before-deploy")["account"][0] == "ok"
    project.deployed()
    stray = another(api)
    status, text = examine(project, "--before-deploy")["account"]
    assert status == "warn"
    assert str(stray["id"]) in text


def test_the_site_is_at_the_reserved_ip_and_ssh_at_the_droplets_own(
    project: Project, api: Api
) -> None:
    """With no state, as in the pipeline, it is the API that knows both."""
    droplet = another(api)
    assert url(project) == f"https://{address(droplet)}"
    assert hosts(project)["digits"]["site_address"] == address(droplet)
    assert examine(project)["address"][0] == "skip"

    api.call("POST", "reserved_ips", {"droplet_id": droplet["id"]})
    api.call("POST", "reserved_ips", {"region": "fra1"})
    site, idle = (one["ip"] for one in api.call("GET", "reserved_ips").json()["reserved_ips"])
    assert url(project) == f"https://{site}"
    assert hosts(project)["digits"] == {"ansible_host": address(droplet), "site_address": site}
    status, text = examine(project)["address"]
    assert status == "ok"
    assert text.startswith(f"{site}, a reserved IP, stays when the droplet is replaced")
    assert f"on no droplet, and so paid for: {idle}" in text
    project.ssh_says('echo "$*"')
    status = project.verb("status").stdout
    assert f"URL          https://{site}" in status
    assert f"root@{address(droplet)}" in status
    assert url(project, DROPLET_IP="203.0.113.200") == "https://203.0.113.200"


def test_an_address_that_is_not_on_the_droplet_is_named(project: Project, api: Api) -> None:
    mine = made_by_terraform(project, api)
    site = reserved(api)
    assert examine(project)["address"][0] == "ok"
    api.call("POST", f"reserved_ips/{site}/actions", {"type": "unassign"})
    status, text = examine(project)["address"]
    assert status == "FAIL"
    assert f"the reserved IP {site}, is not on the droplet" in text
    assert "Assign it to the droplet again: https://cloud.digitalocean.com" in text
    # There is no other place, so the page is still found.
    assert url(project) == f"https://{address(mine)}"
    api.call("DELETE", f"reserved_ips/{site}")
    status, text = examine(project)["address"]
    assert status == "FAIL"
    assert "was given back" in text
    assert "Take another one: make deploy" in text


@pytest.mark.parametrize(
    "lost",
    [
        "digitalocean_droplet.app",
        pytest.param("digitalocean_firewall.app", marks=pytest.mark.long),
        pytest.param("digitalocean_project.app", marks=pytest.mark.long),
        "digitalocean_reserved_ip.app",
    ],
)
def test_a_deploy_that_was_killed_goes_on(project: Project, api: Api, lost: str) -> None:
    """Between making a thing and noting it in the state: it is noted, and it goes on."""
    mine = made_by_terraform(project, api)
    project.terraform("state", "rm", lost)
    assert "make adopt TARGET=rehearsal" in refused(project, api)
    project.ssh_says("exit 0")
    adopted = project.verb("adopt")
    assert adopted.returncode == 0
    assert adopted.stdout.count("Imported ") == 1
    done = project.verb("deploy")
    assert "Apply complete! Resources: 0 added" in done.stdout or "No changes" in done.stdout
    [still] = api.call("GET", "droplets").json()["droplets"]
    assert still["id"] == mine["id"]


def test_a_deploy_that_was_interrupted_goes_on(project: Project, api: Api) -> None:
    project.terraform(*APPLY, "-target=digitalocean_droplet.app")
    assert examine(project, "--before-deploy")["account"][0] == "ok"
    assert "Resources: 4 added" in project.verb("deploy").stdout
    assert api.call("GET", "droplets").json()["meta"]["total"] == 1


def test_the_pipeline_learns_of_a_recreated_droplet(
    project: Project, api: Api, tmp_path: Path
) -> None:
    """And of the deployment's name, where it is not the usual one."""
    let_in = project.folder / "authorized_keys"  # on the droplet
    project.ssh_says(
        'case "$*" in\n'
        f'*"read -r key"*) cat >>{let_in} ;;\n'
        f'*"cat /root/.ssh/authorized_keys"*) cat {let_in} ;;\nesac'
    )
    key = tmp_path / "deploy_key"
    settings = {"DEPLOY_KEY_FILE": str(key), "TF_VAR_name": "numbers", "GH_REPO": gh.NAME}
    hint = "another droplet than the pipeline knows"
    project.without("ops/verbs/release.py")
    assert hint not in project.verb("deploy", **settings).stdout
    ip = address(api.call("GET", "droplets").json()["droplets"][0])
    known = project.folder / "known_hosts"
    known.write_text(f"{ip} {(project.folder / 'key.pub').read_text()}")
    project.command("gh", "exit 1")
    printed = project.verb("pipeline", **settings)
    assert printed.returncode == 0
    assert f"gh variable set DEPLOYMENT_NAME --repo {gh.NAME} --body 'numbers'" in printed.stdout
    kept = project.folder / "github.json"
    project.command("gh", gh.script(kept, Repository()))
    settings |= {"CONFIRM": gh.NAME, "PIPELINE_TOKEN": "mine"}
    assert project.verb("pipeline", **settings).returncode == 0
    repository = Repository.read(kept)
    assert repository.variables["DEPLOYMENT_NAME"] == "numbers"
    assert repository.branches == ["main"]
    assert set(repository.environment or ()) == {"DEPLOY_KEY", "DIGITALOCEAN_TOKEN"}
    assert repository.calls[-1].startswith(f"variable set DROPLET_HOST_KEY --repo {gh.NAME} ")
    assert hint not in project.verb("deploy", **settings).stdout
    let_in.write_text("")  # the new one's
    more = {"TF_VAR_region": "ams3", "REPLACE": "yes", "BACKUP": "no"}
    again = project.verb("deploy", **settings, **more)
    assert again.returncode == 0
    assert f"This is {hint}." in again.stdout
    assert let_in.read_text() == key.with_name("deploy_key.pub").read_text()
    # This ssh pins nothing, so there is no host key that GitHub could be told.
    assert "GitHub does not know its host key yet: make pipeline TARGET=rehearsal" in again.stdout


def test_the_default_name_is_not_set_and_replaces_another(
    project: Project, api: Api, tmp_path: Path
) -> None:
    ip = address(another(api))
    (project.folder / "known_hosts").write_text(f"{ip} {(project.folder / 'key.pub').read_text()}")
    project.ssh_says("exit 0")
    settings = {"DEPLOY_KEY_FILE": str(tmp_path / "deploy_key"), "GH_REPO": gh.NAME}
    project.command("gh", "exit 1")
    assert "DEPLOYMENT_NAME" not in project.verb("pipeline", **settings).stdout
    kept = project.folder / "github.json"
    project.command("gh", gh.script(kept, Repository(variables={"DEPLOYMENT_NAME": "numbers"})))
    settings |= {"CONFIRM": gh.NAME, "PIPELINE_TOKEN": "mine"}
    assert project.verb("pipeline", **settings).returncode == 0
    assert list(Repository.read(kept).variables) == ["DROPLET_HOST_KEY"]
