"""The local DigitalOcean's API, as python-digitalocean and plain HTTP see it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import digitalocean
import pytest

from tests import needs
from tests.api import conformance, openapi
from tests.api.conftest import until
from tests.project import TERRAFORM, TOKEN, Api, Fault

if TYPE_CHECKING:
    from pathlib import Path

KEY = (TERRAFORM / "tests/fixtures/key.pub").read_text().strip()


def make_droplet(api: Api, **more: Any) -> dict[str, Any]:
    """A droplet, once it is no longer new."""
    values = {"name": "digits", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
    answer = api.call("POST", "droplets", {**values, **more})
    assert answer.status_code == 202, answer.text
    return wait(api, answer.json()["droplet"]["id"])


def wait(api: Api, droplet_id: int) -> dict[str, Any]:
    """The droplet, once nothing is being done to it."""

    def droplet() -> dict[str, Any]:
        return dict(api.call("GET", f"droplets/{droplet_id}").json()["droplet"])

    until(lambda: not droplet()["locked"])
    return droplet()


def act(api: Api, droplet_id: int, kind: str, **more: Any) -> dict[str, Any]:
    """Do something to a droplet; the droplet afterwards."""
    answer = api.call("POST", f"droplets/{droplet_id}/actions", {"type": kind, **more})
    assert answer.status_code == 201, answer.text
    droplet = wait(api, droplet_id)
    action = api.call("GET", f"actions/{answer.json()['action']['id']}").json()["action"]
    assert action["status"] == "completed"
    return droplet


def test_python_digitalocean(checked: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITALOCEAN_ACCESS_TOKEN", TOKEN)
    monkeypatch.setenv("DIGITALOCEAN_END_POINT", f"{checked.url}/v2/")
    manager = digitalocean.Manager()
    assert manager.get_account().status == "active"

    key = digitalocean.SSHKey(name="laptop", public_key=KEY)
    key.create()
    assert [found.id for found in manager.get_all_sshkeys()] == [key.id]

    made = make_droplet(checked, tags=["digits"], ssh_keys=[key.id])
    make_droplet(checked, name="another")
    [droplet] = manager.get_all_droplets(tag_name="digits")
    assert droplet.id == made["id"]
    assert droplet.ip_address == made["networks"]["v4"][0]["ip_address"]
    assert len(manager.get_all_droplets()) == 2

    firewall = digitalocean.Firewall(
        name="digits",
        droplet_ids=[droplet.id],
        inbound_rules=[
            digitalocean.InboundRule(
                protocol="tcp", ports="22", sources=digitalocean.Sources(addresses=["0.0.0.0/0"])
            )
        ],
        outbound_rules=[],
    )
    firewall.create()
    assert [found.name for found in manager.get_all_firewalls()] == ["digits"]
    assert manager.get_default_project().is_default
    assert len(manager.get_all_projects()) == 1
    assert {region.slug for region in manager.get_all_regions()} >= {"fra1", "nyc3"}
    assert {size.slug for size in manager.get_all_sizes()} >= {"s-1vcpu-1gb"}

    droplet.destroy()
    assert manager.get_all_droplets(tag_name="digits") == []


def test_wrong_token(api: Api) -> None:
    for token in ("", "wrong", TOKEN + "x"):
        answer = api.call("GET", "account", token=token)
        assert answer.status_code == 401
        assert answer.json()["id"] == "Unauthorized"
        assert answer.json()["message"] == "Unable to authenticate you"
    assert TOKEN not in api.journal.read_text()


def test_unknown_endpoint_fails_by_name(api: Api) -> None:
    assert api.call("GET", "kubernetes/clusters").status_code == 404
    assert api.call("PATCH", "droplets").status_code == 404
    assert [str(failure) for failure in conformance.check(api.journal)] == [
        "GET /v2/kubernetes/clusters: the request: the stand-in has no such endpoint",
        "PATCH /v2/droplets: the request: the stand-in has no such endpoint",
    ]


def test_conformance_finds_what_does_not_fit(api: Api, tmp_path: Path) -> None:
    needs.need(openapi.description(), *openapi.NEEDED)
    make_droplet(api)
    lines = [json.loads(line) for line in api.journal.read_text().splitlines()]
    for line in lines:
        if line["method"] == "POST":
            line["request_body"]["size"] = 5
        else:
            line["response_body"]["droplet"]["status"] = "tired"
    spoiled = tmp_path / "spoiled.jsonl"
    spoiled.write_text("".join(json.dumps(line) + "\n" for line in lines))
    failures = conformance.check(spoiled)
    assert {(failure.method, failure.part) for failure in failures} == {
        ("POST", "request"),
        ("GET", "answer"),
    }
    assert any("'tired' is not one of" in failure.message for failure in failures)


def test_everything_is_still_there_after_a_restart(checked: Api) -> None:
    droplet = make_droplet(checked, tags=["digits"])
    before = {kind: checked.call("GET", kind).json() for kind in ("droplets", "tags", "projects")}
    checked.stop()
    checked.start()
    for kind, answer in before.items():
        assert checked.call("GET", kind).json() == answer
    assert make_droplet(checked)["id"] > droplet["id"], "ids are never used twice"


def test_stop_finishes_what_is_under_way(api: Api) -> None:
    values = {"name": "digits", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
    droplet_id = api.call("POST", "droplets", values).json()["droplet"]["id"]
    api.stop()
    api.start()
    answer = api.call("GET", f"droplets/{droplet_id}").json()["droplet"]
    assert answer["status"] == "active"


def test_droplet_that_cannot_be_made(checked: Api) -> None:
    assert make_droplet(checked, name="broken")["status"] == "off"
    assert "asked to be broken" in checked.log.read_text()


def test_power_and_size(checked: Api) -> None:
    droplet_id = make_droplet(checked)["id"]
    refused = checked.call(
        "POST", f"droplets/{droplet_id}/actions", {"type": "resize", "size": "s-1vcpu-2gb"}
    )
    assert refused.status_code == 422
    assert act(checked, droplet_id, "power_off")["status"] == "off"
    resized = act(checked, droplet_id, "resize", size="s-1vcpu-2gb", disk=False)
    assert (resized["memory"], resized["disk"]) == (2048, 25)
    assert act(checked, droplet_id, "power_on")["status"] == "active"
    assert act(checked, droplet_id, "rename", name="digits2")["name"] == "digits2"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"region": "mars1"}, "invalid region"),
        ({"size": "s-64vcpu"}, "invalid size"),
        ({"image": "debian-2-x64"}, "invalid image"),
        ({"name": "no spaces"}, "hostname"),
        ({"ssh_keys": [12345]}, "invalid SSH key"),
        ({"tags": ["not a tag"]}, "Tag name"),
    ],
)
def test_droplets_that_are_refused(checked: Api, wrong: dict[str, Any], message: str) -> None:
    values = {"name": "digits", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
    answer = checked.call("POST", "droplets", {**values, **wrong})
    assert answer.status_code == 422
    assert message in answer.json()["message"]
    assert checked.call("GET", "droplets").json()["meta"]["total"] == 0


def rules_of(api: Api, droplet_id: int) -> list[str] | None:
    """What the droplet's machine was last told to let in."""
    log = api.log.read_text().splitlines()
    reported = [
        line.split(maxsplit=2)[2] for line in log if line.startswith(f"rules {droplet_id} ")
    ]
    rules = json.loads(reported[-1])
    if rules is None:
        return None
    return [f"{r['protocol']} {r['ports']} {' '.join(r['sources']['addresses'])}" for r in rules]


