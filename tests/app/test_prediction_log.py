"""The prediction log against a real PostgreSQL, well and ill."""

from __future__ import annotations

import multiprocessing
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest

from digits import prediction_log
from digits.prediction_log import LogUnavailable, PredictionLog
from tests.postgres import Database

WHEN = datetime(2024, 5, 17, 12, 30, 45, 123456, tzinfo=UTC)
COUNT = "SELECT count(*) FROM predictions"


@pytest.fixture
def log(database: Database) -> PredictionLog:
    return PredictionLog(database.url)


def test_an_answer_is_stored_as_it_was_given(log: PredictionLog, database: Database) -> None:
    log.record(WHEN, 3, 8)
    assert database.query("SELECT * FROM predictions") == [(WHEN, 3, 8)]


def test_the_table_has_the_three_columns_and_no_other(
    log: PredictionLog, database: Database
) -> None:
    log.record(WHEN, 3, 8)
    columns = database.query(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
        " WHERE table_name = 'predictions' ORDER BY ordinal_position"
    )
    assert columns == [
        ("predicted_at", "timestamp with time zone", "NO"),
        ("predicted_digit", "smallint", "NO"),
        ("true_label", "smallint", "NO"),
    ]


@pytest.mark.parametrize("row", ["10, 1", "1, 10", "-1, 1", "1, -1", "NULL, 1", "1, NULL"])
def test_the_database_itself_refuses_what_is_no_digit(
    log: PredictionLog, database: Database, row: str
) -> None:
    log.record(WHEN, 3, 8)
    with pytest.raises(psycopg2.IntegrityError):
        database.query(f"INSERT INTO predictions VALUES (now(), {row})")  # noqa: S608
    assert database.query(COUNT) == [(1,)]


@pytest.mark.parametrize(("predicted", "label"), [(10, 1), (1, 10), (-1, 1), (1, -1)])
def test_so_does_record(log: PredictionLog, predicted: int, label: int) -> None:
    with pytest.raises(ValueError, match="0 to 9"):
        log.record(WHEN, predicted, label)


def test_a_time_without_a_zone_is_refused(log: PredictionLog) -> None:
    with pytest.raises(ValueError, match="time zone"):
        log.record(WHEN.replace(tzinfo=None), 1, 1)


def test_the_same_answer_twice_is_one_row(log: PredictionLog, database: Database) -> None:
    log.record(WHEN, 3, 8)
    log.record(WHEN, 3, 8)
    log.record(WHEN + timedelta(microseconds=1), 3, 8)
    assert database.query(COUNT) == [(2,)]


def test_a_check_leaves_no_row_and_is_refused_like_an_answer(
    log: PredictionLog, database: Database
) -> None:
    log.check(WHEN, 3, 8)
    assert database.query("SELECT to_regclass('predictions')") == [(None,)]
    log.record(WHEN, 3, 8)
    log.check(WHEN + timedelta(seconds=1), 3, 8)
    assert database.query(COUNT) == [(1,)]
    database.stop()
    with pytest.raises(LogUnavailable):
        log.check(WHEN, 3, 8)
    database.start()


def _record_one(url: str, number: int) -> None:
    PredictionLog(url).record(WHEN + timedelta(seconds=number), number % 10, 0)


def test_apps_that_start_at_once_do_not_collide(database: Database) -> None:
    context = multiprocessing.get_context("fork")
    apps = [context.Process(target=_record_one, args=(database.url, n)) for n in range(6)]
    for app in apps:
        app.start()
    for app in apps:
        app.join(60)
    assert [app.exitcode for app in apps] == [0] * 6
    assert database.query(COUNT) == [(6,)]


