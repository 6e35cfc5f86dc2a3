"""digits-certificate without a droplet: its client, authority and nginx do as they are told."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.infra.conftest import ROOT
from tests.infra.droplet_data import small_disk
from tests.needs import need_program

FILES = ROOT / "infra/ansible/roles/web/files"
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
    # Writes what nginx is to read; the disk is full if it is told so.
    "sed": """\
[ "$1" = -n ] || [ ! -e told/sed ] || { echo 'sed: no space left' >&2; exit 4; }
cd "$OLDPWD" && exec /usr/bin/sed "$@\"""",
    "curl": """\
[ ! -e told/curl ] || { echo 'curl: (28) Connection timed out'; exit 28; }
said=$(date --utc --date "$(cat told/clock)" '+%a, %d %b %Y %T GMT')
printf 'HTTP/2 200\\r\\nDate: %s\\r\\n' "$said\"""",
    # The time in seconds, so much later as it is told.
    "date": """\
[ "$*" != +%s ] || [ ! -e told/date ] || exec /usr/bin/date --date "$(cat told/date)" +%s
exec /usr/bin/date "$@\"""",
    "getent": f"""\
[ "$*" = "ahosts {DOMAIN}" ] && [ -e told/getent ] && sed 's/$/ STREAM x/' told/getent""",
}


