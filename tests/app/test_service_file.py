"""The predictions in a managed database: TLS, and a service file that each answer reads again."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest

from digits.kept_connections import KeptConnections
from digits.prediction_log import ANSWER_SECONDS, LogUnavailable, PredictionLog
from tests.postgres import Database
from tests.tls_front import Authority, Front

WHEN = datetime(2026, 5, 17, 12, 30, tzinfo=UTC)


class Managed:
    """A managed database, and the files that lead there, as Ansible writes them."""

    def __init__(self, folder: Path, database: Database) -> None:
        found = re.search(r"host=([^&]+)", database.url)
        assert found
        self.folder, self.database = folder, database
        self.socket = f"{found[1]}/.s.PGSQL.5432"
        self.authority = Authority(folder / "first")
        self.front = Front(self.socket, self.authority)
        self.set_password("first")
        self.write()

    def set_password(self, password: str) -> None:
        self.database.query(f"ALTER ROLE digits PASSWORD '{password}'")

    def write(self, password: str = "first", host: str = "localhost") -> None:  # noqa: S107
        """Both files, each in one step."""
        service = (
            f"[digits]\nhost={host}\nport={self.front.port}\ndbname=postgres\nuser=digits\n"
            f"password={password}\nsslmode=verify-full\nsslrootcert={self.folder}/ca.crt\n"
            "connect_timeout=3\n"
        )
        for name, text in (("ca.crt", self.authority.certificate), ("pg_service.conf", service)):
            (self.folder / "new").write_text(text)
            (self.folder / "new").rename(self.folder / name)

    def count(self) -> object:
        return self.database.query("SELECT count(*) FROM predictions")[0][0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A PostgreSQL that asks digits for a password."""
    made = Database(tmp_path_factory.mktemp("pg") / "data")
    made.query("CREATE ROLE digits LOGIN")
    made.query("GRANT CREATE ON SCHEMA public TO digits")
    rules = made.folder / "pg_hba.conf"
    rules.write_text(f"local all digits scram-sha-256\n{rules.read_text()}")
    made.query("SELECT pg_reload_conf()")
    yield made
    made.remove()


@pytest.fixture
def managed(tmp_path: Path, server: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Managed]:
    server.query("DROP TABLE IF EXISTS predictions")
    server.query("ALTER ROLE digits CONNECTION LIMIT -1")
    server.query("ALTER ROLE digits RESET ALL")
    made = Managed(tmp_path, server)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "pg_service.conf"))
    yield made
    made.front.close()


@pytest.fixture
def log(managed: Managed, monkeypatch: pytest.MonkeyPatch) -> PredictionLog:
    """As docker-compose.yml has it with infra/ansible/files/opt/digits/managed-database.yml.

    As if nobody had answered for seconds, no connection is kept.
    """
    del managed
    monkeypatch.setattr(KeptConnections, "keep", lambda _, connection: connection.close())
    return PredictionLog("postgresql:///?service=digits")


def refused(log: PredictionLog) -> str:
    began = time.monotonic()
    with pytest.raises(LogUnavailable) as error:
        log.record(WHEN, 3, 8)
    assert time.monotonic() - began < ANSWER_SECONDS + 2
    return str(error.value)


def test_an_answer_goes_there(log: PredictionLog, managed: Managed) -> None:
    log.check(WHEN, 3, 8)
    log.record(WHEN, 3, 8)
    log.record(WHEN, 3, 8)
    assert managed.count() == 1


def test_another_password_needs_no_restart(log: PredictionLog, managed: Managed) -> None:
    log.record(WHEN, 3, 8)
    managed.set_password("second")
    assert "password authentication failed" in refused(log)
    managed.write(password="second")
    log.record(WHEN + timedelta(seconds=1), 3, 8)
    assert managed.count() == 2


def test_another_authority_is_refused_until_it_is_known(
    log: PredictionLog, managed: Managed
) -> None:
    log.record(WHEN, 3, 8)
    managed.authority = Authority(managed.folder / "second")
    managed.front.show(managed.authority)
    assert "certificate verify failed" in refused(log)
    managed.write()
    log.record(WHEN + timedelta(seconds=1), 3, 8)
    assert managed.count() == 2


def test_who_has_another_name_is_refused(log: PredictionLog, managed: Managed) -> None:
    managed.write(host="127.0.0.1")
    assert 'does not match host name "127.0.0.1"' in refused(log)


def test_another_host_needs_no_restart(log: PredictionLog, managed: Managed) -> None:
    log.record(WHEN, 3, 8)
    managed.front.close()
    assert "Connection refused" in refused(log)
    managed.front = Front(managed.socket, managed.authority)
    managed.write()
    log.record(WHEN + timedelta(seconds=1), 3, 8)
    assert managed.count() == 2


def test_one_that_hangs(log: PredictionLog, managed: Managed) -> None:
    managed.front.hangs = True
    assert "no answer in" in refused(log)


@pytest.mark.parametrize("kept", [1, 2])
def test_every_connection_is_busy(log: PredictionLog, managed: Managed, kept: int) -> None:
    managed.database.query(f"ALTER ROLE digits CONNECTION LIMIT {kept}")
    others = [psycopg2.connect("service=digits") for _ in range(kept)]
    assert refused(log).startswith("every connection to the database is busy: ")
    for one in others:
        one.close()
    log.record(WHEN, 3, 8)
    assert managed.count() == 1


def test_one_that_is_closed_takes_nothing(log: PredictionLog, managed: Managed) -> None:
    """As a move leaves the database that does not serve any more (digits-move.sh)."""
    log.record(WHEN, 3, 8)
    managed.database.query("ALTER ROLE digits SET default_transaction_read_only = on")
    with pytest.raises(LogUnavailable, match="read-only transaction"):
        log.record(WHEN + timedelta(seconds=1), 3, 8)
    assert managed.count() == 1


def test_without_the_file(
    log: PredictionLog, managed: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICEFILE", str(managed.folder / "nothing"))
    assert "nothing" in refused(log)
