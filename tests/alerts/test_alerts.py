"""Somebody is told: what Terraform makes for an address, its price, what turns /health red."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest

from droplet import alerts as noted_here
from droplet import fleet
from droplet import host as hosts
from droplet.__main__ import main
from droplet.alerts import RED
from droplet.host import Host
from tests.adoption.test_adopt import NOTHING, clone, plan
from tests.api import conformance
from tests.deployment.test_destroy import total
from tests.deployment.test_which_droplet import reserved
from tests.doctor.test_doctor import examine
from tests.droplet_data import small_disk
from tests.project import ROOT, Api, Project

EMAIL = {"TF_VAR_alert_email": "you@example.org"}


@pytest.fixture
def watched(project: Project) -> Project:
    """A deployment that somebody is told of."""
    project.settings |= EMAIL
    project.deployed()
    project.ssh_says("exit 0")
    return project


def alerts(api: Api) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Those on the page, and those on the droplet."""
    [check] = api.call("GET", "uptime/checks").json()["checks"]
    on_page = api.call("GET", f"uptime/checks/{check['id']}/alerts").json()["alerts"]
    return on_page, api.call("GET", "monitoring/alerts").json()["policies"]


def test_none_without_an_address(project: Project, api: Api) -> None:
    project.deployed()
    assert total(api, "uptime/checks") == 0
    assert total(api, "monitoring/alerts") == 0
    status, text = examine(project)["uptime"]
    assert status == "skip"
    assert "nobody gets an alert when the page is down" in text


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
    status, text = examine(watched)["uptime"]
    assert status == "FAIL"
    assert "DOWN from eu_west, DOWN from us_east" in text


@pytest.mark.long
def test_alerts_are_imported_and_destroyed(watched: Project, api: Api) -> None:
    second = clone(watched)
    without = second.verb("adopt", TF_VAR_alert_email=None)
    assert without.returncode == 0
    assert "TF_VAR_alert_email is not set" in without.stdout
    printed = second.verb("adopt").stdout
    assert printed.count("Imported ") == 7
    assert NOTHING in printed
    assert plan(second) == ""
    assert plan(watched) == ""
    done = second.verb("destroy", CONFIRM="digits", BACKUP="no")
    assert "Nothing that costs money is left of digits." in done.stdout
    assert total(api, "uptime/checks") == 0
    assert total(api, "monitoring/alerts") == 0


def test_the_price_is_printed_before(project: Project, api: Api) -> None:
    found = examine(project, "--before-deploy", **EMAIL)["alerts"]
    assert found[0] == "ok"
    assert "you@example.org gets the alerts; free, as the account's first" in found[1]
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
def host(tmp_path: Path) -> Host:
    """A droplet in a folder."""
    return hosts.real(tmp_path)


def test_red_until_all_is_well_again(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    def say(*words: str) -> str:
        assert main(["alert", *words], host) == 0
        return capsys.readouterr().out

    assert say() == ""
    say("end", "digits-backup")
    assert not host.disk.exists(RED)
    say("begin", "digits-backup")
    since = say()
    assert since.startswith("digits-backup, since 20")
    say("begin", "digits-backup")
    assert say() == since
    say("begin", "restarts")
    found = json.loads(say("list", "--json"))["alerts"]
    assert [one["name"] for one in found] == ["digits-backup", "restarts"]
    say("end", "digits-backup")
    assert host.disk.exists(RED)
    say("end", "restarts")
    assert not host.disk.exists(RED)
    assert main(["alert", "begin"], host) == 1
    assert "No alert is named." in capsys.readouterr().err


def test_a_full_disk_stops_no_alert(host: Host) -> None:
    folder = host.disk.path("/var/lib/digits")
    folder.mkdir(parents=True)
    with small_disk(folder, "64k"):
        (folder / "troubles").mkdir()
        with suppress(OSError):
            (folder / "filler").write_bytes(b"x" * 100_000)
        noted_here.begin(host, "digits-backup")
        assert host.disk.exists(RED)
        [(name, _, sentence)] = noted_here.listed(host)
        assert (name, "make backup" in sentence) == ("digits-backup", True)
        noted_here.end(host, "digits-backup")
        assert not host.disk.exists(RED)


def test_each_alert_is_a_sentence_with_the_next_step(host: Host) -> None:
    noted = {fleet.ALERT}
    for module in ("certificate", "watchdog"):
        text = (ROOT / f"infra/droplet/{module}.py").read_text()
        noted |= set(re.findall(r'(?:_note|alerts\.end\))\(host, "([a-z-]+)"', text))
    for file in (ROOT / "infra/ansible/roles").glob("*/files/*.service"):
        if "digits-alert@%N" in file.read_text():
            noted.add(file.stem)
    assert {"certificate", "database-stopped", "another-version", "digits-copies"} < noted
    for name in noted:
        noted_here.begin(host, name)
        [(one, since, sentence)] = noted_here.listed(host)
        assert one == name
        assert re.fullmatch(r"20.* UTC", since)
        assert re.search(r"make \w+|See the line \w+", sentence)
        assert "journalctl" not in sentence
        noted_here.end(host, name)
    noted_here.begin(host, "another-unit")
    [(_, _, sentence)] = noted_here.listed(host)
    assert sentence == "another-unit failed. See why: make ssh, then: journalctl -u another-unit"


def test_the_nightly_backup_turns_it_red_and_green() -> None:
    roles, units = ROOT / "infra/ansible/roles", ROOT / "infra/ansible/files/etc/systemd/system"
    copies = roles / "offsite/files"
    for unit in (units / "digits-backup", copies / "digits-copies", copies / "digits-copies-test"):
        text = unit.with_suffix(".service").read_text()
        assert "OnFailure=digits-alert@%N.service\nOnSuccess=digits-alert-over@%N.service\n" in text
    for name, mode in (("digits-alert@", "begin"), ("digits-alert-over@", "end")):
        text = (units / f"{name}.service").read_text()
        assert f"ExecStart=/usr/local/sbin/digits alert {mode} %i\n" in text
    served = (roles / "web/templates/digits-app.conf.j2").read_text()
    assert f"if (-f {RED})" in served
