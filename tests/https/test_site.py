"""The site from outside: HTTPS or HTTP, its certificate as a browser judges it, and how long."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.console.errors import Failed
from ops.console.settings import Selection, Settings, SiteSettings
from ops.doctor import server as examined
from ops.doctor.findings import Patient, Skipped
from ops.page import site, smoke_test
from ops.provision import ansible
from tests import web
from tests.needs import need_program


@contextmanager
def serving(certificate: Path | None = None, leads_to: str = "") -> Iterator[str]:
    """A site that answers as the app does, or leads to another; its address and port."""

    def page(path: str) -> tuple[int, bytes]:
        return 302 if leads_to else 200, b"ok" if "health" in path else b"<title>Streamlit"

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
    if tls and certificate:
        tls.load_cert_chain(certificate)
    with web.serving(page, {"Location": leads_to} if leads_to else {}, tls) as port:
        yield f"127.0.0.1:{port}"


def certificate(folder: Path, days: int, name: str = "IP:127.0.0.1") -> Path:
    """A certificate that signs itself, and its key, in one file."""
    need_program("openssl")
    file = folder / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-noenc", "-days", str(days), "-subj", "/CN=site", "-addext", f"subjectAltName={name}"]
    made = subprocess.run(
        [*make, "-keyout", "-", "-out", "-"], capture_output=True, text=True, check=True
    )
    file.write_text(made.stdout)
    return file


def test_where_it_is() -> None:
    with serving(leads_to="https://203.0.113.7/") as address:
        assert site.url(SiteSettings(), address) == "https://203.0.113.7"
    with serving() as address:
        assert site.url(SiteSettings(), address) == f"http://{address}"
    # Nobody is there any more: it is as the deployment was set to.
    assert site.url(SiteSettings(), address) == f"https://{address}"
    assert site.url(SiteSettings(acme="off"), address) == f"http://{address}"
    assert site.url(SiteSettings(), address, balanced=True) == f"http://{address}"
    named = SiteSettings(domain="digits.example.org")
    assert site.url(named, address, balanced=True) == f"https://{address}"


def test_a_certificate_that_a_browser_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = certificate(tmp_path, days=6)
    trusting = SiteSettings(acme_root=str(made))
    with serving(made) as address:
        smoke_test.look(trusting, f"https://{address}")
        assert "valid until" in site.certificate_text(trusting, f"https://{address}")
        assert "a browser refuses it" in site.certificate_text(SiteSettings(), f"https://{address}")
    assert "nothing answers there" in site.certificate_text(
        SiteSettings(), "https://digits.invalid"
    )
    assert "Its certificate is valid until 20" in capsys.readouterr().out
    assert site.certificate_text(SiteSettings(), "http://203.0.113.7").startswith(
        "none, so the page is on HTTP"
    )


@pytest.mark.parametrize("name", ["IP:127.0.0.2", "IP:127.0.0.1"])
def test_one_that_it_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(smoke_test, "SECONDS", 0)
    made = certificate(tmp_path, days=6, name=name)
    trusting = SiteSettings(acme_root=str(made) if name == "IP:127.0.0.2" else "")
    with serving(made) as address, pytest.raises(Failed, match="a browser refuses its certif"):
        smoke_test.look(trusting, f"https://{address}")


def test_one_that_ends_soon_is_a_failure_with_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate(tmp_path, days=1)
    monkeypatch.setenv("VERB_SUFFIX", " TARGET=rehearsal")
    trusting = SiteSettings(acme_root=str(made))
    here = Selection(droplet_ip="127.0.0.1")

    def examine(url: str, trusted: SiteSettings) -> str:
        monkeypatch.setattr(site, "url", lambda *_, **_more: url)
        return examined.certificate(Patient(Settings(selected=here, site=trusted)))

    monkeypatch.setattr(Patient, "need_droplet", lambda _patient: "127.0.0.1")
    with serving(made) as address:
        with pytest.raises(Failed, match="Its certificate ends soon") as caught:
            smoke_test.look(trusting, f"https://{address}")
        assert caught.value.then[-1] == "See why: make status TARGET=rehearsal"
        with pytest.raises(Failed, match="It should have been renewed"):
            examine(f"https://{address}", trusting)
        with pytest.raises(Failed, match="A browser refuses the certificate"):
            examine(f"https://{address}", SiteSettings())
        with pytest.raises(Skipped, match="needs ssh"):
            examine(f"http://{address}", SiteSettings())


def test_a_root_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="holds no certificate to trust"):
        site.trust(SiteSettings(acme_root=str(tmp_path / "nothing.pem")))


def test_what_ansible_gets(tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_text("a root\n")
    reported = ansible.site(SiteSettings(domain="digits.example.org", acme_root=str(root)))
    assert reported == {
        "site_domain": "digits.example.org",
        "web_acme": "on",
        "web_acme_server": "https://acme-v02.api.letsencrypt.org/directory",
        "web_acme_root": "a root\n",
    }


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (SiteSettings(domain="https://digits.example.org"), "is no name that a certificate"),
        (SiteSettings(domain="203.0.113.7"), "is no name that a certificate"),
        (SiteSettings(domain="localhost"), "is no name that a certificate"),
        (SiteSettings(domain="a.example.org\nACME=off"), "is no name that a certificate"),
        (SiteSettings(acme="no"), "ACME=no is neither on nor off"),
        (SiteSettings(acme_root="/nowhere.pem"), "root certificate cannot be read"),
    ],
)
def test_settings_that_are_refused(settings: SiteSettings, says: str) -> None:
    with pytest.raises(Failed, match=says):
        ansible.site(settings)
