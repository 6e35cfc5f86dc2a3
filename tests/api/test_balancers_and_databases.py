"""Load balancers and managed databases at the local DigitalOcean's API."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.api.conftest import until
from tests.api.test_api import make_droplet, rules_of, wait
from tests.project import Api

RULE = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 80}
STICKY = {"type": "cookies", "cookie_name": "digits-droplet", "cookie_ttl_seconds": 300}
BALANCER = {
    "name": "digits",
    "region": "fra1",
    "tag": "digits",
    "forwarding_rules": [RULE],
    "sticky_sessions": STICKY,
    "http_idle_timeout_seconds": 600,
}
CLUSTER = {
    "name": "digits",
    "engine": "pg",
    "version": "17",
    "region": "fra1",
    "size": "db-s-1vcpu-1gb",
    "num_nodes": 1,
}


def reported(api: Api, what: str) -> list[Any]:
    """What the engines were told, newest last: all that follows the engine's id."""
    lines = api.log.read_text().splitlines()
    words = [line.split(maxsplit=3) for line in lines if line.startswith(f"engine {what} ")]
    return [json.loads(word[3]) if len(word) > 3 else None for word in words]


def make_balancer(api: Api, **more: Any) -> dict[str, Any]:
    """A load balancer, once it is no longer new."""
    answer = api.call("POST", "load_balancers", BALANCER | more)
    assert answer.status_code == 202, answer.text
    assert answer.json()["load_balancer"]["status"] == "new"
    path = f"load_balancers/{answer.json()['load_balancer']['id']}"

    def get() -> dict[str, Any]:
        return dict(api.call("GET", path).json()["load_balancer"])

    until(lambda: get()["status"] != "new")
    return get()


def make_cluster(api: Api) -> dict[str, Any]:
    """A cluster, once it is online."""
    answer = api.call("POST", "databases", CLUSTER)
    assert answer.status_code == 201, answer.text
    assert answer.json()["database"]["status"] == "creating"
    path = f"databases/{answer.json()['database']['id']}"

    def get() -> dict[str, Any]:
        return dict(api.call("GET", path).json()["database"])

    until(lambda: get()["status"] == "online")
    return get()


def test_a_balancer_follows_its_tag(checked: Api) -> None:
    one = make_droplet(checked, name="digits", tags=["digits"])
    balancer = make_balancer(checked)
    assert balancer["status"] == "active"
    assert balancer["droplet_ids"] == [one["id"]]
    assert balancer["sticky_sessions"] == STICKY
    assert list(reported(checked, "balance")[-1]) == ["digits"]

    two = make_droplet(checked, name="digits-2", tags=["digits"])
    until(lambda: list(reported(checked, "balance")[-1]) == ["digits", "digits-2"])
    tagged = {"resources": [{"resource_id": str(one["id"]), "resource_type": "droplet"}]}
    checked.call("DELETE", "tags/digits/resources", tagged)
    until(lambda: list(reported(checked, "balance")[-1]) == ["digits-2"])
    checked.call("DELETE", f"droplets/{two['id']}")
    until(lambda: reported(checked, "balance")[-1] == {})

    path = f"load_balancers/{balancer['id']}"
    refused = checked.call("PUT", path, BALANCER | {"size_unit": 2})
    assert (refused.status_code, "once an hour" in refused.json()["message"]) == (422, True)
    checked.an_hour_later()
    changed = checked.call("PUT", path, BALANCER | {"size_unit": 2})
    assert changed.json()["load_balancer"]["size_unit"] == 2
    assert changed.json()["load_balancer"]["ip"] == balancer["ip"]
    assert checked.call("DELETE", path).status_code == 204
    assert checked.call("GET", path).status_code == 404
    until(lambda: bool(reported(checked, "unbalance")))
    assert checked.call("GET", "load_balancers").json()["meta"]["total"] == 0


def test_a_firewall_lets_the_balancer_in(checked: Api) -> None:
    droplet = make_droplet(checked, tags=["digits"])
    balancer = make_balancer(checked)
    rule = {"protocol": "tcp", "ports": "80", "sources": {"load_balancer_uids": [balancer["id"]]}}
    wall = {"name": "digits", "inbound_rules": [rule], "outbound_rules": [], "tags": ["digits"]}
    assert checked.call("POST", "firewalls", wall).status_code == 202
    assert rules_of(checked, droplet["id"]) == [f"tcp 80 {balancer['ip']}"]
    # One that is made later is guarded from its first moment on.
    later = make_droplet(checked, name="digits-2", tags=["digits"])
    assert rules_of(checked, later["id"]) == [f"tcp 80 {balancer['ip']}"]
    unknown = rule | {"sources": {"load_balancer_uids": ["no-such"]}}
    answer = checked.call("POST", "firewalls", wall | {"name": "b", "inbound_rules": [unknown]})
    assert answer.status_code == 422


