"""The dev container: its Dockerfile builds, and `make` and Docker work in it as the docs say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ops.console.settings import Settings
from ops.release.docker import base_images, has_image
from ops.verbs import settings as listed
from rehearsal.droplet import driver
from rehearsal.offline.base_images import BaseImages
from tests.needs import ROOT, need_terraform

pytestmark = pytest.mark.timeout(600)

FOLDER = ROOT / ".devcontainer"
# Without control groups that may be written, as where Docker is not asked for --privileged, an
# engine starts too.
PRIVILEGED = driver._LIKE_A_SERVER  # noqa: SLF001


def docker(*words: str | Path, stdin: bytes = b"") -> str:
    """What docker prints; it must succeed."""
    done = subprocess.run(["docker", *words], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()[-3000:]
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def _terraform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The image that Terraform is taken from: where it cannot be pulled, this machine's program."""
    [image, _] = base_images(FOLDER / "Dockerfile")
    pull = ("docker", "pull", "--quiet", image)
    if has_image(image) or subprocess.run(pull, capture_output=True, check=False).returncode == 0:
        yield
        return
    need_terraform()
    context = tmp_path_factory.mktemp("terraform")
    shutil.copy(shutil.which("terraform") or "", context)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY terraform /bin/\n")
    docker("build", "--quiet", "--label", "stand-in=true", "--tag", image, context)
    yield
    docker("image", "rm", image)


@pytest.fixture(scope="module")
def container(_terraform: None, offline: dict[str, str]) -> Iterator[str]:
    """A container of it, with this machine's settings for pip where PyPI needs them."""
    [_, base] = base_images(FOLDER / "Dockerfile")
    BaseImages().provide(base)
    name = f"digits-test-{uuid4().hex[:8]}"
    docker("build", "--quiet", "--tag", name, FOLDER)
    pip = offline.get("PIP_CONF")
    # In memory, since `make` puts ten thousand files there.
    mounts = ["--tmpfs", "/home/dev:exec,uid=1000,gid=1000,mode=700"]
    mounts += ["--volume", f"{pip}:/etc/pip.conf:ro"] if pip else []
    docker("run", "--detach", "--init", "--name", name, *PRIVILEGED, *mounts, name, "sleep", "900")
    yield name
    docker("rm", "--force", "--volumes", name)
    docker("image", "rm", name)


def test_it_has_what_the_docs_install_and_its_user_is_not_root(container: str) -> None:
    user = described()["remoteUser"]
    assert docker("exec", container, "whoami") == user
    assert docker("exec", container, "sudo", "--non-interactive", "id", "-u") == "0"
    readme = re.findall(r"apt-get install ([^`]+)`", (ROOT / "README.md").read_text())[0].split()
    first = (ROOT / "docs/your-first-deployment.md").read_text()
    [for_docker] = re.findall(r"\| Debian 13 \| `sudo apt-get install ([^`]+)`", first)
    docker("exec", container, "dpkg-query", "--show", *readme, *for_docker.split(), "gh")
    needed = re.search(r'">= ([0-9.]+)"', (ROOT / "infra/terraform/versions.tf").read_text())
    version = json.loads(docker("exec", container, "terraform", "version", "-json"))
    numbers = [
        tuple(map(int, text.split(".")))
        for text in (version["terraform_version"], needed[1] if needed else "")
    ]
    assert numbers[0] >= numbers[1]


def test_make_works_in_it(container: str) -> None:
    """It makes a Python environment and runs a verb there."""
    pack = ("tar", "--create", "--exclude=__pycache__", "Makefile", "scripts", "ops")
    files = subprocess.run(pack, cwd=ROOT, capture_output=True, check=True).stdout
    inside = ("exec", "--interactive", "--workdir", "/home/dev", container)
    docker(*inside, "tar", "--extract", stdin=files)
    assert docker(*inside, "make", "--silent", "settings") == listed.text().strip()


def test_its_docker_starts_and_starts_again(container: str) -> None:
    command = described()["postStartCommand"].split()
    for _ in range(2):
        docker("exec", container, *command)
        docker("exec", container, "docker", "version")
    docker("exec", container, "docker", "compose", "version")
    docker("exec", container, "docker", "buildx", "version")


def described() -> dict[str, Any]:
    """devcontainer.json, whose comments are lines of their own."""
    text = (FOLDER / "devcontainer.json").read_text()
    found: dict[str, Any] = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    return found


def test_its_description_fits_the_project() -> None:
    found = described()
    assert found["forwardPorts"] == [int(Settings().local.port)]
    assert f" {found['remoteUser']} " in (FOLDER / "Dockerfile").read_text()
    assert found["privileged"] is True
