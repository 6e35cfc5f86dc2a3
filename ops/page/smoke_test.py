"""Whether the deployed page answers, as a visitor reaches it, and if not, why."""

from __future__ import annotations

import socket
import ssl
import urllib.error

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import SiteSettings
from ops.console.wait import until_fine
from ops.page.site import answer, certificate, trust

SECONDS = 60


def problem_at(site: SiteSettings, url: str) -> tuple[str, str] | None:
    """What is wrong there and the one thing to do; None if the app answers as it should."""
    trusted = trust(site)
    try:
        healthy = answer(f"{url}/_stcore/health", trusted).strip() == "ok"
        if healthy and "streamlit" in answer(url, trusted).lower():
            return None
    except urllib.error.HTTPError as error:
        return _refusal(error.code, error.reason)
    except (OSError, ValueError) as error:
        return _silence(getattr(error, "reason", error))
    return (
        "another page than the app's answers there",
        f"See whether that is the droplet's address: {make('url')}",
    )


def _refusal(status: int, reason: str) -> tuple[str, str]:
    """Something answers, and says no."""
    status_text = f"{status} {reason}".strip()
    if status in (502, 503, 504):
        return (
            f"nginx answers, and the app behind it does not ({status_text})",
            f"See what runs: {make('status')}; and what it says: {make('logs')}",
        )
    if status == 429:
        return (
            f"nginx has had too many requests from your address ({status_text})",
            "Wait a minute, then look again.",
        )
    doctor = make("doctor")
    return (
        f"something answers there, but not as the app does ({status_text})",
        f"See whether that is the droplet's address, and what nginx says: {doctor}",
    )


def _silence(reason: object) -> tuple[str, str]:
    """Nothing answers."""
    if isinstance(reason, socket.gaierror):
        return (
            f"there is no such name ({reason.strerror})",
            f"A new name is known everywhere within half an hour. Then: {make('look')}",
        )
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"a browser refuses its certificate ({reason.verify_message})",
            f"See what the droplet has: {make('status')}",
        )
    if isinstance(reason, ConnectionRefusedError):
        return (
            "the machine is there, and nothing listens on the port: nginx does not run",
            f"See why: {make('ssh')}, then: systemctl status nginx",
        )
    if isinstance(reason, TimeoutError) or "timed out" in str(reason):
        return (
            "no answer comes: the droplet is off, or a firewall on the way lets nothing through",
            f"See which: {make('doctor')}",
        )
    return (
        f"the connection fails ({reason})",
        f"See what stands in the way: {make('doctor')}",
    )


def look(site: SiteSettings, url: str) -> None:
    """Wait until the page and the app's health address answer as they should. Raises Failed."""
    if not url.startswith(("http://", "https://")):
        raise Failed(f"Not an address of a page: {url!r}", "It begins with http:// or https://")
    waiting = f"Waiting for {url}"
    if problem := until_fine(lambda: problem_at(site, url), SECONDS, waiting):
        what, fix = problem
        raise Failed(f"{url} does not show the app: {what}.", fix)
    terminal.line(f"{url} answers, and the app behind it is healthy.")
    _look_at_the_certificate(site, url)


def _look_at_the_certificate(site: SiteSettings, url: str) -> None:
    """Say until when it is valid. Raises Failed if it should have been renewed long ago."""
    try:
        found = certificate(site, url)
    except OSError as error:
        raise Failed(f"{url} cannot be looked at any more: {error}.", "Look again.") from error
    if found is None:
        return
    if found.is_low:
        raise Failed(
            f"Its certificate ends soon and was not renewed: {found}.",
            f"See why: {make('status')}",
        )
    terminal.line(f"Its certificate is {found}.")
