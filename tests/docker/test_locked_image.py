"""The image holds the versions that are locked, whatever the package index offers that day."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

import pytest

from tests import packages
from tests.rehearsal.deployment import ROOT

pytestmark = pytest.mark.timeout(600)
RECIPE = (ROOT / "app/Dockerfile").read_text()


def docker(*words: str | Path) -> str:
    """What docker prints; it must succeed."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def gateway() -> str:
    """The address at which builds reach this machine."""
    bridge = "{{with index .IPAM.Config 0}}{{.Subnet}} {{.Gateway}}{{end}}"
    subnet, _, named = docker("network", "inspect", "bridge", "--format", bridge).partition(" ")
    return named or subnet.rpartition(".")[0] + ".1"


def built(context: Path, index: str, torch: str) -> list[str]:
    """What pip installs in a build that starts from nothing, with this package index."""
    host = index.split("/")[2].partition(":")[0]
    settings = context / "pip.conf"
    settings.write_text(f"[global]\nindex-url = {index}\ntrusted-host = {host}\n")
    name = f"digits-locked-{uuid.uuid4().hex[:8]}"
    docker(
        "build", "--no-cache", "--tag", name, "--build-arg", f"TORCH_INDEX={torch}",
        "--secret", f"id=pip_conf,src={settings}", context,
    )  # fmt: skip
    try:
        freeze = ("pip", "--python", "/venv/bin/python", "freeze")
        return docker("run", "--rm", "--network", "none", name, *freeze).splitlines()
    finally:
        docker("image", "rm", name)


def test_two_builds_on_two_days_hold_the_same_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "1")
    context = tmp_path / "app"
    context.mkdir()
    # The recipe as far as what pip installs; the rest is about the real packages.
    recipe, _, rest = RECIPE.partition("# What serving never loads")
    assert "pip --python /venv/bin/python install" in recipe
    assert "pip --python /venv/bin/python install" not in rest
    (context / "Dockerfile").write_text(recipe)
    (context / "requirements.txt").write_text("asked==1.0\nneeded==1.0\ntorch==1.0\n")
    packages.two_days(tmp_path / "index")
    with packages.serving(tmp_path / "index", gateway()) as index:
        one = built(context, f"{index}/one", f"{index}/cpu")
        two = built(context, f"{index}/two", f"{index}/cpu")
    assert one == two == ["asked==1.0", "needed==1.0", "torch==1.0+cpu"]