def test_firewalls_reach_the_machines(checked: Api) -> None:
    """By id or by tag, whatever changes first: the rules, the members or the tag."""

    def firewall(name: str, port: str, **members: Any) -> dict[str, Any]:
        sources = {"addresses": ["0.0.0.0/0"]}
        rule = {"protocol": "tcp", "ports": port, "sources": sources}
        return {"name": name, "inbound_rules": [rule], **members}

    droplet_id = make_droplet(checked, tags=["digits"])["id"]
    assert rules_of(checked, droplet_id) is None

    by_id = firewall("by-id", "22", droplet_ids=[droplet_id])
    wall = checked.call("POST", "firewalls", by_id).json()["firewall"]["id"]
    assert rules_of(checked, droplet_id) == ["tcp 22 0.0.0.0/0"]

    assert checked.call("POST", "firewalls", firewall("by-tag", "80", tags=["digits"])).ok
    assert rules_of(checked, droplet_id) == ["tcp 22 0.0.0.0/0", "tcp 80 0.0.0.0/0"]

    assert checked.call("PUT", f"firewalls/{wall}", {**by_id, **firewall("by-id", "2222")}).ok
    assert rules_of(checked, droplet_id) == ["tcp 2222 0.0.0.0/0", "tcp 80 0.0.0.0/0"]

    another = make_droplet(checked, name="another", tags=["digits"])["id"]
    assert rules_of(checked, another) == ["tcp 80 0.0.0.0/0"], "guarded before it is active"

    untag = {"resources": [{"resource_id": str(another), "resource_type": "droplet"}]}
    assert checked.call("DELETE", "tags/digits/resources", untag).ok
    assert rules_of(checked, another) is None

    assert checked.call("DELETE", f"firewalls/{wall}").ok
    assert rules_of(checked, droplet_id) == ["tcp 80 0.0.0.0/0"]


