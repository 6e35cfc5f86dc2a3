"""Offsite backups: `digits offsite`, the real restic and PostgreSQL, a place that fails.

Whatever happens to the place, the disk, the database or restic itself: a backup that was good is
there afterwards, the next hourly one is made, and a restore gives back what was backed up.

empty_repository/ is what `restic init` makes, except that its password takes no time to check.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.droplet_data import DropletData, small_disk, with_role
from tests.needs import ROOT, fetched, need
from tests.postgres import Database

PASSWORD = "a-password"


@cache
def restic_program() -> Path:
    """Need a restic that `digits offsite` can use; Debian 13's where this machine's is older."""
    if own := shutil.which("restic"):
        printed = subprocess.run(
            [own, "version"], capture_output=True, text=True, check=True
        ).stdout
        found = re.search(r"restic (\d+)\.(\d+)", printed)
        if found and (int(found[1]), int(found[2])) >= (0, 18):
            return Path(own)
    fetch = "scripts/in rehearsal -m rehearsal.offline restic"
    fetched_one = ROOT / ".venv/restic"
    need(fetched(fetched_one, *fetch.split()), "restic 0.18 or newer", fetch)
    return fetched_one


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    restic_program()
    made = Database(tmp_path_factory.mktemp("pg") / "data")
    yield with_role(made)
    made.remove()


@dataclass
class Copies:
    """A droplet whose copies go to a folder."""

    data: DropletData

    @property
    def place(self) -> Path:
        return self.data.root / "place/repo"

    @property
    def state(self) -> Path:
        return self.data.root / "var/lib/digits/copies"

    def point_to(self, place: Path | str, password: str = PASSWORD) -> None:
        """Write down where copies go."""
        folder = self.data.root / "etc/digits/copies"
        folder.mkdir(exist_ok=True)
        (folder / "password").write_text(password)
        (folder / "env").write_text(
            f"RESTIC_REPOSITORY={place}\nRESTIC_PASSWORD_FILE={folder}/password\n"
            "AWS_ACCESS_KEY_ID=x\nAWS_SECRET_ACCESS_KEY=x\nCOPIES_OF=digits\n"
        )

    def run(self, *words: str) -> tuple[int, str]:
        done = self.data.run("offsite", *words)
        return done.returncode, done.stdout + done.stderr

    def good(self, *words: str) -> str:
        status, printed = self.run(*words)
        assert status == 0, printed
        return printed

    def bad(self, *words: str) -> str:
        status, printed = self.run(*words)
        assert status == 1, printed
        return printed

    def copy(self, answers: int = 1) -> None:
        """Log some answers more, and copy them."""
        self.data.add(answers)
        assert "Backed up to" in self.good("hourly")

    def ids(self) -> list[str]:
        """The copies that there are, the newest first."""
        return [line.split("\t")[0] for line in self.good("list").splitlines()]

    def use_restic(self, *, retention: bool = False) -> None:
        """restic waits a second for a lock, not five minutes. By default it forgets nothing:

        all copies of a test are of one hour, of which the retention keeps the last two.
        """
        without = "" if retention else '[[ " $* " != *" --keep-hourly "* ]] || exit 0\n'
        text = f'#!/bin/bash\n{without}exec {shlex.quote(str(restic_program()))} "${{@/%5m/1s}}"\n'
        self.data.program("restic", text)

    @contextmanager
    def short_of_time(self, seconds: int) -> Iterator[None]:
        """All its time limits are so short. restic tries again for a quarter of an hour."""
        self.data.program("timeout", f'#!/bin/sh\nshift\nexec /usr/bin/timeout {seconds} "$@"\n')
        yield
        (self.data.root / "bin/timeout").unlink()

    def restic(self, *words: str) -> subprocess.CompletedProcess[str]:
        """restic, as a person runs it."""
        command = [str(restic_program()), "-r", str(self.place), "--no-cache", *words]
        environment = os.environ | {"RESTIC_PASSWORD": PASSWORD}
        # A dump is no text.
        return subprocess.run(
            command, env=environment, capture_output=True, errors="replace", check=False
        )

    def all_is_well(self, kept: list[str]) -> None:
        """The copies are there and whole, the next one is made, and a restore brings it back."""
        assert set(kept) <= set(self.ids())
        self.copy()
        assert set(kept) < set(self.ids())
        assert self.restic("check", "--no-lock", "--read-data").returncode == 0
        rows = self.data.rows()
        self.data.add(2)
        printed = self.good("restore")
        assert f"Restored: the database holds what the file does, {len(rows)} answer" in printed
        assert self.data.rows() == rows
        assert not (self.state / "failed").exists()


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory, server: Database) -> Copies:
    """A droplet with three copies of its log."""
    made = Copies(DropletData(tmp_path_factory.mktemp("copied") / "droplet", server))
    shutil.copytree(ROOT / "tests/backup/empty_repository", made.place)
    made.use_restic()
    made.point_to(made.place)
    for _ in range(3):
        made.copy(200)
    made.data.sql("CREATE DATABASE copied TEMPLATE digits", "other")
    return made


@pytest.fixture
def copies(tmp_path: Path, copied: Copies) -> Copies:
    """The same, for one test."""
    made = Copies(DropletData(tmp_path / "droplet", copied.data.server))
    shutil.copytree(copied.place, made.place)
    shutil.copytree(copied.state, made.state)
    (made.state / "places").write_text(f"{made.place}\n")
    made.use_restic()
    made.point_to(made.place)
    made.data.sql("DROP DATABASE digits WITH (FORCE)", "other")
    made.data.sql("CREATE DATABASE digits TEMPLATE copied", "other")
    return made


# --- A.3: the weekly test removes no copy ---------------------------------------------------


def test_the_weekly_test_of_good_backups(copies: Copies) -> None:
    kept = copies.ids()
    assert "ok: the backup of" in copies.good("test")
    assert "with 600 answers" in copies.good("status")
    copies.all_is_well(kept)


def test_a_failing_database_costs_no_backup(copies: Copies) -> None:
    kept = copies.ids()
    for program, does, why in (
        ("createdb", "echo 'collation version mismatch' >&2; exit 1", "collation version mismatch"),
        ("pg_restore", "kill -9 $$", "the database did not take it"),
        ("dropdb", "exit 1", "the database did not take it"),
        ("psql", "echo 'server closed the connection' >&2; exit 2", "server closed"),
    ):
        copies.data.tell(program, does)
        printed = copies.bad("test")
        copies.data.tell(program, None)
        assert "NOT TESTED: the backup of" in printed
        assert why in printed
    assert "NOT TESTED" in copies.good("status")
    (copies.data.root / "told/stopped").touch()
    assert "NOT TESTED: the database is not running" in copies.bad("test")
    assert "the database is not running" in copies.bad("hourly")
    (copies.data.root / "told/stopped").unlink()
    copies.all_is_well(kept)


@pytest.mark.parametrize("where", ["var/tmp", "var/lib/docker"])
def test_a_full_disk_costs_no_backup(copies: Copies, where: str) -> None:
    kept = copies.ids()
    with small_disk(copies.data.root / where, "60m"):
        printed = copies.bad("test")
    assert re.search(
        r"NOT TESTED: .* only \d+ MB are free on the disk, and the test needs 100", printed
    )
    assert copies.ids() == kept


def test_a_full_disk_is_reported(copies: Copies) -> None:
    """A copy needs no room, and what was noted before stays."""
    copies.data.add()
    noted = copies.good("status")
    shutil.copytree(copies.state, copies.state.with_name("kept"))
    with small_disk(copies.state, "64k"):
        shutil.copytree(copies.state.with_name("kept"), copies.state, dirs_exist_ok=True)
        with suppress(OSError):
            (copies.state / "filler").write_bytes(b"x" * 100_000)
        printed = copies.good("hourly")
        assert "Backed up to" in printed
        assert "The droplet's disk is full" in printed
        assert "The droplet's disk is full" in copies.good("test")
        assert copies.good("status") == noted
    with small_disk(copies.data.root / "var/tmp", "60m,nr_inodes=1"):
        assert "NOT TESTED: the droplet's disk is full" in copies.bad("test")
        assert "The droplet's disk is full" in copies.bad("restore")


def damage(file: Path) -> None:
    """Change some bytes in the middle of a file of the repository."""
    file.chmod(0o600)
    with file.open("r+b") as content:
        content.seek(file.stat().st_size // 3)
        content.write(os.urandom(64))


def cut(file: Path) -> None:
    file.chmod(0o600)
    os.truncate(file, 1000)


def packs(copies: Copies) -> list[Path]:
    """The files of the repository with data, the oldest first."""
    found = [file for file in copies.place.glob("data/*/*") if file.stat().st_size > 1200]
    return sorted(found, key=lambda file: file.stat().st_mtime_ns)


@pytest.mark.parametrize(
    "hurt",
    [
        damage,
        pytest.param(cut, marks=pytest.mark.long),
        pytest.param(Path.unlink, marks=pytest.mark.long),
    ],
)
def test_a_damaged_backup_is_named_and_a_new_one_made(
    copies: Copies, hurt: Callable[[Path], None]
) -> None:
    kept = copies.ids()
    hurt(packs(copies)[-1])
    printed = copies.bad("test")
    assert f"({kept[0]}) does not restore (what is in" in printed
    assert "a new backup restores, with 600 answers" in printed
    assert set(kept) < set(copies.ids())
    for one in kept[1:]:
        assert copies.restic("dump", one, "/digits.dump").returncode == 0
    # The retention would keep the damaged one and remove the good one of the same hour.
    copies.use_restic(retention=True)
    copies.copy()
    assert set(kept) < set(copies.ids())
    printed = copies.good("test")
    assert "ok: the backup of" in printed
    for damaged in re.findall(r"digits offsite remove (\w+)", printed):
        assert damaged not in kept[1:]
        copies.good("remove", damaged)
    copies.use_restic()
    printed = copies.good("test")
    assert "ok: the backup of" in printed
    assert "damaged" not in printed
    assert not (copies.state / "unreadable").exists()
    copies.all_is_well(kept[1:])


@pytest.mark.long
def test_an_older_damaged_backup_is_named(copies: Copies) -> None:
    kept = copies.ids()
    packs(copies)[0].unlink()
    printed = copies.bad("test")
    assert (
        "FAILED: older backups do not restore; a new backup restores, with 600 answers" in printed
    )
    assert f"digits offsite remove {kept[-1]}" in printed
    assert set(kept) < set(copies.ids())
    copies.good("remove", kept[-1])
    assert "damaged" not in copies.good("test")
    copies.all_is_well(kept[:1])


@pytest.mark.long
def test_a_damaged_index(copies: Copies) -> None:
    kept = copies.ids()
    for file in copies.place.glob("index/*"):
        damage(file)
    copies.bad("test")
    copies.all_is_well(kept)


def test_only_a_person_removes_a_backup(copies: Copies) -> None:
    kept = copies.ids()
    for words in (["12345678"], [], ["."], ["--", "--keep-last=1"]):
        assert "Nothing was changed" in copies.bad("remove", *words)
    assert f"Removed the backup {kept[1]}." in copies.good("remove", kept[1])
    copies.good("remove", kept[2])
    assert "is the only one" in copies.bad("remove", kept[0])
    assert copies.ids() == kept[:1]


def test_a_restore_takes_an_older_backup_only_if_the_newest_is_bad(copies: Copies) -> None:
    copies.data.add()
    copies.data.tell("pg_restore", "exit 1")
    printed = copies.bad("restore")
    assert "The database does not answer" in printed
    assert "Taking the one before it" not in printed
    copies.data.tell("pg_restore", None)
    for no_copy in ("/", ".", "12345678", "-"):
        assert "There is no such backup" in copies.bad("restore", no_copy)
    assert len(copies.data.rows()) == 601
    packs(copies)[-1].unlink()
    assert "Taking the one before it" in copies.good("restore")
    assert len(copies.data.rows()) == 400


def test_programs_are_given_values(copies: Copies) -> None:
    found = json.loads(copies.good("list", "--json"))["backups"]
    assert [one["id"] for one in found] == copies.ids()
    assert (found[0]["answers"], found[0]["image"], found[0]["commit"]) == (
        600,
        "digits:1",
        "abc1234",
    )
    reported = json.loads(copies.good("status", "--json"))
    assert abs(reported["complete"] - time.time()) < 600
    assert reported["place"] == str(copies.place)
    (copies.data.root / "etc/digits/copies/env").unlink()
    assert json.loads(copies.good("list", "--json")) == {"backups": []}
    assert copies.good("status") == ""
    assert "This droplet makes no offsite backups." in copies.bad("hourly")


def test_the_settings_are_read_and_never_run(copies: Copies) -> None:
    ran = copies.data.root / "ran"
    env = copies.data.root / "etc/digits/copies/env"
    secret = f"it's $(touch {ran}) `touch {ran}`; touch {ran}"
    env.write_text(env.read_text().replace("KEY=x", f"KEY={shlex.quote(secret)}"))
    assert len(copies.ids()) == 3
    assert not ran.exists()


# --- A.4: locks ------------------------------------------------------------------------------


def locks(copies: Copies) -> list[Path]:
    """Its locks; a file that a killed restic had not written to its end is none."""
    return [file for file in copies.place.glob("locks/*") if "-tmp-" not in file.name]


@contextmanager
def locked(copies: Copies) -> Iterator[int]:
    """A restic holds the repository for itself, until the block ends: it is killed; its pid."""
    check = ["check", "--read-data", "--limit-download", "1"]
    locker = subprocess.Popen(
        [restic_program(), "-r", copies.place, "--no-cache", *check],
        env=os.environ | {"RESTIC_PASSWORD": PASSWORD},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not locks(copies):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    locker.send_signal(signal.SIGSTOP)  # else it may end too early
    yield locker.pid
    locker.kill()
    locker.wait()


def test_a_live_lock_is_named_and_a_stale_one_removed(copies: Copies) -> None:
    kept = copies.ids()
    with locked(copies) as pid:
        assert copies.ids() == kept
        copies.good("restore")
        copies.data.add()
        printed = copies.bad("hourly")
        assert re.search(rf"process {pid} on \S+ locked it \S+ ago", printed)
    assert locks(copies), "it was killed"
    assert copies.ids() == kept
    assert "ok: the backup of" in copies.good("test")
    with locked(copies):
        pass
    copies.all_is_well(kept)
    assert not locks(copies)


# --- A.5: a place that had copies and has none -----------------------------------------------


def test_an_empty_folder_where_the_repository_was(copies: Copies) -> None:
    kept = copies.ids()
    away = copies.place.with_name("away")
    copies.place.rename(away)
    assert "There were backups in" in copies.bad("hourly"), "no folder at all"
    copies.place.mkdir()
    for words in (["hourly"], ["now"], ["list"], ["test"], ["restore"]):
        assert "There were backups in" in copies.bad(*words)
    assert list(copies.place.iterdir()) == []
    assert "FAILED" in copies.good("status")
    copies.place.rmdir()
    away.rename(copies.place)
    copies.all_is_well(kept)


def test_starting_over_is_asked_for_by_name(copies: Copies) -> None:
    copies.place.rename(copies.place.with_name("away"))
    shutil.copytree(ROOT / "tests/backup/empty_repository", copies.place)
    assert "There were backups in" in copies.bad("hourly"), "another repository"
    copies.data.tell("pg_dump", "exit 1")
    copies.bad("start-over")
    copies.data.tell("pg_dump", None)
    assert "There were backups in" in copies.bad("hourly"), "it has not started over"
    assert "Backed up to" in copies.good("start-over")
    assert len(copies.ids()) == 1
    copies.copy()


def test_another_repository_is_started(copies: Copies) -> None:
    """Its first copy is made although nothing was logged since the one at the place before."""
    another = copies.place.with_name("another")
    copies.point_to(another)
    assert copies.ids() == []
    assert not another.exists(), "a list begins nothing"
    assert "it was made" in copies.good("hourly")
    assert len(copies.ids()) == 1
    assert "There are no new predictions since the last offsite backup." in copies.good("hourly")
    # Back at the place before, which had copies, too.
    copies.point_to(copies.place)
    copies.place.rename(copies.place.with_name("away"))
    assert "There were backups in" in copies.bad("hourly")


# --- a place in trouble ------------------------------------------------------------------------


def test_a_wrong_password_and_a_repository_that_does_not_answer(copies: Copies) -> None:
    """A restic that hangs stands for a connection that does: it is ended, and that is all."""
    kept = copies.ids()
    copies.data.add()
    copies.point_to(copies.place, "another")
    for words in (["hourly"], ["list"], ["test"], ["restore"]):
        assert "the password does not open the repository" in copies.bad(*words)
    copies.point_to(copies.place, "")
    assert "the password does not open the repository" in copies.bad("hourly")
    copies.point_to(copies.place)
    copies.data.program("restic", "#!/bin/sh\nexec sleep 600\n")
    with copies.short_of_time(1):
        assert "did not answer in time" in copies.bad("hourly")
    copies.use_restic()
    copies.point_to("s3:http://127.0.0.1:9/bucket")
    with copies.short_of_time(3):
        printed = copies.bad("hourly")
    assert "s3:http://127.0.0.1:9/bucket does not answer. See whether it is up" in printed
    copies.point_to(copies.place)
    copies.use_restic()
    copies.all_is_well(kept)


def test_a_repository_without_room_and_one_that_is_read_only(copies: Copies) -> None:
    kept = copies.ids()
    away = copies.place.with_name("away")
    shutil.copytree(copies.place, away)
    with small_disk(copies.place, "2m"):
        shutil.copytree(away, copies.place, dirs_exist_ok=True)
        with suppress(OSError):
            (copies.place / "filler").write_bytes(b"x" * 3_000_000)
        copies.data.add(3000)
        with copies.short_of_time(4):
            assert "there is no room left in" in copies.bad("hourly")
            assert copies.ids() == kept
            copies.good("restore")
            assert "there is no room left in" in copies.bad("test")
        (copies.place / "filler").unlink()
        copies.all_is_well(kept)
        kept = copies.ids()
        subprocess.run(["mount", "-o", "remount,ro", copies.place], check=True)
        copies.data.add()
        with copies.short_of_time(4):
            assert "can only be read" in copies.bad("hourly")
            assert copies.ids() == kept
            copies.good("restore")
        subprocess.run(["mount", "-o", "remount,rw", copies.place], check=True)
        copies.all_is_well(kept)


# --- killed --------------------------------------------------------------------------------------


def run_and_kill(copies: Copies, words: list[str], after: float) -> bool:
    """Kill a command and all that it started, after so many seconds; whether it still ran."""
    process = subprocess.Popen(
        [copies.data.root / "bin/digits", "offsite", *words],
        env=copies.data.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(after)
    ran = process.poll() is None
    if ran:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # restic takes a lock for stale once its process is gone. Not every PID 1 reaps it at once.
    deadline = time.monotonic() + 5
    while (
        subprocess.run(["pgrep", "-x", "restic"], stdout=subprocess.DEVNULL, check=False).returncode
        == 0
    ):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return ran


@pytest.mark.long
@pytest.mark.parametrize("words", [["now"], ["test"], ["restore"]])
def test_killed_at_ten_instants(copies: Copies, words: list[str]) -> None:
    takes = math.inf
    for _ in range(2):  # the shorter time, since other programs run beside these tests
        began = time.monotonic()
        copies.good(*words)
        takes = min(takes, time.monotonic() - began)
    hits = 0
    for instant in range(10):
        kept = copies.ids()
        copies.data.add(5)
        hits += run_and_kill(copies, words, takes * (instant + 0.5) / 10)
        copies.all_is_well(kept)
    assert hits >= 7


@pytest.mark.long
@pytest.mark.parametrize(
    "words",
    [
        ["backup", "--host", "another", "/usr/bin"],
        ["forget", "--keep-last", "1", "--host", "another"],
        ["prune", "--max-unused", "0"],
        ["check", "--read-data"],
        ["repair", "index", "--read-all-packs"],
    ],
    ids=lambda words: words[0],
)
def test_restic_killed_at_ten_instants(copies: Copies, words: list[str]) -> None:
    """The program alone, as when memory is short: its locks and half-written files stay."""
    more = copies.data.root / "more"
    for _ in range(3):
        more.write_bytes(os.urandom(3_000_000))
        copies.restic("backup", "--host", "another", str(more))
    environment = os.environ | {"RESTIC_PASSWORD": PASSWORD}
    command = [str(restic_program()), "-r", str(copies.place), "--no-cache", *words]
    takes = math.inf
    for name in ("one", "two"):
        trial = copies.data.root / name
        shutil.copytree(copies.place, trial)
        began = time.monotonic()
        on_trial = [*command[:2], str(trial), *command[3:]]
        subprocess.run(on_trial, env=environment, capture_output=True, check=False)
        takes = min(takes, time.monotonic() - began)
    hits = 0
    for instant in range(10):
        kept = copies.ids()
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(takes * (instant + 0.5) / 10)
        hits += process.poll() is None
        process.kill()
        process.wait()
        copies.all_is_well(kept)
    assert hits >= 6
