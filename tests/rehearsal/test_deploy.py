"""make deploy from nothing: a browser, the row in PostgreSQL, a second deploy."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page

from rehearsal import places
from tests.browser.page import DigitsPage
from tests.needs import need, need_program
from tests.pen import drawing
from tests.rehearsal.deployment import ROOT, Deployment, run, url_in

pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def first_deploy(deployment: Deployment) -> str:
    """What the deploy from nothing printed."""
    first = "Resources: 7 added" in deployment.output
    need(first, "a deploy from nothing", "make destroy TARGET=rehearsal")
    return deployment.output


def test_deploy_shows_what_it_does_and_ends_with_the_url(
    deployment: Deployment, first_deploy: str
) -> None:
    # But for the rehearsal's own, and without the image's name.
    phase = re.compile(r"^==> (?!Rehearsal)(.+?)(?: 127\S+)?  \(\d+ s\)$", re.MULTILINE)
    phases = phase.findall(first_deploy)
    assert phases == [
        "Check what is needed",
        "Terraform: the droplet and what guards it",
        "Ansible: the server",
        "Docker: build the image",
        "Release",
        "Smoke test",
    ]
    assert "Apply complete! Resources: 7 added" in first_deploy
    # And ends with all that a person wants to know, and the next verbs as they must be typed.
    box = first_deploy[first_deploy.rindex("The digit recogniser is on") :]
    assert f"URL      {deployment.url} " in box
    until = r"valid until 20\S+ \S+ UTC, renewed from 20\S+"
    assert re.search(rf"^\|   HTTPS    {until} on +\|$", box, re.MULTILINE)
    assert re.search(r"Droplet  \d+\.\d+\.\d+\.\d+ ", box)
    assert deployment.ip != deployment.site_address
    assert "Cost     $6 a month" in box
    for verb in ("status", "release", "destroy"):
        assert f"make {verb} TARGET=rehearsal " in box
    # Ansible sees the droplet as a server like any other.
    assert "Debian" in deployment.ssh("cat /etc/os-release")
    assert deployment.ssh("hostname").strip() == "digits"


def test_a_visitor_draws_answers_and_is_logged(deployment: Deployment, page: Page) -> None:
    earlier = len(deployment.rows())
    visitor = DigitsPage(page)
    visitor.open(deployment.url)
    before = datetime.now(UTC)
    visitor.draw(drawing(3))
    digit, confidence = visitor.prediction()
    assert digit == 3
    assert 0.1 < confidence <= 1
    visitor.press_correct()
    visitor.wait_until_cleared()
    [(at, *answer)] = deployment.rows()[earlier:]
    assert answer == [3, 3]
    assert before <= at <= datetime.now(UTC)

    visitor.draw(drawing(8))
    digit, _ = visitor.prediction()
    assert digit == 8
    visitor.submit_correction("6")
    visitor.wait_until_cleared()
    assert [(d, t) for _, d, t in deployment.rows()[earlier:]] == [(3, 3), (8, 6)]


def test_the_prediction_log_has_three_columns_and_no_other(deployment: Deployment) -> None:
    columns = deployment.ssh(
        "docker exec digits-db-1 psql --username digits --no-align --tuples-only --command "
        "\"SELECT column_name FROM information_schema.columns WHERE table_name = 'predictions'"
        ' ORDER BY ordinal_position"'
    )
    assert columns.split() == ["predicted_at", "predicted_digit", "true_label"]


def open_ports(*addresses: str) -> list[list[str]]:
    """Every TCP port that answers, at each address."""
    # On one machine nothing is lost on the way: it can be asked fast, and once more to be sure.
    pace = ("--min-rate", "20000", "--max-retries", "1")
    scan = run("nmap", "-Pn", "-n", "-p-", *pace, "--open", *addresses)
    assert scan.returncode == 0
    _, *each = scan.stdout.split("Nmap scan report for ")
    assert len(each) == len(addresses)
    return [re.findall(r"^(\d+)/tcp +open ", one, re.MULTILINE) for one in each]


def test_nothing_but_22_80_and_443_answers_from_outside(deployment: Deployment) -> None:
    need_program("nmap")
    # What must not answer is there: the test would notice if it did.
    assert re.search(r"127\.0\.0\.1:850[12]", deployment.ssh("ss --listening --tcp --numeric"))
    assert open_ports(deployment.ip, deployment.site_address) == [["22", "80", "443"]] * 2


def test_the_database_s_passwords_are_known_to_the_droplet_only(deployment: Deployment) -> None:
    mode, owner = deployment.ssh("stat --format '%a %U' /opt/digits/secrets").split()
    assert (mode, owner) == ("700", "root")
    history = "docker images --quiet | xargs --max-args 1 docker history --no-trunc"
    # What describes a container, a process list, and an image.
    shown = deployment.ssh(f"docker inspect $(docker ps --quiet); ps -e -o args; {history}")
    for name in ("postgres_password", "app_password"):
        password = deployment.ssh(f"cat /opt/digits/secrets/{name}").strip()
        assert len(password) == 48
        assert password not in deployment.output
        assert password not in shown


def test_a_second_deploy_changes_nothing(deployment: Deployment) -> None:
    orders = deployment.ssh("cat /var/lib/digits/certificate/orders")
    done = run("make", "deploy", "TARGET=rehearsal")
    assert done.returncode == 0
    assert deployment.ssh("cat /var/lib/digits/certificate/orders") == orders
    assert "No changes. Your infrastructure matches the configuration." in done.stdout
    recap = re.findall(r"changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", done.stdout)
    assert recap
    assert set(recap) == {("0", "0", "0")}
    assert url_in(done.stdout) == deployment.url


def test_another_clone_has_no_room_for_its_own(deployment: Deployment, tmp_path: Path) -> None:
    """Whether or not a rehearsal of its own, which was cut off, has left its files there."""
    other = tmp_path / "other"
    shutil.copytree(ROOT, other, ignore=shutil.ignore_patterns(".*", "backups", "__pycache__"))
    (other / ".venv").symlink_to(ROOT / ".venv")
    for left in (False, True):
        if left:
            (other / ".rehearsal").mkdir()
        done = run("make", "-C", str(other), "deploy", "TARGET=rehearsal")
        assert done.returncode != 0
        assert f"a rehearsal already, of the clone in {ROOT}:" in done.stdout
        assert f"{places.PROJECT}-authority" in done.stdout
        assert "Traceback" not in done.stdout
        assert (other / ".rehearsal").exists() == left
    assert requests.get(deployment.url, timeout=30).ok