def test_a_balancer_is_busy_until_it_has_taken_a_change_over(checked: Api) -> None:
    path = f"load_balancers/{make_balancer(checked)['id']}"
    assert checked.cloud is not None
    checked.cloud.close()  # nothing happens in the background any more
    changed = BALANCER | {"http_idle_timeout_seconds": 60}
    assert checked.call("PUT", path, changed).status_code == 200
    refused = checked.call("PUT", path, changed)
    assert refused.status_code == 403
    assert "while it processes previous actions" in refused.json()["message"]


def test_a_certificate_is_pending_for_a_while(checked: Api) -> None:
    checked.call("POST", "domains", {"name": "example.org"})
    values = {"name": "digits", "type": "lets_encrypt", "dns_names": ["digits.example.org"]}
    made = checked.call("POST", "certificates", values).json()["certificate"]
    path = f"certificates/{made['id']}"
    assert checked.call("GET", path).json()["certificate"]["state"] == "pending"
    until(lambda: checked.call("GET", path).json()["certificate"]["state"] == "verified")
    assert checked.call("POST", "certificates", values).status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "moon1"},
        {"forwarding_rules": []},
        {"http_idle_timeout_seconds": 601},
        {"size_unit": 101},
        {"sticky_sessions": STICKY | {"cookie_name": "x"}},
        {"sticky_sessions": STICKY | {"cookie_ttl_seconds": 0}},
        {"health_check": {"protocol": "http", "port": 80, "check_interval_seconds": 1}},
        {"droplet_ids": [1]},
        {"name": ""},
        {"vpc_uuid": "00000000-0000-4000-8000-000000000000"},
    ],
)
def test_no_balancer(checked: Api, wrong: dict[str, Any]) -> None:
    assert checked.call("POST", "load_balancers", BALANCER | wrong).status_code == 422
    assert checked.call("GET", "load_balancers").json()["meta"]["total"] == 0


def test_a_balancer_that_cannot_be_made(checked: Api) -> None:
    assert make_balancer(checked, name="broken")["status"] == "errored"


def test_a_cluster_and_what_is_in_it(checked: Api) -> None:
    cluster = make_cluster(checked)
    path = f"databases/{cluster['id']}"
    assert cluster["private_connection"]["host"] == f"private-{cluster['connection']['host']}"
    assert (cluster["connection"]["port"], cluster["connection"]["user"]) == (25060, "doadmin")
    certificate = checked.call("GET", f"{path}/ca").json()["ca"]["certificate"]
    assert base64.b64decode(certificate).startswith(b"-----BEGIN CERTIFICATE-----")

    user = checked.call("POST", f"{path}/users", {"name": "digits"}).json()["user"]
    assert user["role"] == "normal"
    assert checked.call("POST", f"{path}/users", {"name": "digits"}).status_code == 422
    assert checked.call("POST", f"{path}/dbs", {"name": "digits"}).status_code == 201
    wanted = {"doadmin": cluster["connection"]["password"], "digits": user["password"]}
    dbs = ["defaultdb", "digits"]
    until(lambda: reported(checked, "serve")[-1] == {"users": wanted, "dbs": dbs})

    new = checked.call("POST", f"{path}/users/digits/reset_auth", {}).json()["user"]["password"]
    assert new != user["password"]
    assert checked.call("GET", f"{path}/users/digits").json()["user"]["password"] == new
    until(lambda: reported(checked, "serve")[-1]["users"]["digits"] == new)

    assert checked.call("GET", f"{path}/users").json()["meta"]["total"] == 2
    assert checked.call("GET", f"{path}/dbs/digits").status_code == 200
    assert checked.call("GET", f"{path}/dbs/other").status_code == 404
    assert checked.call("DELETE", f"{path}/dbs/digits").status_code == 204
    assert checked.call("DELETE", f"{path}/users/digits").status_code == 204
    assert checked.call("DELETE", f"{path}/users/doadmin").status_code == 422
    resize = {"size": "db-s-1vcpu-2gb", "num_nodes": 2}
    assert checked.call("PUT", f"{path}/resize", resize).status_code == 202
    until(lambda: checked.call("GET", path).json()["database"]["status"] == "online")
    assert checked.call("GET", path).json()["database"]["num_nodes"] == 2
    assert checked.call("PUT", f"{path}/resize", resize | {"num_nodes": 3}).status_code == 202
    until(lambda: checked.call("GET", path).json()["database"]["status"] == "online")
    network = checked.call("GET", path).json()["database"]["private_network_uuid"]
    assert checked.call("PUT", f"{path}/migrate", {"region": "ams3"}).status_code == 202
    until(lambda: checked.call("GET", path).json()["database"]["status"] == "online")
    moved = checked.call("GET", path).json()["database"]
    assert moved["region"] == "ams3"
    assert moved["private_network_uuid"] != network
    assert checked.call("DELETE", path).status_code == 204
    assert checked.call("GET", path).status_code == 404
    until(lambda: bool(reported(checked, "remove")))


