"""What goes wrong between the account and this machine: lost, made by hand, busy, read by all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ops.terraform import apply
from tests.adoption.test_adopt import NOTHING, clone, plan
from tests.deployment.test_destroy import total
from tests.deployment.test_which_droplet import made_by_terraform
from tests.doctor.test_doctor import examine
from tests.fleet.test_fleet import names, sources
from tests.project import Api, Fault, Project, address, another

DOMAIN = "digits.example.org"
THREE = {"TF_VAR_droplets": "3", "TF_VAR_managed_database": "true"}
BUSY = "Load Balancer can't be updated while it processes previous actions"


@pytest.fixture
def several(project: Project) -> Project:
    """Its settings are of three droplets, which accept every login; a release does nothing."""
    project.settings |= THREE
    project.ssh_says("exit 0")
    project.without("ops/verbs/release.py")
    return project


def fault(api: Api, method: str, path: str, status: int, message: str, after: int = 0) -> None:
    """Let the API answer the next such request so."""
    api.faults.append(Fault(method, f"/v2/{path}", status, message, after=after))


def zone(api: Api, *addresses: str) -> list[int]:
    """A zone at DigitalOcean's DNS, with A records of the site's name; their numbers."""
    api.call("POST", "domains", {"name": "example.org"})
    made = []
    for data in addresses:
        values = {"type": "A", "name": "digits", "data": data}
        path = "domains/example.org/records"
        made.append(api.call("POST", path, values).json()["domain_record"]["id"])
    return made


def records(api: Api) -> dict[int, str]:
    """Where the site's name leads to."""
    listed = api.call("GET", "domains/example.org/records").json()["domain_records"]
    return {one["id"]: one["data"] for one in listed}


def balancer(api: Api) -> dict[str, Any]:
    [one] = api.call("GET", "load_balancers").json()["load_balancers"]
    return dict(one)


# Terraform's state


def open_files(folder: Path) -> list[str]:
    """The files of a state that others on this machine may read."""
    states = (found for found in folder.rglob("*.tfstate*") if found.is_file())
    return [str(file) for file in states if file.stat().st_mode & 0o077]


def test_nobody_else_reads_terraforms_state(project: Project) -> None:
    folder = project.folder / "infra/terraform"
    project.ssh_says("exit 0")
    old = os.umask(0o022)
    try:
        project.without("ops/verbs/release.py")
        assert project.verb("deploy").returncode == 0
        assert open_files(folder) == []
        # The backup, too, which Terraform makes at the second change.
        assert project.verb("deploy", TF_VAR_size="s-1vcpu-2gb").returncode == 0
        assert (folder / "terraform.tfstate.backup").exists()
        assert open_files(folder) == []
        # What was made before this, or by hand, is closed by any verb that looks at it.
        other = folder / "terraform.tfstate.d/staging"
        other.mkdir(parents=True)
        (other / "terraform.tfstate").write_text("{}")
        (folder / "terraform.tfstate").chmod(0o644)
        assert len(open_files(folder)) == 2
        assert project.verb("url").returncode == 0
        assert open_files(folder) == []
    finally:
        os.umask(old)


# A droplet that was made by hand


def test_a_droplet_with_the_tag_is_named_and_not_forgotten(project: Project, api: Api) -> None:
    made_by_terraform(project, api)
    stray = another(api, "mine", tag="digits")
    project.ssh_says("exit 0")
    found = examine(project, "--before-deploy")["account"]
    assert found[0] == "warn"
    assert f"mine ({address(stray)}, id {stray['id']}" in found[1]
    assert "$6 a month" in found[1]
    project.command("docker", "exit 0")
    released = project.verb("release").stdout
    assert "gets no releases, and destroy does not remove it" in released
    assert f"cloud.digitalocean.com/droplets/{stray['id']}" in released

    for _ in range(2):
        done = project.verb("destroy", CONFIRM="digits", BACKUP="no")
        assert done.returncode == 1
        assert "Nothing was destroyed." in done.stdout
        assert "so kept (digits):\n  droplet     mine" in done.stdout
        assert "The droplet mine: remove it, or take the tag off it" in done.stdout
        assert (total(api, "droplets"), total(api, "tags")) == (2, 1)
    what = {"resources": [{"resource_id": str(stray["id"]), "resource_type": "droplet"}]}
    api.call("DELETE", "tags/digits/resources", what)
    assert examine(project, "--before-deploy")["account"][0] == "ok"
    assert project.verb("destroy", CONFIRM="digits", BACKUP="no").returncode == 0
    assert total(api, "droplets") == 1


