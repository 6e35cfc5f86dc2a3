"""What a test needs and not every machine has.

Such a test is skipped on a laptop, with the command that gets what it needs. Where CI is set it
fails: a test that cannot run proves nothing, so it must not look green there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import urllib.request
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FETCH_MNIST = "scripts/in training -m training.mnist"
# Where torchvision gets it.
MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"

#: What the running test left out: conftest.py reports it, and clears the list after each test.
LEFT_OUT: list[str] = []


def need(condition: object, what: str, fix: str) -> None:
    """Go on if `condition` holds; else skip, and fail where CI is set.

    `what` is a noun, as in "a Docker engine". `fix` is the command that gets it.
    """
    if condition:
        return
    message = _needs(what, fix)
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def leave_out(what: str, fix: str) -> None:
    """Let the test go on without a part of it, and report that; fail where CI is set."""
    if os.environ.get("CI"):
        pytest.fail(_needs(what, fix))
    LEFT_OUT.append(_needs(what, fix))


def _needs(what: str, fix: str) -> str:
    return f"needs {what}: {fix}"


def need_program(name: str, package: str = "") -> None:
    """Need a program, which a Debian package of the same or another name has."""
    need(shutil.which(name), name, f"sudo apt-get install {package or name}")


def need_docker() -> None:
    """Need a Docker engine that answers."""
    need(docker_error() is None, "a Docker engine", _docker_fix())


@cache
def docker_error() -> str | None:
    """Why no engine answers; None if one does."""
    if not shutil.which("docker"):
        return "no client"
    done = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else None


def _docker_fix() -> str:
    if "permission denied" in (docker_error() or ""):
        return 'sudo usermod --append --groups docker "$USER", then log in again'
    if Path("/usr/bin/dockerd").exists() or Path("/usr/sbin/dockerd").exists():
        return "sudo systemctl start docker"
    return "sudo apt-get install docker.io"


def need_docker_plugins() -> None:
    """Need Docker's compose and buildx, which are fetched on Debian 12."""
    fetch = ("scripts/in", "rehearsal", "-m", "rehearsal.offline", "plugins")
    done = subprocess.run(fetch, cwd=ROOT, capture_output=True, check=False)
    packages = "docker-compose docker-buildx (on Ubuntu: docker-compose-v2 docker-buildx)"
    need(done.returncode == 0, "Docker's compose and buildx", f"sudo apt-get install {packages}")


def need_terraform() -> None:
    """Need Terraform."""
    page = "see https://developer.hashicorp.com/terraform/install"
    need(shutil.which("terraform"), "Terraform", page)


def need_chromium() -> str:
    """Need this machine's Chromium or Chrome, or the one in $CHROMIUM; its path."""
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    program = os.environ.get("CHROMIUM") or next(filter(None, found), "")
    need(program and driver_starts(), "Chromium", "sudo apt-get install chromium libatomic1")
    return program


@cache
def driver_starts() -> bool:
    """Whether Playwright's driver starts: it needs a library that a bare machine lacks."""
    command = (sys.executable, "-m", "playwright", "--version")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def need_mnist() -> Path:
    """Need MNIST's files, which are fetched once if they can be; the folder that has MNIST/raw."""
    given = os.environ.get("MNIST_ROOT")
    folder = Path(given or ROOT / "data")
    last = folder / "MNIST/raw/t10k-labels-idx1-ubyte"  # of the files that are fetched
    there = last.exists() or last.with_name(f"{last.name}.gz").exists()
    # torchvision fetches them. Its environment takes minutes, and is only made where that helps.
    if not there and not given and _answers(f"{MNIST}/{last.name}.gz"):
        there = fetched(last, *FETCH_MNIST.split())
    need(there, "MNIST", f"{FETCH_MNIST}  (or set MNIST_ROOT)")
    return folder


@cache
def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - https
    except OSError:
        return False
    return True


@cache
def fetched(file: Path, *command: str) -> bool:
    """Whether a file is there, if need be after this command, which one run of tests tries once."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    with (ROOT / ".venv" / f".{file.name}.tried").open("a+") as tried:
        fcntl.flock(tried, fcntl.LOCK_EX)
        tried.seek(0)
        if not file.exists() and tried.read() != run:
            tried.truncate(0)
            tried.write(run)
            tried.flush()
            subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    return file.exists()
