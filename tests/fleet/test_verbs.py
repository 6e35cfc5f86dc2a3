"""Every verb speaks of several droplets: which one, what each says, and what is turned off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api import conformance
from tests.doctor.test_doctor import examine
from tests.fleet.test_release import SSH, printed, served, three
from tests.project import PYTHON, Api, Project
from tests.provision.test_drift import PLAY

__all__ = ["three"]  # the fixture

Three = tuple[Project, dict[str, Path]]
# What a check asks of a droplet, and how well it is.
MORE = """
case "$*" in
*/ready*) [ "$host" = "$OUT" ] && echo "503 drained" || echo 200; exit ;;
*meminfo*) printf '/dev/vda1 25000000 1 20000000 9%% /\\nMemAvailable: 500000 kB\\n'; exit ;;
*fingerprint*) echo yes; exit ;;
*compose*) echo "app-1 | of $host"; grep -o "sed .*" <<<"$*" | head -n 1; exit ;;
esac
"""


def status_of(api: Api, name: str) -> tuple[int, str]:
    """The number and the status of the droplet of this name."""
    listed = api.call("GET", "droplets?tag_name=digits").json()["droplets"]
    [one] = [one for one in listed if one["name"] == name]
    return one["id"], one["status"]


def test_logs_ssh_and_status_of_each(three: Three) -> None:
    project, serves = three
    project.ssh_says(SSH.replace('case "$*" in', MORE + 'case "$*" in', 1))
    project.settings |= {"OUT": ""}
    # All at once, each line with its droplet's name; or one alone.
    text = printed(project.verb("logs"))
    for name, file in serves.items():
        assert f"app-1 | of {file.name}" in text
        assert f"sed --unbuffered 's/^/{name} | /'" in text
    alone = printed(project.verb("logs", DROPLET="digits-2"))
    assert f"of {serves['digits-2'].name}" in alone
    assert serves["digits"].name not in alone

    shown = printed(project.verb("ssh", "digits status"))
    assert "This is digits, the first of 3 droplets." in shown
    assert "make ssh DROPLET=digits-2 TARGET=rehearsal" in shown
    assert f"{serves['digits'].name} serves" in shown
    assert "the first of" not in printed(project.verb("ssh", "digits status", DROPLET="digits-2"))

    # Whatever verb it was, it is that one that is named.
    refused = printed(project.verb("logs", DROPLET="digits-9"), 1)
    assert "No droplet of this deployment is called digits-9." in refused
    assert "Run the same command without DROPLET, or with DROPLET=digits" in refused
    assert "make ssh" not in refused

    # One that serves another version than the others is no success.
    assert "different versions" not in printed(project.verb("status"))
    serves["digits-3"].write_text("sha256:0123456789abcdef\n")
    refused = printed(project.verb("status"), 1)
    assert "The droplets have different versions in service: digits old, digits-2 old, " in refused
    assert "digits-3 0123456789ab." in refused
    assert "make release TARGET=rehearsal" in refused
    serves["digits-3"].write_text("sha256:old\n")

    refused = printed(project.verb("upgrade-database"), 1)
    assert "DigitalOcean's managed PostgreSQL" in refused
    assert "/settings, Upgrade version" in refused


def test_doctor_looks_at_each(three: Three, api: Api) -> None:
    project, serves = three
    project.ssh_says(SSH.replace('case "$*" in', MORE + 'case "$*" in', 1))
    project.settings |= {"OUT": ""}
    found = examine(project)
    assert found["droplet"][0] == "ok"
    for name in ("digits-2", "digits-3"):
        assert found[name][0] == "ok"
        assert f"root@{serves[name].name} accepts your login" in found[name][1]
    assert found["visitors"] == (
        "ok",
        "digits and digits-2 and digits-3 would take what the load balancer sends",
    )
    assert found["release"][0] == "ok"
    # One is drained, one is down, one serves what the others do not.
    serves["digits-3"].write_text("sha256:other\n")
    down = serves["digits-2"].name
    found = examine(project, OUT=serves["digits"].name, DOWN=down)
    assert found["digits-2"][0] == "FAIL"
    assert "digits: it is drained" in found["visitors"][1]
    assert "digits-3 other" in found["release"][1]
    number, _ = status_of(api, "digits-2")
    api.call("POST", f"droplets/{number}/actions", {"type": "power_off"})
    assert "digits-2 is turned off" in examine(project)["digits-2"][1]


def test_without_one_that_is_lost(three: Three, api: Api) -> None:
    """It is turned off, so that it cannot come back with an older version by itself."""
    project, serves = three
    down = serves["digits-2"].name
    text = printed(project.verb("release", DOWN=down), 1)
    assert "the same command with WITHOUT=digits-2 turns it off" in text
    assert "digits-4" in printed(project.verb("release", WITHOUT="digits-4"), 1)
    assert status_of(api, "digits-2")[1] == "active"

    text = printed(project.verb("release", DOWN=down, WITHOUT="digits-2"))
    assert "so it is turned off, as WITHOUT=digits-2 wants it" in text
    assert "Without digits-2, turned off" in text
    assert status_of(api, "digits-2")[1] == "off"
    assert served(serves) == ["new", "sha256:old", "new"]
    # What is off is in nobody's way, and never served to.
    text = printed(project.verb("rollback", DOWN=down))
    assert "Without digits-2, turned off" in text
    text = printed(project.verb("status", DOWN=down))
    assert "It is turned off, and has no visitors." in text
    inventory = json.loads(project.run(PYTHON, "infra/ansible/inventory.py").stdout)
    assert inventory["droplet"]["hosts"] == ["digits", "digits-3"]
    assert inventory["droplet"]["vars"]["app_backs_up"] == "digits"

    printed(project.verb("deploy", RESTORE="none"))
    assert status_of(api, "digits-2")[1] == "active"
    assert served(serves) == ["new"] * 3
    log = (serves["digits"].parent / "log").read_text()
    assert log.count("rm -f /run/digits-drained /run/digits-booted") >= 3
    assert conformance.check(api.journal) == []


# A recreated droplet has only the live image.
LACKS = """
case "$*" in
*"image inspect"*) [ "$host" = "$NEW" ] && echo lacking || echo there; exit ;;
*"docker save"*) echo "$host: saved" >>"$DROPLETS/log"; echo packed; exit ;;
*"docker load"*) echo "$host: loaded $(cat)" >>"$DROPLETS/log"; exit ;;
esac
"""


def test_a_rollback_copies_the_image_to_a_new_droplet(three: Three) -> None:
    project, serves = three
    project.ssh_says(SSH.replace('case "$*" in', LACKS + 'case "$*" in', 1))
    text = printed(project.verb("rollback", NEW=serves["digits-3"].name))
    assert "digits-3 never had that version: copying it from digits" in text
    log = (serves["digits"].parent / "log").read_text()
    assert f"{serves['digits'].name}: saved\n{serves['digits-3'].name}:" in log
    assert f"{serves['digits-3'].name}: loaded packed" in log
    assert served(serves) == ["sha256:older"] * 3
    # By a name, too: the others go where the first went.
    printed(project.verb("rollback", RELEASE="digits:1", NEW=""))


def test_one_that_answers_takes_part(three: Three, api: Api) -> None:
    project, serves = three
    text = printed(project.verb("release", WITHOUT="digits-2"))
    assert "digits-2 answers, so it takes part, too." in text
    assert status_of(api, "digits-2")[1] == "active"
    assert served(serves) == ["new"] * 3


def test_the_last_droplet_stays_behind_the_balancer(three: Three, api: Api) -> None:
    """With the others removed by hand, the site is where it was; the pipeline, too, knows it."""
    project, _ = three
    for name in ("digits-2", "digits-3"):
        api.call("DELETE", f"droplets/{status_of(api, name)[0]}")
    [balancer] = api.call("GET", "load_balancers").json()["load_balancers"]
    state = project.folder / "infra/terraform/terraform.tfstate"
    for _ in ("with Terraform's state", "without"):
        reported = json.loads(project.run(PYTHON, "infra/ansible/inventory.py").stdout)
        reported = reported["droplet"]["vars"]
        assert (reported["site_address"], reported["web_balanced"]) == (balancer["ip"], True)
        state.unlink(missing_ok=True)


def test_drift_names_the_droplet(three: Three) -> None:
    project, _ = three
    project.ssh_says(SSH.replace('case "$*" in', MORE + 'case "$*" in', 1))
    project.settings |= {"OUT": ""}
    file = project.folder / "file"
    file.write_text("one\n")
    play = PLAY.replace("FILE", str(file)).replace("hosts: localhost", "hosts: droplet")
    (project.folder / "infra/ansible/site.yml").write_text(play)
    python = f"{project.folder}/{PYTHON}"
    project.settings |= {"ANSIBLE_PYTHON_INTERPRETER": python, "CONTENT": "one\n"}
    file.chmod(0o600)
    text = printed(project.verb("drift"))
    assert "The droplets are as infra/ansible." in text
    text = printed(project.verb("drift", CONTENT="two\n"), 2)
    assert "Have the file" in text
    assert "changed: [digits-2]" in text
    assert "The droplets differ from infra/ansible." in text


def test_a_missing_alert_is_named(project: Project) -> None:
    project.settings |= {"TF_VAR_alert_email": "you@example.org"}
    project.deployed()
    project.ssh_says("exit 0")
    text = printed(project.verb("drift", TF_VAR_alert_email=""), 2)
    assert 'digitalocean_monitor_alert.droplet["cpu"] will be destroyed' in text


@pytest.mark.parametrize("ours", [False, True])
def test_no_reserved_ip_is_left(project: Project, api: Api, *, ours: bool) -> None:
    if ours:
        project.deployed()
    for _ in range(2 if ours else 3):
        assert api.call("POST", "reserved_ips", {"region": "fra1"}).status_code == 202
    status, text = examine(project, "--before-deploy")["reserved ip"]
    if ours:
        assert (status, text) == ("ok", "the site has its own")
    else:
        assert status == "FAIL"
        assert "the account has all 3 that it may have" in text
        assert "(on no droplet)" in text
