"""Whether the deployed page answers, as a visitor reaches it, and if not, why."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.page import site

SECONDS = 60
TIMEOUT = 5.0


def answer(url: str, trust: ssl.SSLContext | None = None) -> str:
    """The text that `url` answers with. Raises OSError if it does not answer with 200."""
    # look() has checked the scheme, so this can't be made to read a file.
    more: list[urllib.request.BaseHandler] = (
        [urllib.request.HTTPSHandler(context=trust)] if trust else []
    )
    if _is_private(urlsplit(url).hostname or ""):
        more.append(urllib.request.ProxyHandler({}))
    with urllib.request.build_opener(*more).open(url, timeout=TIMEOUT) as response:
        return str(response.read().decode(errors="replace"))


def _is_private(host: str) -> bool:
    """Whether no proxy elsewhere could reach it: this machine, or a droplet of the rehearsal."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def problem_at(settings: Settings, url: str) -> tuple[str, str] | None:
    """What is wrong there and the one thing to do; None if the app answers as it should."""
    trust = site.trust(settings)
    try:
        healthy = answer(f"{url}/_stcore/health", trust).strip() == "ok"
        if healthy and "streamlit" in answer(url, trust).lower():
            return None
    except urllib.error.HTTPError as error:
        return _refusal(settings, error.code, error.reason)
    except (OSError, ValueError) as error:
        return _silence(settings, getattr(error, "reason", error))
    return (
        "another page than the app's answers there",
        f"See whether that is the droplet's address: {settings.verb('url')}",
    )


def _refusal(settings: Settings, status: int, reason: str) -> tuple[str, str]:
    """Something answers, and says no."""
    said = f"{status} {reason}".strip()
    if status in (502, 503, 504):
        return (
            f"nginx answers, and the app behind it does not ({said})",
            f"See what runs: {settings.verb('status')}; and what it says: {settings.verb('logs')}",
        )
    if status == 429:
        return (
            f"nginx has had too many requests from your address ({said})",
            "Wait a minute, then look again.",
        )
    doctor = settings.verb("doctor")
    return (
        f"something answers there, but not as the app does ({said})",
        f"See whether that is the droplet's address, and what nginx says: {doctor}",
    )


def _silence(settings: Settings, reason: object) -> tuple[str, str]:
    """Nothing answers."""
    if isinstance(reason, socket.gaierror):
        return (
            f"there is no such name ({reason.strerror})",
            f"A new name is known everywhere within half an hour. Then: {settings.verb('look')}",
        )
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"a browser refuses its certificate ({reason.verify_message})",
            f"See what the droplet has: {settings.verb('status')}",
        )
    if isinstance(reason, ConnectionRefusedError):
        return (
            "the machine is there, and nothing listens on the port: nginx does not run",
            f"See why: {settings.verb('ssh')}, then: systemctl status nginx",
        )
    if isinstance(reason, TimeoutError) or "timed out" in str(reason):
        return (
            "no answer comes: the droplet is off, or a firewall on the way lets nothing through",
            f"See which: {settings.verb('doctor')}",
        )
    return (
        f"the connection fails ({reason})",
        f"See what stands in the way: {settings.verb('doctor')}",
    )


def look(settings: Settings, url: str) -> None:
    """Wait until the page and the app's health address answer as they should. Raises Failed."""
    if not url.startswith(("http://", "https://")):
        raise Failed(f"Not an address of a page: {url!r}", "It begins with http:// or https://")
    deadline = time.monotonic() + SECONDS
    with terminal.waiting(f"Waiting for {url}"):
        while problem := problem_at(settings, url):
            if time.monotonic() > deadline:
                what, fix = problem
                raise Failed(f"{url} does not show the app: {what}.", fix)
            time.sleep(1)
    terminal.line(f"{url} answers, and the app behind it is healthy.")
    _look_at_the_certificate(settings, url)


def _look_at_the_certificate(settings: Settings, url: str) -> None:
    """Say until when it is valid. Raises Failed if it should have been renewed long ago."""
    try:
        found = site.certificate(settings, url)
    except OSError as error:
        raise Failed(f"{url} cannot be looked at any more: {error}.", "Look again.") from error
    if found is None:
        return
    if found.is_low:
        raise Failed(
            f"Its certificate ends soon and was not renewed: {found}.",
            f"See why: {settings.verb('status')}",
        )
    terminal.line(f"Its certificate is {found}.")
