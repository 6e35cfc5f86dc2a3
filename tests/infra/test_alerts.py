"""Somebody is told: what Terraform makes for an address, its price, what turns /health red."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.infra import conformance
from tests.infra.conftest import ROOT, Api, Project
from tests.infra.test_adopt import NOTHING, clone, plan
from tests.infra.test_destroy import total
from tests.infra.test_doctor import examine
from tests.infra.test_which_droplet import reserved

EMAIL = {"TF_VAR_alert_email": "you@example.org"}
APPLY = ("apply", "-auto-approve", "-input=false")
SCRIPT = ROOT / "infra/ansible/roles/app/files/bin/digits-trouble"


@pytest.fixture
def watched(project: Project) -> Project:
    """A deployment that somebody is told of."""
    project.settings |= EMAIL
    project.terraform(*APPLY)
    project.ssh_says("exit 0")
    return project


def alerts(api: Api) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Those on the page, and those on the droplet."""
    [check] = api.call("GET", "uptime/checks").json()["checks"]
    on_page = api.call("GET", f"uptime/checks/{check['id']}/alerts").json()["alerts"]
    return on_page, api.call("GET", "monitoring/alerts").json()["policies"]


def test_none_without_an_address(project: Project, api: Api) -> None:
    project.terraform(*APPLY)
    assert total(api, "uptime/checks") == 0
    assert total(api, "monitoring/alerts") == 0
    status, text = examine(project)["watched"]
    assert status == "skip"
    assert "nobody is told when the page is down" in text


def test_made_for_an_address_and_the_second_plan_is_empty(watched: Project, api: Api) -> None:
    [check] = api.call("GET", "uptime/checks").json()["checks"]
    assert check["target"] == f"https://{reserved(api)}/health"
    assert check["name"] == "digits"
    on_page, on_droplet = alerts(api)
    assert {alert["type"] for alert in on_page} == {"down", "latency", "ssl_expiry"}
    [droplet] = api.call("GET", "droplets").json()["droplets"]
    assert {str(alert["type"]).rpartition("/")[2] for alert in on_droplet} == {
        "cpu", "memory_utilization_percent", "disk_utilization_percent",
    }  # fmt: skip
    for alert in on_droplet:
        assert alert["entities"] == [str(droplet["id"])]
        assert alert["alerts"] == {"email": ["you@example.org"], "slack": []}
    assert plan(watched) == ""
    assert conformance.check(api.journal) == []
    # Nobody answers there.
    status, text = examine(watched)["watched"]
    assert status == "FAIL"
    assert "DOWN from eu_west, DOWN from us_east" in text


@pytest.mark.long
def test_they_are_adopted_too_and_all_of_it_goes(watched: Project, api: Api) -> None:
    second = clone(watched)
    without = second.verb("adopt", TF_VAR_alert_email=None)
    assert without.returncode == 0
    assert "TF_VAR_alert_email is not set" in without.stdout
    said = second.verb("adopt").stdout
    assert said.count("Took in ") == 7
    assert NOTHING in said
    assert plan(second) == ""
    assert plan(watched) == ""
    done = second.verb("destroy", CONFIRM="digits", BACKUP="no")
    assert "Nothing that costs money is left of digits." in done.stdout
    assert total(api, "uptime/checks") == 0
    assert total(api, "monitoring/alerts") == 0


def test_the_price_is_said_before(project: Project, api: Api) -> None:
    found = examine(project, "--before-deploy", **EMAIL)["alerts"]
    assert found[0] == "ok"
    assert "you@example.org is told; free, as the account's first" in found[1]
    check = {"name": "another", "type": "https", "target": "https://example.org", "enabled": True}
    api.call("POST", "uptime/checks", check | {"regions": ["eu_west"]})
    found = examine(project, "--before-deploy", **EMAIL)["alerts"]
    assert "$1 a month, since your account has 1 other" in found[1]


def test_no_address(project: Project) -> None:
    done = project.run(
        "terraform", "-chdir=infra/terraform", "plan", "-input=false", TF_VAR_alert_email="you"
    )
    assert done.returncode == 1
    assert "Give an address such as" in done.stdout


@pytest.fixture
def trouble(tmp_path: Path) -> Path:
    """The droplet's command, with a folder of its own."""
    script = tmp_path / "digits-trouble"
    script.write_text(SCRIPT.read_text().replace("/var/lib/digits", str(tmp_path / "lib")))
    return script


def say(script: Path, *words: str) -> str:
    command = ["bash", str(script), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_red_until_all_is_well_again(trouble: Path) -> None:
    red = trouble.parent / "lib/trouble"
    (trouble.parent / "lib").mkdir()
    assert say(trouble) == ""
    say(trouble, "end", "digits-backup")
    assert not red.exists()
    say(trouble, "begin", "digits-backup")
    since = say(trouble)
    assert since.startswith("digits-backup, since 20")
    say(trouble, "begin", "digits-backup")
    assert say(trouble) == since
    say(trouble, "begin", "restarts")
    say(trouble, "end", "digits-backup")
    assert red.exists()
    say(trouble, "end", "restarts")
    assert not red.exists()


def test_each_alert_is_a_sentence_with_the_next_step(trouble: Path) -> None:
    roles = ROOT / "infra/ansible/roles"
    noted = set()
    for file in (*roles.glob("*/files/bin/*"), *roles.glob("*/files/*.service")):
        text = file.read_text()
        noted |= set(re.findall(r'digits-trouble (?:begin|end|"\$\w+") ([a-z-]+)', text))
        if "digits-trouble@%N" in text:
            noted.add(file.stem)
    assert {"certificate", "database-stopped", "another-version", "digits-copies"} < noted
    for name in noted:
        say(trouble, "begin", name)
        (line,) = say(trouble, "words").splitlines()
        assert re.fullmatch(r"since 20.* UTC: .*(make \w+|See the line \w+).*", line)
        assert "journalctl" not in line
        say(trouble, "end", name)
    say(trouble, "begin", "another-unit")
    assert say(trouble, "words").endswith(
        "another-unit failed. See why: make ssh, then: journalctl -u another-unit\n"
    )


def test_the_nightly_backup_turns_it_red_and_green() -> None:
    roles = ROOT / "infra/ansible/roles"
    for unit in (
        "app/files/digits-backup",
        "copies/files/digits-copies",
        "copies/files/digits-copies-test",
    ):
        text = (roles / f"{unit}.service").read_text()
        assert "OnFailure=digits-trouble@%N.service\nOnSuccess=digits-well@%N.service\n" in text
    served = (ROOT / "infra/ansible/roles/web/templates/digits-app.conf.j2").read_text()
    assert "if (-f /var/lib/digits/trouble)" in served
