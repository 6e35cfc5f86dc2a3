"""Look at a deployed page from outside: python3 scripts/look.py URL.

Asks for the page and for the app's own health address, as a browser would
reach them. Exit status 0 only if both answer as they should within a minute.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.error
import urllib.request

SECONDS = 60
TIMEOUT = 5.0


def verb(name: str) -> str:
    """A verb of the Makefile as it has to be typed: in a rehearsal it has an ending."""
    return f"make {name}{os.environ.get('VERB_SUFFIX', '')}"


def answer(url: str) -> str:
    """The text that `url` answers with. Raises OSError if it does not answer with 200."""
    # The scheme is checked in main(), so this can't be made to read a file.
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310
        return str(response.read().decode(errors="replace"))


def problem_at(url: str) -> tuple[str, str] | None:
    """What is wrong there and the one thing to do; None if the app answers as it should."""
    try:
        healthy = answer(f"{url}/_stcore/health").strip() == "ok"
        if healthy and "streamlit" in answer(url).lower():
            return None
    except urllib.error.HTTPError as error:
        return _refusal(error.code, error.reason)
    except (OSError, ValueError) as error:
        return _silence(getattr(error, "reason", error))
    return (
        "another page than the app's answers there",
        f"See whether that is the droplet's address: {verb('url')}",
    )


def _refusal(status: int, reason: str) -> tuple[str, str]:
    """Something answers, and says no."""
    said = f"{status} {reason}".strip()
    if status in (502, 503, 504):
        return (
            f"nginx answers, and the app behind it does not ({said})",
            f"See what runs: {verb('status')}; and what it says: {verb('logs')}",
        )
    if status == 429:
        return (
            f"nginx has had too many requests from your address ({said})",
            "Wait a minute, then look again.",
        )
    return (
        f"something answers there, but not as the app does ({said})",
        f"See whether that is the droplet's address, and what nginx says: {verb('doctor')}",
    )


def _silence(reason: object) -> tuple[str, str]:
    """Nothing answers."""
    if isinstance(reason, socket.gaierror):
        return (
            f"there is no such name ({reason.strerror})",
            f"Look at the droplet's address: {verb('url')}",
        )
    if isinstance(reason, ConnectionRefusedError):
        return (
            "the machine is there, and nothing listens on the port: nginx does not run",
            f"See why: {verb('ssh')}, then: systemctl status nginx",
        )
    if isinstance(reason, TimeoutError) or "timed out" in str(reason):
        return (
            "no answer comes: the droplet is off, or a firewall on the way lets nothing through",
            f"See which: {verb('doctor')}",
        )
    return f"the connection fails ({reason})", f"See what stands in the way: {verb('doctor')}"


def main(url: str) -> int:
    """Return the exit status."""
    if not url.startswith(("http://", "https://")):
        print(f"Not an address of a page: {url!r}", file=sys.stderr)
        return 2
    deadline = time.monotonic() + SECONDS
    while problem := problem_at(url):
        if time.monotonic() > deadline:
            what, fix = problem
            print(f"{url} does not show the app: {what}.\n{fix}", file=sys.stderr)
            return 1
        time.sleep(1)
    print(f"{url} answers, and the app behind it is healthy.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
