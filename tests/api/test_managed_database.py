"""The rehearsal's managed database: users and databases are those that the API names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from rehearsal.engines.databases import connections, statements
from tests.postgres import Database

ADMIN = {"name": "doadmin", "password": "of-the-admin"}
USER = {"name": "digits", "password": "first"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "data")
    yield made
    made.remove()


def tell(database: Database, *users: dict[str, str], dbs: tuple[str, ...] = ()) -> list[str]:
    """Make these in it; what had to be told to PostgreSQL."""
    wanted = {"users": [ADMIN, *users], "dbs": ["defaultdb", *dbs]}
    roles = {str(name) for (name,) in database.query("SELECT rolname FROM pg_roles")}
    there = {str(name) for (name,) in database.query("SELECT datname FROM pg_database")}
    reported = statements(wanted, roles, there)
    for statement in reported:
        connection = psycopg2.connect(database.url, dbname="postgres")
        connection.autocommit = True
        connection.cursor().execute(statement)
        connection.close()
    return reported


def as_user(database: Database, user: str, sql: str, dbname: str = "digits") -> None:
    connection = psycopg2.connect(database.url, dbname=dbname, user=user)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()


def test_they_are_made(database: Database) -> None:
    assert len(tell(database, USER, dbs=("digits",))) == 4
    again = tell(database, USER, dbs=("digits",))
    assert all(statement.startswith("ALTER ROLE") for statement in again)
    # As at DigitalOcean: the app's user may not make tables until the administrator lets it.
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        as_user(database, "digits", "CREATE TABLE mine (a int)")
    as_user(database, "doadmin", "GRANT CREATE ON SCHEMA public TO digits")
    as_user(database, "digits", "CREATE TABLE mine (a int)")
    [(is_super,)] = database.query("SELECT rolsuper FROM pg_roles WHERE rolname = 'doadmin'")
    assert not is_super


@pytest.mark.parametrize(
    ("size", "count"),
    [("db-s-1vcpu-1gb", 22), ("db-s-1vcpu-2gb", 44), ("db-s-4vcpu-8gb", 176)],
)
def test_connections(size: str, count: int) -> None:
    assert connections(size) == count
