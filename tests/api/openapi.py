"""DigitalOcean's own description of its API: where it is, and how it is fetched.

`scripts/in dev -m tests.api.openapi` fetches it.
"""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path

import yaml

from tests import needs

FETCH = "scripts/in dev -m tests.api.openapi"
FILE = needs.ROOT / "data/digitalocean-openapi.json"
SOURCE = (
    "https://api-engineering.nyc3.cdn.digitaloceanspaces.com/spec-ci/DigitalOcean-public.v2.yaml"
)
# How a test says what it needs, and where it comes from.
NEEDED = ("DigitalOcean's description of its API", f"{FETCH}  (or set DIGITALOCEAN_OPENAPI)")


def description() -> Path | None:
    """The file, which is fetched once if it can be; None if it is not here."""
    if given := os.environ.get("DIGITALOCEAN_OPENAPI"):
        return Path(given)
    return FILE if needs.fetched(FILE, *FETCH.split()) else None


def fetch() -> None:
    """Bring it to where the tests look, as JSON, which is read faster."""
    with urllib.request.urlopen(SOURCE, timeout=10) as answer:
        text = json.dumps(yaml.safe_load(answer), default=str)
    FILE.parent.mkdir(exist_ok=True)
    part = FILE.with_suffix(".part")
    part.write_text(text)
    part.rename(FILE)


if __name__ == "__main__":
    fetch()
