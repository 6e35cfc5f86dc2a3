"""How many processes the app has: by size, by setting; and what nginx makes of it."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from pathlib import Path

import jinja2
import pytest
import yaml

from droplet import site
from droplet.disk import Disk
from droplet.history import Release
from droplet.processes import ports_after
from ops.cloud.api import Droplet
from ops.console.errors import Failed
from ops.console.settings import ScaleSettings, Settings
from ops.deployment import processes
from ops.doctor import processes as examined
from ops.doctor.findings import Patient, Warned
from ops.ssh.connection import Host
from tests.project import ROOT

ROLES = ROOT / "infra/ansible/roles"


@pytest.mark.parametrize(
    ("processors", "memory_mb", "count"),
    [
        (1, 1024, 1),
        (1, 2048, 1),
        (2, 2048, 2),
        (2, 1024, 1),
        (2, 4096, 2),
        (4, 2048, 2),
        (4, 8192, 4),
        (8, 16384, 8),
        (32, 65536, 16),
    ],
)
def test_one_for_each_processor_that_there_is_memory_for(
    processors: int, memory_mb: int, count: int
) -> None:
    assert processes.wanted(ScaleSettings(), processors, memory_mb) == count
    printed = processes.description(ScaleSettings(), processors, memory_mb)
    assert (printed == "") == (processors == 1)
    if count < processors:
        reason = "no memory for" if processors < 32 else "which is the most"
        assert reason in printed


def test_the_setting_has_the_last_word_as_far_as_there_is_memory() -> None:
    assert processes.wanted(ScaleSettings(app_processes="1"), 4, 8192) == 1
    assert processes.wanted(ScaleSettings(app_processes="3"), 1, 2048) == 3
    assert (
        processes.description(ScaleSettings(app_processes="2"), 1, 2048)
        == "the app gets 2 processes"
    )
    with pytest.raises(Failed, match="more than 1024 MB of memory hold") as caught:
        processes.wanted(ScaleSettings(app_processes="2"), 1, 1024)
    assert caught.value.then[0].startswith("export TF_VAR_app_processes=1, or give it")


@pytest.mark.parametrize("text", ["two", "0", "-1", "1.5", "17", " 2", "²"])
def test_what_is_no_number_of_processes(text: str) -> None:
    with pytest.raises(Failed, match="is no number of processes") as caught:
        processes.wanted(ScaleSettings(app_processes=text), 2, 4096)
    assert caught.value.then


def rendered(name: str, count: int, **more: object) -> str:
    """One of nginx's templates, as Ansible fills it in."""
    templates = jinja2.Environment(  # noqa: S701 - no HTML
        loader=jinja2.FileSystemLoader(ROLES / "web/templates"), trim_blocks=True
    )
    values = yaml.safe_load((ROLES / "web/defaults/main.yml").read_text())
    values |= {"web_processes": str(count), "app_processes": count, "database_connections": 0}
    values |= {"site_address": "203.0.113.7", "site_domain": "", "web_acme_root": "", **more}
    return templates.get_template(name).render(values)


def test_one_process_is_served_as_if_there_were_no_others() -> None:
    for name in ("nginx.conf.j2", "digits-app.conf.j2", "site.env.j2"):
        text = rendered(name, 1)
        assert not re.search(r"route|hash \$|cookie|APP_PROCESSES", text, re.IGNORECASE), name


def test_several_get_a_cookie_with_a_route_and_nothing_else() -> None:
    text = rendered("nginx.conf.j2", 3)
    assert re.search(r"upstream app \{\n +hash \$route;\n", text)
    assert '"route=$new_route; Path=/; HttpOnly; SameSite=Lax; Secure"' in text
    site = rendered("digits-app.conf.j2", 3)
    assert "add_header Set-Cookie $route_cookie;" in site
    assert "APP_PROCESSES=3\n" in rendered("site.env.j2", 3)


def test_only_the_balancer_is_believed_who_a_visitor_is() -> None:
    """It comes from the private network; while its droplets change, anybody may come directly."""
    text = rendered("nginx.conf.j2", 1, web_balanced=True)
    believed = [ipaddress.ip_network(word) for word in re.findall(r"set_real_ip_from (.+);", text)]
    for balancer in ("10.108.0.3", "172.20.0.2", "192.168.5.1"):
        assert any(ipaddress.ip_address(balancer) in network for network in believed)
    for visitor in ("8.8.8.8", "203.0.113.7", "100.64.0.1", "2001:db8::1"):
        assert not any(ipaddress.ip_address(visitor) in network for network in believed)
    assert "real_ip" not in rendered("nginx.conf.j2", 1)


def test_all_processes_of_two_releases_leave_the_database_connections_for_others(
    tmp_path: Path,
) -> None:
    (tmp_path / "etc/digits").mkdir(parents=True)
    for count in range(1, processes.MOST + 1):
        (tmp_path / "etc/digits/site.env").write_text(f"APP_PROCESSES={count}\n")
        of_one = site.read(Disk(tmp_path)).connections
        assert 1 <= of_one <= 8
        assert 2 * count * of_one <= 90
        assert of_one == 8 or count > 5


def test_ports_of_both_sets() -> None:
    live = Release(1, "", "", "", "", "", ports=(8501, 8503))
    assert ports_after(None, 1) == (8501,)
    assert ports_after(None, 3) == (8501, 8503, 8505)
    assert ports_after(live, 3) == (8502, 8504, 8506)
    assert ports_after(live.at("later"), 1) == (8502,)


@pytest.mark.parametrize(
    ("says", "what"),
    [
        ("2\n2\n0\n", "2 of 2 are in service"),
        ("1\n1\n0\n", "The droplet is set up for 1, and its size and the settings say 2."),
        ("2\n1\n0\n", "Only 1 of 2 processes of the app are in service."),
        ("2\n2\n1\n", "1 of 2 does not answer"),
    ],
)
def test_the_doctor_counts_them(monkeypatch: pytest.MonkeyPatch, says: str, what: str) -> None:
    small = Droplet("digits", "203.0.113.7", "active", "1", "fra1", "s-1vcpu-1gb")
    assert not examined.are_several(Patient(Settings(), droplet=small, reached=True))
    large = dataclasses.replace(small, processors=2, memory_mb=4096)
    patient = Patient(Settings(), droplet=large, reached=True)
    assert examined.are_several(patient)
    monkeypatch.setattr(Host, "ask", lambda _host, _command: says)
    if what.endswith("service"):
        assert examined.serving(patient) == what
        return
    with pytest.raises(Failed, match=what[:30]) as caught:
        examined.serving(patient)
    assert isinstance(caught.value, Warned) == ("answer" in what)
    assert caught.value.then
