"""The app's role in the database: in a new one, in one of an older version, in hostile hands."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.docker.stack import Stack
from tests.rehearsal.deployment import ROOT, clean_environment

pytestmark = pytest.mark.timeout(900)

HOSTILE = (ROOT / "tests/hostile_app.py").read_text()
ONE_ANSWER = (
    "from datetime import UTC, datetime; from digits import prediction_log;"
    " prediction_log.default().record(datetime.now(UTC), 7, 1)"
)
# How the compose file was before the app had a role.
OLDER = (
    ("postgresql://digits_app@db", "postgresql://digits@db"),
    ("/run/secrets/app_password", "/run/secrets/postgres_password"),
    ("secrets: [postgres_password, app_password]", "secrets: [postgres_password]"),
    ("secrets: [app_password]", "secrets: [postgres_password]"),
    ("      - ./infra/postgres:/docker-entrypoint-initdb.d:ro\n", ""),
    ("  app_password:\n    file: secrets/app_password\n", ""),
)


def python(stack: Stack, program: str, *arguments: str) -> str:
    """Run a program in the app's container."""
    done = subprocess.run(
        ["docker", "compose", "exec", "-T", "app", "python", "-", *arguments],
        cwd=stack.folder,
        env=clean_environment() | stack.settings,
        input=program,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def sql(stack: Stack, statement: str) -> str:
    """Ask the database, as root does."""
    psql = ("psql", "--username=digits", "--no-align", "--tuples-only", "--quiet")
    return stack.compose("exec", "-T", "db", *psql, "--command", statement)


def assert_hostile_hands_are_tied(stack: Stack) -> None:
    """Whoever has taken over the app's container gets nowhere, and changes nothing."""
    sql(stack, "CREATE TABLE of_root AS SELECT 'a secret' AS secret")
    before = sql(stack, "TABLE predictions")
    assert before
    try:
        assert python(stack, HOSTILE) == "tried with 1 secrets"
    finally:
        sql(stack, "DROP TABLE of_root")
    assert sql(stack, "TABLE predictions") == before


def start_the_older(stack: Stack) -> None:
    """Start the stack again as the version before had it, and store a prediction."""
    stack.compose("down", "--volumes")
    file = stack.folder / "docker-compose.yml"
    new = text = file.read_text()
    for now, before in OLDER:
        assert now in text
        text = text.replace(now, before)
    assert "app" not in text.partition("secrets: [")[2].partition("]")[0]
    file.write_text(text)
    (stack.folder / "secrets/app_password").unlink()
    stack.compose("up", "--detach", "--wait", "--no-build")
    python(stack, ONE_ANSWER)
    file.write_text(new)


def test_a_new_database(stack: Stack) -> None:
    python(stack, ONE_ANSWER)
    assert_hostile_hands_are_tied(stack)


def test_a_new_database_without_make(stack: Stack) -> None:
    stack.compose("down", "--volumes")
    stack.compose("up", "--detach", "--wait", "--no-build")
    stack.test_itself()
    python(stack, ONE_ANSWER)
    assert_hostile_hands_are_tied(stack)


def test_a_database_of_the_version_before(stack: Stack) -> None:
    start_the_older(stack)
    assert sql(stack, "SELECT usename FROM pg_user WHERE usesuper") == "digits"
    before = sql(stack, "TABLE predictions")
    assert "Made secrets/app_password" in stack.run("make", "up")
    assert sql(stack, "TABLE predictions") == before
    stack.test_itself()
    python(stack, ONE_ANSWER)
    assert len(sql(stack, "TABLE predictions").splitlines()) == 2
    assert_hostile_hands_are_tied(stack)
    stack.run("make", "up")
    assert_hostile_hands_are_tied(stack)


def test_files_that_a_strict_umask_has_closed(stack: Stack) -> None:
    stack.compose("down", "--volumes")
    folder: Path = stack.folder / "infra/postgres"
    (folder / "app_role.sql").chmod(0o600)
    folder.chmod(0o700)
    stack.run("make", "up")
    stack.test_itself()


def test_a_role_that_cannot_be_made_is_named(stack: Stack) -> None:
    """Something of somebody else's depends on a table that the app's role must not have."""
    sql(stack, "CREATE TABLE its_own (x int); CREATE VIEW of_another AS TABLE its_own")
    sql(stack, "ALTER TABLE its_own OWNER TO digits_app")
    done = stack.started("make", "up")
    sql(stack, "DROP VIEW of_another")
    assert done.returncode != 0
    assert "cannot drop table public.its_own because other objects depend on it" in done.stderr
    assert "The app did not get its role in the database; the reason is above." in done.stderr
    stack.run("make", "up")
    python(stack, ONE_ANSWER)
    assert_hostile_hands_are_tied(stack)
