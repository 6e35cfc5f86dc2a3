"""The app's image does not depend on who builds it: its files are readable by whoever runs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.needs import ROOT, need_docker, need_docker_plugins


def modes(context: Path, archive: Path) -> dict[str, int]:
    """The files that app/Dockerfile copies from its folder, built into an otherwise empty image."""
    recipe = (ROOT / "app/Dockerfile").read_text()
    copies = re.findall(r"^COPY (?!--from).*$", recipe, re.MULTILINE)
    (context / "copies").write_text("\n".join(["FROM scratch", "WORKDIR /app", *copies]) + "\n")
    command = ["docker", "build", "--quiet", "--file", str(context / "copies")]
    subprocess.run(
        [*command, "--output", f"type=tar,dest={archive}", str(context)],
        env=os.environ | {"DOCKER_BUILDKIT": "1"},
        check=True,
        capture_output=True,
    )
    with tarfile.open(archive) as built:
        return {member.name.rstrip("/"): member.mode & 0o777 for member in built}


def test_a_clone_made_with_a_strict_umask(tmp_path: Path) -> None:
    need_docker()
    need_docker_plugins()
    context = tmp_path / "app"
    shutil.copytree(ROOT / "app", context, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [context, *context.rglob("*")]:
        path.chmod((0o777 if path.is_dir() else 0o666) & ~0o077)
    found = modes(context, tmp_path / "image.tar")
    assert {"app/serve.py", "app/digits/weights.pt", "app/.streamlit/config.toml"} <= {*found}
    assert {name: mode for name, mode in found.items() if mode & 0o004 == 0} == {}
    folders = {name for name in found if name in ("app", "app/digits", "app/.streamlit")}
    assert folders == {name for name, mode in found.items() if mode == 0o755}
