"""The app's role in a real PostgreSQL that an older version has made; all else is in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg2
import pytest
from psycopg2 import extensions

from digits.prediction_log import LogUnavailable, PredictionLog
from droplet import database, history, images, release
from droplet.console import Stop
from droplet.database import APP_PASSWORD_FILE
from droplet.host import Host
from droplet.postgres import SqlError
from tests import hostile_app
from tests.droplet.real_postgres import APP_ROLE, host_with
from tests.droplet.world import POSTGRES, FakeImage, World
from tests.postgres import Database

# What an older version's app, which was a superuser, has made.
OLDER = """
DROP TABLE IF EXISTS predictions;
CREATE TABLE predictions (
    predicted_at    timestamptz NOT NULL,
    predicted_digit smallint    NOT NULL CHECK (predicted_digit BETWEEN 0 AND 9),
    true_label      smallint    NOT NULL CHECK (true_label BETWEEN 0 AND 9)
);
CREATE INDEX predictions_predicted_at ON predictions (predicted_at);
INSERT INTO predictions VALUES ('2026-01-01', 1, 1), ('2026-01-02', 2, 3);
"""


class Droplet:
    """A droplet whose database is a real one of an older version."""

    def __init__(self, server: Database) -> None:
        self.server = server
        self.world = World()
        if not self._admin("SELECT 1 FROM pg_roles WHERE rolname = 'digits'"):
            self._admin("CREATE ROLE digits SUPERUSER LOGIN")
            self._admin("CREATE DATABASE digits OWNER digits")
        if self._admin("SELECT 1 FROM pg_roles WHERE rolname = 'digits_app'"):
            self.sql("ALTER TABLE predictions OWNER TO digits; DROP OWNED BY digits_app CASCADE")
            self._admin("DROP ROLE digits_app")
        self.sql(OLDER)
        host = self.host()
        host.docker.pull(POSTGRES, None, lambda _megabytes: None)
        assert host.docker.start_database(host.stack(), 60).ok

    def _admin(self, sql: str) -> list[tuple[object, ...]]:
        return self.sql(sql, "postgres", "postgres")

    def address(self, user: str, name: str = "digits") -> str:
        """The address of a database for a user."""
        return self.server.url.replace("postgres:@/postgres", f"{user}@/{name}")

    def connect(self, user: str = "digits_app", name: str = "digits") -> extensions.connection:
        connection = psycopg2.connect(self.address(user, name))
        connection.autocommit = True
        return connection

    def sql(self, sql: str, user: str = "digits", name: str = "digits") -> list[tuple[object, ...]]:
        connection = self.connect(user, name)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def host(self) -> Host:
        return host_with(self.world, {"local": self.server})

    def release(self) -> None:
        name = f"image {self.world.new_id('i')}"
        self.world.registry[name] = FakeImage(self.world.new_id("a"), "good", set())
        order = release.Order(images.Source(name), name, "abc1234", "me@here", backup=False)
        release.run(self.host(), order)

    def make_app_role(self) -> None:
        """As a release does, once its database runs."""
        database.make_app_role(self.host())

    def rights(self) -> list[object]:
        """What the app may do to the table."""
        grants = (
            "SELECT privilege_type FROM information_schema.role_table_grants"
            " WHERE grantee IN ('digits_app', 'PUBLIC') AND table_schema = 'public' ORDER BY 1"
        )
        return [right for (right,) in self.sql(grants)]

    def is_right(self) -> None:
        """The app gets in, stores a prediction, and may do no more."""
        assert self.rights() == ["INSERT", "SELECT"]
        before = self.sql("SELECT count(*) FROM predictions")
        PredictionLog(self.address("digits_app")).record(datetime.now(UTC), 4, 4)
        assert self.sql("SELECT count(*) - 1 FROM predictions") == before
        self.sql("CREATE TABLE IF NOT EXISTS of_root (secret text)")
        assert hostile_app.succeeded(self.connect) == []
        self.sql("DROP TABLE of_root")
        for name in ("postgres", "template1"):
            with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
                self.connect(name=name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database(tmp_path_factory.mktemp("pg") / "data")
    yield made
    made.remove()


@pytest.fixture
def droplet(server: Database) -> Droplet:
    """A droplet with two predictions and no role for the app."""
    return Droplet(server)


def test_a_release_gives_an_older_database_the_role(droplet: Droplet) -> None:
    droplet.release()
    assert droplet.sql("SELECT count(*) FROM predictions") == [(2,)]
    droplet.is_right()
    droplet.release()
    droplet.is_right()


def test_the_older_app_stores_predictions_until_the_cut_over(droplet: Droplet) -> None:
    older = PredictionLog(droplet.address("digits"))
    older.record(datetime.now(UTC), 1, 1)
    droplet.make_app_role()
    older.record(datetime.now(UTC), 1, 1)


def test_a_database_without_a_table(droplet: Droplet) -> None:
    droplet.sql("DROP TABLE predictions")
    droplet.make_app_role()
    droplet.is_right()


def statements() -> list[int]:
    """The numbers of the lines of app_role.sql that end a statement."""
    lines = APP_ROLE.read_text().splitlines()
    ends = [
        number
        for number, line in enumerate(lines, start=1)
        if line.split(" --")[0].endswith(";") and (line[0] != " " or "PASSWORD" in line)
    ]
    assert len(ends) > 15
    return ends


def test_killed_after_any_statement(droplet: Droplet) -> None:
    lines = APP_ROLE.read_text().splitlines()
    has_role = "SELECT count(*) FROM pg_roles WHERE rolname = 'digits_app'"
    for end in statements()[:-1]:
        if lines[end - 1] == "COMMIT;":
            break
        text = "\n".join([*lines[:end], "SELECT pg_terminate_backend(pg_backend_pid());"])
        host = droplet.host()
        with pytest.raises(SqlError, match=r"terminating connection|connection to server was lost"):
            host.postgres.make_app_role("digits-db-1", text, "a password")
        assert droplet.sql(has_role) == [(0,)], f"something is left of the first {end} lines"
    droplet.make_app_role()
    droplet.is_right()
    # The same once there is a role.
    text = "\n".join([*lines[: statements()[-3]], "SELECT pg_terminate_backend(pg_backend_pid());"])
    with pytest.raises(SqlError):
        droplet.host().postgres.make_app_role("digits-db-1", text, "a password")
    droplet.is_right()


WRONG = {
    "a superuser": "ALTER ROLE digits_app SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS",
    "no login": "ALTER ROLE digits_app NOLOGIN CONNECTION LIMIT 0 VALID UNTIL '2020-01-01'",
    "a member": "GRANT digits, pg_write_all_data, pg_execute_server_program TO digits_app",
    "rights on the table": "GRANT ALL ON predictions TO digits_app WITH GRANT OPTION",
    "rights on a column": "GRANT UPDATE (true_label) ON predictions TO digits_app",
    "rights of everybody": "GRANT ALL ON predictions TO PUBLIC",
    "tables of its own": "GRANT CREATE ON SCHEMA public TO PUBLIC, digits_app",
    "schemas of its own": "GRANT ALL ON DATABASE digits TO digits_app, PUBLIC",
    "large objects": "GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC, digits_app",
    "the table's owner": "ALTER TABLE predictions OWNER TO digits_app",
    "another table": "CREATE TABLE its_own (x int); ALTER TABLE its_own OWNER TO digits_app",
    "settings": "ALTER ROLE digits_app SET search_path = nowhere; "
    "ALTER ROLE digits_app IN DATABASE digits SET search_path = nowhere; "
    "ALTER ROLE digits_app SET temp_file_limit = -1",
    "no rights": "REVOKE ALL ON predictions FROM digits_app; "
    "REVOKE ALL ON DATABASE digits FROM digits_app",
}


@pytest.mark.parametrize("wrong", ["a role of somebody else's", *WRONG])
def test_a_role_that_is_wrong_is_made_right(droplet: Droplet, wrong: str) -> None:
    if wrong in WRONG:
        droplet.make_app_role()
        droplet.sql(WRONG[wrong])
    else:
        droplet.sql(f"CREATE ROLE digits_app; {WRONG['a superuser']}; {WRONG['a member']}")
    droplet.release()
    assert droplet.sql("SELECT count(*) FROM predictions") == [(2,)]
    droplet.is_right()


def test_a_database_that_is_down(droplet: Droplet) -> None:
    droplet.release()
    live = history.live(droplet.host())
    droplet.server.stop()
    try:
        with pytest.raises(Stop, match="The app did not get its role in the database: "):
            droplet.release()
        database.need_app_role(droplet.host())  # only warns
    finally:
        droplet.server.start()
    assert history.live(droplet.host()) == live
    droplet.is_right()


@pytest.mark.parametrize("file", [database.APP_ROLE_FILE, APP_PASSWORD_FILE])
def test_a_file_that_is_missing(droplet: Droplet, file: str) -> None:
    host = droplet.host()
    del droplet.world.files[file]
    with pytest.raises(Stop, match="is missing or empty"):
        database.make_app_role(host)


@pytest.fixture
def asking(droplet: Droplet) -> Iterator[Droplet]:
    """Its database asks the app for its password."""
    rules = droplet.server.folder / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all digits_app scram-sha-256\n{before}")
    droplet.server.query("SELECT pg_reload_conf()")
    yield droplet
    rules.write_text(before)
    droplet.server.query("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    "password",
    [
        *('it\'s "another" one', "back\\slash\\n and \\' quote", "$HOME `id` $(id) %s :x :'x'"),
        *(
            "two  spaces",
            "x'; DROP TABLE predictions; --",
            "\\! touch /tmp/x",
            "pässword €",
            "x" * 300,
        ),
    ],
)
def test_a_password_of_odd_characters(asking: Droplet, password: str) -> None:
    asking.world.files[APP_PASSWORD_FILE] = f" {password}\n".encode()
    asking.make_app_role()
    PredictionLog(asking.address("digits_app"), password).record(datetime.now(UTC), 4, 4)
    with pytest.raises(LogUnavailable, match="password authentication failed"):
        PredictionLog(asking.address("digits_app"), "x").record(datetime.now(UTC), 4, 4)
    assert asking.sql("SELECT count(*) FROM predictions") == [(3,)]


def test_an_app_that_is_in_the_way_is_sent_away(droplet: Droplet) -> None:
    droplet.make_app_role()
    hostile = droplet.connect()
    hostile.cursor().execute("SET application_name = 'digits-session'")
    hostile.cursor().execute("BEGIN; ALTER ROLE digits_app PASSWORD 'mine'")
    droplet.make_app_role()
    with pytest.raises(psycopg2.Error):
        hostile.cursor().execute("COMMIT")
    droplet.is_right()


def test_visitors_notice_nothing(droplet: Droplet) -> None:
    droplet.make_app_role()
    log, over, failed = PredictionLog(droplet.address("digits_app")), threading.Event(), []

    def visit() -> None:
        while not over.is_set():
            try:
                log.record(datetime.now(UTC), 5, 5)
            except LogUnavailable as error:
                failed.append(str(error))

    visitors = [threading.Thread(target=visit) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    try:
        for _ in range(10):
            droplet.make_app_role()
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()
    assert failed == []


def test_mischief_that_is_allowed_is_over_with_the_next_release(droplet: Droplet) -> None:
    droplet.release()
    connection = droplet.connect()
    for sql in hostile_app.MISCHIEF:
        connection.cursor().execute(sql)
    with pytest.raises(LogUnavailable):
        PredictionLog(droplet.address("digits_app")).record(datetime.now(UTC), 4, 4)
    droplet.release()
    droplet.is_right()


def test_a_closed_database_takes_nothing_from_the_app(droplet: Droplet) -> None:
    droplet.release()
    postgres, log = droplet.host().postgres, PredictionLog(droplet.address("digits_app"))
    session = droplet.connect()
    session.cursor().execute("SET application_name = 'digits-session'")
    postgres.close("digits-db-1")
    with pytest.raises(psycopg2.Error):
        session.cursor().execute("SELECT 1")
    assert postgres.is_read_only("digits-db-1")
    with pytest.raises(LogUnavailable, match="read-only transaction"):
        log.record(datetime.now(UTC), 4, 4)
    postgres.open("digits-db-1")
    log.record(datetime.now(UTC), 4, 4)
    droplet.is_right()
