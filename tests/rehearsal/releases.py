"""Releases of a rehearsed deployment: begun from here, or on the droplet with what it has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.rehearsal.deployment import Deployment, run


def release(**env: str) -> subprocess.CompletedProcess[str]:
    """`make release`, to its end."""
    return run("make", "release", "TARGET=rehearsal", **env)


def retitled(folder: Path, title: str) -> None:
    """Change one line of a copy of the app: the page's title."""
    page = folder / "streamlit_app.py"
    text = page.read_text()
    changed = re.sub(r'st\.title\("[^"]*"', f'st.title("{title}"', text)
    assert changed != text
    page.write_text(changed)


def app_containers(deployment: Deployment) -> list[str]:
    """The app's containers on the droplet, whatever their state."""
    return deployment.ssh(
        "docker ps --all --quiet --filter label=com.docker.compose.service=app"
    ).split()


def image_that_serves(deployment: Deployment) -> str:
    """The id of the image of the one container of the app."""
    (container,) = app_containers(deployment)
    return deployment.ssh(f"docker inspect --format '{{{{.Image}}}}' {container}").strip()


def put(deployment: Deployment, image: str, **env: str) -> str:
    """Release an image that is on the droplet, from there; what it says."""
    # No visitor is there to wait for.
    env = {"NO_PULL": "yes", "DRAIN": "1"} | env
    settings = " ".join(f"{name}={value}" for name, value in env.items())
    return deployment.ssh(f"{settings} digits release {image} abc1234 me@here 2>&1 || echo failed")
