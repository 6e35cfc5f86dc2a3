"""DigitalOcean's own backups: turned on, changed and turned off in place; priced beforehand."""

from __future__ import annotations

from typing import Any

from tests.api import conformance
from tests.project import APPLY, Api, Project, Terraform


def droplet(api: Api) -> dict[str, Any]:
    [found] = api.call("GET", "droplets").json()["droplets"]
    return dict(found)


def actions(api: Api) -> list[tuple[str, Any]]:
    """What was done to droplets, and with which policy."""
    return [
        (entry["request_body"]["type"], entry["request_body"].get("backup_policy"))
        for entry in conformance.journal(api.journal)
        if entry["method"] == "POST" and entry["path"].endswith("/actions")
        if "backup" in entry["request_body"]["type"]
    ]


def test_on_changed_and_off_again(terraform: Terraform, api: Api) -> None:
    terraform.good(*APPLY)
    made = droplet(api)
    assert "backups" not in made["features"]
    for often in ("weekly", "daily", "off"):
        terraform.settings["TF_VAR_backups"] = often
        assert "0 to add, 1 to change, 0 to destroy" in terraform.good("plan", "-input=false")
        terraform.good(*APPLY)
        assert ("backups" in droplet(api)["features"]) == (often != "off")
        assert "No changes." in terraform.good("plan", "-input=false")
    assert droplet(api)["id"] == made["id"]
    weekly = {"plan": "weekly", "weekday": "SUN", "hour": 0}
    daily = {"plan": "daily", "weekday": "", "hour": 0}
    assert actions(api) == [
        ("enable_backups", weekly),
        ("change_backup_policy", weekly),
        ("change_backup_policy", daily),
        ("disable_backups", None),
    ]
    assert conformance.check(api.journal) == []


def test_created_with_them(terraform: Terraform, api: Api) -> None:
    terraform.settings["TF_VAR_backups"] = "daily"
    terraform.good(*APPLY)
    assert "backups" in droplet(api)["features"]
    assert "No changes." in terraform.good("plan", "-input=false")
    assert conformance.check(api.journal) == []


def test_their_price_is_printed_before_it_is_paid(project: Project) -> None:
    project.without("ops/verbs/release.py")
    project.ssh_says("exit 0")
    printed = project.verb("deploy", TF_VAR_backups="weekly").stdout
    price = "DigitalOcean makes them weekly: 20% of the droplet's price, $1.20 a month more"
    assert printed.index(price) < printed.index("will be created")
    assert "Cost     $7.2 a month" in printed
    refused = project.verb("deploy", TF_VAR_backups="often")
    assert refused.returncode != 0
    assert "TF_VAR_backups=often is neither off, weekly nor daily." in refused.stdout
