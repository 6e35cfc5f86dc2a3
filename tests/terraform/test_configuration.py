"""The Terraform configuration: by itself, and against a local DigitalOcean."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rehearsal.offline import provider_package
from tests.api import conformance
from tests.project import APPLY, PYTHON, TERRAFORM, Api, Project, Terraform


def test_formatted(prepared: Terraform) -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", "-diff", TERRAFORM],
        env=prepared.settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_valid(prepared: Terraform) -> None:
    assert "The configuration is valid" in prepared.good("validate")


def test_the_schema_is_that_of_the_real_provider(prepared: Terraform) -> None:
    """As measured with 2.99.1: what is a list, and which version a resource has."""
    printed = json.loads(prepared.good("providers", "schema", "-json"))
    [provider] = printed["provider_schemas"].values()
    kinds = provider["resource_schemas"]
    for kind, block in (
        ("droplet", "backup_policy"),
        ("loadbalancer", "healthcheck"),
        ("loadbalancer", "sticky_sessions"),
        ("monitor_alert", "alerts"),
        ("uptime_alert", "notifications"),
        ("spaces_key", "grant"),
    ):
        nested = kinds[f"digitalocean_{kind}"]["block"]["block_types"][block]
        assert nested["nesting_mode"] == "list", block
        if email := nested["block"].get("attributes", {}).get("email"):
            assert email["type"] == ["list", "string"]
    assert kinds["digitalocean_database_cluster"]["version"] == 0
    assert kinds["digitalocean_loadbalancer"]["version"] == 1
    balancer = kinds["digitalocean_loadbalancer"]["block"]["attributes"]
    assert balancer["ip"]["computed"]
    assert balancer["subnet_uuid"]["computed"]


# Every variable, as somebody may have exported it. Terraform's own tests may not read it: each
# begins with infra/terraform/tests/terraform.tfvars.json, where null is the default.
EXPORTED = {
    "TF_VAR_name": "numbers",
    "TF_VAR_region": "ams3",
    "TF_VAR_size": "s-1vcpu-2gb",
    "TF_VAR_image": "debian-12-x64",
    "TF_VAR_ssh_public_key_path": "~/.ssh/digits.pub",
    "TF_VAR_allowed_ssh_addresses": '["203.0.113.7/32"]',
    "TF_VAR_domain": "digits.example.org",
    "TF_VAR_alert_email": "me@example.org",
    "TF_VAR_backups": "weekly",
    "TF_VAR_backup_bucket": "numbers",
    "TF_VAR_backup_bucket_region": "ams3",
    "TF_VAR_droplets": "3",
    "TF_VAR_managed_database": "true",
    "TF_VAR_database_size": "db-s-2vcpu-4gb",
    "TF_VAR_database_nodes": "2",
    "TF_VAR_balancer_nodes": "2",
    "TF_VAR_app_processes": "4",
    "TF_VAR_old_address_open": "true",
}


def test_own_tests_whatever_is_exported(terraform: Terraform) -> None:
    done = terraform.run("test", **EXPORTED)
    assert done.returncode == 0, done.stdout
    assert re.search(r"Success! [1-9]\d* passed, 0 failed\.", done.stdout)


def test_every_variable_is_exported_there() -> None:
    text = "".join(file.read_text() for file in TERRAFORM.glob("*.tf"))
    declared = re.findall(r'(?m)^variable "(\w+)"', text)
    assert {f"TF_VAR_{name}" for name in declared} == set(EXPORTED)


def test_knows_no_rehearsal() -> None:
    for file in TERRAFORM.rglob("*.tf"):
        assert "rehears" not in file.read_text(), file


def test_life_of_a_deployment(terraform: Terraform, api: Api) -> None:
    """From nothing to a droplet, through changes, to nothing again."""
    terraform.good(*APPLY)
    output = json.loads(terraform.good("output", "-json"))
    values = {name: entry["value"] for name, entry in output.items()}
    [droplet] = api.call("GET", "droplets?tag_name=digits").json()["droplets"]
    assert values["droplet_ip"] == droplet["networks"]["v4"][0]["ip_address"]
    [reserved] = api.call("GET", "reserved_ips").json()["reserved_ips"]
    assert (reserved["ip"], reserved["droplet"]["id"]) == (values["ip"], droplet["id"])
    assert values["ip"] != values["droplet_ip"]
    assert values["url"] == f"http://{values['ip']}"
    assert "monthly_price" not in values, "the API has it"
    assert values["droplet_id"] == str(droplet["id"])
    assert droplet["image"]["slug"] == "debian-13-x64"
    assert "monitoring" in droplet["features"]
    [firewall] = api.call("GET", "firewalls").json()["firewalls"]
    assert firewall["droplet_ids"] == [droplet["id"]]
    inbound = {(rule["protocol"], rule["ports"]) for rule in firewall["inbound_rules"]}
    assert inbound == {("tcp", "22"), ("tcp", "80"), ("tcp", "443"), ("icmp", "0")}

    # Again: nothing to do, though the reserved IP has come into the project with its droplet.
    # -detailed-exitcode says 2 when there is.
    [project] = [p for p in api.call("GET", "projects").json()["projects"] if not p["is_default"]]
    held = api.call("GET", f"projects/{project['id']}/resources").json()["resources"]
    urns = {resource["urn"] for resource in held}
    assert urns == {f"do:droplet:{droplet['id']}", f"do:floatingip:{values['ip']}"}
    assert "No changes" in terraform.good("plan", "-detailed-exitcode", "-input=false")

    # A narrower firewall and another name: the droplet stays.
    change = ("-var", 'allowed_ssh_addresses=["203.0.113.7/32"]', "-var", "name=numbers")
    terraform.good(*APPLY, *change)
    [renamed] = api.call("GET", "droplets?tag_name=numbers").json()["droplets"]
    assert (renamed["id"], renamed["name"]) == (droplet["id"], "numbers")
    assert [tag["name"] for tag in api.call("GET", "tags").json()["tags"]] == ["numbers"]
    assert "No changes" in terraform.good("plan", "-detailed-exitcode", "-input=false", *change)

    # Another region would replace it; a newer image or another key would not.
    planned = terraform.good("plan", "-input=false", *change, "-var", "region=ams3")
    assert "digitalocean_droplet.app must be replaced" in planned
    assert '"fra1" -> "ams3" # forces replacement' in planned
    planned = terraform.good("plan", "-input=false", *change, "-var", "image=debian-12-x64")
    assert "without changing any real infrastructure" in planned, "only an output changes"

    # Somebody removes the droplet behind Terraform's back: it makes a new one, at the same address.
    assert api.call("DELETE", f"droplets/{droplet['id']}").status_code == 204
    terraform.good(*APPLY, *change)
    [new] = api.call("GET", "droplets?tag_name=numbers").json()["droplets"]
    assert new["id"] != droplet["id"]
    assert terraform.good("output", "-raw", "url") == values["url"]
    [reserved] = api.call("GET", "reserved_ips").json()["reserved_ips"]
    assert (reserved["ip"], reserved["droplet"]["id"]) == (values["ip"], new["id"])

    terraform.good("destroy", "-auto-approve", "-input=false", *change)
    assert terraform.good("state", "list") == ""
    for kind in ("droplets", "reserved_ips", "firewalls", "tags", "account/keys"):
        assert api.call("GET", kind).json()["meta"]["total"] == 0, kind
    assert api.call("GET", "projects").json()["meta"]["total"] == 1  # the account's own

    assert conformance.check(api.journal) == []


def test_the_address_outlives_the_droplet(terraform: Terraform, api: Api) -> None:
    terraform.good(*APPLY)
    url = terraform.good("output", "-raw", "url")
    [before] = api.call("GET", "droplets").json()["droplets"]
    planned = terraform.good("plan", "-input=false", "-replace=digitalocean_droplet.app")
    assert "digitalocean_reserved_ip.app will be updated in-place" in planned
    terraform.good(*APPLY, "-replace=digitalocean_droplet.app")
    [after] = api.call("GET", "droplets").json()["droplets"]
    assert before["id"] != after["id"]
    assert terraform.good("output", "-raw", "url") == url
    [reserved] = api.call("GET", "reserved_ips").json()["reserved_ips"]
    assert f"http://{reserved['ip']}" == url
    assert reserved["droplet"]["id"] == after["id"]
    # The droplet's own address is still the first, and the one for ssh.
    own = after["networks"]["v4"][0]["ip_address"]
    assert terraform.good("output", "-raw", "droplet_ip") == own
    assert "No changes" in terraform.good("plan", "-detailed-exitcode", "-input=false")
    # A reserved IP belongs to its region, so in another one it is another.
    terraform.good(*APPLY, "-var", "region=ams3")
    [moved] = api.call("GET", "reserved_ips").json()["reserved_ips"]
    assert moved["region"]["slug"] == "ams3"
    assert conformance.check(api.journal) == []


def test_a_deployment_from_before_gets_a_reserved_ip(terraform: Terraform, api: Api) -> None:
    """Its project has the droplet in a list of its own, and there is no reserved IP."""
    new, own = terraform.folder / "reserved_ip.tf", terraform.folder / "project.tf"
    outputs, alerts = terraform.folder / "outputs.tf", terraform.folder / "alerts.tf"
    kept = {file: file.read_text() for file in (new, own, outputs, alerts)}
    new.unlink()
    alerts.unlink()
    outputs.write_text("")
    lists = "  resources = [digitalocean_droplet.app.urn]\n}\n"
    own.write_text(own.read_text().split("\n}\n")[0] + "\n" + lists)
    terraform.good(*APPLY)
    [before] = api.call("GET", "droplets").json()["droplets"]
    for file, text in kept.items():
        file.write_text(text)
    done = terraform.good(*APPLY)
    assert "Resources: 2 added, 0 changed, 0 destroyed" in done
    [after] = api.call("GET", "droplets").json()["droplets"]
    assert before["id"] == after["id"]
    assert "No changes" in terraform.good("plan", "-detailed-exitcode", "-input=false")
    terraform.good("destroy", "-auto-approve", "-input=false")
    assert api.call("GET", "reserved_ips").json()["meta"]["total"] == 0
    assert conformance.check(api.journal) == []


def test_a_reserved_ip_is_imported_with_its_assignment(terraform: Terraform, api: Api) -> None:
    terraform.good(*APPLY)
    [reserved] = api.call("GET", "reserved_ips").json()["reserved_ips"]
    terraform.good("state", "rm", "digitalocean_reserved_ip.app")
    terraform.good("import", "-input=false", "digitalocean_reserved_ip.app", reserved["ip"])
    assert "No changes" in terraform.good("plan", "-detailed-exitcode", "-input=false")
    # Released by hand: it is recreated, and the droplet stays.
    api.call("POST", f"reserved_ips/{reserved['ip']}/actions", {"type": "unassign"})
    api.call("DELETE", f"reserved_ips/{reserved['ip']}")
    assert "Resources: 1 added, 0 changed, 0 destroyed" in terraform.good(*APPLY)


def test_bigger_size_keeps_the_droplet(terraform: Terraform, api: Api) -> None:
    terraform.good(*APPLY)
    [before] = api.call("GET", "droplets").json()["droplets"]
    terraform.good(*APPLY, "-var", "size=s-1vcpu-2gb")
    [after] = api.call("GET", "droplets").json()["droplets"]
    assert (after["id"], after["memory"], after["status"]) == (before["id"], 2048, "active")
    assert after["disk"] == before["disk"], "the disk has to stay, to be able to go back"
    # The state has the new price at once.
    state = json.loads(terraform.good("show", "-json"))["values"]["root_module"]["resources"]
    [droplet] = [r["values"] for r in state if r["type"] == "digitalocean_droplet"]
    assert (droplet["size"], droplet["price_monthly"]) == ("s-1vcpu-2gb", 12)
    change = ("-input=false", "-detailed-exitcode", "-var", "size=s-1vcpu-2gb")
    assert "No changes" in terraform.good("plan", *change)
    assert conformance.check(api.journal) == []


def test_wrong_token(terraform: Terraform, api: Api) -> None:
    done = terraform.run(*APPLY, DIGITALOCEAN_TOKEN="wrong")
    assert done.returncode == 1
    assert "401" in done.stdout
    assert "Unable to authenticate you" in " ".join(done.stdout.split())
    assert api.call("GET", "droplets").json()["meta"]["total"] == 0


@pytest.mark.long
def test_api_gone(terraform: Terraform, api: Api) -> None:
    api.stop()
    done = terraform.run(*APPLY)
    assert done.returncode == 1
    assert "connection refused" in done.stdout.lower()


def test_stand_in_never_leaves_this_machine(
    terraform_settings: dict[str, str], tmp_path: Path
) -> None:
    provider_package.install_stand_in(tmp_path / "provider")
    left_out = shutil.ignore_patterns(".terraform*", "terraform.tfstate*")
    folder = shutil.copytree(TERRAFORM, tmp_path / "terraform", ignore=left_out)
    settings = provider_package.settings(tmp_path / "provider")
    terraform = Terraform(folder, terraform_settings | settings)
    terraform.good("init", "-input=false")
    done = terraform.run(
        "plan",
        "-input=false",
        DIGITALOCEAN_API_URL="https://api.digitalocean.com",
        DIGITALOCEAN_TOKEN="any",
        TF_VAR_ssh_public_key_path="tests/fixtures/key.pub",
    )
    assert done.returncode == 1
    assert "stand-in" in done.stdout


def test_the_box_says_what_the_droplet_costs_now(project: Project) -> None:
    project.ssh_says("exit 0")
    project.without("ops/verbs/release.py")
    assert "Cost     $6 a month, until make destroy" in project.verb("deploy").stdout
    resized = project.verb("deploy", TF_VAR_size="s-1vcpu-2gb").stdout
    assert "Cost     $12 a month, until make destroy" in resized
    again = project.verb("deploy", TF_VAR_size="s-1vcpu-2gb").stdout
    assert "No changes. Your infrastructure matches the configuration." in again
    assert "Cost     $12 a month, until make destroy" in again


def test_the_lock_file_is_to_be_committed(project: Project) -> None:
    """It pins the provider for everybody who deploys; whoever has it in git is told nothing."""
    code = (
        "from ops.console.settings import Settings; from ops.terraform.run import Terraform as T\n"
    )
    init = (PYTHON, "-c", f"{code}T(Settings.read().terraform).init()")
    reported = "Commit it: git add "
    assert reported not in project.run(*init).stdout, "this is no repository"
    git = ("git", "-c", "user.name=you", "-c", "user.email=you@example.com")
    project.run(*git, "init", "--quiet")
    assert reported in project.run(*init).stdout
    assert project.run(*git, "add", "infra/terraform/.terraform.lock.hcl").returncode == 0
    assert reported not in project.run(*init).stdout