def test_many_threads_share_a_log(log: PredictionLog, database: Database) -> None:
    threads = [
        threading.Thread(target=log.record, args=(WHEN + timedelta(seconds=n), 1, 1))
        for n in range(30)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.query(COUNT) == [(30,)]


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "it did not come true in ten seconds"
        time.sleep(0.01)


def test_no_more_connections_than_allowed_and_none_is_left(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "CONNECTIONS", 2)
    log = PredictionLog(database.url)
    mine = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'digits'"
    wait_until(lambda: database.query(mine) == [(0,)])  # those of the tests before
    log.record(WHEN, 1, 1)
    with psycopg2.connect(database.url) as connection, connection.cursor() as holder:
        holder.execute("LOCK predictions")
        threads = [threading.Thread(target=log.record, args=(WHEN, n, n)) for n in range(2, 8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: database.query(mine) == [(2,)])
        time.sleep(0.3)
        assert database.query(mine) == [(2,)]
        connection.rollback()
        for thread in threads:
            thread.join()
    connection.close()
    assert database.query(COUNT) == [(7,)]
    wait_until(lambda: database.query(mine) == [(0,)])


BACKENDS = "SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = 'digits'"


def test_answers_in_a_row_share_a_connection(log: PredictionLog, database: Database) -> None:
    wait_until(lambda: database.query(BACKENDS) == [])  # those of the tests before
    log.record(WHEN, 1, 1)
    first = database.query(BACKENDS)
    log.record(WHEN, 2, 2)
    log.check(WHEN, 3, 3)
    log.record(WHEN, 4, 4)
    assert database.query(BACKENDS) == first
    assert len(first) == 1
    assert database.query(COUNT) == [(3,)]


def test_an_app_with_a_thousand_open_files_still_records(
    log: PredictionLog, database: Database, tmp_path: Path
) -> None:
    """Each visitor takes some; select() would stop at 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))
    with ExitStack() as files:
        for _ in range(1_100):
            files.enter_context((tmp_path / "file").open("w"))
        log.record(WHEN, 3, 8)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert database.query(COUNT) == [(1,)]


def test_every_acknowledged_answer_is_there_once_whatever_the_database_does(
    log: PredictionLog, database: Database
) -> None:
    """Threads answer, and press again when told to, while the database restarts under them."""
    # Threads take turns ever so often: what may happen between two lines does.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    over = threading.Event()
    acknowledged: list[datetime] = []
    refused: list[str] = []
    escaped: list[BaseException] = []

    def visitor(number: int) -> None:
        moment = WHEN + timedelta(days=number)
        try:
            while not over.is_set():
                moment += timedelta(seconds=1)
                while True:
                    try:
                        log.record(moment, 3, 8)
                    except LogUnavailable as error:
                        refused.append(str(error))
                        continue
                    break
                acknowledged.append(moment)
        except BaseException as error:  # noqa: BLE001 - any is a fault, whatever it is
            escaped.append(error)

    threads = [threading.Thread(target=visitor, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        for _ in range(40):  # as a restart does it, but quicker
            time.sleep(0.01)
            database.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'digits'"
            )
        database.stop()
        time.sleep(0.1)
        database.start()
    over.set()
    for thread in threads:
        thread.join(60)
    sys.setswitchinterval(interval)
    assert escaped == []
    assert refused, "no answer met the restarts: nothing was tested"
    stored = database.query("SELECT predicted_at FROM predictions ORDER BY 1")
    assert stored == [(moment,) for moment in sorted(acknowledged)]


def test_a_table_from_an_older_start_is_used_as_it_is(
    log: PredictionLog, database: Database
) -> None:
    database.query(
        "CREATE TABLE predictions (predicted_at timestamptz, predicted_digit int, true_label int)"
    )
    log.record(WHEN, 3, 8)
    assert database.query("SELECT * FROM predictions") == [(WHEN, 3, 8)]
    assert database.query("SELECT FROM pg_indexes WHERE tablename = 'predictions'") == []


def test_a_table_that_vanished_is_made_again(log: PredictionLog, database: Database) -> None:
    log.record(WHEN, 3, 8)
    database.query("DROP TABLE predictions")
    log.record(WHEN, 3, 8)
    assert database.query(COUNT) == [(1,)]


def test_a_restart_between_two_answers_is_not_noticed(
    log: PredictionLog, database: Database
) -> None:
    log.record(WHEN, 3, 8)
    database.stop()
    database.start()
    log.record(WHEN + timedelta(seconds=1), 4, 4)
    assert database.query(COUNT) == [(2,)]


def test_an_unreachable_database_is_an_error_until_it_is_back(
    log: PredictionLog, database: Database
) -> None:
    log.record(WHEN, 3, 8)
    database.stop()
    with pytest.raises(LogUnavailable):
        log.record(WHEN + timedelta(seconds=1), 3, 8)
    with pytest.raises(LogUnavailable):
        PredictionLog(database.url).record(WHEN, 1, 1)
    database.start()
    log.record(WHEN + timedelta(seconds=1), 3, 8)
    assert database.query(COUNT) == [(2,)]


def test_a_database_that_hangs_is_given_up_within_seconds(
    log: PredictionLog, database: Database
) -> None:
    log.record(WHEN, 3, 8)
    database.pause(signal.SIGSTOP)
    try:
        for hanging in (log, PredictionLog(database.url)):
            started = time.monotonic()
            with pytest.raises(LogUnavailable):
                hanging.record(WHEN + timedelta(seconds=1), 3, 8)
            assert time.monotonic() - started < 3 * prediction_log.ANSWER_SECONDS
    finally:
        database.pause(signal.SIGCONT)
    log.record(WHEN + timedelta(seconds=1), 3, 8)
    assert database.query(COUNT) == [(2,)]


def test_no_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "_default", None)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(LogUnavailable, match="DATABASE_URL"):
        prediction_log.default()


def test_a_missing_password_file_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(prediction_log, "_default", None)
    monkeypatch.setenv("DATABASE_URL", "postgresql://digits@localhost/digits")
    monkeypatch.setenv("DATABASE_PASSWORD_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(LogUnavailable, match=r"password cannot be read.*nowhere"):
        prediction_log.default()
