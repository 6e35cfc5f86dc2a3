"""A restore takes answers and nothing else: `digits restore`, a real PostgreSQL, crafted dumps."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from digits import prediction_log
from tests import hostile_app
from tests.droplet_data import DropletData, small_disk, with_role
from tests.postgres import Database

# The log's columns as text: a row of the dump can be overwritten by bytes of the same length.
TEXT_LOG = (
    "CREATE TABLE predictions (predicted_at text, predicted_digit text, true_label text);"
    "INSERT INTO predictions VALUES ('2026-11-01 00:00:00+00', '1', '2'), ({}, '1', '2')"
)
HOLE = 600
ROW = b"2026-11-01 00:00:00+00\t1\t2\n"
LINE = b"COPY public.predictions (predicted_at, predicted_digit, true_label) FROM stdin;"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database(tmp_path_factory.mktemp("pg") / "data")
    yield with_role(made)
    made.remove()


@pytest.fixture
def data(tmp_path: Path, server: Database) -> DropletData:
    """A droplet with three answers."""
    made = DropletData(tmp_path / "droplet", server)
    made.sql("DROP TABLE IF EXISTS predictions")
    made.add(3)
    return made


@pytest.fixture
def proof() -> Iterator[Path]:
    """A file that a command from a dump would make; its name is short."""
    folder = Path(tempfile.mkdtemp(prefix="d", dir="/tmp"))
    folder.chmod(0o777)
    yield folder / "x"
    shutil.rmtree(folder)


def other_dump(data: DropletData, sql: str, *options: str) -> bytes:
    """A dump of another database, which this SQL makes."""
    data.sql(f"DROP TABLE IF EXISTS predictions; {sql}", "other")
    return data.dump("other", *options)


def with_hole(data: DropletData, content: bytes) -> bytes:
    """A dump with this in the place of a row's text, which ends at its own tab."""
    made = other_dump(data, TEXT_LOG.format(f"repeat('#', {HOLE})"))
    assert len(content) <= HOLE
    return made.replace(b"#" * HOLE, content.ljust(HOLE, b" "))


def after_an_end(end: bytes, proof: Path) -> bytes:
    """What makes psql run a command and lose the log, if it takes `end` for the rows' end."""
    bad = f"\\! touch {proof}\nDROP TABLE predictions; COMMIT;\n\\! touch {proof}\n"
    return ROW + end + bad.encode() + ROW.rstrip(b"\n")


ENDS = {
    "CR LF": b"\\.\r\n",
    "CR": b"\\.\r",
    "a plain end": b"\\.\n",
    "vertical tab": b"\\.\x0b\n",
    "form feed": b"\\.\x0c\n",
    "next line": b"\\.\xc2\x85\n",
    "line separator": b"\\.\xe2\x80\xa8\n",
    "a space": b"\\. \n",
    "in a row": b"x\\.\n",
    "NUL": b"\x00\n\\.\x00\n\\.\n",
    "NUL before": b"\x00\\.\r\n",
    "UTF-8 mark": b"\xef\xbb\xbf\\.\r\n",
    "no UTF-8": b"\xff\xfe\\.\r\n",
}


def refused(data: DropletData, dump: bytes, proof: Path, *options: str) -> str:
    rows = data.rows()
    done = data.run("restore", *options, stdin=dump)
    assert not proof.exists(), "a command from the dump was run"
    assert data.rows() == rows
    assert done.returncode == 3, "offsite takes another backup then"
    assert "Nothing was changed." in done.stderr
    assert done.stdout == "", "it began"
    return done.stderr


@pytest.mark.parametrize("end", ENDS)
def test_rows_that_look_like_their_end(data: DropletData, proof: Path, end: str) -> None:
    dump = with_hole(data, after_an_end(ENDS[end], proof))
    output = refused(data, dump, proof)
    assert "is not an answer" in output or "more than the rows of predictions" in output
    refused(data, dump, proof, "--look")


