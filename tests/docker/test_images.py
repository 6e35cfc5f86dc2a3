"""The base images and docker plugins that the rehearsal provides."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from rehearsal.offline import base_images

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = (sys.executable, "-m", "rehearsal.offline")


def run(*command: str | Path, stdin: str | None = None) -> str:
    """The output of a command that must succeed."""
    answer = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert answer.returncode == 0, f"{command}: {answer.stdout}\n{answer.stderr}"
    return answer.stdout.strip()


@pytest.fixture(scope="module", autouse=True)
def provided() -> None:
    """All images, as one command provides them."""
    run(*OFFLINE, "images")


def test_a_second_run_does_nothing_and_says_so() -> None:
    started = time.monotonic()
    output = run(*OFFLINE, "images")
    assert time.monotonic() - started < 5  # under 1 s on an idle machine
    assert {line.split(" (")[0].removesuffix(" is here") for line in output.splitlines()} == {
        "images: python:3.11-slim-bookworm",
        "images: postgres:17-trixie",
        "images: registry:2",
        "images: digits-rehearsal-droplet:debian-13-x64",
        "images: digits-rehearsal-engines:debian-13",
    }


@pytest.mark.parametrize("image", ["python:3.11-slim-bookworm", "postgres:17-trixie", "registry:2"])
def test_an_image_is_the_real_one_or_says_that_it_stands_in(image: str) -> None:
    [found] = json.loads(run("docker", "image", "inspect", image))
    labels = found["Config"]["Labels"] or {}
    if labels.get("stand-in") == "true":
        assert f"stand-in for {image}" in labels["org.opencontainers.image.description"]
    else:
        assert found["RepoDigests"], "neither from a registry, nor called a stand-in"


def test_the_docker_plugins_are_there() -> None:
    run(*OFFLINE, "plugins")
    run("docker", "compose", "version")
    run("docker", "buildx", "version")


def test_python_has_the_version_and_the_installer_of_the_real_image() -> None:
    script = "python --version && python -m venv /tmp/env && /tmp/env/bin/pip --version"
    assert "Python 3.11" in run(
        "docker", "run", "--rm", "python:3.11-slim-bookworm", "sh", "-c", script
    )


@pytest.fixture
def postgres() -> Iterator[str]:
    """A PostgreSQL started as the project's compose file does: nothing writable but its data."""
    name = f"digits-test-{uuid4().hex[:8]}"
    # fmt: off
    run(
        "docker", "run", "--detach", "--name", name, "--label", "digits.rehearsal=test",
        "--read-only", "--tmpfs", "/run/postgresql", "--tmpfs", "/tmp",  # noqa: S108
        "--env", "POSTGRES_USER=someone", "--env", "POSTGRES_DB=digits",
        "--env", "POSTGRES_PASSWORD=let me in", "postgres:17-trixie",
    )
    # fmt: on
    yield name
    run("docker", "rm", "--force", "--volumes", name)


def wait_for_postgres(name: str) -> None:
    """Wait until it takes connections over TCP, which it does only when complete."""
    for _ in range(120):
        probe = ["docker", "exec", name, "pg_isready", "--quiet", "--host", "127.0.0.1"]
        if subprocess.run(probe, check=False).returncode == 0:
            return
        time.sleep(0.5)
    pytest.fail(run("docker", "logs", name))


def test_postgres_makes_its_database_and_keeps_it(postgres: str) -> None:
    wait_for_postgres(postgres)
    query = ["docker", "exec", "--env", "PGPASSWORD=let me in", postgres, "psql", "-At"]
    query += ["--username", "someone", "--dbname", "digits", "--command"]
    assert run(*query, "SHOW server_version_num").startswith("17")
    run(*query, "CREATE TABLE kept AS SELECT 7 AS digit")
    run("docker", "restart", postgres)
    wait_for_postgres(postgres)
    assert run(*query, "SELECT digit FROM kept") == "7"
    assert run("docker", "exec", postgres, "stat", "-c", "%u", "/var/lib/postgresql/data") == "999"


def test_postgres_asks_the_network_for_the_password(postgres: str) -> None:
    wait_for_postgres(postgres)
    address = run(
        "docker", "inspect", "--format", "{{.NetworkSettings.Networks.bridge.IPAddress}}", postgres
    )
    url = f"postgresql://someone:{{}}@{address}/digits"
    psql = ["docker", "run", "--rm", "postgres:17-trixie", "psql", "-At", "-c", "SELECT 1"]
    assert run(*psql, url.format("let%20me%20in")) == "1"
    refused = subprocess.run(
        [*psql, url.format("wrong")], capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0
    assert "password authentication failed" in refused.stderr


def test_postgres_with_no_password_says_what_to_set() -> None:
    answer = subprocess.run(
        ["docker", "run", "--rm", "postgres:17-trixie"], capture_output=True, text=True, check=False
    )
    assert answer.returncode != 0
    assert "POSTGRES_PASSWORD" in answer.stderr


@pytest.fixture(scope="module")
def next_postgres() -> str:
    """The version that a rehearsal moves the database to, made when it is asked for."""
    run(*OFFLINE, "images", base_images.NEXT_POSTGRES)
    test_an_image_is_the_real_one_or_says_that_it_stands_in(base_images.NEXT_POSTGRES)
    return base_images.NEXT_POSTGRES


def test_18_keeps_its_data_in_a_folder_for_its_version(next_postgres: str) -> None:
    name = f"digits-test-{uuid4().hex[:8]}"
    # fmt: off
    run(
        "docker", "run", "--detach", "--name", name, "--label", "digits.rehearsal=test",
        "--read-only", "--tmpfs", "/run/postgresql", "--tmpfs", "/tmp",  # noqa: S108
        "--env", "POSTGRES_PASSWORD=let me in", next_postgres,
    )
    # fmt: on
    try:
        wait_for_postgres(name)
        home = "/var/lib/postgresql"
        assert run("docker", "exec", name, "cat", f"{home}/18/docker/PG_VERSION") == "18"
        [found] = json.loads(run("docker", "inspect", name))
        assert [mount["Destination"] for mount in found["Mounts"]] == [home]
        assert "PG_MAJOR=18" in found["Config"]["Env"]
    finally:
        run("docker", "rm", "--force", "--volumes", name)


def test_18_does_not_take_17s_place_for_an_empty_one(next_postgres: str) -> None:
    """As the real image: a volume at 17's path would not get the data."""
    answer = subprocess.run(
        [
            *("docker", "run", "--rm", "--tmpfs", "/var/lib/postgresql/data"),
            *("--env", "POSTGRES_PASSWORD=x", next_postgres),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode != 0
    assert "on a volume at /var/lib/postgresql" in answer.stderr
    assert "(unused mount/volume)" in answer.stderr


def test_the_registry_takes_and_gives_images() -> None:
    name = f"digits-test-{uuid4().hex[:8]}"
    run("docker", "run", "--detach", "--name", name, "--publish", "127.0.0.1::5000", "registry:2")
    try:
        port = run("docker", "port", name, "5000").rsplit(":", 1)[-1]
        image = f"127.0.0.1:{port}/some/thing:1"
        run("docker", "build", "--tag", image, "-", stdin="FROM scratch\nLABEL some=thing\n")
        for attempt in range(20):
            pushed = subprocess.run(["docker", "push", image], capture_output=True, check=False)
            if pushed.returncode == 0:
                break
            time.sleep(0.5 + 0.1 * attempt)
        run("docker", "image", "rm", image)
        run("docker", "pull", image)
        run("docker", "image", "rm", image)
    finally:
        run("docker", "rm", "--force", "--volumes", name)
