"""Several droplets, their balancer and their database: Terraform, against a local DigitalOcean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.adoption.test_adopt import NOTHING, clone, plan
from tests.api import conformance
from tests.doctor.test_doctor import examine
from tests.project import APPLY, PYTHON, Api, Project, Terraform

FLEET = ("-var", "droplets=3", "-var", "managed_database=true")
# What the default made before there was anything larger, and makes now.
OF_ONE = {
    "digitalocean_droplet.app",
    "digitalocean_firewall.app",
    "digitalocean_project.app",
    "digitalocean_project_resources.app",
    "digitalocean_reserved_ip.app",
    "digitalocean_ssh_key.deploy",
    "digitalocean_tag.app",
}


def names(api: Api) -> dict[str, int]:
    """The droplets there are: number by name."""
    listed = api.call("GET", "droplets?tag_name=digits").json()["droplets"]
    return {droplet["name"]: droplet["id"] for droplet in listed}


def sources(api: Api) -> dict[str, Any]:
    """Whom the firewall lets in, by port."""
    [firewall] = api.call("GET", "firewalls").json()["firewalls"]
    return {rule["ports"]: rule["sources"] for rule in firewall["inbound_rules"]}


def asked(api: Api, method: str, path: str) -> list[int]:
    """When the API was asked this, in the order of its journal."""
    entries = conformance.journal(api.journal)
    return [
        number
        for number, entry in enumerate(entries)
        if entry["method"] == method and entry["path"].startswith(f"/v2/{path}")
    ]


def settled(terraform: Terraform, *settings: str) -> None:
    """Terraform has nothing more to do."""
    planned = terraform.good("plan", "-detailed-exitcode", "-input=false", *settings)
    assert "No changes" in planned


def test_the_default_names_what_it_always_did(terraform: Terraform) -> None:
    terraform.good("plan", "-input=false", "-out=plan")
    planned = json.loads(terraform.good("show", "-json", "plan"))
    assert {change["address"] for change in planned["resource_changes"]} == OF_ONE


def test_from_one_to_three_and_back(terraform: Terraform, api: Api) -> None:
    """The first droplet stays what it is, and the others come and go beside it."""
    terraform.good(*APPLY)
    first = names(api)
    site = terraform.good("output", "-raw", "ip")

    # The database alone, to move into; then the others.
    database = ("-var", "managed_database=true")
    terraform.good(*APPLY, *database)
    settled(terraform, *database)
    [cluster] = api.call("GET", "databases").json()["databases"]
    assert terraform.good("output", "-raw", "ip") == site
    terraform.good(*APPLY, *FLEET)
    settled(terraform, *FLEET)
    three = names(api)
    assert set(three) == {"digits", "digits-2", "digits-3"}
    assert three["digits"] == first["digits"]
    assert [one["id"] for one in api.call("GET", "databases").json()["databases"]] == [
        cluster["id"]
    ]

    [balancer] = api.call("GET", "load_balancers").json()["load_balancers"]
    assert set(balancer["droplet_ids"]) == set(three.values())
    assert terraform.good("output", "-raw", "ip") == balancer["ip"]
    only = {"load_balancer_uids": [balancer["id"]]}
    assert (sources(api)["80"], sources(api)["443"]) == (only, only)
    assert sources(api)["22"] == {"addresses": ["0.0.0.0/0", "::/0"]}
    reported = json.loads(terraform.good("output", "-json", "database"))
    user = api.call("GET", f"databases/{cluster['id']}/users/digits").json()["user"]
    assert (reported["user"], reported["password"]) == ("digits", user["password"])
    assert reported["host"] == cluster["private_connection"]["host"]
    assert reported["ca"].startswith("-----BEGIN CERTIFICATE-----")
    [project] = [p for p in api.call("GET", "projects").json()["projects"] if not p["is_default"]]
    held = api.call("GET", f"projects/{project['id']}/resources").json()["resources"]
    urns = {one["urn"] for one in held}
    assert {f"do:dbaas:{cluster['id']}", f"do:loadbalancer:{balancer['id']}"} <= urns
    assert {f"do:droplet:{number}" for number in three.values()} <= urns

    # Another number touches nobody else.
    two = ("-var", "droplets=2", "-var", "managed_database=true")
    terraform.good(*APPLY, *two)
    settled(terraform, *two)
    assert names(api) == {name: three[name] for name in ("digits", "digits-2")}
    terraform.good(*APPLY, *FLEET)
    assert {name: names(api)[name] for name in ("digits", "digits-2")} == {
        name: three[name] for name in ("digits", "digits-2")
    }

    # Back to one: its own ports are open again before the balancer goes.
    terraform.good(*APPLY, *database)
    settled(terraform, *database)
    assert names(api) == first
    assert terraform.good("output", "-raw", "ip") == site
    everybody = {"addresses": ["0.0.0.0/0", "::/0"]}
    assert (sources(api)["80"], sources(api)["443"]) == (everybody, everybody)
    assert asked(api, "PUT", "firewalls/")[-1] < asked(api, "DELETE", "load_balancers/")[-1]
    terraform.good(*APPLY)
    settled(terraform)
    for path in ("load_balancers", "databases"):
        assert api.call("GET", path).json()["meta"]["total"] == 0
    assert conformance.check(api.journal) == []


def test_all_of_it_at_once_and_all_of_it_gone(terraform: Terraform, api: Api) -> None:
    terraform.good(*APPLY, *FLEET)
    settled(terraform, *FLEET)
    [cluster] = api.call("GET", "databases").json()["databases"]
    terraform.good("destroy", "-auto-approve", "-input=false", *FLEET)
    # What is in the database goes while the droplets still run.
    for path in (f"databases/{cluster['id']}/users", f"databases/{cluster['id']}/dbs"):
        assert asked(api, "DELETE", path)[-1] < asked(api, "DELETE", "droplets/")[0]
    for path in ("droplets", "reserved_ips", "firewalls", "load_balancers", "databases", "tags"):
        assert api.call("GET", path).json()["meta"]["total"] == 0, path
    assert api.call("GET", "projects").json()["meta"]["total"] == 1  # the account's own
    assert conformance.check(api.journal) == []


def test_another_name_and_more_nodes_recreate_nothing(terraform: Terraform, api: Api) -> None:
    terraform.good(*APPLY, *FLEET)
    before = set(names(api).values())
    [cluster] = api.call("GET", "databases").json()["databases"]
    [balancer] = api.call("GET", "load_balancers").json()["load_balancers"]
    api.an_hour_later()
    change = (
        *FLEET, "-var", "name=numbers", "-var", "balancer_nodes=2",
        "-var", "database_size=db-s-1vcpu-2gb", "-var", "database_nodes=2",
    )  # fmt: skip
    terraform.good(*APPLY, *change)
    settled(terraform, *change)
    listed = api.call("GET", "droplets?tag_name=numbers").json()["droplets"]
    assert {droplet["id"] for droplet in listed} == before
    assert {droplet["name"] for droplet in listed} == {"numbers", "numbers-2", "numbers-3"}
    [after] = api.call("GET", "databases").json()["databases"]
    assert (after["id"], after["size"], after["num_nodes"]) == (cluster["id"], "db-s-1vcpu-2gb", 2)
    [moved] = api.call("GET", "load_balancers").json()["load_balancers"]
    assert (moved["id"], moved["size_unit"], moved["tag"]) == (balancer["id"], 2, "numbers")
    assert set(moved["droplet_ids"]) == before
    [rule] = api.call("GET", f"databases/{cluster['id']}/firewall").json()["rules"]
    assert rule["value"] == "numbers"
    # A droplet loses the old tag before it has the new one, and its firewall with it.
    for number in before:
        assert f"rules {number} null" in api.log.read_text().splitlines()
    assert conformance.check(api.journal) == []


def test_a_name_on_digitaloceans_dns_gets_https(terraform: Terraform, api: Api) -> None:
    named = (*FLEET, "-var", "domain=digits.example.org")
    terraform.good(*APPLY, *named)
    [balancer] = api.call("GET", "load_balancers").json()["load_balancers"]
    assert [rule["entry_port"] for rule in balancer["forwarding_rules"]] == [80]
    # The zone comes to DigitalOcean: with the next apply the balancer has a certificate.
    api.call("POST", "domains", {"name": "example.org"})
    terraform.good(*APPLY, *named)
    settled(terraform, *named)
    [balancer] = api.call("GET", "load_balancers").json()["load_balancers"]
    assert balancer["redirect_http_to_https"]
    [certificate] = api.call("GET", "certificates").json()["certificates"]
    [secure] = [r for r in balancer["forwarding_rules"] if r["entry_protocol"] == "https"]
    assert secure["certificate_id"] == certificate["id"]
    [record] = api.call("GET", "domains/example.org/records").json()["domain_records"]
    assert (record["name"], record["data"]) == ("digits", balancer["ip"])
    # Another name: the balancer gets the new certificate before the old one goes.
    other = (*FLEET, "-var", "domain=numbers.example.org")
    terraform.good(*APPLY, *other)
    settled(terraform, *other)
    [certificate] = api.call("GET", "certificates").json()["certificates"]
    assert certificate["dns_names"] == ["numbers.example.org"]
    terraform.good("destroy", "-auto-approve", "-input=false", *other)
    for path in ("certificates", "domains/example.org/records", "load_balancers"):
        assert api.call("GET", path).json()["meta"]["total"] == 0, path
    assert conformance.check(api.journal) == []


@pytest.mark.parametrize("lost", ["digits", "digits-2"])
def test_a_droplet_that_is_gone_is_recreated_and_no_other(
    terraform: Terraform, api: Api, lost: str
) -> None:
    terraform.good(*APPLY, *FLEET)
    before = names(api)
    [balancer] = api.call("GET", "load_balancers").json()["load_balancers"]
    assert api.call("DELETE", f"droplets/{before[lost]}").status_code == 204
    terraform.good(*APPLY, *FLEET)
    settled(terraform, *FLEET)
    after = names(api)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {lost}
    [still] = api.call("GET", "load_balancers").json()["load_balancers"]
    assert still["id"] == balancer["id"]
    assert set(still["droplet_ids"]) == set(after.values())


def test_a_new_password_is_an_output(terraform: Terraform, api: Api) -> None:
    database = ("-var", "managed_database=true")
    terraform.good(*APPLY, *database)
    [cluster] = api.call("GET", "databases").json()["databases"]
    path = f"databases/{cluster['id']}/users/digits/reset_auth"
    new = api.call("POST", path, {}).json()["user"]["password"]
    terraform.good(*APPLY, *database)
    reported = json.loads(terraform.good("output", "-json", "database"))
    assert reported["password"] == new


def test_imported_it_is_what_terraform_made(terraform: Terraform, api: Api) -> None:
    terraform.good(*APPLY, *FLEET)
    [cluster] = api.call("GET", "databases").json()["databases"]
    [balancer] = api.call("GET", "load_balancers").json()["load_balancers"]
    ids = {
        "digitalocean_loadbalancer.app[0]": balancer["id"],
        "digitalocean_database_cluster.app[0]": cluster["id"],
        "digitalocean_database_db.app[0]": f"{cluster['id']},digits",
        "digitalocean_database_user.app[0]": f"{cluster['id']},digits",
        "digitalocean_database_firewall.app[0]": cluster["id"],
    }
    for address, key in ids.items():
        terraform.good("state", "rm", address)
        terraform.good("import", "-input=false", *FLEET, address, key)
    settled(terraform, *FLEET)


def test_the_verbs_know_all_of_it(project: Project, api: Api) -> None:
    """Deployed, adopted from another laptop, and gone; what costs money is said."""
    project.settings |= {"TF_VAR_droplets": "3", "TF_VAR_managed_database": "true"}
    project.ssh_says("exit 0")
    project.without("ops/verbs/release.py")
    done = project.verb("deploy")
    assert "3 droplets at $6, load balancer of 1 node $12" in done.stdout
    assert "$45 a month in all" in done.stdout
    assert "Cost     $45 a month" in done.stdout
    [balancer] = api.call("GET", "load_balancers").json()["load_balancers"]
    inventory = json.loads(project.run(PYTHON, "infra/ansible/inventory.py").stdout)
    assert inventory["droplet"]["hosts"] == ["digits", "digits-2", "digits-3"]
    assert inventory["droplet"]["vars"]["site_address"] == balancer["ip"]
    assert "No changes." in project.verb("deploy").stdout

    # The pipeline has no state: the tag and the names tell which is which.
    state = project.folder / "infra/terraform/terraform.tfstate"
    kept = state.read_text()
    state.unlink()
    again = json.loads(project.run(PYTHON, "infra/ansible/inventory.py").stdout)
    assert again["droplet"]["hosts"] == inventory["droplet"]["hosts"]
    state.write_text(kept)

    second = clone(project)
    small = second.verb("adopt", TF_VAR_droplets=None, TF_VAR_managed_database=None)
    assert "export TF_VAR_droplets=3 TF_VAR_managed_database=true" in small.stdout
    printed = second.verb("adopt").stdout
    for thing in ("droplet digits-3", "balancer digits", "database digits", "its user digits"):
        assert f"Imported {thing}." in printed
    assert NOTHING in printed
    assert "Nothing to adopt" in second.verb("adopt").stdout
    # What another laptop made is taken in before anything is made from here.
    second.terraform("state", "rm", 'digitalocean_droplet.more["3"]')
    refused = second.verb("deploy")
    assert refused.returncode == 1
    assert "droplet digits-3 (" in refused.stdout
    assert "Imported droplet digits-3." in second.verb("adopt").stdout
    assert plan(second) == ""
    assert plan(project) == ""

    # Fewer droplets are no loss.
    fewer = second.verb("deploy", TF_VAR_droplets="2")
    assert fewer.returncode == 0
    assert "No more visitors for digits-3: waiting 18 s" in fewer.stdout
    assert set(names(api)) == {"digits", "digits-2"}
    # The predictions move back before the database is deleted; if they cannot, nothing is.
    back = {"TF_VAR_droplets": "1", "TF_VAR_managed_database": "false"}
    second.ssh_says("exit 1")
    refused = second.verb("deploy", **back)
    assert refused.returncode == 1
    assert "Terraform has changed nothing: the database is still there." in refused.stdout
    assert api.call("GET", "databases").json()["meta"]["total"] == 1
    second.ssh_says("exit 0")

    gone = second.verb("destroy", CONFIRM="digits", BACKUP="no")
    assert "balancer    digits" in gone.stdout
    assert "Nothing that costs money is left of digits." in gone.stdout
    for path in ("droplets", "load_balancers", "databases"):
        assert api.call("GET", path).json()["meta"]["total"] == 0
    assert conformance.check(api.journal) == []


def test_what_cannot_be_had_is_printed_before(project: Project) -> None:
    managed = {"TF_VAR_managed_database": "true"}
    found = examine(project, "--before-deploy", **managed)["in all"]
    assert found[0] == "ok"
    assert "the droplet $6, PostgreSQL db-s-1vcpu-1gb, 1 node(s) about $15: $21 a month" in found[1]
    found = examine(project, "--before-deploy", **managed, TF_VAR_database_nodes="2")["in all"]
    assert found[0] == "FAIL"
    assert "DigitalOcean has no PostgreSQL of the size db-s-1vcpu-1gb with 2 node(s)" in found[1]
    assert "in all" not in examine(project, "--before-deploy")


def test_what_the_balancer_lacks_for_https_is_named(project: Project, api: Api) -> None:
    several = {"TF_VAR_droplets": "2", "TF_VAR_managed_database": "true"}
    named = several | {"TF_VAR_domain": "digits.example.org"}
    status, text = examine(project, "--before-deploy", **several)["balancer"]
    assert (status, "export TF_VAR_domain=" in text) == ("warn", True)
    status, text = examine(project, "--before-deploy", **named)["balancer"]
    assert status == "warn"
    assert "digits.example.org is not on DigitalOcean's DNS" in text
    api.call("POST", "domains", {"name": "example.org"})
    status, text = examine(project, "--before-deploy", **named)["balancer"]
    assert (status, "in example.org" in text) == ("ok", True)