def test_who_reaches_a_cluster(checked: Api) -> None:
    droplet = make_droplet(checked, tags=["digits"])
    make_droplet(checked, name="another")
    cluster = make_cluster(checked)
    path = f"databases/{cluster['id']}/firewall"
    until(lambda: reported(checked, "guard") == [None])
    missing = {"rules": [{"type": "tag", "value": "no-such"}]}
    assert checked.call("PUT", path, missing).status_code == 422
    assert checked.call("PUT", path, {"rules": [{"type": "tag", "value": "digits"}]}).ok
    own = {net["ip_address"] for net in droplet["networks"]["v4"]}
    until(lambda: own <= set(reported(checked, "guard")[-1] or ()))
    [rule] = checked.call("GET", path).json()["rules"]
    assert (rule["type"], rule["value"]) == ("tag", "digits")
    # Whoever gets the tag later reaches it, too.
    later = make_droplet(checked, name="digits-2", tags=["digits"])
    own = {net["ip_address"] for net in later["networks"]["v4"]}
    until(lambda: own <= set(reported(checked, "guard")[-1]))
    checked.call("DELETE", f"droplets/{later['id']}")
    until(lambda: not own & set(reported(checked, "guard")[-1]))
    assert checked.call("PUT", path, {"rules": []}).ok
    until(lambda: reported(checked, "guard")[-1] is None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"engine": "mysql"},
        {"version": "9"},
        {"region": "moon1"},
        {"num_nodes": 2},
        {"size": "db-s-64vcpu-1tb"},
        {"name": "x"},
        {"private_network_uuid": "00000000-0000-4000-8000-000000000000"},
    ],
)
def test_no_cluster(checked: Api, wrong: dict[str, Any]) -> None:
    assert checked.call("POST", "databases", CLUSTER | wrong).status_code == 422
    assert checked.call("GET", "databases").json()["meta"]["total"] == 0


def test_after_a_restart_they_are_told_again(api: Api) -> None:
    droplet = make_droplet(api, tags=["digits"])
    balancer, cluster = make_balancer(api), make_cluster(api)
    before = len(reported(api, "balance")), len(reported(api, "serve"))
    api.stop()
    api.start()
    until(
        lambda: (
            len(reported(api, "balance")) > before[0] and len(reported(api, "serve")) > before[1]
        )
    )
    wait(api, droplet["id"])
    for path, one in (("load_balancers", balancer), ("databases", cluster)):
        listed = api.call("GET", path).json()[path]
        assert [found["id"] for found in listed] == [one["id"]]


def test_in_a_project(checked: Api) -> None:
    balancer, cluster = make_balancer(checked), make_cluster(checked)
    made = checked.call("POST", "projects", {"name": "digits", "purpose": "Web Application"})
    project = made.json()["project"]["id"]
    urns = [f"do:loadbalancer:{balancer['id']}", f"do:dbaas:{cluster['id']}"]
    answer = checked.call("POST", f"projects/{project}/resources", {"resources": urns})
    assert [one["status"] for one in answer.json()["resources"]] == ["assigned", "assigned"]
    for path in (f"load_balancers/{balancer['id']}", f"databases/{cluster['id']}"):
        [found] = checked.call("GET", path).json().values()
        assert found["project_id"] == project
    assert checked.call("DELETE", f"projects/{project}").status_code == 412
    for path in (f"load_balancers/{balancer['id']}", f"databases/{cluster['id']}"):
        assert checked.call("DELETE", path).status_code == 204
    assert checked.call("DELETE", f"projects/{project}").status_code == 204
