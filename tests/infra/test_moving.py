"""What is logged moves to the managed database and back, as a part of a release.

The droplet's scripts and two PostgreSQLs are real; Docker, systemctl and nginx are stand-ins
(fake_docker, fake_databases), which kill the release at any of its steps. Visitors answer
meanwhile.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from digits.prediction_log import LogUnavailable, PredictionLog
from tests.infra.test_release_steps import AT_ONCE, BIN, ONE_BY_ONE, Machine
from tests.postgres import PROGRAMS, Database

PSQL = PROGRAMS / "psql"
OTHER = {"local": "managed", "managed": "local"}
TABLE = """CREATE TABLE predictions (predicted_at timestamptz NOT NULL,
  predicted_digit smallint NOT NULL, true_label smallint NOT NULL)"""
# Of the steps, one in so many is killed.
EVERY = 17


class Two:
    """The two databases, and a droplet between them."""

    def __init__(self, machine: Machine, local: Database, managed: Database) -> None:
        self.machine = machine
        self.servers = {"local": local, "managed": managed}
        fake = machine.root / "fake"
        (fake / "servers").mkdir()
        for name, server in self.servers.items():
            found = re.search(r"host=([^&]+)", server.url)
            assert found
            (fake / "servers" / name).write_text(found[1])
        (fake / "db").write_text("local\n")
        self.want("local")
        self.forget()

    def forget(self) -> None:
        """Both as new ones are: the managed one lets the app make a table, and nothing else."""
        for name, role in (("local", "SUPERUSER"), ("managed", "")):
            server = self.servers[name]
            server.query("ALTER ROLE digits RESET ALL") if self._has_role(server) else server.query(
                f"CREATE ROLE digits LOGIN {role}"
            )
            self.sql(name, "DROP TABLE IF EXISTS predictions", as_admin=True)
            self.sql(name, "GRANT CREATE ON SCHEMA public TO digits", as_admin=True)

    def _has_role(self, server: Database) -> bool:
        made = server.query("SELECT 1 FROM pg_database WHERE datname = 'digits'")
        if not made:
            connection = psycopg2.connect(server.url)
            connection.autocommit = True
            connection.cursor().execute("CREATE DATABASE digits")
            connection.close()
        return bool(server.query("SELECT 1 FROM pg_roles WHERE rolname = 'digits'"))

    def address(self, name: str) -> str:
        """As the app has it."""
        return self.servers[name].url.replace("postgres:@/postgres", "digits@/digits")

    def sql(self, name: str, sql: str, *, as_admin: bool = False) -> list[tuple[object, ...]]:
        url = self.servers[name].url.replace("/postgres?", "/digits?")
        connection = psycopg2.connect(url if as_admin else self.address(name))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def want(self, name: str, count: int = 1) -> None:
        """What Ansible writes."""
        lines = [f"APP_PROCESSES={count}"] if count > 1 else []
        lines += ["DATABASE=managed", "DATABASE_CONNECTIONS=2"] if name == "managed" else []
        (self.machine.root / "opt/site.env").write_text("".join(f"{line}\n" for line in lines))

    def release(self, image: str = "new", **env: str) -> subprocess.CompletedProcess[str]:
        return self.machine.release(image, PSQL=str(PSQL), **env)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.machine.run(*command, PSQL=str(PSQL))

    def rows(self, name: str) -> list[tuple[object, ...]]:
        if self.sql(name, "SELECT to_regclass('predictions')") == [(None,)]:
            return []
        return self.sql(name, "SELECT * FROM predictions ORDER BY 1, 2, 3")

    def fill(self, name: str, count: int) -> None:
        self.sql(name, TABLE) if not self.rows(name) else None
        self.sql(
            name,
            "INSERT INTO predictions SELECT timestamptz '2026-01-01 00:00:00.123456+02' + n * "  # noqa: S608
            f"interval '1 second', n % 10, n % 7 FROM generate_series(1, {count}) n",
        )

    def is_open(self, name: str) -> bool:
        return self.sql(name, "SHOW default_transaction_read_only") == [("off",)]

    def serves(self) -> str:
        """The database that serves; everything agrees on it, and nothing is left of a move."""
        self.machine.serves()
        opt = self.machine.root / "opt"
        told = re.findall(r"^DATABASE=(.*)$", (opt / "release.env").read_text(), re.MULTILINE)
        is_ = told[0] if told else "local"
        fake = self.machine.root / "fake"
        apps = {(one / "database").read_text().strip() for one in (fake / "app").iterdir()}
        assert apps == {is_}
        assert (fake / "db").read_text().strip() == is_
        assert not (fake / "client").exists()
        assert list(opt.glob("moving*")) == []
        assert self.is_open(is_)
        return is_


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Database]]:
    folder = tmp_path_factory.mktemp("pg")
    both = Database(folder / "l"), Database(folder / "m")
    yield both
    for one in both:
        one.remove()


@pytest.fixture
def two(tmp_path: Path, servers: tuple[Database, Database]) -> Two:
    """A droplet before its first release, and both databases empty."""
    return Two(Machine(tmp_path / "droplet"), *servers)


@contextmanager
def visitors(two: Two) -> Iterator[list[datetime]]:
    """People who answer, to whichever app there is, old or new; what was acknowledged."""
    acknowledged: list[datetime] = []
    stop = threading.Event()
    logs = {name: PredictionLog(two.address(name)) for name in OTHER}

    def answer(number: int) -> None:
        while not stop.is_set():
            for app in sorted((two.machine.root / "fake/app").glob("*/database")):
                # The new one gets visitors once nginx has read of it.
                with suppress(OSError, LogUnavailable):
                    port = (app.parent / "port").read_text().strip()
                    if f":{port};" not in (two.machine.root / "fake/loaded").read_text():
                        continue
                    at = datetime.now(UTC)
                    logs[app.read_text().strip()].record(at, number, number)
                    acknowledged.append(at)
            time.sleep(0.002)

    threads = [threading.Thread(target=answer, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield acknowledged
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def nothing_is_lost(two: Two, acknowledged: list[datetime], before: int) -> None:
    serves = two.serves()
    times = [at for at, *_ in two.rows(serves)]
    assert set(acknowledged) <= set(times)
    assert len(times) == len(set(times))
    assert len(times) - before >= len(acknowledged)


def test_there_and_back_twice_under_load(two: Two) -> None:
    assert two.release("old").returncode == 0
    two.fill("local", 10_000)
    for round_, to in enumerate(("managed", "local", "managed", "local")):
        before = two.rows(OTHER[to])
        stale = len(two.rows(to))
        two.want(to)
        with visitors(two) as acknowledged:
            time.sleep(0.2)
            done = two.release("old")
            time.sleep(0.2)
        assert done.returncode == 0, done.stderr
        nothing_is_lost(two, acknowledged, len(before))
        assert two.serves() == to
        assert set(before) <= set(two.rows(to))
        assert not two.is_open(OTHER[to])
        if round_:
            assert f"Replacing what an earlier move left there: {stale} answers" in done.stdout
        moved = re.search(r"Both hold the same (\d+) answers", done.stdout)
        assert moved
        assert int(moved[1]) >= len(before)
        again = two.release("old")
        assert "Nothing to do: old serves already." in again.stdout


def test_a_log_without_a_table_moves_too(two: Two) -> None:
    assert two.release("old").returncode == 0
    two.want("managed")
    done = two.release("old")
    assert done.returncode == 0, done.stderr
    assert "Both hold the same 0 answers" in done.stdout
    assert two.serves() == "managed"


def test_a_new_droplet_begins_with_the_managed_one(two: Two) -> None:
    two.fill("managed", 10)
    two.want("managed")
    done = two.release("old")
    assert done.returncode == 0, done.stderr
    assert "Moving" not in done.stdout
    assert two.serves() == "managed"
    assert len(two.rows("managed")) == 10


def test_what_did_not_come_from_here_is_not_replaced(two: Two) -> None:
    two.release("old")
    two.fill("local", 5)
    two.fill("managed", 7)
    two.want("managed")
    done = two.release("old")
    assert done.returncode == 1
    assert "holds 7 answers that did not come from here" in done.stderr
    assert "docs/managed-database.md, Two logs" in done.stderr
    assert two.serves() == "local"
    assert len(two.rows("managed")) == 7


@pytest.mark.parametrize("to", ["managed", "local"])
def test_one_that_does_not_answer(two: Two, to: str) -> None:
    two.want(OTHER[to])
    two.release("old")
    two.fill(OTHER[to], 5)
    two.want(to)
    done = two.release("new", DOWN=to)
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "old still serves" in done.stderr
    assert two.serves() == OTHER[to]
    assert len(two.rows(OTHER[to])) == 5


def test_the_app_may_not_make_its_table(two: Two) -> None:
    two.release("old")
    two.sql("managed", "REVOKE CREATE ON SCHEMA public FROM digits", as_admin=True)
    two.want("managed")
    done = two.release("old")
    assert done.returncode == 1
    assert "The app may not make its table in the managed database." in done.stderr
    assert two.serves() == "local"


def test_not_one_by_one(two: Two) -> None:
    two.want("local", 2)
    two.release("old")
    two.want("managed", 2)
    done = two.release("old", PROCESS_MB=ONE_BY_ONE)
    assert done.returncode == 1
    assert "there is no memory for both sets" in done.stderr
    assert "TF_VAR_app_processes=1" in done.stderr
    assert two.serves() == "local"
    assert two.release("old", PROCESS_MB=AT_ONCE).returncode == 0
    assert two.serves() == "managed"


def test_one_that_is_connected_already_stores_nothing_after_the_copy(two: Two) -> None:
    two.release("old")
    two.fill("local", 5)
    slow = psycopg2.connect(two.address("local"))
    slow.autocommit = True
    slow.cursor().execute("SELECT 1")
    two.want("managed")
    assert two.release("old").returncode == 0
    with pytest.raises(psycopg2.OperationalError):
        slow.cursor().execute("INSERT INTO predictions VALUES (now(), 1, 1)")
    assert len(two.rows("local")) == 5


def test_an_open_transaction_of_somebodys(two: Two) -> None:
    two.release("old")
    two.fill("local", 5)
    slow = psycopg2.connect(two.address("local"))
    slow.cursor().execute("INSERT INTO predictions VALUES (now(), 1, 1)")
    two.want("managed")
    done = two.release("old")
    assert done.returncode == 1
    assert "The log could not be held" in done.stderr
    assert two.serves() == "local"
    slow.close()
    assert two.release("old").returncode == 0
    assert two.serves() == "managed"


@pytest.mark.parametrize(("to", "when"), [("managed", "before"), ("local", "after")])
def test_killed_at_any_step(two: Two, to: str, when: str) -> None:
    two.want(OTHER[to])
    assert two.release("old").returncode == 0
    two.fill(OTHER[to], 100)
    two.want(to)
    two.machine.keep()
    assert two.release("new").returncode == 0
    steps, seen = two.machine.steps(), set()
    for step in sorted({*range(6, steps - 14, EVERY), *range(steps - 14, steps, 4)}):
        two.machine.back()
        two.forget()
        two.fill(OTHER[to], 100)
        with visitors(two) as acknowledged:
            done = two.release("new", KILL_AT=str(step), KILL_WHEN=when)
            assert done.returncode == -9 or two.machine.steps() < step + 5, done.stderr
            settled = two.run("digits-releases")
            assert settled.returncode == 0, settled.stderr
            time.sleep(0.05)
        nothing_is_lost(two, acknowledged, 100)
        seen.add(two.serves())
    assert seen == {"local", "managed"}
    # And it goes on as if nothing had been.
    assert two.release("new").returncode == 0
    assert two.serves() == to


def test_home_and_a_second_time(two: Two) -> None:
    two.want("managed")
    two.release("old")
    two.fill("managed", 20)
    done = two.run("digits-home", "me@here")
    assert done.returncode == 0, done.stderr
    assert two.serves() == "local"
    assert len(two.rows("local")) == 20
    assert "DATABASE" not in (two.machine.root / "opt/site.env").read_text()
    again = two.run("digits-home", "me@here")
    assert "Nothing to bring home" in again.stdout


def test_who_leaves_by_themselves_is_no_one_that_stays(two: Two) -> None:
    """Visitors' connections come and go while everybody is sent away."""
    text = (BIN / "digits-move.sh").read_text()
    found = re.search(r"^end_sessions\(\) \{.*?^\}", text, re.MULTILINE | re.DOTALL)
    assert found
    ask = f'ask_database() {{ "{PSQL}" "{two.address("managed")}" -XqAt --command "$2"; }}'
    script = f"set -euo pipefail\n{ask}\n{found[0]}\nfor _ in $(seq 8); do end_sessions it; done"
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            with suppress(psycopg2.Error):
                psycopg2.connect(two.address("managed")).close()

    visitors = [threading.Thread(target=come_and_go) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    over.set()
    for visitor in visitors:
        visitor.join()
    assert done.returncode == 0
    assert done.stderr == ""
