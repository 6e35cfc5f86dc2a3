"""What Ansible copies as one file each: the droplet's command, and its configuration files.

The same source gives the same bytes, so Ansible finds nothing to change.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

from ops.console.settings import ROOT

SOURCE = ROOT / "infra/droplet"
FILES = ROOT / "infra/ansible/files"
_FIRST_LINE = b"#!/usr/bin/python3 -I\n"
_MAIN = b"import sys\nfrom droplet.__main__ import main\nsys.exit(main())\n"
_DATE = 1_767_225_600  # 2026-01-01; tar compares dates, and a clone has its own
# For what comes later. Only root may enter the app's folder.
_FOLDERS = {
    "etc/digits": 0o755,
    "etc/docker": 0o755,
    "opt/digits": 0o700,
    "var/lib/digits": 0o755,
    "var/www/acme": 0o755,
}
# The compose file mounts it, on a laptop, too.
_APP_ROLE = "infra/postgres/app_role.sql"


def command() -> Path:
    """infra/droplet as a Python zip application, /usr/local/sbin/digits."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN)
        for file in sorted(SOURCE.glob("*.py")):
            _add(archive, f"droplet/{file.name}", file.read_bytes())
    return _write(".digits", _FIRST_LINE + packed.getvalue())


def files() -> Path:
    """infra/ansible/files and the SQL of the app's role as a tar archive, to unpack at /."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, mode in _FOLDERS.items():
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
        of_files = [file for file in sorted(FILES.rglob("*")) if file.is_file()]
        entries = {file.relative_to(FILES).as_posix(): file for file in of_files}
        for name, file in (entries | {f"opt/digits/{_APP_ROLE}": ROOT / _APP_ROLE}).items():
            content = file.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), _DATE
            entry.mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return _write(".files.tar", packed.getvalue())


def _write(name: str, content: bytes) -> Path:
    file = ROOT / "infra/ansible" / name
    if not file.exists() or file.read_bytes() != content:
        beside = file.with_name(f"{name}.new")
        beside.write_bytes(content)
        beside.replace(file)
    return file


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
