"""A plan that takes the droplet away is refused, with what forces it and what it costs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ops.cloud.api import Cloud, Size
from ops.console.errors import Failed
from ops.console.settings import AccountSettings, Consent, SshSettings
from ops.terraform import plan_guard
from ops.terraform.plan import Plan, read_plan
from ops.terraform.state import BUCKET
from tests.api import conformance
from tests.project import Api, Project

BEFORE = {
    "name": "digits",
    "region": "fra1",
    "size": "s-1vcpu-1gb",
    "ipv4_address": "203.0.113.7",
    "price_monthly": 6,
    "user_data": "word",
}


def plan(*actions: str, **more: Any) -> dict[str, Any]:
    """A plan, as terraform show -json has it, that changes a droplet."""
    change = {"actions": list(actions), "before": BEFORE, "after": None, **more}
    reason = change.pop("reason", None)
    droplet = {
        "address": "digitalocean_droplet.app",
        "type": "digitalocean_droplet",
        "change": change,
        "action_reason": reason,
    }
    tag = {
        "address": "digitalocean_tag.app",
        "type": "digitalocean_tag",
        "change": {"actions": ["delete"], "before": {}, "after": None},
    }
    return {"format_version": "1.2", "resource_changes": [tag, droplet]}


def judge(planned: dict[str, Any]) -> str:
    """What is said about a plan that takes the droplet away; nothing about another."""
    read = Plan(Path("plan"), read_plan(json.dumps(planned)))
    cloud = Cloud(AccountSettings())
    return "\n".join(plan_guard.explain(cloud, read, loss) for loss in read.losses)


@pytest.mark.parametrize(
    "planned",
    [
        plan("no-op", after=BEFORE),
        plan("create", before=None, after=BEFORE),
        plan("update", after={**BEFORE, "size": "s-1vcpu-2gb"}),
        plan("read"),
        {"format_version": "1.2"},  # nothing changes
    ],
)
def test_harmless(planned: dict[str, Any]) -> None:
    assert judge(planned) == ""


@pytest.mark.parametrize("order", [("delete", "create"), ("create", "delete")])
def test_replaced(order: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    bigger = Size("s-1vcpu-2gb", 2048, 1, 50, 12.0, frozenset())
    monkeypatch.setattr(Cloud, "sizes", lambda _cloud: {bigger.slug: bigger})
    planned = plan(
        *order,
        after={**BEFORE, "region": "ams3", "size": "s-1vcpu-2gb", "ipv4_address": None},
        after_unknown={"vpc_uuid": True},
        before_sensitive={"user_data": True},
        after_sensitive={"user_data": True},
        replace_paths=[["region"], ["vpc_uuid"], ["user_data"], ["ssh_keys", 0]],
    )
    printed = judge(planned)
    assert "replaces the droplet digits (203.0.113.7)" in printed
    assert 'region: "fra1" -> "ams3"' in printed
    assert "vpc_uuid: null -> (known when it is made)" in printed
    assert "user_data: (secret) -> (secret)" in printed
    assert "ssh_keys.0: null -> null" in printed
    assert "data on it is lost" in printed
    assert "IP address changes" in printed
    assert "is down until" in printed
    assert "$6 a month now and $12 a month afterwards" in printed


@pytest.mark.parametrize(
    ("actions", "printed"),
    [
        (["update"], "its own IP address changes; the page keeps its URL"),
        (["delete", "create"], "its IP address changes, and with it the page's URL"),
        (["create"], "its IP address changes, and with it the page's URL"),
    ],
)
def test_what_becomes_of_the_url(actions: list[str], printed: str) -> None:
    planned = plan("delete", "create", after=BEFORE)
    planned["resource_changes"].append(
        {"address": "x", "type": "digitalocean_reserved_ip", "change": {"actions": actions}}
    )
    assert printed in judge(planned)


def test_price_unknown() -> None:
    planned = plan("delete", "create", after={**BEFORE, "size": "s-2vcpu-2gb"})
    assert "$6 a month now and an unknown price afterwards" in judge(planned)


def test_deleted() -> None:
    planned = plan("delete", reason="delete_because_no_resource_config")
    printed = judge(planned)
    assert "deletes the droplet digits" in printed
    assert "no longer in infra/terraform" in printed
    assert "$6 a month is no longer paid" in printed


def test_tainted() -> None:
    planned = plan("delete", "create", after=BEFORE, reason="replace_because_tainted")
    assert "(tainted)" in judge(planned)


@pytest.mark.parametrize(
    "planned",
    ["", "no plan", "[]", "{}", '{"format_version": "1", "resource_changes": [1]}'],
)
def test_no_plan(planned: str) -> None:
    with pytest.raises(Failed, match="nothing was changed"):
        read_plan(planned)


@pytest.mark.parametrize("order", [["delete", "create"], ["create", "delete"]])
def test_a_space_with_backups_is_not_made_again_elsewhere(order: list[str]) -> None:
    change = {"actions": order, "before": {"name": "b", "region": "fra1"}, "after": {"name": "b"}}
    space = {"address": f"{BUCKET}.backups[0]", "type": BUCKET, "change": change}
    planned = plan("no-op", after=BEFORE)
    planned["resource_changes"].append(space)

    def refuse(**consent: str) -> None:
        plan_guard.refuse(Plan(Path("plan"), planned), SshSettings(), Consent(**consent))

    with pytest.raises(Failed) as refused:
        refuse()
    what, fix = refused.value.lines()
    assert "the Space b with the backups is in fra1" in what
    assert "export TF_VAR_backup_bucket_region=fra1" in fix
    assert "the same command with DROP_COPIES=yes" in fix
    refuse(drop_copies="yes")


def the_droplet(api: Api) -> dict[str, Any]:
    [droplet] = api.call("GET", "droplets").json()["droplets"]
    return dict(droplet)


def test_deploy_replaces_the_droplet_only_with_replace_yes(project: Project, api: Api) -> None:
    first = project.verb("deploy")
    assert "Apply complete! Resources: 7 added" in first.stdout
    before = the_droplet(api)

    again = project.verb("deploy")
    assert "No changes. Your infrastructure matches the configuration." in again.stdout
    assert the_droplet(api) == before

    # Refused, and nothing asked of the API but to look.
    lines = len(conformance.journal(api.journal))
    refused = project.verb("deploy", TF_VAR_region="ams3")
    assert refused.returncode == 1
    assert 'region: "fra1" -> "ams3"' in refused.stdout
    assert "$6 a month now and $6 a month afterwards" in refused.stdout
    assert "Refused: the droplet would be lost. Nothing was changed." in refused.stdout
    assert "the same command with REPLACE=yes" in refused.stdout
    assert "Ansible" not in refused.stdout
    assert {e["method"] for e in conformance.journal(api.journal)[lines:]} == {"GET"}
    for no in ("no", "1", ""):
        assert project.verb("deploy", TF_VAR_region="ams3", REPLACE=no).returncode == 1
    assert the_droplet(api) == before

    # Told to: a backup first, and without one nothing goes.
    known = project.folder / "known_hosts"
    ip = before["networks"]["v4"][0]["ip_address"]
    known.write_text(f"{ip} {(project.folder / 'key.pub').read_text()}")
    project.backup("echo the disk is full >&2; exit 1")
    failed = project.verb("deploy", TF_VAR_region="ams3", REPLACE="yes")
    assert failed.returncode == 1
    assert "The last backup failed" in failed.stdout
    assert "BACKUP=no" in failed.stdout
    assert the_droplet(api) == before
    assert ip in known.read_text()

    # The backup is of the droplet that goes, though the name changes with it.
    project.backup('echo "backup of $*" >&2; echo /1.dump')
    reported = project.verb("deploy", TF_VAR_region="ams3", TF_VAR_name="numbers", REPLACE="yes")
    assert re.search(rf"backup of .*root@{re.escape(ip)}", reported.stdout)
    assert reported.stdout.index("backup of") < reported.stdout.index("Destroying...")
    after = the_droplet(api)
    assert (after["region"]["slug"], after["name"]) == ("ams3", "numbers")
    assert after["id"] != before["id"]
    assert ip not in known.read_text(), "its next owner has another host key"

    assert list((project.folder / "tmp").iterdir()) == [], "the plan holds what no output shows"
    assert conformance.check(api.journal) == []


def test_a_droplet_that_does_not_answer_can_be_replaced(project: Project, api: Api) -> None:
    project.deployed()
    before = the_droplet(api)
    done = project.verb("deploy", TF_VAR_region="ams3", REPLACE="yes")
    assert "NO BACKUP can be made" in done.stdout
    assert "the same command with BACKUP=no" in done.stdout
    assert the_droplet(api)["id"] == before["id"]
    done = project.verb("deploy", TF_VAR_region="ams3", REPLACE="yes", BACKUP="no")
    assert "Backed up" not in done.stdout
    assert the_droplet(api)["id"] != before["id"]
