"""A firewall that would shut out whoever applies it is refused before it is applied."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.console.settings import SshSettings
from ops.ssh.connection import Host
from ops.terraform import ssh_guard
from tests.project import Api, Project

HOME, AWAY = "198.51.100.1", ["203.0.113.7/32"]
DROPLET = {"id": "1001", "ipv4_address": "203.0.113.10", "tags": ["digits"]}


def rule(ports: str | None, sources: list[str], protocol: str = "tcp") -> dict[str, Any]:
    return {"protocol": protocol, "port_range": ports, "source_addresses": sources}


def firewall(*rules: dict[str, Any], actions: str = "update", **after: Any) -> dict[str, Any]:
    change: dict[str, Any] = {"actions": actions.split(), "before": {}, "after_unknown": {}}
    change["after"] = {"droplet_ids": [1001], "inbound_rule": list(rules), **after}
    return {"type": "digitalocean_firewall", "change": change}


def sources(*firewalls: dict[str, Any]) -> list[str] | None:
    return ssh_guard.ssh_sources({"resource_changes": list(firewalls)}, DROPLET)


WEB = rule("80", ["0.0.0.0/0", "::/0"])


@pytest.mark.parametrize(
    "ssh",
    [rule("22", AWAY), rule("20-25", AWAY), rule("all", AWAY), rule("1-65535", AWAY, "TCP")],
    ids=lambda ssh: ssh["port_range"],
)
def test_every_way_to_write_the_port(ssh: dict[str, Any]) -> None:
    assert sources(firewall(ssh, WEB)) == AWAY
    assert sources(firewall(ssh, WEB, actions="no-op")) is None
    # Replaced: what comes after counts.
    assert sources(firewall(ssh, WEB, actions="delete create")) == AWAY
    assert sources(firewall(ssh, WEB, actions="create")) == AWAY


@pytest.mark.parametrize(
    "other",
    [
        rule("22", ["0.0.0.0/0"], "udp"),
        rule(None, ["0.0.0.0/0"], "icmp"),
        rule("221", ["0.0.0.0/0"]),
        rule("23-65535", ["0.0.0.0/0"]),
    ],
)
def test_rules_that_do_not_open_ssh(other: dict[str, Any]) -> None:
    assert sources(firewall(other)) == []
    assert sources(firewall()) == []


def test_firewalls_of_other_droplets_do_not_count_and_several_add_up() -> None:
    elsewhere = firewall(rule("22", ["0.0.0.0/0"]), droplet_ids=[7])
    assert sources(firewall(rule("22", AWAY)), elsewhere) == AWAY
    second = firewall(rule("22", [HOME]), droplet_ids=[], tags=["digits"], actions="no-op")
    assert sources(firewall(rule("22", AWAY)), second) == [HOME, *AWAY]
    # With no firewall before it, a droplet lets everybody in.
    assert sources(firewall(WEB, droplet_ids=[])) is None
    gone = firewall(WEB, actions="delete")
    gone["change"]["after"] = None
    assert sources(gone) is None
    # A recreated droplet has no number yet.
    recreated = firewall(rule("22", AWAY), droplet_ids=None)
    recreated["change"]["after_unknown"] = {"droplet_ids": True}
    assert sources(recreated) == AWAY


def test_whose_address_is_let_in() -> None:
    both = ["203.0.113.0/24", "2001:db8::/32"]
    assert ssh_guard.lets_in(both, "203.0.113.9")
    assert ssh_guard.lets_in(both, "2001:db8::1")
    assert not ssh_guard.lets_in(both, HOME)
    # Everybody of one kind is not everybody.
    assert not ssh_guard.lets_in(["::/0"], HOME)
    assert not ssh_guard.lets_in(["0.0.0.0/0"], "2001:db8::1")


@pytest.mark.parametrize(
    ("printed", "mine"),
    [
        (f"{HOME}\n", HOME),
        (f"Welcome to the droplet\n{HOME}\n", HOME),
        (f"::ffff:{HOME}\n", HOME),
        ("2001:db8::1\n", "2001:db8::1"),
        ("nothing of the kind\n", None),
        ("", None),
    ],
)
def test_where_we_come_from(
    printed: str, mine: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Host, "ask", lambda _host, _command: printed)
    assert ssh_guard.my_address(Host(SshSettings(), "203.0.113.10")) == mine


def test_a_deploy_that_would_shut_its_own_door(project: Project, api: Api) -> None:
    project.deployed()
    project.ssh_says(f"echo {HOME}")

    def rules() -> object:
        return api.call("GET", "firewalls").json()["firewalls"][0]["inbound_rules"]

    before = rules()
    narrow = json.dumps(AWAY)
    # By itself, with another name in the same plan, and with another droplet.
    for more in (
        {},
        {"TF_VAR_name": "numbers"},
        {"TF_VAR_region": "ams3", "REPLACE": "yes", "BACKUP": "no"},
    ):
        settings = {"TF_VAR_allowed_ssh_addresses": narrow, **more}
        done = project.verb("deploy", **settings)
        assert done.returncode == 1
        assert f"you come from {HOME}" in done.stdout
        assert f'["203.0.113.7/32", "{HOME}/32"]' in done.stdout
        assert rules() == before

    # The rule is gone from the file altogether.
    file = project.folder / "infra/terraform/firewall.tf"
    kept = file.read_text()
    file.write_text(kept.replace('port_range       = "22"', 'port_range       = "2222"'))
    done = project.verb("deploy")
    assert "this plan lets nobody in by ssh, and you come from" in done.stdout
    assert rules() == before
    file.write_text(kept)

    wider = f'["203.0.113.7/32", "{HOME}/32"]'
    project.verb("deploy", TF_VAR_allowed_ssh_addresses=wider)
    assert rules() != before