def test_psql_commands_among_the_rows(data: DropletData, proof: Path) -> None:
    for bad in (f"\\copy predictions from program 'touch {proof}'", f"\\o |touch {proof}", "\\q"):
        refused(data, with_hole(data, ROW + bad.encode() + b"\n" + ROW[:-1]), proof)
        refused(data, with_hole(data, ROW + b"\\.\n" + bad.encode() + b"\n" + ROW[:-1]), proof)


def test_a_copy_with_options(data: DropletData, proof: Path) -> None:
    log = data.dump()
    for copy in (
        f"COPY predictions FROM PROGRAM 'touch {proof}';",
        "COPY predictions FROM stdin (FORMAT csv);",
        f"COPY predictions FROM stdin;\n\\! touch {proof}\n",
        f"\\! touch {proof}\n",
        f"SELECT 1 \\g |touch {proof}\n",
        "DROP TABLE predictions; COMMIT;",
    ):
        assert LINE in log
        crafted = log.replace(LINE, copy.encode().ljust(len(LINE), b" "))
        assert len(crafted) == len(log)
        refused(data, crafted, proof)


def test_a_huge_row(data: DropletData, proof: Path) -> None:
    huge = TEXT_LOG.format("repeat('1', 20000000)")
    output = refused(data, other_dump(data, huge, "-Z9"), proof)
    assert "Its row 2 is not an answer" in output


@pytest.mark.parametrize(
    "row",
    ["Infinity", "2026-11-01 00:00:00", "epoch", "\\N", "now", "2026-13-01 00:00:00+00", "\uff12",
     "2026-11-01 00:00:00+00'); DROP TABLE predictions; --"],
)  # fmt: skip
def test_what_is_no_time(data: DropletData, proof: Path, row: str) -> None:
    """One is of the right form, and only the database knows that there is no month 13."""
    refused(
        data, other_dump(data, TEXT_LOG.format(f"'{row.replace(chr(39), chr(39) * 2)}'")), proof
    )


LOG = (
    "CREATE TABLE predictions (predicted_at timestamptz NOT NULL,"
    " predicted_digit smallint NOT NULL, true_label smallint NOT NULL);"
)
NO_ANSWER = "INSERT INTO predictions VALUES (now(), 12, 1)"


@pytest.mark.parametrize(
    ("made_by", "reason"),
    [
        ("", "it was made before the first answer, or without the data"),
        (
            "CREATE TABLE customers (name text); INSERT INTO customers VALUES ('x')",
            "it also holds TABLE DATA public customers, TABLE public customers.",
        ),
        (
            LOG + "CREATE TABLE customers (name text)",
            "a dump of another database: it also holds TABLE DATA public customers",
        ),
        (
            LOG + "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "FUNCTION public f()",
        ),
        (LOG + "CREATE VIEW v AS SELECT 1", "VIEW public v"),
        (LOG.removesuffix(");") + ", name text)", "its columns are others"),
        ("CREATE TABLE predictions (predicted_digit int, name text)", "its columns are others"),
        (LOG + NO_ANSWER, "Its row 1 is not an answer"),
    ],
)
def test_a_dump_of_another_database(
    data: DropletData, proof: Path, made_by: str, reason: str
) -> None:
    dump = other_dump(data, made_by)
    data.sql("DROP TABLE IF EXISTS customers; DROP FUNCTION IF EXISTS f; DROP VIEW IF EXISTS v",
             "other")  # fmt: skip
    assert reason in refused(data, dump, proof)


@pytest.mark.parametrize(
    "content", [b"", b"SELECT 1;\n", b"\x1f\x8b\x08\x00", b"PGDMP", bytes(10_000)]
)
def test_what_is_no_dump(data: DropletData, proof: Path, content: bytes) -> None:
    refused(data, content, proof)


@pytest.mark.parametrize("kept", [10, 500, -20])
def test_a_truncated_dump(data: DropletData, proof: Path, kept: int) -> None:
    refused(data, data.dump()[:kept], proof)


def test_a_dump_with_inserts(data: DropletData, proof: Path) -> None:
    output = refused(data, data.dump("digits", "--inserts"), proof)
    assert "its columns are others" in output


