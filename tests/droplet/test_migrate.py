"""The predictions move between two databases: both are real PostgreSQLs, all else is in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime

import psycopg2
import pytest

from digits.prediction_log import LogUnavailable, PredictionLog
from droplet import history, images, migrate, release
from droplet.console import Stop
from droplet.host import Host
from droplet.postgres import SqlError
from tests.droplet.real_postgres import host_with
from tests.droplet.world import FakeImage, World
from tests.postgres import Database

OTHER = {"local": "managed", "managed": "local"}
USER = {"local": "digits_app", "managed": "digits"}  # the app's


class Two:
    """A droplet and the two databases."""

    def __init__(self, servers: Mapping[str, Database]) -> None:
        self.servers = servers
        self.world = World()
        self.world.registry["new"] = FakeImage(self.world.new_id("a"), "good", set())
        self.printed: list[str] = []
        for name, role in (("local", "SUPERUSER"), ("managed", "")):
            self._prepare(name, role)

    def _prepare(self, name: str, role: str) -> None:
        server = self.servers[name]
        if not server.query("SELECT 1 FROM pg_roles WHERE rolname = 'digits'"):
            server.query(f"CREATE ROLE digits LOGIN {role}")
        server.query("ALTER ROLE digits RESET ALL")
        if not server.query("SELECT 1 FROM pg_database WHERE datname = 'digits'"):
            connection = psycopg2.connect(server.url)
            connection.autocommit = True
            connection.cursor().execute("CREATE DATABASE digits")
            connection.close()
        self.sql(name, "DROP TABLE IF EXISTS predictions", as_admin=True)
        self.sql(name, "GRANT CREATE ON SCHEMA public TO digits", as_admin=True)

    def address(self, name: str) -> str:
        """As the app has it."""
        return self.servers[name].url.replace("postgres:@/postgres", f"{USER[name]}@/digits")

    def sql(self, name: str, sql: str, *, as_admin: bool = False) -> list[tuple[object, ...]]:
        url = self.servers[name].url.replace("/postgres?", "/digits?")
        connection = psycopg2.connect(url if as_admin else self.address(name))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def host(self) -> Host:
        return host_with(self.world, self.servers)

    def want(self, name: str, count: int = 1) -> None:
        """What Ansible writes."""
        lines = [f"APP_PROCESSES={count}"]
        lines += ["DATABASE=managed", "DATABASE_CONNECTIONS=2"] if name == "managed" else []
        self.world.files["/etc/digits/site.env"] = "".join(f"{line}\n" for line in lines).encode()

    def release(self) -> None:
        order = release.Order(images.Source("new"), "new", "abc1234", "me@here", backup=False)
        release.run(self.host(), order)

    def fill(self, name: str, count: int) -> None:
        log = PredictionLog(self.address(name))
        log.record(datetime.now(UTC), 1, 1)
        self.sql(
            name,
            "INSERT INTO predictions SELECT timestamptz '2026-01-01 00:00:00.123456+02' + n * "  # noqa: S608
            f"interval '1 second', n % 10, n % 7 FROM generate_series(2, {count}) n",
        )

    def rows(self, name: str) -> list[tuple[object, ...]]:
        if self.sql(name, "SELECT to_regclass('predictions')") == [(None,)]:
            return []
        return self.sql(name, "SELECT * FROM predictions ORDER BY 1, 2, 3")

    def is_open(self, name: str) -> bool:
        return self.sql(name, "SHOW default_transaction_read_only") == [("off",)]

    def live(self) -> str:
        """The database that is live; it takes answers, and nothing is left of a migration."""
        found = history.live(self.host())
        assert found
        assert self.is_open(found.database)
        assert not [name for name in self.world.files if "migrate" in name or "underway" in name]
        return found.database


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Database]]:
    folder = tmp_path_factory.mktemp("pg")
    both = {"local": Database(folder / "l"), "managed": Database(folder / "m")}
    yield both
    for one in both.values():
        one.remove()


@pytest.fixture
def two(servers: dict[str, Database]) -> Two:
    """A droplet before its first release, and both databases empty."""
    return Two(servers)


def test_to_the_managed_one_and_back_twice(two: Two) -> None:
    two.release()
    two.fill("local", 10_000)
    for to in ("managed", "local", "managed", "local"):
        before = two.rows(OTHER[to])
        two.want(to)
        two.release()
        assert two.live() == to
        assert two.rows(to) == before
        assert not two.is_open(OTHER[to])
        PredictionLog(two.address(to)).record(datetime.now(UTC), 2, 2)
        with pytest.raises(LogUnavailable):
            PredictionLog(two.address(OTHER[to])).record(datetime.now(UTC), 3, 3)


def test_without_a_table_there_is_nothing_to_copy(two: Two) -> None:
    two.release()
    two.want("managed")
    two.release()
    assert two.live() == "managed"


def test_a_new_droplet_begins_with_the_managed_one(two: Two) -> None:
    two.fill("managed", 10)
    two.want("managed")
    two.release()
    assert two.live() == "managed"
    assert len(two.rows("managed")) == 10


def test_what_did_not_come_from_here_is_not_replaced(two: Two) -> None:
    two.release()
    two.fill("local", 5)
    two.fill("managed", 7)
    two.want("managed")
    with pytest.raises(Stop) as stop:
        two.release()
    assert "holds 7 answers that did not come from here" in stop.value.what
    assert "docs/managed-database.md, Both databases have answers" in stop.value.then[-1]
    assert two.live() == "local"
    assert len(two.rows("managed")) == 7


def test_the_app_may_not_make_its_table(two: Two) -> None:
    two.release()
    two.sql("managed", "REVOKE CREATE ON SCHEMA public FROM digits", as_admin=True)
    two.want("managed")
    with pytest.raises(Stop, match="The app may not make its table in the managed database"):
        two.release()
    assert two.live() == "local"


def test_a_connection_that_was_open_stores_nothing_after_the_copy(two: Two) -> None:
    two.release()
    two.fill("local", 5)
    slow = psycopg2.connect(two.address("local"))
    slow.autocommit = True
    slow.cursor().execute("SELECT 1")
    two.want("managed")
    two.release()
    with pytest.raises(psycopg2.OperationalError):
        slow.cursor().execute("INSERT INTO predictions VALUES (now(), 1, 1)")
    assert len(two.rows("local")) == 5


def test_an_open_transaction_of_somebody_else(two: Two) -> None:
    two.release()
    two.fill("local", 5)
    slow = psycopg2.connect(two.address("local"))
    slow.cursor().execute("INSERT INTO predictions VALUES (now(), 1, 1)")
    two.want("managed")
    with pytest.raises(Stop, match="The predictions could not be held"):
        two.release()
    assert two.live() == "local"
    slow.close()
    two.release()
    assert two.live() == "managed"


def test_back_by_the_command_and_a_second_time(two: Two) -> None:
    two.want("managed")
    two.release()
    two.fill("managed", 20)
    migrate.bring_back(two.host(), "me@here")
    assert two.live() == "local"
    assert len(two.rows("local")) == 20
    assert b"DATABASE" not in two.world.files["/etc/digits/site.env"]
    migrate.bring_back(two.host(), "me@here")  # nothing to do
    assert two.live() == "local"


def test_sessions_that_come_and_go_do_not_count_as_staying(two: Two) -> None:
    two.release()
    postgres, over = two.host().postgres, threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            with suppress(psycopg2.Error):
                psycopg2.connect(two.address("local")).close()

    visitors = [threading.Thread(target=come_and_go) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    try:
        for _ in range(8):
            postgres.end_sessions("digits-db-1")
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()


def test_a_forged_search_path_and_an_answer_that_is_no_number(two: Two) -> None:
    two.release()
    two.fill("local", 3)
    two.sql(
        "local",
        "CREATE SCHEMA IF NOT EXISTS forged;"
        "CREATE OR REPLACE FUNCTION forged.count(bigint) RETURNS text LANGUAGE sql AS"
        " $$ SELECT 'x[$(id)]' $$; ALTER ROLE digits SET search_path = forged, public",
        as_admin=True,  # as an app of an older version could
    )
    postgres = two.host().postgres
    assert postgres.count("digits-db-1") == 3
    with pytest.raises(SqlError, match="where a number was expected"):
        postgres.number("digits-db-1", "SELECT 'a[$(id)]'")
