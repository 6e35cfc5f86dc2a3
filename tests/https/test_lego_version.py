"""lego stays at its major version: the real apt, with the preferences that Ansible writes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.needs import need
from tests.project import ROOT

PREFERENCES = ROOT / "infra/ansible/files/etc/apt/preferences.d/digits-lego"
BACKPORTS = "Origin: Debian Backports\nSuite: trixie-backports\nCodename: trixie-backports\n"
BACKPORTS += "NotAutomatic: yes\nButAutomaticUpgrades: yes\n"
DEBIAN = "Origin: Debian\nSuite: stable\nCodename: trixie\n"


def archive(folder: Path, release: str, versions: list[str], other: str) -> None:
    """A package archive with lego in these versions, and another package."""
    folder.mkdir(parents=True)
    (folder / "Release").write_text(release)
    entry = (
        "Package: {}\nVersion: {}\nArchitecture: all\nMaintainer: x\nFilename: ./{}.deb\nSize: 1\n"
    )
    packages = [("lego", version) for version in versions] + [("other", other)]
    text = [entry.format(name, version, name) for name, version in packages]
    (folder / "Packages").write_text("\n".join(text))


@pytest.mark.parametrize(
    ("installed", "stable", "backports", "candidate"),
    [
        ("", ["4.9.1-2"], ["4.35.2-3~bpo13+1"], "4.35.2-3~bpo13+1"),
        ("4.35.2-3~bpo13+1", ["4.9.1-2"], ["4.36.0-1~bpo13+1"], "4.36.0-1~bpo13+1"),
        ("4.35.2-3~bpo13+1", ["4.9.1-2"], ["5.0.1-1~bpo13+1"], "4.35.2-3~bpo13+1"),
        ("4.35.2-3~bpo13+1", ["5.0.1-1"], ["5.2.0-1~bpo13+1"], "4.35.2-3~bpo13+1"),
        ("", ["4.9.1-2"], ["5.0.1-1~bpo13+1"], "4.9.1-2"),
    ],
)
def test_only_version_4_is_installed(
    tmp_path: Path, installed: str, stable: list[str], backports: list[str], candidate: str
) -> None:
    need(shutil.which("apt-cache"), "apt", "run it on Debian or Ubuntu")
    archive(tmp_path / "stable", DEBIAN, stable, "1.5")
    archive(tmp_path / "backports", BACKPORTS, backports, "2.5")
    for folder in ("lists/partial", "cache/archives/partial", "preferences.d"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(PREFERENCES, tmp_path / "preferences.d")
    (tmp_path / "sources.list").write_text(
        "".join(
            f"deb [trusted=yes] file:{tmp_path}/{name} ./\n" for name in ("stable", "backports")
        )
    )
    here = f"Package: lego\nStatus: install ok installed\nVersion: {installed}\nArchitecture: all\n"
    (tmp_path / "status").write_text(f"{here}Maintainer: x\nDescription: x\n" if installed else "")
    options = {
        "Dir::Etc::sourcelist": "sources.list", "Dir::Etc::sourceparts": "nothing",
        "Dir::State::lists": "lists", "Dir::Cache": "cache", "Dir::State::status": "status",
        "Dir::Etc::Preferences": "nothing", "Dir::Etc::PreferencesParts": "preferences.d",
    }  # fmt: skip
    words = [word for name, path in options.items() for word in ("-o", f"{name}={tmp_path}/{path}")]
    update = subprocess.run(
        ["apt-get", *words, "update"], capture_output=True, text=True, check=False
    )
    assert update.returncode == 0, update.stderr
    shown = subprocess.run(
        ["apt-cache", *words, "policy", "lego", "other"], capture_output=True, text=True, check=True
    ).stdout
    lego, _, other = shown.partition("\nother:")
    assert f"Candidate: {candidate}\n" in lego
    assert "Candidate: 1.5" in other, "other packages are not touched by it"