# Several droplets


def test_several_stay_in_their_region(several: Project, api: Api) -> None:
    several.deployed()
    before = names(api)
    for settings in (
        {"TF_VAR_region": "ams3", "REPLACE": "yes", "BACKUP": "no"},
        # The database would be deleted, and the droplet that the predictions moved back to.
        {"TF_VAR_region": "ams3", "REPLACE": "yes", "TF_VAR_droplets": "1"},
        {"TF_VAR_region": "ams3", "TF_VAR_droplets": "1", "TF_VAR_managed_database": "false"},
    ):
        done = several.verb("deploy", **settings)
        assert done.returncode == 1
        assert "a load balancer and a managed database, which cannot move to ams3" in done.stdout
        assert "Nothing was changed." in done.stdout
        assert "To stay: export TF_VAR_region=fra1" in done.stdout
        assert names(api) == before
    # Also where the first droplet is lost, and with it its region.
    api.call("DELETE", f"droplets/{before['digits']}")
    done = several.verb("deploy", TF_VAR_region="ams3", RESTORE="none")
    assert "which cannot move to ams3" in done.stdout
    assert total(api, "droplets") == 2


def test_what_https_needs_is_adopted(several: Project, api: Api) -> None:
    zone(api)
    several.settings |= {"TF_VAR_domain": DOMAIN}
    several.deployed()
    [number] = records(api)
    second = clone(several)
    # Without the name, the next deploy would take HTTPS away.
    done = second.verb("adopt", TF_VAR_domain=None)
    assert done.returncode == 1
    assert f"export TF_VAR_domain={DOMAIN}" in done.stdout
    assert "Imported" not in done.stdout

    printed = second.verb("adopt").stdout
    assert "Imported certificate digits-digits-example-org." in printed
    assert f"Imported record {DOMAIN}." in printed
    assert NOTHING in printed
    assert "Nothing to adopt" in second.verb("adopt").stdout
    assert plan(second) == ""
    assert list(records(api)) == [number]
    assert second.verb("destroy", CONFIRM="digits", BACKUP="no").returncode == 0
    assert records(api) == {}
    assert total(api, "certificates") == 0


def test_a_record_made_by_hand_becomes_the_balancers(several: Project, api: Api) -> None:
    """It keeps leading somewhere all the time, and there is no other beside it."""
    [by_hand] = zone(api, "203.0.113.77")
    several.settings |= {"TF_VAR_domain": DOMAIN}
    done = several.verb("deploy")
    assert done.returncode == 0
    assert "that was made by hand is Terraform's now" in done.stdout
    assert records(api) == {by_hand: balancer(api)["ip"]}
    assert plan(several) == ""

    # Another one, beside Terraform's: half of the visitors go there.
    [stray] = zone(api, "203.0.113.78")
    status, text = examine(several)["balancer"]
    assert (status, "A 203.0.113.78" in text) == ("FAIL", True)
    done = several.verb("deploy")
    assert done.returncode == 1
    assert "some of the visitors would go there" in done.stdout
    assert "/networking/domains/example.org" in done.stdout
    assert set(records(api)) == {by_hand, stray}


@pytest.mark.parametrize("kind", ["A", "AAAA", "CNAME"])
def test_which_of_two_records_is_nobodys_guess(project: Project, api: Api, kind: str) -> None:
    zone(api, "203.0.113.77")
    data = {"A": "203.0.113.78", "AAAA": "2001:db8::1", "CNAME": "elsewhere.example.net."}[kind]
    values = {"type": kind, "name": "digits", "data": data}
    api.call("POST", "domains/example.org/records", values)
    status, text = examine(project, "--before-deploy", **THREE, TF_VAR_domain=DOMAIN)["balancer"]
    assert status == "FAIL"
    assert f"A 203.0.113.77, {kind} {data}" in text
    assert "but for one A record, which deploy takes over" in text
    # Of one droplet, the record is whatever it is.
    assert "balancer" not in examine(project, "--before-deploy", TF_VAR_domain=DOMAIN)


