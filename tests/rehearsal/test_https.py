"""HTTPS: a certificate from nothing, renewed under load, and whatever may go wrong with it."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser

from tests.browser.page import DigitsPage
from tests.conftest import launch
from tests.needs import need_program
from tests.pen import drawing
from tests.rehearsal.deployment import STATE, Deployment, run, trust_the_authority
from tests.rehearsal.load import Load, under_load
from tests.rehearsal.releases import put

pytestmark = pytest.mark.timeout(900)

AUTHORITY = "digits-rehearsal-authority"
AUTHORITY_PORT = 14000
STATE_THERE = "/var/lib/digits/certificate"
SERVED = "/etc/nginx/digits-certificate.pem"
NAME = "digits.example.org"
ON_HTTP = "none, so the site is on HTTP"


def certificate(deployment: Deployment, word: str = "now") -> str:
    """Run what the timer runs, on the droplet; what it says."""
    printed = deployment.ssh(f"digits certificate {word} 2>&1 || true")
    print(printed)
    return printed


def serial(deployment: Deployment) -> str:
    """The serial number of what is served, or nothing."""
    return deployment.ssh(f"openssl x509 -noout -serial -in {SERVED} 2>/dev/null || true").strip()


def forget(deployment: Deployment, *, all_of_it: bool = True) -> None:
    """As before the first order; or only what was noted of orders, which bounds them."""
    files = f"{STATE_THERE} {SERVED}" if all_of_it else f"{STATE_THERE}/orders"
    deployment.ssh(f"rm -rf {files}")


def is_on(deployment: Deployment, scheme: str) -> bool:
    """Whether a visitor who comes to port 80 is served in this way; whatever it is, it is no error.

    nginx has taken a new configuration a moment after it was told to.
    """
    deadline = time.monotonic() + 5
    while True:
        answer = requests.get(f"http://{deployment.site_address}/_stcore/health", timeout=30)
        assert (answer.status_code, answer.text) == (200, "ok")
        if answer.url.startswith(f"{scheme}:"):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)


@contextmanager
def wants_a_name(deployment: Deployment) -> Iterator[None]:
    """While the site is to have one more name, which leads there: so it orders."""
    line = f"{deployment.site_address} {NAME}"
    forget(deployment, all_of_it=False)
    deployment.ssh(f"echo {line} >>/etc/hosts; {domain(NAME)}")
    in_authority(f"echo {line} >>/etc/hosts")
    try:
        yield
    finally:
        # Docker has the file mounted, so it is written, not replaced.
        away = f"grep -v {NAME} /etc/hosts >/tmp/hosts; cat /tmp/hosts >/etc/hosts"
        in_authority(away)
        deployment.ssh(f"{away}; {domain('')}")
        forget(deployment, all_of_it=False)
        certificate(deployment)
        forget(deployment, all_of_it=False)
    assert is_on(deployment, "https")


def nobody_noticed(load: Load) -> None:
    """No request failed, and no open page lost its connection."""
    print(f"{load.requests} requests, {len(load.failed)} failed, {len(load.dropped)} pages dropped")
    assert load.requests > 0
    assert load.failed == []
    assert load.dropped == []


def domain(name: str) -> str:
    """The command that sets it."""
    return f"sed -i 's/^SITE_DOMAIN=.*/SITE_DOMAIN={name}/' /etc/digits/site.env"


def in_authority(command: str) -> None:
    subprocess.run(["docker", "exec", AUTHORITY, "sh", "-c", command], check=True)


@contextmanager
def away(deployment: Deployment) -> Iterator[None]:
    """While the authority refuses every connection."""
    table = "inet no_authority"
    refuse = (
        f"add table {table}; add chain {table} out {{ type filter hook output priority 0; }};"
        f" add rule {table} out tcp dport {AUTHORITY_PORT} reject with tcp reset"
    )
    deployment.ssh(f"nft '{refuse}'")
    try:
        yield
    finally:
        deployment.ssh(f"nft delete table {table}")


@contextmanager
def silent() -> Iterator[None]:
    """While the authority takes connections and never answers: a question costs fifteen seconds."""
    subprocess.run(["docker", "pause", AUTHORITY], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["docker", "unpause", AUTHORITY], check=True, capture_output=True)


@pytest.fixture(scope="module")
def trusting_home(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which Chromium finds the rehearsal's authority among those to trust."""
    need_program("certutil", "libnss3-tools")
    del deployment
    home = tmp_path_factory.mktemp("home")
    store = home / ".pki/nssdb"
    store.mkdir(parents=True)
    parts = (STATE / "authority.pem").read_text().split("-----BEGIN CERTIFICATE-----")
    root = home / "root.pem"
    root.write_text("-----BEGIN CERTIFICATE-----" + parts[-1])
    certutil = ["certutil", "-d", f"sql:{store}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True)
    add = [*certutil, "-A", "-n", "rehearsal", "-t", "C,,", "-i", str(root)]
    subprocess.run(add, check=True)
    return home


def test_a_browser_that_trusts_the_authority_sees_no_warning(
    deployment: Deployment, trusting_home: Path, browser: Browser
) -> None:
    assert deployment.url == f"https://{deployment.site_address}"
    before = len(deployment.rows())
    # Only one Playwright may run in a process.
    with closing(launch(browser.browser_type, trusting_home)) as browser:
        page = browser.new_page()
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        visitor = DigitsPage(page)
        visitor.open(f"http://{deployment.site_address}")
        assert page.url.rstrip("/") == deployment.url
        visitor.draw(drawing(7))
        assert visitor.prediction()[0] == 7
        visitor.press_correct()
        visitor.wait_until_cleared()
        assert page.evaluate("isSecureContext")
        assert sockets
        assert all(url.startswith("wss://") for url in sockets)
    assert len(deployment.rows()) == before + 1


def test_every_address_redirects_to_https(deployment: Deployment) -> None:
    for address in (deployment.site_address, deployment.ip):
        answer = requests.get(f"http://{address}/_stcore/health", timeout=30)
        assert (answer.url, answer.text) == (f"{deployment.url}/_stcore/health", "ok")


def test_a_redirect_is_not_remembered_and_the_challenge_is_not_redirected(
    deployment: Deployment,
) -> None:
    there = f"http://{deployment.site_address}"
    answer = requests.get(f"{there}/a?b=c", timeout=30, allow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{deployment.url}/a?b=c"
    challenge = requests.get(
        f"{there}/.well-known/acme-challenge/none", timeout=30, allow_redirects=False
    )
    assert challenge.status_code == 404
    # Browsers would ignore it for an address.
    assert "Strict-Transport-Security" not in requests.get(deployment.url, timeout=30).headers


def test_tls_is_modern(deployment: Deployment) -> None:
    need_program("sslscan")
    printed = run("sslscan", "--no-colour", deployment.site_address).stdout
    protocols = dict(re.findall(r"^(SSLv\d|TLSv1\.\d) +(\w+)$", printed, re.MULTILINE))
    enabled = {name for name, state in protocols.items() if state == "enabled"}
    assert enabled == {"TLSv1.2", "TLSv1.3"}
    ciphers = re.findall(
        r"^(?:Preferred|Accepted) +(\S+) +(\d+) bits +(\S+)", printed, re.MULTILINE
    )
    assert ciphers
    for protocol, bits, cipher in ciphers:
        assert int(bits) >= 128
        assert "GCM" in cipher or "CHACHA20" in cipher, cipher
        assert protocol == "TLSv1.3" or cipher.startswith("ECDHE-"), cipher
    assert re.search(
        rf"^Altnames: +IP Address:{re.escape(deployment.site_address)}$", printed, re.MULTILINE
    )
    assert "ffdhe" not in printed
    assert "not vulnerable to heartbleed" in printed
    asked = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_version}")
    root = str(STATE / "authority.pem")
    assert run(*asked, "--cacert", root, deployment.url).stdout == "2"


def test_everybody_sees_its_state(deployment: Deployment) -> None:
    until = r"valid until 20\S+ \S+ UTC, renewed from 20\S+"
    for verb in ("doctor", "look"):  # test_server.py has the status
        printed = run("make", verb, "TARGET=rehearsal")
        assert re.search(until, printed.stdout), verb
        assert printed.returncode == 0
    assert run("make", "--silent", "url", "TARGET=rehearsal").stdout.endswith(f"{deployment.url}\n")
    timer = deployment.ssh("systemctl list-timers digits-certificate.timer --no-pager")
    assert "digits-certificate.service" in timer


def test_keys_are_for_root_alone_and_nowhere_else(deployment: Deployment) -> None:
    listed = deployment.ssh(f"find {STATE_THERE} {SERVED} -type f -printf '%m %u %p\\n'")
    keys = [line.split() for line in listed.splitlines() if line.endswith((".key", ".pem"))]
    assert len(keys) >= 3  # the account's, lego's, nginx's
    assert {(mode, user) for mode, user, _ in keys} == {("600", "root")}
    line = deployment.ssh(f"sed -n '/PRIVATE KEY/{{n;p;q}}' {SERVED}").strip()
    assert len(line) == 64
    there = f"grep -rlF {shlex.quote(line)} /var/backups /var/log /opt/digits /etc /tmp || true"
    assert deployment.ssh(there).split() == [SERVED]
    assert deployment.ssh(f"journalctl | grep -cF {shlex.quote(line)} || true").strip() == "0"
    assert line not in deployment.output


def test_a_domain_that_is_ordered_twice_at_once(deployment: Deployment) -> None:
    """What `make deploy` prints about one, test_processes.py sees."""
    live = deployment.live()["id"]
    before = serial(deployment)
    try:
        with wants_a_name(deployment):
            with under_load(deployment.url, askers=4, stayers=10) as load:
                printed = deployment.ssh(
                    "digits certificate 2>&1 & digits certificate now 2>&1; wait"
                )
                time.sleep(1)
            assert printed.count("A new certificate") == 1
            orders = deployment.ssh(f"cat {STATE_THERE}/orders")
            assert orders.count(" try ") == orders.count(" got ") == 1
            assert NAME in certificate(deployment, "status")
            assert serial(deployment) != before
            nobody_noticed(load)
            # The app answers by its names only, too, and learns this one when it is released.
            assert "In service" in put(deployment, live)
            root = str(STATE / "authority.pem")
            ask = ("curl", "--silent", "--show-error", "--cacert", root, "--include")
            here = deployment.site_address
            to = ("--resolve", f"{NAME}:443:{here}", "--resolve", f"{NAME}:80:{here}")
            by_name = run(*ask, *to, f"https://{NAME}/_stcore/health").stdout
            assert "strict-transport-security: max-age=86400" in by_name
            assert by_name.endswith("ok")
            assert f"https://{NAME}/" in run(*ask, *to, f"http://{NAME}/").stdout
            by_address = run(*ask, f"{deployment.url}/_stcore/health").stdout
            assert "strict-transport-security" not in by_address
            assert by_address.endswith("ok")
    finally:
        assert "In service" in put(deployment, live)


def test_the_authority_is_down_at_first(deployment: Deployment) -> None:
    forget(deployment)
    with away(deployment):
        printed = certificate(deployment)
        assert "The certificate authority does not answer" in printed
        assert ON_HTTP in printed
        assert is_on(deployment, "http")
        doctor = run("make", "doctor", "TARGET=rehearsal")
        assert doctor.returncode != 0
        assert "FAIL  certificate" in doctor.stdout
        assert "The certificate authority does not answer" in doctor.stdout
        assert run("make", "look", "TARGET=rehearsal").returncode == 0  # the page answers
    deployment.ssh("systemctl start digits-certificate")  # as the timer does
    assert is_on(deployment, "https")
    assert "The certificate authority" not in certificate(deployment, "status")


@pytest.mark.long
def test_an_authority_that_takes_connections_and_is_silent(deployment: Deployment) -> None:
    """It is asked twice, for fifteen seconds."""
    forget(deployment)
    with silent():
        started = time.monotonic()
        assert "The certificate authority does not answer" in certificate(deployment)
        assert time.monotonic() - started < 60
    certificate(deployment)
    assert is_on(deployment, "https")


def test_what_a_browser_would_refuse_is_not_served(deployment: Deployment) -> None:
    """tests/https/test_certificate.py has more of what may be wrong with it."""
    with away(deployment):
        # Without its key. Nor is there another one: the authority has been away until past the end.
        spoil = f"openssl x509 -in {SERVED} -out /root/spoilt && mv /root/spoilt {SERVED}"
        deployment.ssh(f"rm -rf {STATE_THERE}/lego/certificates; {spoil}")
        # nginx starts all the same, and the site is there.
        deployment.ssh("systemctl restart nginx")
        assert is_on(deployment, "http")
        assert ON_HTTP in certificate(deployment)
        assert is_on(deployment, "http")
    forget(deployment)
    certificate(deployment)
    assert is_on(deployment, "https")


@pytest.fixture(scope="class")
def a_name_is_wanted(deployment: Deployment) -> Iterator[None]:
    """The site is to have one more name until the last of these tests has run."""
    with wants_a_name(deployment):
        yield


@pytest.mark.usefixtures("a_name_is_wanted")
class TestWhatGoesWrongWithAnOrder:
    """None of these orders is given a certificate, but the last."""

    @pytest.fixture(autouse=True)
    def _no_order_counts(self, deployment: Deployment) -> None:
        forget(deployment, all_of_it=False)

    @pytest.mark.long
    def test_port_80_is_closed(self, deployment: Deployment) -> None:
        rule = "inet digits_rehearsal_firewall inbound tcp dport 80 drop"
        deployment.ssh(f"nft insert rule {rule}")
        printed = certificate(deployment)
        deployment.ssh(
            "nft -a list chain inet digits_rehearsal_firewall inbound"
            " | sed -n 's/.*dport 80 drop # handle //p'"
            " | xargs nft delete rule inet digits_rehearsal_firewall inbound handle"
        )
        assert "cannot reach the site on port 80" in printed
        assert "firewall.tf" in printed
        assert requests.get(f"{deployment.url}/_stcore/health", timeout=30).text == "ok"

    def test_the_challenge_is_answered_wrongly(self, deployment: Deployment) -> None:
        file = "/etc/nginx/digits-challenge.conf"
        deployment.ssh(
            f"cp -p {file} /root/kept && sed -i 's#/var/www/acme#/nowhere#' {file}"
            " && systemctl reload nginx"
        )
        printed = certificate(deployment)
        deployment.ssh(f"mv /root/kept {file} && systemctl reload nginx")  # its date, too
        assert "was answered wrongly on port 80" in printed
        assert is_on(deployment, "https")

    def test_it_is_killed_half_way(self, deployment: Deployment) -> None:
        for instant in (0.6, 2.5):
            forget(deployment, all_of_it=False)
            deployment.ssh(f"timeout --signal=KILL {instant} digits certificate || true")
            deployment.ssh("pkill -KILL lego || true; nginx -t -q")
            assert is_on(deployment, "https")
        forget(deployment, all_of_it=False)
        certificate(deployment)
        assert NAME in certificate(deployment, "status")
        assert deployment.ssh("ls /etc/nginx/digits-certificate.pem.* 2>/dev/null || true") == ""


@contextmanager
def short_certificates(deployment: Deployment, folder: Path) -> Iterator[Callable[[int], None]]:
    """While the authority gives certificates that are valid for so long; one of them serves.

    Its root is new at every start, so what the site had before is worth nothing then.
    """
    validity = '"certificateValidityPeriod": '

    def valid_for(seconds: int) -> None:
        in_authority(f"sed -i 's/{validity}.*/{validity}{seconds}/' /etc/pebble/pebble.json")
        subprocess.run(
            ["docker", "restart", "--time", "1", AUTHORITY], check=True, capture_output=True
        )
        run("make", "url", "TARGET=rehearsal")  # fetches the new root
        root = shlex.quote((STATE / "authority.pem").read_text())
        deployment.ssh(f"printf %s {root} >/etc/digits/acme-root.pem")
        trust_the_authority(folder)
        forget(deployment)
        certificate(deployment)
        assert is_on(deployment, "https")

    try:
        yield valid_for
    finally:
        valid_for(576000)


@pytest.mark.long
def test_a_renewal_and_then_an_authority_that_is_away_until_past_the_end(
    deployment: Deployment, tmp_path: Path
) -> None:
    with short_certificates(deployment, tmp_path) as valid_for:
        # Short ones, whose time to be renewed has come.
        valid_for(7200)
        first = serial(deployment)
        with under_load(deployment.url, askers=4, stayers=10) as load:
            # The time to renew is drawn by lot, from a span that the authority names: half of it
            # lies in the past.
            for _ in range(40):
                forget(deployment, all_of_it=False)
                if "A new certificate" in certificate(deployment, ""):
                    break
            time.sleep(1)
        assert serial(deployment) != first
        nobody_noticed(load)
        # Of a certificate that would end within the hour a browser is spared the error page.
        valid_for(3600 + 15)
        deployment.ssh("systemctl stop digits-certificate.timer")
        with away(deployment):
            ends = f"openssl x509 -in {SERVED} -noout -checkend 3600"
            deployment.ssh(f"while {ends}; do sleep 0.5; done")
            deployment.ssh("systemctl start digits-certificate || true")
            assert is_on(deployment, "http")
            assert ON_HTTP in certificate(deployment, "status")
        deployment.ssh("systemctl start digits-certificate.timer")


@pytest.mark.long
def test_off_is_http(deployment: Deployment) -> None:
    assert run("make", "deploy", "TARGET=rehearsal", ACME="off").returncode == 0
    assert is_on(deployment, "http")
    assert "ACME=off" in run("make", "status", "TARGET=rehearsal").stdout
    assert run("make", "deploy", "TARGET=rehearsal").returncode == 0
    assert is_on(deployment, "https")
