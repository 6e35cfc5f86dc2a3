"""The site's certificate: which one nginx uses, and when a new one is ordered.

Whatever goes wrong leaves a site that answers: without a certificate that a browser accepts, nginx
uses HTTP, until there is a better one.
"""

from __future__ import annotations

import re
import ssl
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256

from droplet import acme, alerts
from droplet.acme import DAY, PROBLEM, STATE
from droplet.clock import minute
from droplet.console import Stop
from droplet.disk import DiskFull
from droplet.host import Host
from droplet.programs import run as program

LOCK = "/run/lock/digits-certificate"
SERVED = "/etc/nginx/digits-certificate.pem"  # what nginx uses: the chain and its key
LINK = "/etc/nginx/digits-site.conf"  # leads to digits-site-http.conf or digits-site-https.conf
LOADED = f"{STATE}/loaded"  # a hash of what nginx read last
SPARE = 3600  # seconds that a certificate must have left to be served
ASK_EVERY = DAY // 2  # seconds between two questions whether it is time to renew


@dataclass(frozen=True)
class Certificate:
    """A certificate: its names, its validity in seconds since 1970, whether it is good."""

    names: list[str]
    start: float
    end: float
    is_good: bool

    def __str__(self) -> str:
        names, half = " ".join(self.names), minute((self.start + self.end) / 2)
        return f"for {names}, valid until {minute(self.end)}, renewed from {half} on"


@dataclass(frozen=True)
class Status:
    """Whether a certificate is wanted and served, in a sentence, and what failed last."""

    wanted: bool
    good: bool
    text: str
    problem: list[str]


def run(host: Host, mode: str, *, quiet: bool = False) -> object:
    """Look after the certificate (timer; now: for somebody who waits), or tell how it is (status).

    `site` decides what to serve with what is here, as nginx does before it starts. With `quiet`
    the status is not printed. Raises Stop.
    """
    if mode == "status":
        if not quiet:
            host.console.say("\n".join(describe(host)))
        return asdict(status(host))
    with suppress(DiskFull):  # a full disk must not keep the site from HTTP
        host.disk.folder(STATE, 0o700)
    if mode == "site":
        _write_site(host)
        _note(host, LOADED, _fingerprint(host))  # nginx reads it next
        return None
    # Another run ends within ten minutes: all that it waits for has a limit.
    with host.disk.locked(LOCK, wait=True):
        problem = _steps(host, is_timer=mode == "timer")
        if problem:
            _note(host, PROBLEM, "\n".join([problem.what, *problem.then]))
        else:
            host.disk.remove(PROBLEM)
        _alert(host)
    if problem or mode == "now":
        host.console.say(f"Certificate: {status(host).text}")
    if problem:
        raise problem
    return None


def status(host: Host) -> Status:
    """How the certificate is."""
    wanted, good = host.site.acme, _good(host)
    text = "none, so the site is on HTTP; tried again by itself, at least every hour"
    if not wanted:
        text = "none wanted (ACME=off)"
    elif good:
        text = str(good)
    return Status(wanted, wanted and good is not None, text, host.disk.read(PROBLEM).splitlines())


def describe(host: Host) -> list[str]:
    """How the certificate is, and what failed last, line by line."""
    found = status(host)
    return [found.text, *found.problem]


def _steps(host: Host, *, is_timer: bool) -> Stop | None:
    """Serve what is here, order what is missing, serve that; the problem if there is one."""
    try:
        _install(host)  # of a run that was killed, too
        if host.site.acme:
            _order(host, is_timer=is_timer)
            _install(host)
    except DiskFull:
        what = "The droplet's disk is full, so no certificate can be written."
        return Stop(what, "See what takes it: du -xsh /var/* | sort -h")
    except Stop as stop:
        return stop
    return None


def _order(host: Host, *, is_timer: bool) -> None:
    """Order what is needed now, if anything is. Raises Stop and DiskFull."""
    served = _good(host)
    names = _names(host, served)
    is_right = served is not None and served.names == sorted(names)
    if not is_right or min(acme.ages(host, "asked", names), default=ASK_EVERY) >= ASK_EVERY:
        acme.order(host, names, renew=is_right, is_timer=is_timer)


def _names(host: Host, served: Certificate | None) -> list[str]:
    """The names that it needs: the site's address, and the domain if that leads here."""
    address, domain = host.site.address, host.site.domain
    result = program("getent", "ahosts", domain).out if domain else ""
    found = sorted({line.split()[0] for line in result.splitlines() if line})
    if not domain or found == [address]:
        return [address, domain] if domain else [address]
    where = " ".join(found) or "no address"
    host.console.say(
        f"{domain} leads to {where}, and the site's address is {address}.\nSo no certificate is "
        f"ordered with that name. Give it one A record, {address}, and no AAAA record."
    )
    # Nearly always that passes, so a certificate with the name keeps it while it has two days left.
    keeps = served and domain in served.names and served.end - host.clock.now() > 2 * DAY
    return [address, domain] if keeps else [address]


