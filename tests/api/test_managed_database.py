"""The rehearsal's managed database: users and databases are those that the API names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def cluster(*users: dict[str, str], dbs: tuple[str, ...] = (), **removed: Any) -> dict[str, Any]:
    """A cluster as the API has it."""
    gone = {"users": [], "dbs": []} | removed
    return {"users": [ADMIN, *users], "dbs": ["defaultdb", *dbs], "removed": gone}


def tell(database: Database, wanted: dict[str, Any]) -> list[str]:
    """Make it so; what had to be said."""
    roles = {str(name) for (name,) in database.query("SELECT rolname FROM pg_roles")}
    there = {str(name) for (name,) in database.query("SELECT datname FROM pg_database")}
    said = statements(wanted, roles, there)
    for where, statement in said:
        connection = psycopg2.connect(database.url, dbname=where)
        connection.autocommit = True
        connection.cursor().execute(statement)
        connection.close()
    return [statement for _, statement in said]


def as_user(database: Database, user: str, sql: str, dbname: str = "digits") -> None:
    connection = psycopg2.connect(database.url, dbname=dbname, user=user)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()


def databases(database: Database) -> set[object]:
    return {name for (name,) in database.query("SELECT datname FROM pg_database")}


def test_they_are_made_and_go(database: Database) -> None:
    wanted = cluster(USER, dbs=("digits",))
    assert len(tell(database, wanted)) == 4
    assert all(said.startswith("ALTER ROLE") for said in tell(database, wanted))
    # As at DigitalOcean: the app's user may not make tables until the administrator lets it.
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        as_user(database, "digits", "CREATE TABLE mine (a int)")
    as_user(database, "doadmin", "GRANT CREATE ON SCHEMA public TO digits")
    as_user(database, "digits", "CREATE TABLE mine (a int)")
    [(is_super,)] = database.query("SELECT rolsuper FROM pg_roles WHERE rolname = 'doadmin'")
    assert not is_super

    # What was made by SQL stays; what the API removes goes, and what it owned does not.
    connection = psycopg2.connect(database.url, dbname="defaultdb", user="doadmin")
    connection.autocommit = True
    connection.cursor().execute("CREATE DATABASE trial")
    connection.close()
    tell(database, cluster(dbs=("digits",), users=["digits"]))
    assert {"trial", "digits"} <= databases(database)
    assert database.query("SELECT 1 FROM pg_roles WHERE rolname = 'digits'") == []
    as_user(database, "doadmin", "SELECT * FROM mine")
    tell(
        database, cluster(users=["digits"], dbs=()) | {"removed": {"users": [], "dbs": ["digits"]}}
    )
    assert "digits" not in databases(database)
    assert "trial" in databases(database)


@pytest.mark.parametrize(
    ("size", "count"),
    [("db-s-1vcpu-1gb", 22), ("db-s-1vcpu-2gb", 44), ("db-s-4vcpu-8gb", 176)],
)
def test_connections(size: str, count: int) -> None:
    assert connections(size) == count
