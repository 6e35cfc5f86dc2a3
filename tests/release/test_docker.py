"""Docker on other people's machines: what is missing is found, with this distribution's fix."""

from __future__ import annotations

import grp
import os
import platform
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.console import distribution
from ops.console.errors import Failed
from ops.release import docker

Docker = Callable[[str], Path]
ALL_OF_IT = ("docker", "buildx", "compose")
UBUNTU = "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=24.04"


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make this machine one whose /etc/os-release holds this, with no Docker of Docker's own."""

    def system(text: str) -> None:
        says = dict(line.split("=", 1) for line in text.splitlines())
        monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "linux"} | says)
        monkeypatch.setattr(distribution, "_is_dockers_own", lambda: False)

    return system


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Put a docker before this machine's own that does this."""

    def program(script: str) -> Path:
        file = tmp_path / "docker"
        file.write_text(f"#!/bin/bash\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return file

    return program


@pytest.fixture
def its_socket(tmp_path: Path) -> Iterator[Path]:
    """A socket, as an engine has one."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "engine"))
        yield tmp_path / "engine"


def refusal(check: Callable[[], str]) -> str:
    with pytest.raises(Failed) as caught:
        check()
    return "\n".join(caught.value.lines())


@pytest.mark.parametrize(
    ("system_says", "compose", "everything"),
    [
        (
            "ID=debian\nVERSION_ID=13",
            "sudo apt-get install docker-compose",
            "sudo apt-get install docker.io docker-cli docker-buildx docker-compose",
        ),
        # Its docker-compose is 1.29, a program of its own.
        (
            "ID=debian\nVERSION_ID=12",
            "https://docs.docker.com/engine/install/",
            "https://docs.docker.com/engine/install/",
        ),
        (
            UBUNTU,
            "sudo apt-get install docker-compose-v2",
            "sudo apt-get install docker.io docker-buildx docker-compose-v2",
        ),
        (
            'ID=linuxmint\nID_LIKE=ubuntu debian\nVERSION_ID="22"',
            "sudo apt-get install docker-compose-v2",
            "sudo apt-get install docker.io docker-buildx docker-compose-v2",
        ),
        (
            "ID=fedora\nVERSION_ID=42",
            "sudo dnf install docker-compose",
            "sudo dnf install moby-engine docker-buildx docker-compose",
        ),
        (
            "ID=rocky\nID_LIKE=rhel centos fedora\nVERSION_ID=9",
            "https://docs.docker.com/engine/install/",
            "https://docs.docker.com/engine/install/",
        ),
        (
            "ID=arch",
            "sudo pacman -S docker-compose",
            "sudo pacman -S docker docker-buildx docker-compose",
        ),
        (
            "ID=alpine",
            "sudo apk add docker-cli-compose",
            "sudo apk add docker docker-cli-buildx docker-cli-compose",
        ),
        (
            "ID=plan9",
            "https://docs.docker.com/engine/install/",
            "https://docs.docker.com/engine/install/",
        ),
    ],
)
def test_each_distribution_has_its_own_packages(
    system: Callable[[str], None], system_says: str, compose: str, everything: str
) -> None:
    system(system_says)
    assert distribution.how_to_get("compose") == compose
    assert distribution.how_to_get(*ALL_OF_IT) == everything


def test_debian_12_gets_all_of_docker_from_one_place(system: Callable[[str], None]) -> None:
    """Debian's docker.io has no plugins there, and would be in the way of Docker's packages."""
    system("ID=debian\nVERSION_ID=12")
    assert distribution.how_to_get("docker") == "https://docs.docker.com/engine/install/"
    # A rehearsal fetches the plugins itself. Debian 13 has the command in a package of its own.
    assert distribution.package("docker") == "docker.io"
    system("ID=debian\nVERSION_ID=13")
    assert distribution.package("docker") == "docker.io docker-cli"


def test_without_docker_all_of_it_is_named(
    system: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system("ID=debian\nVERSION_ID=13")
    monkeypatch.setenv("PATH", str(tmp_path))
    text = refusal(docker.need_engine)
    assert text.splitlines() == [
        "docker is not installed, and this needs it.",
        "Get it: sudo apt-get install docker.io docker-cli docker-buildx docker-compose",
    ]


def test_a_docker_of_dockers_own_repository(
    system: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    system("ID=debian\nVERSION_ID=12")
    monkeypatch.setattr(distribution, "_is_dockers_own", lambda: True)
    wanted = "sudo apt-get install docker-buildx-plugin docker-compose-plugin"
    assert distribution.how_to_get("buildx", "compose") == wanted


def test_a_docker_without_its_plugins(system: Callable[[str], None], program: Docker) -> None:
    system("ID=debian\nVERSION_ID=13")
    program(
        'case "$*" in version*Client*) echo 26.1.5 ;; version*) echo 26.1.5 ;; *) exit 1 ;; esac'
    )
    assert docker.need_engine() == "26.1.5"
    assert "sudo apt-get install docker-buildx" in refusal(docker.need_buildx)
    assert "sudo apt-get install docker-compose" in refusal(docker.need_compose)
    # Until Docker 23 it was a part of Docker itself.
    program('case "$*" in version*Client*) echo 20.10.24+dfsg1 ;; *) exit 1 ;; esac')
    assert docker.need_buildx() == "in Docker 20.10.24+dfsg1 itself"


def test_a_docker_from_snap(system: Callable[[str], None], program: Docker, tmp_path: Path) -> None:
    system(UBUNTU)
    program("echo 28.0.0").rename(tmp_path / "snap")
    (tmp_path / "docker").symlink_to(tmp_path / "snap")
    text = refusal(docker.need_engine)
    assert "sudo snap remove docker" in text
    assert "sudo apt-get install docker.io docker-buildx docker-compose-v2" in text
    assert docker.is_from_snap("/snap/bin/docker")


def test_an_engine_that_does_not_run(program: Docker, tmp_path: Path, its_socket: Path) -> None:
    for where in (its_socket, tmp_path / "none"):
        program(f'case "$*" in context*) echo unix://{where} ;; *) exit 1 ;; esac')
        text = refusal(docker.need_engine)
        assert "its engine does not answer" in text
        assert "Start it: " in text


def test_an_engine_elsewhere_that_does_not_answer(program: Docker) -> None:
    program('case "$*" in context*) echo tcp://192.0.2.1:2376 ;; *) exit 1 ;; esac')
    text = refusal(docker.need_engine)
    assert "the engine at tcp://192.0.2.1:2376" in text
    assert "unset DOCKER_HOST" in text


@pytest.mark.parametrize("member", [False, True])
def test_a_user_who_may_not_use_the_engine(
    program: Docker, its_socket: Path, monkeypatch: pytest.MonkeyPatch, member: bool
) -> None:
    program(f'case "$*" in context*) echo unix://{its_socket} ;; *) exit 1 ;; esac')
    me = docker.user_name()
    group = grp.struct_group(("docker", "x", 999, [me] if member else []))
    monkeypatch.setattr(grp, "getgrgid", lambda _number: group)
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != its_socket)
    text = refusal(docker.need_engine)
    if member:
        assert "Log out and in again; for this terminal alone: newgrp docker" in text
    else:
        assert f"sudo usermod -aG docker {me}" in text
        assert "groupadd" not in text
