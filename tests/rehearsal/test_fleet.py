"""From one droplet to two behind a load balancer, and back to one: nobody is turned away."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from playwright.sync_api import Page

from tests.browser.page import DigitsPage
from tests.pen import drawing
from tests.rehearsal.deployment import Deployment, run, url_in
from tests.rehearsal.fleet import ALONE, SETTINGS, Numbered, balancer, images, moving
from tests.rehearsal.load import under_load
from tests.rehearsal.log import count
from tests.rehearsal.releases import release, retitled

pytestmark = [pytest.mark.timeout(1200), pytest.mark.long]


@pytest.fixture(scope="module")
def fleet(deployment: Deployment) -> Iterator[list[Deployment]]:
    """Both droplets, at the balancer's URL; afterwards there is the first one again, alone."""
    own, logged = deployment.ip, count(deployment)
    with moving(lambda: deployment.url, balancer) as seen:
        done = run("make", "deploy", "TARGET=rehearsal", **SETTINGS)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "$39 a month in all" in done.stdout
    assert "The load balancer comes first" in done.stdout
    assert deployment.ip == own
    url = balancer()
    assert url_in(done.stdout) == url
    assert seen.unanswered == []
    assert min(seen.answers[deployment.url], seen.answers[url]) > 5
    both = [Deployment(done.stdout, url), Numbered(done.stdout, url, 2)]
    assert [count(one) for one in both] == [logged, logged]
    yield both
    logged = count(deployment)
    # It answers by HTTP at once, and has its certificate again in a minute.
    plain = f"http://{deployment.site_address}"
    with moving(lambda: url, lambda: plain, lambda: deployment.url) as seen:
        done = run("make", "deploy", "TARGET=rehearsal", **ALONE)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "No more visitors for digits-2" in done.stdout
    assert url_in(done.stdout) == deployment.url
    assert deployment.ip == own
    assert seen.unanswered == []
    assert count(deployment) == logged
    assert balancer() == ""


def test_visitors_come_in_by_the_balancer_alone(
    deployment: Deployment, fleet: list[Deployment], page: Page
) -> None:
    first = fleet[0]
    visitor = DigitsPage(page)
    visitor.open(first.url)
    visitor.draw(drawing(3))
    assert visitor.prediction()[0] == 3
    for closed in (deployment.site_address, *(one.ip for one in fleet)):
        for port in (80, 443):
            with pytest.raises(TimeoutError):
                socket.create_connection((closed, port), timeout=1)
    # Without a cookie each has its turn, and notes the visitor's address, not the balancer's.
    path = f"/{uuid4().hex}"
    forged = {"X-Forwarded-For": "192.0.2.1"}
    for _ in range(4):
        answer = requests.get(f"{first.url}{path}", headers=forged, timeout=30)
        assert answer.cookies.keys() == ["digits-droplet"]
    here = fleet[0].ssh("echo ${SSH_CONNECTION%% *}").strip()
    noted = [one.ssh(f"journalctl --unit nginx --output cat | grep {path}") for one in fleet]
    lines = [line for text in noted for line in text.splitlines()]
    assert len(lines) == 4
    assert all(line.startswith(f'{here} "GET {path}" ') for line in lines), lines
    with requests.Session() as same:
        path = f"/{uuid4().hex}"
        for _ in range(4):
            same.get(f"{first.url}{path}", timeout=30)
    counts = [one.ssh(f"journalctl --unit nginx | grep -c {path} || true") for one in fleet]
    assert sorted(map(int, counts)) == [0, 4]


def test_each_receives_a_changed_line_and_little_more(
    fleet: list[Deployment], app_folder: Path
) -> None:
    received = "cat /sys/class/net/eth0/statistics/rx_bytes"
    before = [int(one.ssh(received)) for one in fleet]
    retitled(app_folder, "Draw one line")
    done = release(APP_FOLDER=str(app_folder))
    assert done.returncode == 0
    each = [int(one.ssh(received)) - was for one, was in zip(fleet, before, strict=True)]
    print(f"MEASURED: {each} bytes")
    # The first one's dump comes over the network, too: three quarters of a megabyte without a row.
    assert each[0] < 2_000_000
    assert each[1] < 300_000
    assert done.stdout.count("Backed up to ") == 1


def test_a_release_and_a_rollback_go_over_both(
    fleet: list[Deployment], app_folder: Path, page: Page
) -> None:
    before = images(*fleet)
    assert before[0] == before[1]
    visitor = DigitsPage(page)
    visitor.open(fleet[0].url)
    with under_load(fleet[0].url) as load:
        retitled(app_folder, "Draw on two droplets")
        done = release(APP_FOLDER=str(app_folder))
        assert done.returncode == 0
        released = images(*fleet)
        assert released[0] == released[1] != before[0]
        done = run("make", "rollback", "TARGET=rehearsal")
        assert done.returncode == 0
        assert images(*fleet) == before
    assert load.requests > 100
    assert load.failed == []
    assert load.away < 5
    visitor.wait_until_connected()
    visitor.draw(drawing(3))
    assert visitor.prediction()[0] == 3


def test_what_breaks_on_the_second_is_live_nowhere(
    fleet: list[Deployment], app_folder: Path
) -> None:
    before = images(*fleet)
    retitled(app_folder, "Draw on one droplet alone")
    # nginx there does not take a new version.
    upset = "sed -i.kept '1i no such word;' /etc/nginx/nginx.conf"
    fix = "mv /etc/nginx/nginx.conf.kept /etc/nginx/nginx.conf"
    fleet[1].ssh(upset)
    try:
        with under_load(fleet[0].url) as load:
            done = release(APP_FOLDER=str(app_folder))
    finally:
        fleet[1].ssh(fix)
    assert done.returncode != 0
    assert "nginx does not accept its own configuration" in done.stdout
    assert "goes back, so that all have the same version" in done.stdout
    assert images(*fleet) == before
    assert load.failed == []
