"""A larger droplet is used: two processes of the app, released and killed."""

from __future__ import annotations

import re
import time

import pytest
import requests
from playwright.sync_api import Page

from tests.browser.page import DigitsPage
from tests.crowd import visiting
from tests.pen import drawing
from tests.rehearsal.deployment import Deployment, run
from tests.rehearsal.load import under_load
from tests.rehearsal.releases import app_containers, put

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("larger")]

SETS = (["8501", "8503"], ["8502", "8504"])
ONE_BY_ONE = {"PROCESS_MB": "99999999"}


def ports(deployment: Deployment) -> list[str]:
    """Those that nginx sends visitors to."""
    return re.findall(r":(\d+);", deployment.ssh("cat /etc/nginx/digits-upstream.conf"))


def two_serve(deployment: Deployment, image: str) -> None:
    """Both processes are this version's, nginx and status know them, and nothing is left over."""
    serving = ports(deployment)
    assert serving in SETS
    assert len(app_containers(deployment)) == 2
    inspect = "docker inspect --format '{{.Image}} {{json .HostConfig.PortBindings}}' "
    image = deployment.ssh(f"docker image inspect --format '{{{{.Id}}}}' {image}").strip()
    for line in deployment.ssh(inspect + " ".join(app_containers(deployment))).splitlines():
        assert line.startswith(f"{image} ")
        assert any(f'"HostPort":"{port}"' in line for port in serving)
    status = deployment.ssh("digits status")
    assert len(re.findall(r"^app [12] of 2 +Up ", status, re.MULTILINE)) == 2
    assert deployment.live()["ports"] == [int(port) for port in serving]
    assert deployment.ssh("ls /opt/digits/*.new /run/lock/digits.holder 2>/dev/null || true") == ""


def test_a_larger_droplet_gets_a_process_for_each_processor(
    deployment: Deployment, larger: str
) -> None:
    assert "digits.example.org leads to no address" in larger
    assert deployment.url in larger
    assert "$24 a month; the app gets 2 processes" in larger
    assert "Starting 2 of 2 processes beside the live one, on ports 8" in larger


def test_a_visitor_stays_with_one_of_two(deployment: Deployment) -> None:
    first = requests.get(deployment.url, timeout=30)
    cookie = first.headers["Set-Cookie"]
    assert re.fullmatch(r"route=[0-9a-f]{2}; Path=/; HttpOnly; SameSite=Lax; Secure", cookie)
    # Behind a load balancer HTTPS may end there.
    plain = f"http://{deployment.site_address}"
    for proto, secure in (("https", True), ("http", False)):
        heard = requests.get(plain, headers={"X-Forwarded-Proto": proto}, timeout=30)
        assert heard.headers["Set-Cookie"].endswith("; Secure") == secure
    visitor = requests.Session()
    visitor.get(deployment.url, timeout=30)
    assert "Set-Cookie" not in visitor.get(deployment.url, timeout=30).headers
    # What is no route gets one.
    odd = requests.get(deployment.url, headers={"Cookie": "route=../etc"}, timeout=30)
    assert re.match(r"route=[0-9a-f]{2};", odd.headers["Set-Cookie"])
    logs = run("make", "logs", "TARGET=rehearsal", FOLLOW="").stdout
    assert len(set(re.findall(r"(app-\d+) +\|", logs))) == 2


def test_releases_at_once_and_one_by_one(deployment: Deployment) -> None:
    deployment.variant("first")
    deployment.variant("second")
    before = len(deployment.rows())
    with (
        under_load(deployment.url, askers=2, stayers=4) as load,
        visiting(deployment.url, 6, pause=1) as crowd,
    ):
        printed = put(deployment, "digits:first", DRAIN="3")
        assert "Starting 2 of 2 processes beside" in printed
        assert "In service" in printed
        two_serve(deployment, "digits:first")
        printed = put(deployment, "digits:second", DRAIN="3", **ONE_BY_ONE)
        assert "they are replaced one by one" in printed
        assert printed.count("Cutting over to it") == 2
        assert "In service" in printed
        two_serve(deployment, "digits:second")
    print(load.requests, load.failed, load.away, crowd.answers, crowd.failed)
    assert load.requests > 200
    assert load.failed == []
    assert load.away < 5
    rows = len(deployment.rows()) - before
    assert crowd.answers <= rows <= crowd.answers + len(crowd.failed)


def test_a_process_that_dies_takes_only_its_own_pages_along(
    deployment: Deployment, page: Page
) -> None:
    visitor = DigitsPage(page)
    visitor.open(deployment.url)
    containers = app_containers(deployment)
    # As the kernel ends it for want of memory: the program in the container, not the container.
    kill = "kill -KILL $(pgrep --parent $(docker inspect --format '{{.State.Pid}}' %s))"
    with under_load(deployment.url, askers=4, stayers=12) as load:
        time.sleep(2)
        deployment.ssh(kill % containers[0])
        time.sleep(5)
    print(load.requests, load.failed, load.dropped, load.away)
    assert 0 < len(load.dropped) < 12
    assert load.away < 5
    assert load.failed == []
    # It is there again, and the other one may end. The page was on one of them, and goes on.
    ask = "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health')"
    wait = f'until docker exec %s python -c "{ask}" 2>/dev/null; do sleep 1; done'
    deployment.ssh(wait % containers[0])
    deployment.ssh(kill % containers[1])
    time.sleep(3)  # until the page has noticed
    visitor.wait_until_connected()
    visitor.draw(drawing(3))
    assert visitor.prediction()[0] == 3
    deployment.ssh(wait % containers[1])
    assert app_containers(deployment) == containers


def test_the_database_takes_all_that_they_may_open(deployment: Deployment) -> None:
    """Two sets of processes, as during a release, each with all its connections."""
    asked = deployment.ssh("docker exec digits-db-1 psql -U digits -Atc 'SHOW max_connections'")
    inspect = "docker inspect --format '{{.Config.Env}}' " + " ".join(app_containers(deployment))
    each = re.findall(r"DATABASE_CONNECTIONS=(\d+)", deployment.ssh(inspect))
    assert len(each) == 2
    assert 2 * sum(map(int, each)) < int(asked) - 3