def _alert(host: Host) -> None:
    """Begin the alert when two fifths of the certificate's life are left, or end it.

    It is renewed from half of its life on, so the renewal has failed for a while then.
    """
    served = _look(host, SERVED, SERVED) if host.site.acme else None
    ends_soon = served and 5 * (served.end - host.clock.now()) < 2 * (served.end - served.start)
    (alerts.begin if ends_soon else alerts.end)(host, "certificate")


def _look(host: Host, chain: str, key: str) -> Certificate | None:
    """A certificate on the disk; None if openssl cannot read it."""
    site, file = host.site, str(host.disk.path(chain))
    result = program(
        *("openssl", "x509", "-in", file, "-noout", "-dates", "-pubkey", "-ext", "subjectAltName")
    )
    dates = dict(re.findall(r"^not(Before|After)=(.+)$", result.out, re.MULTILINE))
    if not result.ok or len(dates) != 2:
        return None
    start, end = (ssl.cert_time_to_seconds(dates[name]) for name in ("Before", "After"))
    trust = ("-CAfile", str(host.disk.path(site.acme_root))) if site.acme_root else ()
    # The time is compared below: here a clock that is behind would refuse what is new.
    verify = ("openssl", "verify", "-no_check_time", *trust, "-untrusted", file)
    public = program("openssl", "pkey", "-in", str(host.disk.path(key)), "-pubout")
    is_good = (
        end - host.clock.now() >= SPARE
        and (public.ok and public.out in result.out)
        and program(*verify, "-verify_ip", site.address, file).ok
    )
    names = sorted(re.findall(r"(?:IP Address|DNS):([^,\s]+)", result.out))
    return Certificate(names, start, end, is_good)


def _good(host: Host) -> Certificate | None:
    """The certificate that can be served; None if there is none."""
    served = _look(host, SERVED, SERVED)
    return served if served and served.is_good else None


def _install(host: Host) -> None:
    """Put what lego has beside nginx's configuration, if it is good, and have nginx serve it.

    Raises DiskFull; nginx keeps the certificate that is there. Raises Stop.
    """
    chain, key = acme.files(host)
    try:
        text = host.disk.read(chain) + host.disk.read(key)
        new = _look(host, chain, key) if text != host.disk.read(SERVED) else None
        if new and new.is_good:  # a full disk may have cut either file short
            host.disk.write(SERVED, text)
            host.console.say(f"A new certificate: {new}.")
    finally:
        _serve(host)


def _serve(host: Host) -> None:
    """Let nginx read it, if it has not. If nginx does not accept it, the site is on HTTP."""
    _write_site(host)
    if _fingerprint(host) in host.disk.read(LOADED):
        return
    if why := host.nginx.check():
        host.console.say(f"{why}\nnginx does not accept this. The site stays on HTTP.")
        _write_site(host, only_http=True)
    host.disk.remove(LOADED)  # there may be no room to replace it
    if not host.nginx.reload():
        raise Stop("nginx does not run.", "See why: systemctl status nginx")
    _note(host, LOADED, _fingerprint(host))  # on a full disk nginx is reloaded once more
    is_https = re.search("^ssl_certificate ", host.disk.read(LINK), re.MULTILINE)
    host.console.say("The site is on HTTPS." if is_https else "The site is on HTTP.")


def _write_site(host: Host, *, only_http: bool = False) -> None:
    """Decide how the site is served. Both ways are files, and a link leads to one of them.

    So the way back to HTTP takes no room on the disk.
    """
    domain = host.site.domain
    served = _good(host) if host.site.acme and not only_http else None
    _fill_in(host, "http")
    if served:
        covered = domain in served.names
        _fill_in(host, "https", secure=domain if covered else "", plain="" if covered else domain)
    way = "https" if served and host.disk.read("/etc/nginx/digits-site-https.conf") else "http"
    host.disk.link(LINK, f"digits-site-{way}.conf")


def _fill_in(host: Host, way: str, **values: str) -> None:
    """Write what nginx reads from Ansible's file, if that changed and there is room."""
    text = host.disk.read(f"/etc/nginx/digits-{way}.conf")
    for name, value in {"address": host.site.address, "domain": host.site.domain, **values}.items():
        text = text.replace(f"@{name}@", value)
    if text and text != host.disk.read(f"/etc/nginx/digits-site-{way}.conf"):
        _note(host, f"/etc/nginx/digits-site-{way}.conf", text)


def _fingerprint(host: Host) -> str:
    return sha256((host.disk.read(LINK) + host.disk.read(SERVED)).encode()).hexdigest()


def _note(host: Host, file: str, text: str) -> None:
    """Write a file, if there is room."""
    with suppress(DiskFull):
        host.disk.write(file, text)
