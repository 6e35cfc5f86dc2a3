"""The droplet's command, packed into one file: infra/droplet as a Python zip application."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from ops.console.settings import ROOT

SOURCE = ROOT / "infra/droplet"
_FILE = ROOT / "infra/ansible/.digits"
_FIRST_LINE = b"#!/usr/bin/python3 -I\n"
_MAIN = b"import sys\nfrom droplet.__main__ import main\nsys.exit(main())\n"


def build() -> Path:
    """Pack it; the same source gives the same bytes, so Ansible finds nothing to change."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN)
        for file in sorted(SOURCE.glob("*.py")):
            _add(archive, f"droplet/{file.name}", file.read_bytes())
    content = _FIRST_LINE + packed.getvalue()
    if not _FILE.exists() or _FILE.read_bytes() != content:
        beside = _FILE.with_suffix(".new")
        beside.write_bytes(content)
        beside.replace(_FILE)
    return _FILE


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