def test_pages(checked: Api) -> None:
    first = checked.call("GET", "regions?per_page=4").json()
    assert len(first["regions"]) == 4
    assert first["meta"]["total"] == 10
    assert "page=2" in first["links"]["pages"]["next"]
    last = checked.call("GET", "regions?per_page=4&page=3").json()
    assert len(last["regions"]) == 2
    assert "next" not in last["links"]["pages"]
    assert checked.call("GET", "regions?per_page=200").json()["links"] == {}


def test_project_with_resources_stays(checked: Api) -> None:
    droplet = make_droplet(checked)
    project = checked.call("POST", "projects", {"name": "digits", "purpose": "Trying"}).json()
    path = f"projects/{project['project']['id']}"
    urn = f"do:droplet:{droplet['id']}"
    answer = checked.call("POST", f"{path}/resources", {"resources": [urn, "do:droplet:1"]})
    assert [entry["status"] for entry in answer.json()["resources"]] == ["assigned", "not_found"]
    refused = checked.call("DELETE", path)
    assert refused.status_code == 412
    assert refused.json()["message"] == "cannot delete a project with resources"
    assert checked.call("DELETE", f"droplets/{droplet['id']}").status_code == 204
    assert checked.call("DELETE", path).status_code == 204


def reserved(api: Api, ip: str) -> dict[str, Any]:
    answer: dict[str, Any] = api.call("GET", f"reserved_ips/{ip}").json()["reserved_ip"]
    return answer


def map_ip(api: Api, ip: str, kind: str, **more: Any) -> dict[str, Any]:
    """Assign or unassign a reserved IP; the reserved IP once that is done."""
    answer = api.call("POST", f"reserved_ips/{ip}/actions", {"type": kind, **more})
    assert answer.status_code == 201, answer.text
    path = f"reserved_ips/{ip}/actions/{answer.json()['action']['id']}"
    until(lambda: api.call("GET", path).json()["action"]["status"] == "completed")
    return reserved(api, ip)


def reported(api: Api) -> list[str]:
    """At which reserved IP each machine was told to answer."""
    log = api.log.read_text().splitlines()
    return [line.removeprefix("reserved IP ") for line in log if line.startswith("reserved IP ")]


def test_a_reserved_ip_moves_from_droplet_to_droplet(checked: Api) -> None:
    one, two = make_droplet(checked), make_droplet(checked, name="two")
    made = checked.call("POST", "reserved_ips", {"region": "fra1"})
    assert made.status_code == 202
    ip = made.json()["reserved_ip"]["ip"]
    assert made.json()["reserved_ip"]["droplet"] is None
    assert map_ip(checked, ip, "assign", droplet_id=one["id"])["droplet"]["id"] == one["id"]
    own, *others = [n["ip_address"] for n in wait(checked, one["id"])["networks"]["v4"]]
    assert own == one["networks"]["v4"][0]["ip_address"]
    assert ip in others, "the service lists it as one more address of the droplet"
    # Straight to another one, as Terraform does; then nowhere.
    assert map_ip(checked, ip, "assign", droplet_id=two["id"])["droplet"]["id"] == two["id"]
    assert ip not in str(wait(checked, one["id"])["networks"])
    assert map_ip(checked, ip, "unassign")["droplet"] is None
    ids = (one["id"], two["id"])
    assert reported(checked) == [
        f"{ids[0]} {ip}",
        f"{ids[0]} None",
        f"{ids[1]} {ip}",
        f"{ids[1]} None",
    ]
    assert checked.call("GET", f"reserved_ips/{ip}/actions").json()["meta"]["total"] == 3
    assert checked.call("DELETE", f"reserved_ips/{ip}").status_code == 204
    assert checked.call("GET", "reserved_ips").json()["meta"]["total"] == 0


