"""The certificate without a droplet: its client, authority and nginx do as they are told."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from droplet import alerts
from droplet import host as hosts
from droplet.__main__ import main
from droplet.clock import Clock
from droplet.disk import Disk, DiskFull
from droplet.nginx import Nginx
from tests.droplet_data import small_disk
from tests.needs import need_program
from tests.project import ROOT

FILES = ROOT / "infra/ansible/files/etc/nginx"
ADDRESS, DOMAIN = "203.0.113.7", "digits.example.org"

# Each notes that it was called, and does what the files of its name in "told" say.
PROGRAMS = {
    "lego": """\
[ ! -e told/lego ] || { cat told/lego >&2; exit 1; }
folder=var/lib/digits/certificate/lego/certificates san=''
mkdir -p $folder
for word; do case $word in
  --domains=*[a-z]) san=$san,DNS:${word#*=} ;;
  --domains=*) san=$san,IP:${word#*=} ;;
esac; done
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj / \\
  -keyout $folder/203.0.113.7.key -out csr 2>/dev/null
openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -days $(cat told/days) \\
  -extfile <(echo subjectAltName=${san#,}) -out $folder/203.0.113.7.crt 2>/dev/null""",
    "nginx": """\
! { [ -e told/nginx ] && grep -q ^ssl_certificate etc/nginx/digits-site.conf; }""",
    "systemctl": "true",
    "curl": """\
[ ! -e told/curl ] || { echo 'curl: (28) Connection timed out' >&2; exit 28; }
said=$(date --utc --date "$(cat told/clock)" '+%a, %d %b %Y %T GMT')
printf 'HTTP/2 200\\r\\nDate: %s\\r\\n' "$said\"""",
    "getent": f"""\
[ "$*" = "ahosts {DOMAIN}" ] && [ -e told/getent ] && sed 's/$/ STREAM x/' told/getent""",
}


class LaterClock(Clock):
    """A clock that is so many hours later than it is."""

    hours = 0

    def now(self) -> float:
        return super().now() + 3600 * self.hours


class SmallDisk(Disk):
    """A disk that has no room while it is told so."""

    is_full = False

    def write(self, name: str, text: str, mode: int = 0o600, *, spare: bool = True) -> None:
        if self.is_full:
            raise DiskFull(name)
        super().write(name, text, mode, spare=spare)


class Droplet:
    """A folder in which the command finds what it would find on a droplet."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.clock = LaterClock()
        self.disk = SmallDisk(root)
        made = hosts.real(root)
        nginx = Nginx(self.disk, made.systemd, self.clock)
        self.host = replace(made, disk=self.disk, clock=self.clock, nginx=nginx)
        self.status = 0
        self._capture = capture

    def tell(self, program: str, text: str | None = "") -> None:
        """Have a program fail, or do otherwise; None: as usual."""
        file = self.root / "told" / program
        file.unlink(missing_ok=True)
        if text is not None:
            file.write_text(f"{text}\n")

    def set(self, **values: str) -> None:
        """Its settings."""
        settings = {
            "SITE_ADDRESS": ADDRESS, "SITE_DOMAIN": "", "ACME": "on",
            "ACME_SERVER": "https://authority.invalid/dir", "ACME_ROOT": "/ca.pem",
        } | values  # fmt: skip
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.root / "etc/digits/site.env").write_text(text)

    def run(self, word: str = "timer", *options: str) -> str:
        """What the command prints; its exit status is in `status`."""
        (self.root / "calls").write_text("")
        self._capture.readouterr()
        self.status = main(["certificate", word, *options], self.host)
        printed = "".join(self._capture.readouterr())
        print(printed)
        return printed

    def calls(self, program: str) -> int:
        """How often the last run called a program."""
        return (self.root / "calls").read_text().split().count(program)

    @property
    def site(self) -> str:
        """What nginx reads."""
        return (self.root / "etc/nginx/digits-site.conf").read_text()

    @property
    def is_https(self) -> bool:
        return "ssl_certificate " in self.site

    @property
    def state(self) -> Path:
        return self.root / "var/lib/digits/certificate"


@pytest.fixture
def droplet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Droplet:
    need_program("openssl")
    for folder in ("bin", "told", "etc/digits", "etc/nginx", "run/lock", "var/www/acme"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("digits-http.conf", "digits-https.conf"):
        shutil.copy(FILES / name, tmp_path / "etc/nginx")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    for name, script in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/bash\ncd {tmp_path}\necho {name} >>calls\n{script}\n")
        program.chmod(0o755)
    ca = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    ca += ["-noenc", "-days", "9", "-subj", "/CN=test", "-keyout", "ca.key", "-out", "ca.pem"]
    subprocess.run(ca, cwd=tmp_path, check=True, capture_output=True)
    made = Droplet(tmp_path, capsys)
    made.tell("days", "6")
    made.tell("clock", "now")
    made.set()
    return made


def test_from_nothing_to_https_and_then_nothing_more(droplet: Droplet) -> None:
    output = droplet.run("now")
    assert f"A new certificate: for {ADDRESS}, valid until " in output
    assert "The site is on HTTPS." in output
    assert droplet.is_https
    for word in ("now", "timer"):
        output = droplet.run(word)
        assert droplet.calls("lego") == droplet.calls("curl") == droplet.calls("systemctl") == 0
    assert output == ""
    assert f"for {ADDRESS}, valid until " in droplet.run("status")
    for file in (droplet.root / "etc/nginx/digits-certificate.pem", *droplet.state.rglob("*")):
        assert file.stat().st_mode & 0o77 == 0, file
    assert droplet.state.stat().st_mode & 0o77 == 0


def test_the_way_back_to_http_takes_no_room(droplet: Droplet) -> None:
    droplet.run("now")
    served = droplet.root / "etc/nginx/digits-certificate.pem"
    kept = served.read_text()
    droplet.disk.is_full = True
    droplet.tell("curl")
    served.write_text("")
    shutil.rmtree(droplet.state / "lego")
    assert "The site is on HTTP." in droplet.run()
    assert not droplet.is_https
    served.write_text(kept)
    assert "The site is on HTTPS." in droplet.run()


def test_asked_twice_a_day_whether_to_renew(droplet: Droplet) -> None:
    droplet.run()
    droplet.clock.hours = 11
    droplet.tell("clock", "11 hours")
    droplet.run()
    assert droplet.calls("lego") == 0
    droplet.clock.hours = 13
    droplet.tell("clock", "13 hours")
    assert "A new certificate" in droplet.run()
    assert droplet.calls("systemctl") == 1


def test_the_authority_is_down_for_a_while(droplet: Droplet) -> None:
    droplet.tell("curl")
    output = droplet.run("now")
    assert "The certificate authority does not answer (curl: (28) Connection timed out)" in output
    assert "none, so the site is on HTTP; tried again by itself" in output
    assert not droplet.is_https
    assert "The certificate authority does not answer" in droplet.run("status")
    assert not (droplet.state / "orders").exists(), "an order was spent on it"
    droplet.tell("curl", None)
    assert "The site is on HTTPS." in droplet.run()
    assert "does not answer" not in droplet.run("status")


def test_one_that_ends_is_not_served(droplet: Droplet) -> None:
    droplet.run()
    served = droplet.root / "etc/nginx/digits-certificate.pem"
    good = served.read_text()
    droplet.tell("curl")
    droplet.tell("days", "0")
    (droplet.root / "bin/lego").chmod(0o755)
    subprocess.run(["bin/lego", f"--domains={ADDRESS}"], cwd=droplet.root, check=True)
    made = droplet.state / "lego/certificates" / ADDRESS
    ended = made.with_name(f"{ADDRESS}.crt").read_text()
    served.write_text(ended + made.with_name(f"{ADDRESS}.key").read_text())
    assert "The site is on HTTP." in droplet.run()
    for spoilt in ("", "nothing", good.partition("-----BEGIN PRIVATE")[0], good[:300]):
        served.write_text(spoilt)
        droplet.run("site")
        assert not droplet.is_https
    served.write_text(good)
    assert "The site is on HTTPS." in droplet.run()


def test_another_authority_than_the_one_that_gave_it(droplet: Droplet) -> None:
    """As after Let's Encrypt's own rehearsal (staging), whose certificates no browser takes."""
    droplet.run()
    assert droplet.is_https
    droplet.set(ACME_ROOT="")
    droplet.tell("curl")
    droplet.run()
    assert not droplet.is_https


@pytest.mark.parametrize(
    ("lego", "says"),
    [
        ("urn:ietf:params:acme:error:rateLimited :: too many certificates", "over its limit"),
        ("urn:ietf:params:acme:error:connection :: Timeout", "cannot reach the site on port 80"),
        ("urn:ietf:params:acme:error:unauthorized :: 404", "was answered wrongly on port 80"),
        ("open x.crt: no space left on device", "disk is full"),
        ("something new", "The last lines of lego:\nsomething new"),
        ("", "it was ended after four minutes, or is not installed"),
    ],
)
def test_what_fails_is_named(droplet: Droplet, lego: str, says: str) -> None:
    droplet.tell("lego", lego)
    assert says in droplet.run("now")
    assert says.partition("\n")[0] in droplet.run("status")
    assert not droplet.is_https


def test_an_account_that_the_authority_has_forgotten(droplet: Droplet) -> None:
    account = droplet.state / "lego/accounts/key"
    account.parent.mkdir(parents=True)
    account.touch()
    droplet.tell("lego", "urn:ietf:params:acme:error:accountDoesNotExist")
    droplet.run("now")
    assert not account.exists()


def test_orders_are_bounded(droplet: Droplet) -> None:
    droplet.tell("lego", "no")
    tried = []
    for _ in range(6):
        output = droplet.run("now")
        tried.append(droplet.calls("lego"))
    assert tried == [1, 1, 1, 1, 0, 0]
    assert "Four orders failed within the last hour" in output
    # The timer waits a quarter of an hour by itself.
    (droplet.state / "orders").write_text("")
    assert (droplet.run(), droplet.calls("lego"))[1] == 1
    assert (droplet.run(), droplet.calls("lego"))[1] == 0
    # And nobody orders five certificates of the same names a week; of others, one may.
    now = subprocess.run(["date", "+%s"], capture_output=True, text=True, check=True).stdout.strip()
    (droplet.state / "orders").write_text(f"{now} got {ADDRESS}\n" * 4)
    droplet.tell("lego", None)
    assert "Four certificates were ordered within a week" in droplet.run("now")
    assert droplet.calls("lego") == 0
    (droplet.state / "orders").write_text(f"{now} got 203.0.113.8\n" * 4)
    droplet.run("now")
    assert droplet.is_https


@pytest.mark.parametrize(("off", "word"), [("-1 day", "ahead"), ("+1 day", "behind")])
def test_the_clock_is_wrong(droplet: Droplet, off: str, word: str) -> None:
    droplet.tell("clock", off)
    assert re.search(rf"clock is 14[34]\d minutes {word}", droplet.run("now"))
    assert droplet.calls("lego") == 0


def test_nginx_does_not_take_it(droplet: Droplet) -> None:
    droplet.tell("nginx")
    assert "The site stays on HTTP." in droplet.run("now")
    assert not droplet.is_https


def test_a_run_that_was_killed_is_completed(droplet: Droplet) -> None:
    droplet.run()
    served = droplet.root / "etc/nginx/digits-certificate.pem"
    new = served.read_text()
    # lego had written, and what came after had not happened.
    served.unlink()
    droplet.run("site")
    served.with_name("digits-certificate.pem.new").touch()
    assert "The site is on HTTPS." in droplet.run()
    assert droplet.calls("lego") == 0
    assert served.read_text() == new
    assert [file.name for file in served.parent.glob("*.pem*")] == [served.name]
    # nginx has not been told of a certificate that is in place.
    (droplet.state / "loaded").unlink()
    droplet.run()
    assert droplet.calls("systemctl") == 1


def test_off(droplet: Droplet) -> None:
    droplet.run()
    droplet.set(ACME="off")
    assert "The site is on HTTP." in droplet.run("now")
    assert droplet.calls("lego") == 0
    assert droplet.run("status") == "none wanted (ACME=off)\n"


def test_a_domain(droplet: Droplet) -> None:
    droplet.set(SITE_DOMAIN=DOMAIN)
    for found in ("203.0.113.9", f"2001:db8::1\n{ADDRESS}"):
        droplet.tell("getent", found)
        output = droplet.run("now")
        assert f"{DOMAIN} leads to {' '.join(found.split())}, and the site's address is" in output
    # Without it, the address has its certificate, and the name leads nowhere but to HTTP.
    assert f"server_name localhost 127.0.0.1 {DOMAIN};" in droplet.site
    droplet.tell("getent", ADDRESS)
    assert f"A new certificate: for {ADDRESS} {DOMAIN}, valid" in droplet.run("now")
    assert f'"{DOMAIN}" "max-age=86400";' in droplet.site
    # A name server that is away for an hour takes nothing away.
    droplet.tell("getent", None)
    assert f"{DOMAIN} leads to no address" in droplet.run()
    assert droplet.calls("lego") == 0
    assert f'"{DOMAIN}" "max-age=86400";' in droplet.site


def test_a_renewal_that_keeps_failing_raises_an_alert_days_before_the_end(droplet: Droplet) -> None:
    """Of a certificate of six days, when less than two days and ten hours are left."""
    droplet.run()
    droplet.tell("curl")
    for later, noted, https in (
        (0, False, True), (86, False, True), (87, True, True), (7 * 24, True, False),
    ):  # fmt: skip
        droplet.clock.hours = later
        droplet.run()
        sentences = [sentence for _, _, sentence in alerts.listed(droplet.host)]
        assert ("the certificate ends soon and its renewal fails" in str(sentences)) == noted
        assert droplet.is_https == https
    droplet.tell("curl", None)
    droplet.clock.hours = 0
    (droplet.state / "orders").unlink()
    assert "A new certificate" in droplet.run("now")
    assert alerts.listed(droplet.host) == []


def test_a_full_disk_is_an_error(droplet: Droplet) -> None:
    folder = droplet.root / "etc/nginx"
    kept = shutil.copytree(folder, droplet.root / "kept")
    with small_disk(folder, "128k"):
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        droplet.run("site")  # as nginx does before it starts
        with suppress(OSError):
            (folder / "filler").write_bytes(b"x" * 200_000)
        output = droplet.run("now")
        assert "The droplet's disk is full, so no certificate can be written." in output
        assert droplet.status == 1
        assert "The droplet's disk is full" in droplet.run("status")
        (folder / "filler").unlink()
        droplet.run("now")
        assert droplet.status == 0
        assert droplet.is_https
        assert "disk is full" not in droplet.run("status")


def test_a_program_gets_values(droplet: Droplet) -> None:
    droplet.tell("curl")
    droplet.run("now")
    found = json.loads(droplet.run("status", "--json"))
    assert (found["wanted"], found["good"]) == (True, False)
    assert "does not answer" in found["problem"][0]
    droplet.set(ACME="off")
    droplet.run("now")
    found = json.loads(droplet.run("status", "--json"))
    assert (found["wanted"], found["problem"]) == (False, [])


def test_a_setting_is_never_run(droplet: Droplet) -> None:
    droplet.set(ACME_SERVER="https://authority.invalid/$(touch ran)`touch ran`;touch ran")
    droplet.run("now")
    assert not (droplet.root / "ran").exists()
