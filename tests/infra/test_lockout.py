"""A firewall that would shut out whoever applies it is refused before it is applied."""

from __future__ import annotations

from scripts import check_lockout
from tests.infra.conftest import Api, Project


def test_which_addresses_a_plan_lets_in() -> None:
    rules = [
        {"port_range": "22", "source_addresses": ["203.0.113.0/24", "2001:db8::/32"]},
        {"port_range": "80", "source_addresses": ["0.0.0.0/0"]},
    ]

    def plan(*actions: str) -> dict[str, object]:
        change = {"actions": list(actions), "after": {"inbound_rule": rules}}
        return {"resource_changes": [{"type": "digitalocean_firewall", "change": change}]}

    assert check_lockout.ssh_sources(plan("no-op")) is None
    sources = check_lockout.ssh_sources(plan("update"))
    assert sources == ["203.0.113.0/24", "2001:db8::/32"]
    assert check_lockout.lets_in(sources, "203.0.113.9")
    assert check_lockout.lets_in(sources, "2001:db8::1")
    assert not check_lockout.lets_in(sources, "198.51.100.1")


def test_a_deploy_that_would_shut_its_own_door(project: Project, api: Api) -> None:
    project.terraform("apply", "-auto-approve", "-input=false")
    project.ssh_says("echo 198.51.100.1")

    def rules() -> object:
        return api.call("GET", "firewalls").json()["firewalls"][0]["inbound_rules"]

    before = rules()
    narrow = '["203.0.113.7/32"]'
    done = project.run("scripts/deploy", TF_VAR_allowed_ssh_addresses=narrow)
    assert done.returncode == 1
    assert "you come from 198.51.100.1" in done.stdout
    assert '["203.0.113.7/32", "198.51.100.1/32"]' in done.stdout
    assert rules() == before
    wider = '["203.0.113.7/32", "198.51.100.1/32"]'
    project.run("scripts/deploy", TF_VAR_allowed_ssh_addresses=wider)
    assert rules() != before
