"""DigitalOcean's own description of its API: where it is, and how it is fetched.

`python -m tests.infra.openapi` fetches it.
"""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
NAME = "digitalocean-openapi.json"
HERE = ROOT / "data" / NAME
BESIDE = ROOT.parent / "shared" / "data" / NAME
DESCRIPTION = Path(os.environ.get("DIGITALOCEAN_OPENAPI") or (HERE if HERE.exists() else BESIDE))
SOURCE = (
    "https://api-engineering.nyc3.cdn.digitaloceanspaces.com/spec-ci/DigitalOcean-public.v2.yaml"
)


def fetch() -> None:
    """Bring it to where the tests look, as JSON, which is read faster."""
    with urllib.request.urlopen(SOURCE, timeout=60) as answer:
        text = json.dumps(yaml.safe_load(answer), default=str)
    HERE.parent.mkdir(exist_ok=True)
    part = HERE.with_suffix(".part")
    part.write_text(text)
    part.rename(HERE)


if __name__ == "__main__":
    if not DESCRIPTION.exists():
        fetch()
