"""The stack on a laptop: make up and make down, with the compose file that the droplet gets."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.page import DigitsPage
from tests.docker.stack import Stack, clone
from tests.pen import drawing

pytestmark = pytest.mark.timeout(900)


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


def test_the_passwords_are_in_files_and_not_in_what_docker_shows(stack: Stack) -> None:
    folder = stack.folder / "secrets"
    assert folder.stat().st_mode & 0o077 == 0
    passwords = [
        (folder / name).read_text().strip() for name in ("postgres_password", "app_password")
    ]
    assert [len(password) for password in passwords] == [48, 48]
    assert passwords[0] != passwords[1]
    containers = stack.compose("ps", "--quiet").split()
    shown = subprocess.run(
        ["docker", "inspect", *containers], capture_output=True, text=True, check=True
    ).stdout
    assert "POSTGRES_PASSWORD_FILE=/run/secrets/postgres_password" in shown
    assert [password for password in passwords if password in shown] == []
    # And it is asked for: who comes from the app's side without it is turned away.
    connect = "import psycopg2; psycopg2.connect('postgresql://digits:wrong@db/digits')"
    with pytest.raises(AssertionError, match="password authentication failed"):
        stack.compose("exec", "-T", "app", "python", "-c", connect)


def test_torch_is_the_cpu_build(stack: Stack) -> None:
    ask = "import torch; print(torch.version.cuda)"
    assert stack.compose("exec", "-T", "app", "python", "-c", ask) == "None"


def test_what_the_page_never_loads_is_not_in_the_image(stack: Stack) -> None:
    unused = ("altair", "pandas", "pyarrow", "pydeck", "sympy")
    ask = f"from importlib.util import find_spec; print([*map(find_spec, {unused})])"
    assert stack.compose("exec", "-T", "app", "python", "-c", ask) == str([None] * len(unused))
    sizes = [
        int(stack.run("docker", "image", "inspect", "--format", "{{.Size}}", image))
        for image in (stack.settings["APP_IMAGE"], "python:3.11-slim-bookworm")
    ]
    assert sizes[0] - sizes[1] < 700_000_000  # beside the base image, which may be a stand-in


def test_only_the_page_is_published_and_only_to_this_machine(stack: Stack) -> None:
    published = stack.compose("ps", "--format", "{{.Service}} {{.Ports}}")
    assert f"app 127.0.0.1:{stack.settings['APP_PORT']}->8501/tcp" in published
    assert "->5432" not in published


def _removed(file: Path) -> None:
    shutil.rmtree(file.parent)


def _another(file: Path) -> None:
    file.unlink()
    file.write_text('it\'s "another" one')
    file.chmod(0o600)  # which the users in the containers cannot read


def answer(stack: Stack, page: Page) -> None:
    """Draw a digit and press Correct; the row must be there then."""
    visitor = DigitsPage(page)
    visitor.open(stack.url)
    visitor.draw(drawing(2))
    visitor.prediction()
    visitor.press_correct()
    visitor.wait_until_cleared()


@pytest.mark.parametrize(
    ("harm", "standing"),
    [
        (_removed, "up"),
        (_another, "down"),
    ],
)
def test_a_password_that_is_lost_or_changed_costs_no_answer(
    stack: Stack, harm: Callable[[Path], None], standing: str, page: Page
) -> None:
    answer(stack, page)
    before = int(stack.answers())
    if standing == "down":
        stack.run("make", "down")
    secret = stack.folder / "secrets/app_password"
    harm(secret)
    printed = stack.run("make", "up")
    assert ("Made secrets/app_password" in printed) == (harm is not _another)
    assert secret.stat().st_mode & 0o004
    assert secret.parent.stat().st_mode & 0o077 == 0
    answer(stack, page)  # the process that serves has it, too
    assert int(stack.answers()) == before + 1


def test_a_second_clone_takes_over_and_gives_back(stack: Stack, tmp_path: Path, page: Page) -> None:
    answer(stack, page)
    before = stack.answers()
    other = Stack(clone(tmp_path), stack.settings)
    shutil.copy(stack.folder / ".env", other.folder)
    assert "Made secrets/postgres_password" in other.run("make", "up")
    other.test_itself()
    assert other.answers() == before
    assert "Made" not in stack.run("make", "up")
    stack.test_itself()
    assert stack.answers() == before


def test_an_unchanged_build_leaves_the_containers_alone(stack: Stack) -> None:
    before = stack.compose("ps", "--quiet")
    stack.run("make", "up")
    assert stack.compose("ps", "--quiet") == before


def test_what_does_not_come_up_is_named(stack: Stack) -> None:
    """A port that is taken; then a container that stops, with its last words."""
    stack.run("make", "down")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(stack.settings["APP_PORT"])))
        other.listen()
        done = stack.started("make", "up")
    assert done.returncode != 0
    assert f"Port {stack.settings['APP_PORT']} is taken by another program" in done.stderr
    assert "APP_PORT=8502 make up" in done.stderr
    file = stack.folder / "docker-compose.yml"
    text = file.read_text()
    file.write_text(re.sub(r"(image: \S*postgres:\S+)", r"\1\n    command: ['false']", text))
    done = stack.started("make", "up")
    file.write_text(text)
    assert done.returncode != 0
    assert "The two containers did not come up; Docker's reason and their last" in done.stderr
