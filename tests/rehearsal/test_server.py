"""The droplet: what it lets in, how its containers are held, and that it comes back."""

from __future__ import annotations

import json
import re
import shlex
import time
from contextlib import suppress

import pytest
import requests
from playwright.sync_api import Page

from tests import hostile
from tests.browser.page import DigitsPage
from tests.pen import drawing
from tests.rehearsal.deployment import Deployment, run
from tests.rehearsal.load import under_load

pytestmark = pytest.mark.timeout(900)


def test_the_containers_may_do_no_more_than_they_need(deployment: Deployment) -> None:
    ids = deployment.ssh("docker ps --quiet").split()
    assert len(ids) == 2
    for container in json.loads(deployment.ssh(f"docker inspect {' '.join(ids)}")):
        host = container["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["ReadonlyRootfs"]
        assert host["Memory"] > 0
        assert host["PidsLimit"] > 0
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert not host["Privileged"]
        if container["Config"]["Labels"]["com.docker.compose.service"] == "app":
            assert not host["CapAdd"]
            assert container["Config"]["User"] == "10001"
    assert deployment.ssh("ps -o user= -C postgres | sort -u").strip() != "root"


def test_headers_and_compression(deployment: Deployment) -> None:
    headers = requests.get(deployment.url, timeout=30).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Server"] == "nginx"  # and no version


def test_the_page_breaks_none_of_its_own_rules(deployment: Deployment, page: Page) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    visitor = DigitsPage(page)
    visitor.open(deployment.url)
    visitor.draw(drawing(5))
    visitor.prediction()
    assert not [text for text in complaints if "Content Security Policy" in text]


def test_a_class_behind_one_address_is_let_in_and_a_flood_is_not(deployment: Deployment) -> None:
    script = (
        "import concurrent.futures as f, collections, http.client\n"
        "def ask(count):\n"
        "    c = http.client.HTTPConnection('127.0.0.1'); seen = collections.Counter()\n"
        "    for _ in range(count):\n"
        "        c.request('GET', '/_stcore/health'); r = c.getresponse(); r.read()\n"
        "        seen[r.status] += 1\n"
        "    return seen\n"
        "for count in (60, 500):\n"
        "    with f.ThreadPoolExecutor(30) as pool:\n"
        "        print(dict(sum(pool.map(ask, [count] * 30), collections.Counter())))\n"
    )
    class_, flood = deployment.ssh(f"python3 -c {shlex.quote(script)}").splitlines()
    assert class_ == "{200: 1800}"  # thirty pages of sixty files, all at once
    assert "429" in flood


def test_refusals_by_the_thousand_are_hardly_noted(deployment: Deployment) -> None:
    script = (
        "import http.client, time\n"
        "c = http.client.HTTPConnection('127.0.0.1'); refused = 0; end = time.time() + 20\n"
        "while refused < 10000 and time.time() < end:\n"
        "    c.request('GET', '/unavailable'); r = c.getresponse(); r.read()\n"
        "    refused += r.status == 429\n"
        "print(refused)\n"
    )
    time.sleep(1)
    since = deployment.ssh("date '+%F %T'").strip()
    # Foreign names are refused as cheaply.
    name = script.replace("'/unavailable')", "'/', headers={'Host': 'evil.example'})")
    for text, status in ((script, "429"), (name.replace("429", "421"), "421")):
        refused = int(deployment.ssh(f"python3 -c {shlex.quote(text)}"))
        assert refused == 10000
        assert _noted(deployment, since, f'" {status} ') < 50
    # What nginx let through, from before the limit was reached, is all there.
    assert _noted(deployment, since, '"GET /unavailable" 404 ') > 100
    assert _noted(deployment, since, "limiting") == 0


def _noted(deployment: Deployment, since: str, text: str) -> int:
    """How many lines of nginx's journal hold this."""
    journal = f"journalctl --unit nginx --since '{since}' --output cat"
    count = f"grep --count --fixed-strings {shlex.quote(text)} || true"
    return int(deployment.ssh(f"{journal} | {count}"))


@pytest.mark.long  # test_time_logs_and_updates_are_kept_in_bounds reads the setting
def test_the_journal_is_bounded_in_size(deployment: Deployment) -> None:
    """Filled with more than it may hold."""
    fill = (
        "import socket\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.connect('/run/systemd/journal/socket')\n"
        "import os\n"
        "for n in range(5000):\n"
        "    s.send(b'SYSLOG_IDENTIFIER=fill\\nMESSAGE=' + os.urandom(35000).hex().encode()"
        " + b'\\n')\n"
    )
    # Its rate is bounded too, for each service: here each time as another one.
    for _ in range(2):
        deployment.ssh(f"systemd-run --quiet --wait --collect python3 -c {shlex.quote(fill)}")
    used = int(deployment.ssh("du --summarize --block-size=1M /var/log/journal").split()[0])
    print(f"{used} MB")
    assert used <= 210


def test_the_site_answers_to_addresses_only(deployment: Deployment) -> None:
    for host, status in (
        ("evil.example", 421), ("203.0.113.7.evil.example", 421), ("", 400), ("x" * 300, 421),
        ("203.0.113.7", 302), ("[2001:db8::1]", 302), ("localhost", 200), ("LOCALHOST:80", 200),
    ):  # fmt: skip
        ask = "curl --silent --output /dev/null --write-out '%{http_code}' -H"
        printed = deployment.ssh(
            f"{ask} {shlex.quote(f'Host: {host}' if host else 'Host;')} 127.0.0.1"
        )
        assert int(printed) == status, host
    other = requests.get(deployment.url, headers={"Host": "evil.example"}, timeout=30)
    assert "This site answers by its own address only." in other.text


def test_a_restart_of_nginx_turns_nobody_away_for_long(deployment: Deployment) -> None:
    with hostile.raw_page(deployment.url), hostile.raw_page(deployment.url):
        deployment.ssh("systemd-run --quiet --on-active=1 systemctl restart nginx")
        away, ends = 0.0, time.monotonic() + 10
        while time.monotonic() < ends:
            started = time.monotonic()
            try:
                requests.get(f"{deployment.url}/_stcore/health", timeout=5)
            except requests.RequestException:
                time.sleep(0.02)
                away += time.monotonic() - started
            else:
                if away:
                    break
    print(f"away for {away:.2f} s")
    assert 0 < away < 2.5


def test_what_hangs_is_back_soon(deployment: Deployment) -> None:
    """The app and the database at once."""
    rows = deployment.rows()
    named = "docker ps -q --filter label=com.docker.compose.service="
    containers = {what: deployment.ssh(f"{named}{what}").strip() for what in ("app", "db")}

    def state(what: str) -> list[str]:
        inspect = "docker inspect --format '{{.State.StartedAt}} {{.State.Health.Status}}' "
        return deployment.ssh(inspect + containers[what]).split()

    before = {what: state(what)[0] for what in containers}
    since = deployment.ssh("date '+%F %T'").strip()
    stop = "for p in $(docker top %s -eo pid | tail -n +2); do kill -STOP $p; done"
    deployment.ssh("; ".join(stop % container for container in containers.values()))
    stopped = time.monotonic()
    answer = requests.get(deployment.url, timeout=30)
    assert time.monotonic() - stopped < 15
    assert answer.status_code == 504
    assert "Back in a moment" in answer.text
    # The watch takes one after the other, and Docker lets a database take ten seconds to end.
    for what in containers:
        while (now := state(what))[0] == before[what] or now[1] != "healthy":
            assert time.monotonic() - stopped < 90, (what, now)
            time.sleep(0.5)
        print(f"{what}: back after {time.monotonic() - stopped:.0f} s")
    _wait_until_it_serves(deployment, 10)
    noted = deployment.ssh(f"journalctl --unit digits-watchdog --since '{since}'")
    assert "The app does not answer" in noted
    assert "The database does not answer" in noted
    assert deployment.rows() == rows


def test_the_access_log_knows_no_query_string(deployment: Deployment) -> None:
    assert requests.get(f"{deployment.url}/?secret=word", timeout=30).ok
    log = deployment.ssh("journalctl --unit nginx --lines 50 --output cat")
    assert '"GET /"' in log
    assert "secret" not in log


def test_time_logs_and_updates_are_kept_in_bounds(deployment: Deployment) -> None:
    assert deployment.ssh("date +%Z").strip() == "UTC"
    bounds = deployment.ssh("systemd-analyze cat-config systemd/journald.conf")
    assert "SystemMaxUse=200M" in bounds
    assert "MaxRetentionSec=14day" in bounds
    # nginx writes there too, and nowhere else.
    files = deployment.ssh("find /var/log/nginx -type f -size +0 | sort")
    assert files == ""
    daemon = json.loads(deployment.ssh("cat /etc/docker/daemon.json"))
    assert daemon["log-opts"]["max-size"] == "10m"
    assert daemon["live-restore"] is True
    upgrades = deployment.ssh("apt-config dump")
    assert 'Unattended-Upgrade::Automatic-Reboot "false"' in upgrades
    assert 'APT::Periodic::Unattended-Upgrade "1"' in upgrades


def test_after_an_upgrade_docker_and_nginx_run_what_is_installed(deployment: Deployment) -> None:
    """Nobody is refused meanwhile; an open page connects again at once."""
    # What unattended-upgrades does when there is a newer one, done with the one there is.
    packages = "docker.io containerd runc nginx libpcre2-8-0 libssl3t64"
    since = deployment.ssh("date '+%F %T'").strip()
    containers = deployment.ssh("docker ps --quiet --no-trunc")
    with under_load(deployment.url) as load:
        deployment.ssh(f"DEBIAN_FRONTEND=noninteractive apt-get install -qq --reinstall {packages}")
        time.sleep(1)
    assert "Starting up" in deployment.ssh(f"journalctl --unit docker --since '{since}'")
    assert deployment.ssh("docker ps --quiet --no-trunc") == containers
    old = deployment.ssh("needrestart -b -l -r l")
    assert "docker.service" not in old
    assert "nginx.service" not in old
    print(load.requests, load.dropped, load.away)
    assert load.requests > 100
    assert load.failed == []
    assert load.away < 2


def test_status_shows_the_release_and_its_health(deployment: Deployment) -> None:
    deployment.ssh("digits backup manual")
    printed = run("make", "status", "TARGET=rehearsal").stdout
    for line in (
        rf"^URL +{re.escape(deployment.url)}$",
        r"^release +\S*sha256:\w+, (released|gone back to) 20\S+ by .+@.+, commit \S+$",
        r"^app +Up .+\((healthy|health: starting)\), .+MiB",
        r"^database +PostgreSQL 17\..+, Up .+\((healthy|health: starting)\), \d+ answers?$",
        r"^nginx +active$",
        r"^certificate +for [0-9.]+, valid until 20\S+ \S+ UTC, renewed from 20.+ on$",
        r"^memory +\d+ of \d+ MB available",
        r"^disk +\S+ of \S+ free$",
        r"^last backup +20.+\.dump$",
    ):
        assert re.search(line, printed, re.MULTILINE), line


def test_psql_and_ssh_and_logs(deployment: Deployment) -> None:
    del deployment
    asked = run("bash", "-c", "echo 'SELECT 6 * 7' | make psql TARGET=rehearsal")
    assert "42" in asked.stdout
    assert "digits" in run("bash", "-c", "echo hostname | make ssh TARGET=rehearsal").stdout
    logs = run("make", "logs", "TARGET=rehearsal", FOLLOW="")
    assert logs.returncode == 0
    assert "database system is ready" in logs.stdout


def _wait_until_it_serves(deployment: Deployment, seconds: float) -> float:
    started = time.monotonic()
    while True:
        with suppress(requests.RequestException):
            if requests.get(f"{deployment.url}/_stcore/health", timeout=2).ok:
                return time.monotonic() - started
        assert time.monotonic() - started < seconds, "it does not come back"
        time.sleep(0.3)


def test_a_reboot_with_visitors_on_it(deployment: Deployment, page: Page) -> None:
    visitor = DigitsPage(page)
    visitor.open(deployment.url)
    rows = deployment.rows()
    assert rows
    deployment.ssh("systemd-run --on-active=1 --quiet reboot")
    time.sleep(5)
    seconds = _wait_until_it_serves(deployment, 180)
    print(f"serves again after {seconds + 5:.0f} s")
    assert deployment.rows() == rows
    # The open page finds its way back by itself.
    visitor.wait_until_connected()
    visitor.draw(drawing(3))
    visitor.prediction()
    visitor.press_correct()
    visitor.wait_until_cleared()
    assert len(deployment.rows()) == len(rows) + 1
