"""Look at a deployed page from outside: python3 scripts/look.py URL.

Asks for the page and for the app's own health address, as a browser would
reach them. Exit status 0 only if both answer as they should within a minute.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request

SECONDS = 60


def answer(url: str) -> str:
    """The text that `url` answers with. Raises OSError if it does not answer with 200."""
    # The scheme is checked in main(), so this can't be made to read a file.
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310
        return str(response.read().decode(errors="replace"))


def main(url: str) -> int:
    """Return the exit status."""
    if not url.startswith(("http://", "https://")):
        print(f"Not an address of a page: {url!r}", file=sys.stderr)
        return 2
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            if (
                answer(f"{url}/_stcore/health").strip() == "ok"
                and "streamlit" in answer(url).lower()
            ):
                print(f"{url} answers, and the app behind it is healthy.")
                return 0
            problem = "something else than the app answers there"
        except OSError as error:
            problem = str(error)
        if time.monotonic() > deadline:
            print(
                f"{url} does not show the app: {problem}.\n"
                "The droplet and the containers are in place, so look at what stands between: the\n"
                "firewall (infra/terraform/firewall.tf) and nginx (systemctl status nginx there).",
                file=sys.stderr,
            )
            return 1
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
