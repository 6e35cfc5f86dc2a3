"""A company's certificate authority, which only the system's store knows."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import web
from tests.project import Project
from tests.tls_front import Authority

ACCOUNT = json.dumps({"account": {"status": "active"}}).encode()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def api_behind_it(authority: Authority) -> Iterator[str]:
    """The API as a company's proxy shows it: with a certificate of its own; its address."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority.folder / "server.crt", authority.folder / "server.key")
    with web.serving(lambda _path: (200, ACCOUNT), tls=tls) as port:
        yield f"https://localhost:{port}"


def doctor(project: Project, **settings: str | None) -> str:
    """What the doctor finds out about the token."""
    # What would point the library itself at another store.
    others = dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"))
    printed = project.verb("doctor", **(others | settings)).stdout
    return str(printed.partition("  token ")[2].partition("scopes")[0])


def test_what_the_system_trusts_is_trusted(
    project: Project, api_behind_it: str, authority: Authority
) -> None:
    # OpenSSL's own name for the file with the system's authorities.
    store = str(authority.folder / "ca.crt")
    assert "valid" in doctor(project, DIGITALOCEAN_API_URL=api_behind_it, SSL_CERT_FILE=store)


def test_a_certificate_that_is_refused_is_no_missing_network(
    project: Project, api_behind_it: str
) -> None:
    reported = doctor(project, DIGITALOCEAN_API_URL=api_behind_it, SSL_CERT_FILE=None)
    assert "shows a certificate that this machine does not trust" in reported
    assert "unable to get local issuer certificate" in reported
    assert "update-ca-certificates" in reported
    assert "no network" not in reported


def test_a_proxy_that_leads_nowhere(project: Project) -> None:
    reported = doctor(
        project,
        DIGITALOCEAN_API_URL="https://api.example.org",
        HTTPS_PROXY="http://127.0.0.1:1",
        https_proxy="http://127.0.0.1:1",
    )
    assert "The proxy of HTTPS_PROXY does not lead to the DigitalOcean API" in reported
    assert "unset it" in reported
