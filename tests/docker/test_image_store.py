"""Docker's containerd image store, the default of new installations: a build is the same image."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from ops.console.settings import BuildSettings
from ops.release.docker import build
from tests.rehearsal.deployment import ROOT, clean_environment

pytestmark = pytest.mark.timeout(600)

BASE = "python:3.11-slim-bookworm"
# The Docker of the droplet, Debian 13's, which can do it as well.
ENGINE = """FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends docker.io \
    && rm -rf /var/lib/apt/lists/*
"""
# Docker mounts the control groups read-only; those of version 1 refuse to be remounted.
START = """
mount -o remount,rw /sys/fs/cgroup
for folder in $(mount -t cgroup | sed -n 's|.* on \\(/sys/fs/cgroup/[a-z]*\\) .*|\\1|p'); do
    umount "$folder" && mount -t cgroup -o "rw,${folder##*/}" cgroup "$folder"
done 2>/dev/null
mkdir -p /etc/docker
echo '{"features": {"containerd-snapshotter": true}}' >/etc/docker/daemon.json
exec dockerd --host unix:///run/engine/docker.sock --group "$1"
"""
OPEN = ("seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined")


def run(*command: str | Path, **settings: str) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment() | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a second engine, in a container, which has the base image already."""
    run(sys.executable, "-m", "rehearsal.offline", "images", "debian:trixie-slim", BASE)
    name = f"digits-test-{uuid4().hex[:8]}"
    folder = tmp_path_factory.mktemp("engine")
    address = f"unix://{folder}/docker.sock"
    (folder / "Dockerfile").write_text(ENGINE)
    run("docker", "build", "--quiet", "--tag", "digits-test-engine", folder)
    run(
        *("docker", "run", "--detach", "--rm", "--name", name, "--network=none"),
        "--cgroupns=private",
        *(f"--cap-add={capability}" for capability in ("SYS_ADMIN", "NET_ADMIN", "MKNOD")),
        *(f"--security-opt={option}" for option in OPEN),
        *("--tmpfs", "/run", "--volume", "/var/lib/docker", "--volume", f"{folder}:/run/engine"),
        *("digits-test-engine", "sh", "-c", START, "sh", str(os.getgid())),
    )
    try:
        for _ in range(300):
            asked = ["docker", "--host", address, "info", "--format", "{{.DriverStatus}}"]
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            if "io.containerd.snapshotter" in done.stdout:  # while it starts, it prints []
                break
            time.sleep(0.1)
        assert "io.containerd.snapshotter" in done.stdout, run("docker", "logs", name)
        run("bash", "-c", f"docker save {BASE} | docker --host {address} load")
        yield address
    finally:
        run("docker", "rm", "--force", "--volumes", name)


def test_the_same_build_is_the_same_image_with_the_name_that_the_droplet_gives_it(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY content /\n")
    (tmp_path / "content").write_text(uuid4().hex)
    here = {"DOCKER_HOST": engine}
    settings, names_here = BuildSettings(folder=str(tmp_path)), ("digits-test:same",)
    ids, names = set(), set()
    for _ in range(3):
        time.sleep(1)  # a note of when it was built would have another second in it
        with monkeypatch.context() as there:
            there.setenv("DOCKER_HOST", engine)
            names.add(build(settings, names_here))
        ids.add(
            run("docker", "image", "inspect", "--format", "{{.Id}}", "digits-test:same", **here)
        )
        run("docker", "image", "rm", "digits-test:same", **here)
    assert len(ids) == 1
    assert len(names) == 1
    # An engine with the older store, as the droplet's is, knows it by the name that releases use.
    with monkeypatch.context() as there:
        there.setenv("DOCKER_HOST", engine)
        build(settings, names_here)
    loaded = run(
        "bash", "-c", f"docker --host {engine} save digits-test:same | docker load --quiet"
    )
    sent = loaded.rpartition(" ")[2]
    try:
        assert {run("docker", "image", "inspect", "--format", "{{.Id}}", sent)} == names
    finally:
        run("docker", "image", "rm", sent)