def test_a_reserved_ip_outlives_its_droplet_and_the_server(checked: Api) -> None:
    droplet = make_droplet(checked)
    made = checked.call("POST", "reserved_ips", {"droplet_id": droplet["id"]})
    ip = made.json()["reserved_ip"]["ip"]
    assert reserved(checked, ip)["droplet"]["id"] == droplet["id"]
    before = reserved(checked, ip)
    checked.stop()
    checked.start()
    assert reserved(checked, ip) == before
    checked.call("DELETE", f"droplets/{droplet['id']}")
    assert reserved(checked, ip)["droplet"] is None


def test_a_reserved_ip_follows_its_droplet_into_a_project(checked: Api) -> None:
    droplet = make_droplet(checked)
    made = checked.call("POST", "reserved_ips", {"droplet_id": droplet["id"]})
    ip = made.json()["reserved_ip"]["ip"]
    values = {"name": "digits", "purpose": "Trying"}
    project = checked.call("POST", "projects", values).json()["project"]["id"]
    path = f"projects/{project}/resources"
    alone = checked.call("POST", path, {"resources": [f"do:floatingip:{ip}"]})
    assert alone.status_code == 412
    assert "Move the Droplet instead" in alone.json()["message"]
    assert checked.call("POST", path, {"resources": [f"do:droplet:{droplet['id']}"]}).ok
    assert reserved(checked, ip)["project_id"] == project
    map_ip(checked, ip, "unassign")
    default = checked.call("GET", "projects/default").json()["project"]["id"]
    moved = checked.call(
        "POST", f"projects/{default}/resources", {"resources": [f"do:floatingip:{ip}"]}
    )
    assert moved.json()["resources"][0]["status"] == "assigned"


def test_reserved_ips_that_are_refused(checked: Api) -> None:
    droplet = make_droplet(checked)
    first, second, far = (
        checked.call("POST", "reserved_ips", {"region": region}).json()["reserved_ip"]["ip"]
        for region in ("fra1", "fra1", "nyc3")
    )
    map_ip(checked, first, "assign", droplet_id=droplet["id"])

    def refused(method: str, path: str, body: Any = None) -> str:
        answer = checked.call(method, path, body)
        assert answer.status_code == 422, answer.text
        return str(answer.json()["message"])

    assign = {"type": "assign", "droplet_id": droplet["id"]}
    assert "already has" in refused("POST", f"reserved_ips/{second}/actions", assign)
    assert "not assigned" in refused("POST", f"reserved_ips/{second}/actions", {"type": "unassign"})
    assert "is assigned" in refused("DELETE", f"reserved_ips/{first}")
    map_ip(checked, first, "unassign")
    assert "same region" in refused("POST", f"reserved_ips/{far}/actions", assign)
    assert "invalid region" in refused("POST", "reserved_ips", {"region": "mars1"})
    assert checked.call("GET", "reserved_ips/192.0.2.1").status_code == 404


def test_a_test_chooses_what_goes_wrong(api: Api) -> None:
    """Once, as often as it says, until it is over, or slowly."""

    def ask(**more: Any) -> None:
        api.faults.append(Fault("GET", "/v2/regions", **more))

    def answers(count: int) -> list[int]:
        return [api.call("GET", "regions").status_code for _ in range(count)]

    ask(status=429)
    assert answers(2) == [429, 200]
    ask(status=500, times=2, after=1)
    assert answers(4) == [200, 500, 500, 200]
    ask(status=404, times=-1)
    assert answers(3) == [404, 404, 404]
    api.faults.clear()
    ask(seconds=0.5)
    began = time.monotonic()
    assert answers(1) == [200]
    assert time.monotonic() - began >= 0.5


def test_nothing_billable(checked: Api) -> None:
    """What a check after a destroy asks for is all there, and empty."""
    for path in (
        "droplets", "firewalls", "reserved_ips", "load_balancers", "certificates",
        "monitoring/alerts", "uptime/checks", "images?private=true", "account/keys",
    ):  # fmt: skip
        answer = checked.call("GET", path).json()
        assert answer["meta"]["total"] == 0, path
        assert answer["links"] == {}
    assert checked.call("GET", "databases").json()["databases"] == []
