"""Docker on this machine: whether it is there, and the build of the app's image."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from ops.console import terminal
from ops.console.distribution import how_to_get, is_windows_linux
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.programs import output_of, shown
from ops.console.settings import ROOT, BuildSettings

AGAIN = "then run the same command again."
COMPOSE = ("docker", "compose", "--project-directory", str(ROOT))


def need_engine() -> str:
    """The version of the engine. Raises Failed if there is none that answers."""
    if not (program := shutil.which("docker")):
        raise Failed(
            "docker is not installed, and this needs it.",
            f"Get it: {how_to_get('docker', 'buildx', 'compose')}",  # in one go
        )
    if is_from_snap(program):
        raise Failed(
            "Docker is installed from snap, and that one sees neither /tmp nor hidden folders, "
            "which a build needs.",
            "Take the other one; what snap's Docker keeps is lost: sudo snap remove docker, then "
            f"{how_to_get('docker', 'buildx', 'compose')}",
        )
    if version := output_of("docker", "version", "--format", "{{.Server.Version}}"):
        return version
    raise _why_no_engine()


def is_from_snap(program: str) -> bool:
    """Whether snap installed the program at this path."""
    return program.startswith("/snap/") or Path(program).resolve().name == "snap"


def _why_no_engine() -> Failed:
    """Why the engine does not answer, from its socket and this user's groups."""
    asked = output_of("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    host = asked or "unix:///var/run/docker.sock"
    if not host.startswith("unix://"):
        return Failed(
            f"Docker is set to use the engine at {host}, which does not answer.",
            "See that it runs. For the engine of this machine: unset DOCKER_HOST; "
            "docker context use default",
        )
    socket = Path(host.removeprefix("unix://"))
    if socket.exists() and not os.access(socket, os.W_OK):
        return _why_not_let_in(socket)
    return Failed("Docker is installed, but its engine does not answer.", f"Start it: {_start()}")


def _why_not_let_in(socket: Path) -> Failed:
    """Why this user may not write to the engine's socket."""
    group, user = grp.getgrgid(socket.stat().st_gid), user_name()
    if user in group.gr_mem:
        return Failed(
            f"You are in the group {group.gr_name}, which may use Docker, but were not when you "
            "logged in.",
            f"Log out and in again; for this terminal alone: newgrp {group.gr_name}",
        )
    name, first, last = group.gr_name, "", ""
    if group.gr_gid == 0:  # the engine found no group docker when it started
        name, first, last = "docker", "sudo groupadd docker; ", "; sudo systemctl restart docker"
    return Failed(
        f"You may not use Docker's engine: its socket is for the group {group.gr_name}.",
        f"Let yourself use it: {first}sudo usermod -aG {name} {user}{last}. Then log in again.",
    )


def user_name() -> str:
    """Who runs this."""
    return pwd.getpwuid(os.getuid()).pw_name


def _start() -> str:
    """The command that starts the engine on this machine."""
    if sys.platform == "darwin":
        return "open -a Docker"
    if Path("/run/systemd/system").exists():
        return "sudo systemctl start docker"
    here = "sudo service docker start"
    if is_windows_linux():
        return f"Docker Desktop on Windows, with its WSL integration for this Linux; or {here}"
    return here


def need_compose() -> str:
    """The version of the compose plugin. Raises Failed if there is none."""
    if version := output_of("docker", "compose", "version", "--short"):
        return version
    raise Failed(
        "Docker's compose plugin is missing (a program named docker-compose is not it).",
        f"Get it: {how_to_get('compose')}",
    )


def need_buildx() -> str:
    """What builds an image. Raises Failed if that is missing."""
    if version := output_of("docker", "buildx", "version"):
        return version.split()[1] if len(version.split()) > 1 else version
    client = output_of("docker", "version", "--format", "{{.Client.Version}}") or ""
    major = client.partition(".")[0]
    if major.isdecimal() and int(major) < 23:
        return f"in Docker {client} itself"
    raise Failed(
        "Docker's buildx plugin is missing, and the image is built with it.",
        f"Get it: {how_to_get('buildx')}",
    )


def need_recipe(settings: BuildSettings, image: str) -> None:
    """The files that the settings name for a build are there. Raises Failed."""
    recipe = ROOT / settings.folder / "Dockerfile"
    if not image and not recipe.is_file():
        raise Failed(f"APP_FOLDER={settings.folder} holds no Dockerfile.", "unset APP_FOLDER")
    if settings.pip_conf and not Path(settings.pip_conf).is_file():
        raise Failed(f"PIP_CONF={settings.pip_conf} is no file.", "Correct it, or: unset PIP_CONF")


def has_image(name: str) -> bool:
    """Whether this machine has an image of that name."""
    return output_of("docker", "image", "inspect", name) is not None


def build(settings: BuildSettings, names: tuple[str, ...], platform: str = "") -> str:
    """Build the app's image under these names, for this machine or a platform; its id.

    Raises Failed with the cause, as far as it is known.
    """
    # What was built before and is neither named nor used any more; the label says it is ours.
    output_of("docker", "image", "prune", "--force", "--filter", "label=digits.app", seconds=120)
    folder = ROOT / settings.folder
    for base in base_images(folder / "Dockerfile"):
        _refresh(base, platform)
    with tempfile.TemporaryDirectory() as scratch:
        id_file = Path(scratch) / "id"
        options = ["--iidfile", str(id_file), *(["--platform", platform] if platform else [])]
        for name in names:
            options += ["--tag", name]
        status, printed = shown([*_command(settings), *options, str(folder)])
        if status != 0:
            raise _cause(settings, platform, printed)
        return id_file.read_text().strip()


def _command(settings: BuildSettings) -> list[str]:
    # The same content is the same image: no note of when it was built beside it.
    command = ["env", "DOCKER_BUILDKIT=1", "BUILDX_NO_DEFAULT_ATTESTATIONS=1", "docker", "build"]
    command += ["--label", "digits.app=yes", "--progress", "plain"]
    command += ["--build-arg", f"TORCH_INDEX={settings.torch_index}"]
    command += ["--build-arg", f"SOURCE_URL={settings.source_url}"]
    if settings.pip_conf:
        # A secret is no part of the recipe: the same build is found in the cache.
        command += ["--secret", f"id=pip_conf,src={settings.pip_conf}"]
    return command


def base_images(recipe: Path) -> list[str]:
    """The images that a Dockerfile begins from, each once, its own stages left out."""
    lines = [line.split() for line in recipe.read_text().splitlines()]
    begins = [
        [word for word in words[1:] if not word.startswith("--")]
        for words in lines
        if words[:1] == ["FROM"]
    ]
    stages = {words[2] for words in begins if len(words) > 2} | {"scratch"}
    return list(dict.fromkeys(words[0] for words in begins if words[0] not in stages))


def _refresh(name: str, platform: str) -> None:
    """Take a base image's newest version; if it cannot be had, the one that is here will do."""
    command = ["docker", "pull", "--quiet", *(["--platform", platform] if platform else []), name]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        terminal.line(f"{name} is as new as its registry has it.")
    elif has_image(name):
        terminal.line(f"{name} is here; whether its registry has a newer one could not be asked.")


def _cause(settings: BuildSettings, platform: str, output: str) -> Failed:
    """Why a build failed, from what Docker printed."""

    def printed(pattern: str) -> bool:
        return re.search(pattern, output, re.MULTILINE) is not None

    not_there = r"pull access denied|not found$|no match for platform"
    if printed(rf"^#\d+ ERROR: (failed to (do request|resolve)|.*({not_there}))"):
        bases = base_images(ROOT / settings.folder / "Dockerfile")
        return Failed(
            "The image could not be built: its base image"
            f"{f' for {platform}' if platform else ''} is not here and cannot be "
            "had; the reason is above.",
            f"See that Docker Hub answers (docker pull {bases[0] if bases else ''}), {AGAIN}",
        )
    if printed(r"[Nn]o space left on device"):
        return Failed(
            "The image could not be built: the disk is full.",
            "Make room: docker system df shows what Docker takes, docker builder prune frees "
            "what old builds left. Then run the same command again.",
        )
    if printed(r"exec format error"):
        return Failed(
            "The image could not be built: this machine's processor does not run the droplet's "
            "programs.",
            "Teach it (Docker Desktop can do it already): sudo apt-get install "
            f"qemu-user-static, {AGAIN}",
            f"Or have it built elsewhere: {make('pipeline')}, or IMAGE=... with the name "
            "of one that is built.",
        )
    return _cause_by_packages(printed) or Failed(
        "The image could not be built; Docker's reason is above.",
        f"Fix it (the recipe is {settings.folder}/Dockerfile), {AGAIN}",
    )


def _cause_by_packages(printed: Callable[[str], bool]) -> Failed | None:
    if printed(r"No matching distribution found for torch"):
        return Failed(
            "The image could not be built: torch's CPU build cannot be had.",
            "Neither PyTorch's index nor this machine's pip has it; see which answers "
            f"(pip download --no-deps torch), {AGAIN}",
            "Another index that has it: TORCH_INDEX=https://...",
        )
    if printed(r"^#\d+ ERROR: .*pip --python /venv/bin/python install"):
        return Failed(
            "The image could not be built: pip could not install what app/requirements.txt asks "
            "for; its message is above.",
            "If it is the network, run the same command again.",
        )
    if printed(r"^#\d+ ERROR: .*apt-get update"):
        return Failed(
            "The image could not be built: Debian's packages cannot be had; apt's message is "
            "above.",
            "If it is the network, run the same command again.",
        )
    return None
