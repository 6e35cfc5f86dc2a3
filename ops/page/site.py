"""How the site is reached from outside: over HTTPS with a good certificate, else over HTTP.

Certificates are judged as a browser does, by the roots that this machine trusts, and ACME_ROOT.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import certifi
import truststore

from ops.console.errors import Failed
from ops.console.settings import ROOT, SiteSettings

SECONDS = 5.0
LOW = timedelta(days=2)  # half of them are left when a certificate is renewed, at the latest


@dataclass(frozen=True)
class Certificate:
    """What the site shows a browser, which takes it."""

    until: datetime

    @property
    def is_low(self) -> bool:
        """Whether it should have been renewed long ago."""
        return self.until - datetime.now(UTC) < LOW

    def __str__(self) -> str:
        # Half a certificate's six days before its end, or sooner if the authority wants it.
        renewed_from = self.until - timedelta(hours=80)
        return f"valid until {self.until:%F %H:%M} UTC, renewed from {renewed_from:%F} on"


def trust(site: SiteSettings) -> ssl.SSLContext:
    """What a certificate is judged by. Raises Failed if ACME_ROOT is no certificate."""
    context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Some systems, such as a small container, know no authority of themselves.
    context.load_verify_locations(certifi.where())
    if site.acme_root:
        try:
            context.load_verify_locations(ROOT / site.acme_root)
        except OSError as error:
            raise Failed(
                f"ACME_ROOT={site.acme_root} holds no certificate to trust: {error}.",
                "Name the file with the authority's root (PEM), or none.",
            ) from error
    return context


def url(site: SiteSettings, address: str, *, balanced: bool = False) -> str:
    """Where the site is: what its port 80 leads to, or that itself.

    Where nothing answers, it is what the deployment was set to: a load balancer has a certificate
    for a domain only.
    """
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    try:
        connection.request("HEAD", "/")
        answer = connection.getresponse()
        leads_to = urlsplit(answer.getheader("Location") or "")
    except (OSError, http.client.HTTPException):
        secure = bool(site.domain) if balanced else site.acme != "off"
        return f"{'https' if secure else 'http'}://{address}"
    finally:
        connection.close()
    if leads_to.scheme == "https":
        return f"https://{leads_to.netloc}"
    # An error need not say where the site is: nginx refuses who asks too often.
    secure = answer.status >= 400 and _listens(address, 443)
    return f"{'https' if secure else 'http'}://{address}"


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=SECONDS).close()
    except OSError:
        return False
    return True


def answer(url: str, trust: ssl.SSLContext | None = None) -> str:
    """The text that `url` answers with. Raises OSError if it does not answer with 200."""
    more: list[urllib.request.BaseHandler] = (
        [urllib.request.HTTPSHandler(context=trust)] if trust else []
    )
    if _is_private(urlsplit(url).hostname or ""):
        more.append(urllib.request.ProxyHandler({}))
    with urllib.request.build_opener(*more).open(url, timeout=SECONDS) as response:
        return str(response.read().decode(errors="replace"))


def _is_private(host: str) -> bool:
    """Whether no proxy elsewhere could reach it: this machine, or a droplet of the rehearsal."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def certificate(site: SiteSettings, where: str) -> Certificate | None:
    """The certificate of a site; None over HTTP. Raises OSError if a browser would not take it."""
    there = urlsplit(where)
    if there.scheme != "https" or not there.hostname:
        return None
    end = (there.hostname, there.port or 443)
    with (
        socket.create_connection(end, timeout=SECONDS) as connection,
        trust(site).wrap_socket(connection, server_hostname=there.hostname) as tls,
    ):
        shown = tls.getpeercert() or {}
    until = ssl.cert_time_to_seconds(str(shown["notAfter"]))
    return Certificate(datetime.fromtimestamp(until, UTC))


def certificate_text(site: SiteSettings, where: str) -> str:
    """Its certificate, for a line of a report."""
    try:
        found = certificate(site, where)
    except ssl.SSLError as error:
        return f"a browser refuses it: {error}"
    except OSError as error:
        return f"nothing answers there: {error}"
    if found:
        return str(found)
    why = "as ACME=off wants it" if site.acme == "off" else "the droplet tries again by itself"
    return f"none, so the page is on HTTP; {why}"