@pytest.mark.parametrize("options", [("-Z0",), ("-Z9",)])
def test_a_dump_of_ours_comes_back(data: DropletData, options: tuple[str, ...]) -> None:
    data.add(2000)
    rows, dump = data.rows(), data.dump("digits", *options)
    data.add(5)
    looked = data.run("restore", "--look", stdin=dump)
    assert looked.stdout == "The file holds 2003 answers; the database holds 2008.\n"
    done = data.run("restore", stdin=dump)
    assert done.returncode == 0
    assert "Restored: the database holds what the file does, 2003 answers." in done.stdout
    assert data.rows() == rows


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns", "UTC", "Africa/Monrovia"])
def test_a_dump_from_another_time_zone(data: DropletData, zone: str) -> None:
    data.sql(f"ALTER ROLE digits SET timezone = '{zone}'")
    data.sql("INSERT INTO predictions VALUES ('1950-01-01 00:00:00.5+00', 1, 2)")
    dump, rows = data.dump(), data.rows()
    data.sql("TRUNCATE predictions")
    assert data.run("restore", stdin=dump).returncode == 0
    assert data.rows() == rows
    data.sql("ALTER ROLE digits RESET timezone")


def test_the_table_that_a_restore_makes_is_the_app_s(data: DropletData) -> None:
    schema = ("--schema-only", "--no-acl", "--format=plain")
    dump = data.dump()
    data.sql("DROP TABLE predictions")
    data.sql(prediction_log._CREATE)  # noqa: SLF001
    lines = data.dump("digits", *schema).decode().splitlines()
    apps = [line for line in lines if "restrict" not in line]
    assert any("CREATE INDEX predictions_predicted_at" in line for line in apps)
    data.sql("DROP TABLE predictions")
    assert data.run("restore", stdin=dump).returncode == 0
    lines = data.dump("digits", *schema).decode().splitlines()
    assert [line for line in lines if "restrict" not in line] == apps


def test_a_restore_that_fails_says_why_in_a_sentence(data: DropletData) -> None:
    dump = data.dump()
    data.sql("ALTER TABLE predictions ADD CHECK (true_label < 0) NOT VALID")
    rows = data.rows()
    done = data.run("restore", stdin=dump)
    assert done.returncode == 1
    assert data.rows() == rows
    why = 'new row for relation "predictions" violates check constraint'
    assert done.stderr.splitlines() == [
        f'The restore failed: {why} "predictions_true_label_check".',
        "Nothing was changed.",
    ]


@pytest.mark.parametrize(
    ("program", "does"),
    [
        ("pg_restore", "exit 1"),
        ("pg_restore", '[ "$2" = --list ] || kill -9 $$'),
        ("psql", "echo 'psql: error: connection refused' >&2; exit 2"),
        ("psql", '[[ "$*" = *--command* ]] || kill -9 $$'),  # where it counts the rows
    ],
)
def test_a_database_that_does_not_answer_is_no_fault_of_the_file(
    data: DropletData, program: str, does: str
) -> None:
    dump, rows = data.dump(), data.rows()
    data.tell(program, does)
    done = data.run("restore", stdin=dump)
    assert done.returncode == 1
    assert "The database does not answer" in done.stderr
    assert "Nothing was changed." in done.stderr
    assert data.rows() == rows


@pytest.mark.parametrize("kilobytes", [4, 64])
def test_a_droplet_without_room_for_the_file(data: DropletData, kilobytes: int) -> None:
    data.add(2000)
    dump = data.dump("digits", "-Z9")
    with small_disk(data.root / "var/tmp", f"{kilobytes}k"):
        done = data.run("restore", stdin=dump)
    assert done.returncode == 1
    assert done.stderr.startswith("The droplet's disk is full: ")
    assert "Nothing was changed." in done.stderr


def test_a_database_that_goes_away_in_a_restore(data: DropletData) -> None:
    """The backup, which is made by then, takes every session away."""
    dump, rows = data.dump(), data.rows()
    data.tell(
        "pg_dump",
        "docker exec db psql -qU digits -c 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid()' >/dev/null 2>&1",
    )
    done = data.run("restore", stdin=dump)
    assert done.returncode == 1
    assert done.stderr.startswith("The restore failed: terminating connection due to administrator")
    assert "NOTICE" not in done.stderr
    assert "Nothing was changed." in done.stderr
    assert data.rows() == rows


