"""The stack on a laptop: make up and make down, with the compose file that the droplet gets."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page

from tests.browser.page import DigitsPage
from tests.conftest import need
from tests.pen import drawing
from tests.rehearsal.deployment import clean_environment

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Stack:
    """The two containers, under a name and on a port of the tests' own."""

    folder: Path
    settings: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings['APP_PORT']}"

    def compose(self, *words: str) -> str:
        """Run docker compose, which must succeed; return what it prints."""
        return self.run("docker", "compose", *words)

    def run(self, *command: str) -> str:
        """Run a command beside the compose file, which must succeed; return what it prints."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=clean_environment() | self.settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout.strip()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Build and start it as the README does; take it away, its data too."""
    engine = subprocess.run(["docker", "info"], capture_output=True, check=False)
    need(engine.returncode == 0, "no Docker engine answers", "sudo systemctl start docker")
    subprocess.run([ROOT / "rehearsal/images/provide"], check=True)
    build = subprocess.run(
        [ROOT / "rehearsal/images/build-environment"], capture_output=True, text=True, check=True
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    name = f"digits-test-{uuid4().hex[:8]}"
    settings = dict(line.split("=", 1) for line in build.stdout.splitlines())
    settings |= {"COMPOSE_PROJECT_NAME": name, "APP_PORT": str(port)}
    folder = tmp_path_factory.mktemp("stack")
    for file in ("Makefile", "docker-compose.yml"):
        shutil.copy(ROOT / file, folder)
    for part in ("app", "scripts"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    made = Stack(folder, settings | {"APP_IMAGE": f"{name}:dev"})
    try:
        said = made.run("make", "up")
        assert said.endswith(f"The page is on http://localhost:{port}  (make down stops it)")
        yield made
    finally:
        made.compose("down", "--volumes", "--rmi", "local")
        subprocess.run(["docker", "image", "rm", f"{name}:dev"], capture_output=True, check=False)
        subprocess.run([ROOT / "rehearsal/images/wheels/serve", "down"], check=True)


def test_there_are_two_services_and_both_are_healthy(stack: Stack) -> None:
    states = stack.compose("ps", "--format", "{{.Service}} {{.Health}}").splitlines()
    assert sorted(states) == ["app healthy", "db healthy"]


def test_an_answer_is_logged_and_outlives_the_containers(stack: Stack, page: Page) -> None:
    query = ["exec", "-T", "db", "psql", "--username", "digits", "--no-align", "--tuples-only"]
    query += ["--command", "SELECT predicted_digit, true_label FROM predictions"]
    visitor = DigitsPage(page)
    visitor.open(stack.url)
    visitor.draw(drawing(2))
    digit, _ = visitor.prediction()
    visitor.press_correct()
    visitor.wait_until_cleared()
    assert stack.compose(*query) == f"{digit}|{digit}"
    assert "The answers are kept" in stack.run("make", "down")
    assert stack.compose("ps", "--quiet") == ""
    assert "password" not in stack.run("make", "up"), "it is made once"
    assert stack.compose(*query) == f"{digit}|{digit}"


def test_the_app_is_nobody_and_can_write_nowhere(stack: Stack) -> None:
    inside = ["exec", "-T", "app", "python", "-c"]
    assert stack.compose(*inside, "import os; print(os.getuid())") == "10001"
    tries = "import pathlib; pathlib.Path('/app/x').touch()"
    with pytest.raises(AssertionError, match="Read-only file system"):
        stack.compose(*inside, tries)


def test_the_password_is_in_a_file_and_not_in_what_docker_shows(stack: Stack) -> None:
    folder = stack.folder / "secrets"
    assert folder.stat().st_mode & 0o077 == 0
    password = (folder / "postgres_password").read_text().strip()
    assert len(password) == 48
    containers = stack.compose("ps", "--quiet").split()
    shown = subprocess.run(
        ["docker", "inspect", *containers], capture_output=True, text=True, check=True
    ).stdout
    assert "POSTGRES_PASSWORD_FILE=/run/secrets/postgres_password" in shown
    assert password not in shown
    # And it is asked for: who comes from the app's side without it is turned away.
    connect = "import psycopg2; psycopg2.connect('postgresql://digits:wrong@db/digits')"
    with pytest.raises(AssertionError, match="password authentication failed"):
        stack.compose("exec", "-T", "app", "python", "-c", connect)


def test_torch_is_the_cpu_build(stack: Stack) -> None:
    ask = "import torch; print(torch.version.cuda)"
    assert stack.compose("exec", "-T", "app", "python", "-c", ask) == "None"


def test_only_the_page_is_published_and_only_to_this_machine(stack: Stack) -> None:
    published = stack.compose("ps", "--format", "{{.Service}} {{.Ports}}")
    assert f"app 127.0.0.1:{stack.settings['APP_PORT']}->8501/tcp" in published
    assert "->5432" not in published