def test_a_busy_balancer_is_waited_for(several: Project, api: Api) -> None:
    several.deployed()
    _quick(several)
    api.an_hour_later()
    fault(api, "PUT", "load_balancers/", 403, BUSY)
    done = several.verb("deploy", TF_VAR_balancer_nodes="2")
    assert done.returncode == 0
    assert "processes previous actions" in done.stdout
    assert "The load balancer is still busy: trying again" in done.stdout
    assert balancer(api)["size_unit"] == 2
    # Another refusal is not waited for; and not for ever.
    fault(api, "PUT", "load_balancers/", 403, "You are not authorized to perform this operation")
    done = several.verb("deploy", TF_VAR_balancer_nodes="3")
    assert done.returncode == 1
    assert "trying again" not in done.stdout
    for _ in range(apply.TRIES):
        fault(api, "PUT", "load_balancers/", 403, BUSY)
    done = several.verb("deploy", TF_VAR_balancer_nodes="3")
    assert done.returncode == 1
    assert done.stdout.count("trying again") == apply.TRIES - 1
    assert "it goes on where it stopped" in done.stdout


def test_a_database_that_is_not_found_at_once_is_not_lost(several: Project, api: Api) -> None:
    _quick(several)
    # There is none before, so the first question with its number comes after it was made.
    fault(api, "GET", "databases/", 404, "cluster not found", after=1)  # after databases/options
    done = several.verb("deploy")
    assert done.returncode == 0
    assert "did not find it again at once, so Terraform lost it" in done.stdout
    assert total(api, "databases") == 1
    assert plan(several) == ""
    assert several.verb("destroy", CONFIRM="digits", BACKUP="no").returncode == 0
    assert total(api, "databases") == 0


def _quick(project: Project) -> None:
    """No patience: the API's answers here do not get better with time."""
    file = project.folder / "ops/terraform/apply.py"
    file.write_text(file.read_text().replace("SECONDS = 15.0", "SECONDS = 0.0"))


# From one droplet to several


def test_the_old_address_is_open_until_the_end(several: Project, api: Api) -> None:
    """The new one is printed before all else, and a cut-off deploy goes on where it stopped."""
    several.deployed("-var", "droplets=1", "-var", "managed_database=false")
    file = several.folder / "ops/provision/growing.py"
    # Nobody answers behind the balancer here.
    file.write_text(f"{file.read_text()}\n\ndef _problem(_balancer):\n    return ''\n")
    with (several.folder / "ops/provision/ansible.py").open("a") as module:
        module.write("\n\ndef set_up_if_changed(*_words):\n    pass\n")
    everybody = sources(api)["80"]
    look = several.folder / "open"
    (several.folder / "ops/verbs/release.py").write_text(
        f"""from ops.cloud.api import Cloud
from ops.console.errors import Failed
def release(settings, *_words):
    [wall] = Cloud(settings.account).listed("firewalls", "firewalls")
    open({str(look)!r}, "a").write(f"{{wall['tags']}} {{wall['inbound_rules']}}\\n")
    if settings.release.commit == "bad":
        raise Failed("It does not start.")
"""
    )
    done = several.verb("deploy", COMMIT="bad", RESTORE="none")
    assert done.returncode == 1
    assert sources(api)["80"] == everybody | {"load_balancer_uids": [balancer(api)["id"]]}
    done = several.verb("deploy", RESTORE="none")
    assert done.returncode == 0
    printed = done.stdout
    new = f"The page's new address: http://{balancer(api)['ip']}"
    assert printed.index(new) < printed.index("Ansible: the server")
    assert printed.index("Ansible: the server") < printed.index("Terraform: close the old address")
    # While the new version came into service, every droplet had its firewall, open to all.
    for line in look.read_text().splitlines():
        assert line.startswith("['digits'] ")
        assert "0.0.0.0/0" in line.partition("'80'")[2].partition("'443'")[0]
    assert sources(api)["80"] == {"load_balancer_uids": [balancer(api)["id"]]}
    assert "Terraform: close the old address" not in several.verb("deploy").stdout
    assert plan(several) == ""


def test_the_first_droplet_keeps_its_certificate_until_then(several: Project, api: Api) -> None:
    several.deployed()
    script = (".venv/ops/bin/python", "infra/ansible/inventory.py")
    closed = several.run(*script).stdout
    assert '"web_acme": "off"' in closed
    assert '"web_acme": "on"' not in closed
    opened = several.run(*script, TF_VAR_old_address_open="true").stdout
    assert opened.count('"web_acme": "on"') == 1
    [own] = [one["ip"] for one in api.call("GET", "reserved_ips").json()["reserved_ips"]]
    assert f'"site_address": "{own}"' in opened
    assert f'"site_address": "{balancer(api)["ip"]}"' in opened