@dataclass(frozen=True)
class Droplet:
    """A folder in which the command finds what it would find on a droplet."""

    root: Path

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
            "ACME_SERVER": "https://authority.invalid/dir", "ACME_ROOT": str(self.root / "ca.pem"),
        } | values  # fmt: skip
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.root / "etc/digits/site.env").write_text(text)

    def run(self, word: str = "") -> str:
        """What the command says."""
        return self.finished(word).stdout

    def finished(self, word: str = "") -> subprocess.CompletedProcess[str]:
        """The same, with the command's status."""
        (self.root / "calls").write_text("")
        done = subprocess.run(
            ["bash", "digits-certificate", *filter(None, [word])],
            cwd=self.root,
            env={"PATH": f"{self.root}/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        print(done.stdout)
        assert "line " not in done.stdout, "bash complains"
        return done

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
def droplet(tmp_path: Path) -> Droplet:
    need_program("openssl")
    for folder in ("bin", "told", "etc/digits", "etc/nginx", "run/lock", "var/www/acme"):
        (tmp_path / folder).mkdir(parents=True)
    text = (FILES / "bin/digits-certificate").read_text()
    text = re.sub(r"/(etc|run|var)/(?=digits|nginx|lock|lib|www)", rf"{tmp_path}/\1/", text)
    (tmp_path / "digits-certificate").write_text(text)
    for name in ("digits-http.conf", "digits-https.conf"):
        shutil.copy(FILES / name, tmp_path / "etc/nginx")
    trouble = (ROOT / "infra/ansible/roles/app/files/bin/digits-trouble").read_text()
    (tmp_path / "bin/digits-trouble").write_text(
        trouble.replace("/var/lib/digits", f"{tmp_path}/noted")
    )
    (tmp_path / "bin/digits-trouble").chmod(0o755)
    (tmp_path / "noted").mkdir()
    for name, script in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/bash\ncd {tmp_path}\necho {name} >>calls\n{script}\n")
        program.chmod(0o755)
    ca = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    ca += ["-noenc", "-days", "9", "-subj", "/CN=test", "-keyout", "ca.key", "-out", "ca.pem"]
    subprocess.run(ca, cwd=tmp_path, check=True, capture_output=True)
    made = Droplet(tmp_path)
    made.tell("days", "6")
    made.tell("clock", "now")
    made.set()
    return made


def test_from_nothing_to_https_and_then_nothing_more(droplet: Droplet) -> None:
    said = droplet.run("now")
    assert f"A new certificate: for {ADDRESS}, valid until " in said
    assert "The site is on HTTPS." in said
    assert droplet.is_https
    for word in ("now", ""):
        said = droplet.run(word)
        assert droplet.calls("lego") == droplet.calls("curl") == droplet.calls("systemctl") == 0
    assert said == ""
    assert f"for {ADDRESS}, valid until " in droplet.run("status")
    assert (droplet.root / "etc/nginx/digits-certificate.pem").stat().st_mode & 0o77 == 0


def test_the_way_back_to_http_takes_no_room(droplet: Droplet) -> None:
    droplet.run("now")
    served = droplet.root / "etc/nginx/digits-certificate.pem"
    kept = served.read_text()
    droplet.tell("sed")
    droplet.tell("curl")
    served.write_text("")
    shutil.rmtree(droplet.state / "lego")
    assert "The site is on HTTP." in droplet.run("")
    assert not droplet.is_https
    served.write_text(kept)
    assert "The site is on HTTPS." in droplet.run("")


def test_asked_twice_a_day_whether_to_renew(droplet: Droplet) -> None:
    droplet.run()
    subprocess.run(["touch", "-d", "-13 hours", droplet.state / "asked"], check=True)
    (droplet.state / "orders").write_text("")
    assert "A new certificate" in droplet.run()
    assert droplet.calls("systemctl") == 1


def test_the_authority_is_away_and_comes_back(droplet: Droplet) -> None:
    droplet.tell("curl")
    said = droplet.run("now")
    assert "The certificate authority does not answer (curl: (28) Connection timed out)" in said
    assert "none, so the site is on HTTP; tried again by itself" in said
    assert not droplet.is_https
    assert "The certificate authority does not answer" in droplet.run("status")
    assert (droplet.state / "orders").read_text() == "", "an order was spent on it"
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
        ("something new", "What lego said last:\nsomething new"),
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
        said = droplet.run("now")
        tried.append(droplet.calls("lego"))
    assert tried == [1, 1, 1, 1, 0, 0]
    assert "Four orders failed within the last hour" in said
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
    served.with_name("digits-certificate.pem.abcdef").touch()
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
        said = droplet.run("now")
        assert f"{DOMAIN} leads to {' '.join(found.split())}, and the site's address is" in said
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


def troubles(droplet: Droplet) -> str:
    """What whoever watches the page is told."""
    command = ["bash", str(droplet.root / "bin/digits-trouble"), "words"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_renewal_that_keeps_failing_is_told_days_before_the_end(droplet: Droplet) -> None:
    """Of a certificate of six days, when less than two days and ten hours are left."""
    droplet.run()
    droplet.tell("curl")
    for later, noted in (("", False), ("86 hours", False), ("87 hours", True), ("7 days", True)):
        droplet.tell("date", later)
        droplet.run()
        assert ("the certificate ends soon and its renewal fails" in troubles(droplet)) == noted
    assert droplet.is_https
    droplet.tell("curl", None)
    droplet.tell("date", None)
    subprocess.run(["touch", "-d", "-13 hours", droplet.state / "asked"], check=True)
    assert "A new certificate" in droplet.run("now")
    assert troubles(droplet) == ""


def test_the_first_run_on_a_new_droplet(droplet: Droplet) -> None:
    """roles/web runs before roles/app, which brings digits-trouble."""
    (droplet.root / "bin/digits-trouble").unlink()
    assert droplet.finished("now").returncode == 0
    assert droplet.is_https


def test_a_full_disk_is_said_and_is_no_success(droplet: Droplet) -> None:
    folder = droplet.root / "etc/nginx"
    kept = shutil.copytree(folder, droplet.root / "kept")
    with small_disk(folder, "128k"):
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        droplet.run("site")  # as nginx does before it starts
        with suppress(OSError):
            (folder / "filler").write_bytes(b"x" * 200_000)
        done = droplet.finished("now")
        assert "The droplet's disk is full, so no certificate can be written." in done.stdout
        assert "cat:" not in done.stdout
        assert done.returncode == 1
        (folder / "filler").unlink()
        assert droplet.finished("now").returncode == 0
        assert droplet.is_https


def test_a_setting_is_never_run(droplet: Droplet) -> None:
    droplet.set(ACME_SERVER="https://authority.invalid/$(touch ran)`touch ran`;touch ran")
    droplet.run("now")
    assert not (droplet.root / "ran").exists()