def test_a_dump_of_what_a_hostile_app_stored_is_restored(data: DropletData) -> None:
    """Times that are none, and privileges of its own: whatever its role allows."""
    assert data.run("restore", stdin=data.dump()).returncode == 0  # which makes the role
    data.sql("SET ROLE digits_app; " + "; ".join(hostile_app.MISCHIEF))
    rows = data.rows()
    path = data.run("backup", "manual").stdout.split()[-1]
    dump = (data.root / path.lstrip("/")).read_bytes()
    data.add(5)
    done = data.run("restore", stdin=dump)
    assert done.returncode == 0
    assert data.rows() == rows
    assert len(rows) == 3 + 4


def test_after_a_restore_into_nothing_the_app_gets_in(data: DropletData) -> None:
    dump = data.dump()
    data.sql("DROP TABLE predictions")
    assert data.run("restore", stdin=dump).returncode == 0
    data.sql("SET ROLE digits_app; INSERT INTO predictions VALUES (now(), 1, 1)")
    assert len(data.rows()) == 4


def test_backups_of_a_kind_stay_for_a_week(data: DropletData) -> None:
    backups = data.root / "var/backups/digits"

    def made(days_ago: int, kind: str) -> str:
        file = backups / f"digits-20250101T0000{days_ago:02}Z-{kind}.dump"
        file.touch()
        os.utime(file, times=(time.time() - days_ago * 86400,) * 2)
        return file.name

    stay = {made(6, "nightly"), made(30, "release")}
    made(9, "nightly")
    done = data.run("backup", "nightly")
    new = done.stdout.strip().rpartition("/")[2]
    assert {file.name for file in backups.iterdir()} == {*stay, new}


def test_what_killed_backups_left_goes_after_an_hour(data: DropletData) -> None:
    backups = data.root / "var/backups/digits"
    for name, minutes in (("old.part", 61), ("new.part", 10)):
        (backups / name).touch()
        os.utime(backups / name, times=(time.time() - minutes * 60,) * 2)
    assert data.run("backup").returncode == 0
    assert [file.name for file in backups.glob("*.part")] == ["new.part"]


def test_a_backup_that_fails_leaves_nothing(data: DropletData) -> None:
    data.add(50_000)
    backups = data.root / "var/backups/digits"
    with small_disk(backups, "64k"):
        done = data.run("backup")
        assert done.returncode == 1
        assert done.stderr.startswith("The droplet's disk is full: ")
        assert list(backups.iterdir()) == []
    for program, why in (("pg_dump", "The dump failed: no"), ("pg_restore", "be read back: no")):
        data.tell(program, "echo no >&2; exit 1")
        done = data.run("backup")
        data.tell(program, None)
        assert done.returncode == 1
        assert why in done.stderr
    assert list(backups.iterdir()) == []
    assert "is no kind of backup" in data.run("backup", "../x").stderr
    (data.root / "told/stopped").touch()
    assert "The database is not running" in data.run("backup").stderr


def test_programs_are_given_values(data: DropletData) -> None:
    def value(*words: str, stdin: bytes = b"") -> dict[str, object]:
        printed = data.run(*words, "--json", stdin=stdin).stdout
        reported: dict[str, object] = json.loads(printed.splitlines()[-1])
        return reported

    dump = data.dump()
    data.add()
    path = str(value("backup", "manual")["path"])
    assert re.fullmatch(r"/var/backups/digits/digits-\d{8}T\d{6}Z-manual\.dump", path)
    assert (data.root / path.lstrip("/")).read_bytes().startswith(b"PGDMP")
    assert value("restore", "--look", stdin=dump) == {"held": 3, "has": 4}
    assert value("restore", "--held") == {"held": 0}, "it is the droplet's own"
    assert value("restore", stdin=b"")["error"] == [
        "That file is empty.",
        "Nothing was changed. Take another file from backups/.",
    ]
