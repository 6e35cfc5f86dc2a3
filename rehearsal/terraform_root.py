"""A Terraform root of the rehearsal's own, with the files of infra/terraform.

The folder holds links to them, and beside these its own state, provider and lock file. So the
rehearsal runs the same configuration, and never writes into infra/terraform.
"""

from __future__ import annotations

import re
from pathlib import Path

from ops.console.settings import ROOT

REAL = ROOT / "infra/terraform"
# What Terraform writes, and so is each root's own: provider and lock, state, plans.
_WRITTEN = re.compile(r"\.terraform.*|.*\.tfstate(\..*)?|.*\.tfplan")
_BACKEND = re.compile(r'^\s*(backend\s+"|cloud\s*\{)', re.MULTILINE)
_OVERRIDE = "zz_rehearsal_override.tf"  # Terraform's name for a file that takes precedence


def make(folder: Path, real: Path = REAL) -> None:
    """Make or refresh it: what is new in infra/terraform is there then, what has gone is not.

    What stays is not touched, since another verb may be reading it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {file.name: file for file in real.iterdir() if not _WRITTEN.fullmatch(file.name)}
    for link in folder.iterdir():
        if link.is_symlink() and (link.name not in wanted or link.readlink() != wanted[link.name]):
            link.unlink()
    for name, file in wanted.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(file)
    _keep_state_here(folder)


def _keep_state_here(folder: Path) -> None:
    """A state that is shared, in a bucket, is the real deployment's: the rehearsal's is a file."""
    override = folder / _OVERRIDE
    files = [file for file in folder.glob("*.tf") if file != override]
    if not any(_BACKEND.search(file.read_text()) for file in files):
        override.unlink(missing_ok=True)
    elif not override.exists():
        override.write_text('terraform {\n  backend "local" {}\n}\n')
