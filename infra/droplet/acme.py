"""One order at the certificate authority: whether it may be made, lego makes it, what failed.

Each order is a line of the file `orders`: seconds since 1970, what, and the names. What is `try`,
`got` for an order that gave a certificate, or `asked` for the question whether to renew.
"""

from __future__ import annotations

import re
import shutil
from email.utils import mktime_tz, parsedate_tz

from droplet.console import Stop
from droplet.disk import DiskFull
from droplet.host import Host
from droplet.programs import Result, run

STATE = "/var/lib/digits/certificate"  # root's alone: the account, lego's files, and notes
ORDERS, PROBLEM = f"{STATE}/orders", f"{STATE}/problem"  # PROBLEM: what failed last
HOUR, DAY, WEEK = 3600, 86400, 604800  # seconds
MOST = 4  # failures an hour, and certificates of the same names a week; Let's Encrypt accepts five
SECONDS_OFF = 300  # that the droplet's clock may differ from the authority's
_CLOSED = "Open port 80 to everybody: in infra/terraform/firewall.tf, and in front of it."
_OTHER = "Something else than nginx answers there, or not from /var/www/acme: curl -i http://{}/"
_LIMIT = "The certificate authority is over its limit for this address, and gives none now."
_UNREACHED = "The certificate authority cannot reach the site on port 80."
_WRONG = "The certificate authority was answered wrongly on port 80."
# Words of lego, what they mean, what to do.
_MEANINGS = (
    ("rateLimited", _LIMIT, ""),
    ("error:connection|error:dns", _UNREACHED, _CLOSED),
    ("unauthorized|incorrectResponse", _WRONG, _OTHER),
)


def files(host: Host) -> tuple[str, str]:
    """The files that lego writes: the chain and its key."""
    path = f"{STATE}/lego/certificates/{host.site.address}"
    return f"{path}.crt", f"{path}.key"


def order(host: Host, names: list[str], *, renew: bool, is_timer: bool) -> None:
    """Let lego order, or with `renew` ask first whether it is time. Raises Stop and DiskFull."""
    _check_bounds(host, names, is_timer=is_timer)
    if not host.disk.exists(STATE) or host.disk.free_mb(STATE) < 1:
        raise DiskFull(STATE)
    _check_authority(host)
    before = host.disk.read(files(host)[0])
    if not renew:
        _note(host, "try", names)
    done = _lego(host, names, renew=renew)
    if not done.ok and "accountDoesNotExist" in done.out:  # a new one is made then
        shutil.rmtree(host.disk.path(f"{STATE}/lego/accounts"), ignore_errors=True)
        done = _lego(host, names, renew=renew)
    if not done.ok:
        if renew:
            _note(host, "try", names)
        raise _explained(host, done.out)
    _note(host, "asked", names)
    if host.disk.read(files(host)[0]) != before:
        _note(host, "got", names)


def ages(host: Host, what: str, names: list[str]) -> list[float]:
    """Seconds since each note of this kind for these names."""
    lines = [line.split(" ", 2) for line in host.disk.read(ORDERS).splitlines()]
    return [
        host.clock.now() - float(line[0]) for line in lines if line[1:] == [what, " ".join(names)]
    ]


def _note(host: Host, what: str, names: list[str]) -> None:
    lines = host.disk.read(ORDERS).splitlines()[-500:]  # of the last week at least
    lines.append(f"{host.clock.now():.0f} {what} {' '.join(names)}")
    host.disk.write(ORDERS, "\n".join([*lines, ""]))


def _check_bounds(host: Host, names: list[str], *, is_timer: bool) -> None:
    """Stay below the authority's limits, however often this runs. Raises Stop."""
    tries = ages(host, "try", names)
    if sum(age < WEEK for age in ages(host, "got", names)) >= MOST:
        raise Stop(
            "Four certificates were ordered within a week, and the authority gives five.",
            "It is asked again as soon as the first of them is a week old.",
        )
    if sum(age < HOUR for age in tries) >= MOST:
        raise Stop(
            "Four orders failed within the last hour, and the authority accepts five.",
            "The next order waits until an hour after the first of them.",
        )
    # Every quarter of an hour at first, later every hour.
    wait = 600 if sum(age < DAY for age in tries) < 8 else 3300
    if is_timer and min(tries, default=wait) < wait:
        last = host.disk.read(PROBLEM).splitlines()
        raise Stop(*(last or ["The last order was a few minutes ago, so the next one waits."]))


def _check_authority(host: Host) -> None:
    """Spend no order on an authority that does not answer. Compare its clock, too. Raises Stop."""
    root = host.site.acme_root
    answer = _ask(host, *(("--cacert", str(host.disk.path(root))) if root else ()))
    # With a wrong clock here its certificate is refused, so the time is asked for without.
    dated = answer if answer.ok else _ask(host, "--insecure")
    found = re.search(r"^date: (.+)$", dated.out, re.MULTILINE | re.IGNORECASE)
    date = parsedate_tz(found[1]) if found else None
    off = round(host.clock.now() - mktime_tz(date)) if date else 0
    if abs(off) > SECONDS_OFF:
        raise Stop(
            f"The droplet's clock is {abs(off) // 60} minutes {'ahead' if off > 0 else 'behind'}.",
            "So nobody can tell here which certificate is valid.",
            "Set it right: timedatectl set-ntp true; then: systemctl restart systemd-timesyncd",
        )
    if not answer.ok:
        raise Stop(
            f"The certificate authority does not answer ({answer.error.strip()}).",
            f"See whether the droplet reaches it: curl -I {host.site.acme_server}",
        )


def _ask(host: Host, *more: str) -> Result:
    """The headers of the authority's answer, within 15 s."""
    quiet = ("--silent", "--show-error", "--max-time", "15", "--output", "/dev/null")
    return run("curl", *quiet, "--dump-header", "-", *more, host.site.acme_server)


def _lego(host: Host, names: list[str], *, renew: bool) -> Result:
    """The ACME client, for four minutes at most; both its streams are in `out`."""
    site, path = host.site, host.disk.path
    how = ("renew", "--dynamic", "--no-random-sleep") if renew else ("run",)
    done = run(
        *("lego", "--server", site.acme_server, "--path", str(path(f"{STATE}/lego"))),
        *("--accept-tos", "--disable-cn", "--http", "--http.webroot", str(path("/var/www/acme"))),
        *(f"--domains={name}" for name in names),
        *(*how, "--profile", "shortlived"),
        timeout=240,
        env={"LEGO_CA_CERTIFICATES": str(path(site.acme_root))} if site.acme_root else {},
        umask=0o022,  # nginx reads the answer that it leaves for the authority
    )
    run("chmod", "-R", "go=", str(path(STATE)))  # and nobody its keys
    return Result(done.status, done.out + done.error, "")


def _explained(host: Host, output: str) -> Exception:
    """What lego's last lines mean."""
    lines = [line for line in output.splitlines() if "[INFO]" not in line]
    last = "\n".join(line[:400] for line in lines[-3:]).strip()
    if "no space left" in last:
        return DiskFull(STATE)
    for words, meaning, then in _MEANINGS:
        if re.search(words, last):
            advice = [then.format(host.site.address)] if then else []
            return Stop(meaning, last, *advice)
    nothing = "nothing: it was ended after four minutes, or is not installed"
    return Stop("No certificate was given. The last lines of lego:", last or nothing)
