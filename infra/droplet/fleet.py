"""A droplet of a fleet takes visitors again after a boot, when it has the version of the others.

It may have been away during a release. systemd-tmpfiles makes /run/digits-booted at each boot;
while that file is there, /ready answers 503 and the load balancer sends nobody (roles/web). The
site's own address tells what the others serve: there the balancer passes on the answer of a
droplet that it sends visitors to.
"""

from __future__ import annotations

import ssl
import urllib.request
from contextlib import suppress
from http.client import HTTPException

from droplet import alerts, history
from droplet.disk import DiskFull
from droplet.host import Host

BOOTED = "/run/digits-booted"
ONE_OF_SEVERAL = "/etc/tmpfiles.d/digits-join.conf"  # Ansible writes it on a droplet of a fleet
LIVE = "/var/www/html/release"  # nginx answers with it at /release
ALONE_AFTER = 30  # seconds without an answer of the others; the balancer needs less to notice one
EVERY = 3  # seconds between two looks
ALERT = "another-version"


def run(host: Host, mode: str) -> None:
    """`note` tells the others what is live here; `join` waits until it is the same as there."""
    note(host)
    if mode == "note":
        return
    _wait(host)
    note(host)  # a release may have come meanwhile, and ended the wait
    alerts.end(host, ALERT)


def note(host: Host) -> None:
    """Tell the others what is live here; nothing on a droplet that is alone. Best effort."""
    if host.disk.exists(ONE_OF_SEVERAL):
        with suppress(DiskFull):
            host.disk.write(LIVE, f"{_live(host)}\n", 0o644)


def _wait(host: Host) -> None:
    """Wait until visitors may come. A release ends the wait, too: it removes the file."""
    heard, differs = host.clock.seconds(), False
    while host.disk.exists(BOOTED):
        here, there = _live(host), _get(f"http://{host.site.address}/release")
        heard = host.clock.seconds() if there else heard
        alone = host.clock.seconds() - heard >= ALONE_AFTER
        ready = bool(here) and _app_answers(host)
        if ready and (here == there or alone):
            why = "No other droplet is in service" if alone else "It has the version of the others"
            host.console.say(f"{why}, so it takes visitors.")
            host.disk.remove(BOOTED)
            return
        if ready and there and not differs:
            differs = True
            both = f"It has {_short(here)}, and the others have {_short(there)}"
            host.console.say(f"{both}: no visitors until the next release.")
            alerts.begin(host, ALERT)
        host.clock.sleep(EVERY)


def _live(host: Host) -> str:
    release = history.live(host)
    return release.id if release else ""


def _short(image: str) -> str:
    return image.removeprefix("sha256:")[:12]


def _app_answers(host: Host) -> bool:
    """Whether the first process of the app answers here, as /ready asks it."""
    ports = host.nginx.route().ports
    return bool(ports and _get(f"http://localhost:{ports[0]}/_stcore/health"))


def _get(url: str) -> str:
    """What a web server answers; empty if it does not answer well, with 5 s for each wait.

    A certificate is for a name, and this asks an address. The answer is compared, nothing else.
    """
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=5, context=trust) as answer:  # noqa: S310
            return str(answer.read(200).decode(errors="replace").strip())
    except (OSError, HTTPException):
        return ""
