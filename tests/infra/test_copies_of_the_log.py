"""Copies outside the droplet: digits-copies, the real restic and PostgreSQL, a place that fails.

Whatever happens to the place, the disk, the database or restic itself: a copy that was good is
there afterwards, the next hourly copy is made, and a restore gives back what was copied.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.infra.droplet_data import DropletData, with_role
from tests.needs import ROOT, fetched, need
from tests.postgres import Database

PASSWORD = "a-password"


@cache
def restic_program() -> Path:
    """Need a restic that digits-copies can use; Debian 13's where this machine's is older."""
    if own := shutil.which("restic"):
        said = subprocess.run([own, "version"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"restic (\d+)\.(\d+)", said)
        if found and (int(found[1]), int(found[2])) >= (0, 17):
            return Path(own)
    fetch = "scripts/in rehearsal -m rehearsal.offline restic"
    fetched_one = ROOT / ".venv/restic"
    need(fetched(fetched_one, *fetch.split()), "restic 0.17 or newer", fetch)
    return fetched_one


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
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

    def point_to(self, place: Path, password: str = PASSWORD) -> None:
        """Write down where copies go."""
        folder = self.data.root / "etc/digits/copies"
        folder.mkdir(exist_ok=True)
        (folder / "password").write_text(password)
        (folder / "env").write_text(
            f"RESTIC_REPOSITORY={place}\nRESTIC_PASSWORD_FILE={folder}/password\n"
            "AWS_ACCESS_KEY_ID=\nAWS_SECRET_ACCESS_KEY=\nCOPIES_OF=digits\n"
        )

    def run(self, *words: str, **env: str) -> tuple[int, str]:
        done = self.data.run("digits-copies", *words, stdin=b"", **env)
        return done.returncode, done.stdout + done.stderr

    def good(self, *words: str) -> str:
        status, said = self.run(*words)
        assert status == 0, said
        return said

    def bad(self, *words: str) -> str:
        status, said = self.run(*words)
        assert status == 1, said
        return said

    def copy(self, answers: int = 1) -> None:
        """Log some answers more, and copy them."""
        self.data.add(answers)
        assert "Copied to" in self.good("hourly")

    def ids(self) -> list[str]:
        """The copies that there are, as restic sees them, the newest first."""
        return [line.split("\t")[0] for line in self.good("list").splitlines()]

    def no_retention(self) -> None:
        """All copies of a test are of one hour, of which the retention keeps the last two."""
        restic = restic_program()
        text = f'[[ " $* " != *" --keep-hourly "* ]] || exit 0\nexec {restic} "$@"\n'
        self.data.program("restic", f"#!/bin/bash\n{text}")

    def restic(self, *words: str) -> subprocess.CompletedProcess[str]:
        """restic, as a person runs it."""
        password = self.data.root / "etc/digits/copies/password"
        command = [
            str(restic_program()),
            "-r",
            str(self.place),
            "--password-file",
            str(password),
            "--no-cache",
            *words,
        ]
        # A dump is no text.
        return subprocess.run(command, capture_output=True, errors="replace", check=False)

    def all_is_well(self, kept: list[str]) -> None:
        """The copies are there and whole, the next one is made, and a restore brings it back."""
        assert set(kept) <= set(self.ids())
        self.copy()
        assert len(set(self.ids()) - set(kept)) >= 1
        assert self.restic("check", "--no-lock", "--read-data").returncode == 0
        rows = self.data.rows()
        self.data.add(2)
        said = self.good("restore")
        assert f"Restored: the database holds what the file does, {len(rows)} answer" in said
        assert self.data.rows() == rows
        assert not (self.state / "failed").exists()


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory, server: Database) -> Copies:
    """A droplet with three copies of its log; restic takes a second for each command."""
    made = Copies(DropletData(tmp_path_factory.mktemp("copied") / "droplet", server))
    made.place.parent.mkdir()
    made.no_retention()
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
    (made.state / "place").write_text(f"{made.place}\n")
    made.no_retention()
    made.point_to(made.place)
    made.data.sql("DROP DATABASE digits WITH (FORCE)", "other")
    made.data.sql("CREATE DATABASE digits TEMPLATE copied", "other")
    return made


def damage(file: Path) -> None:
    """Change some bytes in the middle of a file of the repository."""
    file.chmod(0o600)
    with file.open("r+b") as content:
        content.seek(file.stat().st_size // 3)
        content.write(os.urandom(64))


def newest_pack(copies: Copies) -> Path:
    packs = [file for file in copies.place.glob("data/*/*") if file.stat().st_size > 1200]
    return max(packs, key=lambda file: file.stat().st_mtime_ns)


# --- A.3: the weekly test removes no copy ---------------------------------------------------


def test_the_weekly_test_of_good_copies(copies: Copies) -> None:
    kept = copies.ids()
    assert "ok: the copy of" in copies.good("test")
    assert "with 600 answers" in copies.good("status")
    copies.all_is_well(kept)


@pytest.mark.parametrize(
    ("program", "does", "why"),
    [
        ("createdb", "echo 'collation version mismatch' >&2; exit 1", "collation version mismatch"),
        ("pg_restore", "kill -9 $$", "the database did not take it"),
        ("dropdb", "exit 1", "the database did not take it"),
        ("psql", "echo 'server closed the connection' >&2; exit 2", "server closed"),
    ],
)
def test_trouble_with_the_database_costs_no_copy(
    copies: Copies, program: str, does: str, why: str
) -> None:
    kept = copies.ids()
    copies.data.tell(program, does)
    said = copies.bad("test")
    copies.data.tell(program, None)
    assert "NOT TESTED: the copy of" in said
    assert why in said
    assert "NOT TESTED" in copies.good("status")
    assert copies.ids() == kept
    copies.all_is_well(kept)


def test_no_database(copies: Copies) -> None:
    kept = copies.ids()
    (copies.data.root / "told/stopped").touch()
    assert "NOT TESTED: the database is not running" in copies.bad("test")
    assert "the database is not running" in copies.bad("hourly")
    (copies.data.root / "told/stopped").unlink()
    copies.all_is_well(kept)


@pytest.mark.parametrize("where", ["var/tmp", "var/lib/docker"])
def test_a_full_disk_costs_no_copy(copies: Copies, where: str) -> None:
    kept = copies.ids()
    with mounted(copies.data.root / where, "size=60m"):
        said = copies.bad("test")
    assert re.search(
        r"NOT TESTED: .* only \d+ MB are free on the disk, and the test needs 100", said
    )
    copies.all_is_well(kept)


@pytest.mark.parametrize("kind", ["changed", "cut", "gone"])
def test_a_damaged_copy_is_named_and_a_whole_one_made_beside_it(copies: Copies, kind: str) -> None:
    kept = copies.ids()
    pack = newest_pack(copies)
    if kind == "changed":
        damage(pack)
    elif kind == "cut":
        pack.chmod(0o600)
        os.truncate(pack, 1000)
    else:
        pack.unlink()
    said = copies.bad("test")
    assert f"({kept[0]}) does not restore (what is in" in said
    assert "a new copy restores, with 600 answers" in said
    assert set(kept) < set(copies.ids())
    for one in kept[1:]:
        assert copies.restic("dump", one, "/digits.dump").returncode == 0
    # The retention would keep the damaged one and remove the good one of the same hour.
    copies.data.program("restic", f'#!/bin/bash\nexec {restic_program()} "$@"\n')
    copies.data.add()
    copies.good("hourly")
    assert set(kept) < set(copies.ids())
    said = copies.good("test")
    assert "ok: the copy of" in said
    for damaged in re.findall(r"digits-copies remove (\w+)", said):
        assert damaged not in kept[1:]
        copies.good("remove", damaged)
    copies.no_retention()
    said = copies.good("test")
    assert "ok: the copy of" in said
    assert "damaged" not in said
    copies.all_is_well(kept[1:])


def test_a_damaged_index(copies: Copies) -> None:
    kept = copies.ids()
    for file in copies.place.glob("index/*"):
        damage(file)
    copies.bad("test")
    copies.all_is_well(kept)


def test_only_a_person_removes_a_copy(copies: Copies) -> None:
    kept = copies.ids()
    assert "Nothing was changed" in copies.bad("remove", "12345678")
    assert "Nothing was changed" in copies.bad("remove")
    assert f"Removed the copy {kept[1]}." in copies.good("remove", kept[1])
    assert copies.ids() == [kept[0], kept[2]]


# --- A.4: locks ------------------------------------------------------------------------------


def locks(copies: Copies) -> list[Path]:
    """Its locks; a file that a killed restic had not written to its end is none."""
    return [file for file in copies.place.glob("locks/*") if "-tmp-" not in file.name]


def lock(copies: Copies) -> subprocess.Popen[bytes]:
    """A restic that holds the repository for itself, on this host."""
    locker = subprocess.Popen(
        [
            restic_program(),
            "-r",
            copies.place,
            "--no-cache",
            "check",
            "--read-data",
            "--limit-download",
            "1",
        ],
        env=os.environ | {"RESTIC_PASSWORD": PASSWORD},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not locks(copies):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    locker.send_signal(signal.SIGSTOP)  # else it may end too early
    return locker


def test_a_stale_lock_stops_nothing(copies: Copies) -> None:
    kept = copies.ids()
    locker = lock(copies)
    locker.kill()
    locker.wait()
    assert locks(copies)
    assert copies.ids() == kept
    assert "ok: the copy of" in copies.good("test")
    locker = lock(copies)
    locker.kill()
    locker.wait()
    copies.all_is_well(kept)
    assert not locks(copies)


def test_a_live_lock_is_named_and_nothing_waits_to_read(copies: Copies) -> None:
    kept = copies.ids()
    locker = lock(copies)
    try:
        assert copies.ids() == kept
        copies.good("restore")
        copies.data.add()
        status, said = copies.run("hourly", lock_wait="1s")
        assert status == 1
        assert re.search(rf"process {locker.pid} on \S+ locked it \S+ ago", said)
    finally:
        locker.kill()
        locker.wait()
    copies.all_is_well(kept)


# --- A.5: a place that had copies and has none -----------------------------------------------


def test_an_empty_folder_where_the_repository_was(copies: Copies) -> None:
    kept = copies.ids()
    away = copies.place.with_name("away")
    copies.place.rename(away)
    copies.place.mkdir()
    for words in (["hourly"], ["now"], ["list"], ["test"], ["restore"]):
        assert "There were copies in" in copies.bad(*words)
        copies.data.add()
    assert list(copies.place.iterdir()) == []
    assert "FAILED" in copies.good("status")
    copies.place.rmdir()
    assert "There were copies in" in copies.bad("hourly"), "no folder at all"
    away.rename(copies.place)
    copies.all_is_well(kept)


def test_another_repository_where_ours_was(copies: Copies) -> None:
    copies.place.rename(copies.place.with_name("away"))
    copies.restic("init")
    assert "There were copies in" in copies.bad("hourly")


def test_starting_over_is_asked_for_by_name(copies: Copies) -> None:
    copies.place.rename(copies.place.with_name("away"))
    copies.bad("hourly")
    said = copies.good("start-over")
    assert "it is begun" in said
    assert len(copies.ids()) == 1
    copies.all_is_well(copies.ids())


def test_another_place_is_begun(copies: Copies) -> None:
    """Its first copy is made although nothing was logged since the one at the place before."""
    copies.point_to(copies.place.with_name("another"))
    assert "it is begun" in copies.good("hourly")
    assert len(copies.ids()) == 1
    assert "Nothing was logged since the last copy." in copies.good("hourly")


def test_nothing_there_yet_is_listed_and_not_begun(copies: Copies) -> None:
    """A new droplet asks before it has logged anything."""
    shutil.rmtree(copies.state)
    copies.point_to(copies.place.with_name("another"))
    assert copies.ids() == []
    assert not copies.place.with_name("another").exists()


# --- a place in trouble ------------------------------------------------------------------------


class mounted:  # noqa: N801 - it is used like a function
    """A small disk over a folder, as long as the block lasts."""

    def __init__(self, folder: Path, options: str) -> None:
        need(os.geteuid() == 0, "root, to mount a small disk", "sudo make test")
        self.folder, self.options = folder, options

    def __enter__(self) -> None:
        command = ["mount", "-t", "tmpfs", "-o", self.options, "tmpfs", str(self.folder)]
        done = subprocess.run(command, check=False, capture_output=True)
        need(done.returncode == 0, "to mount a disk", "run it outside a container")

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", self.folder], check=True)


def test_a_wrong_password(copies: Copies) -> None:
    kept = copies.ids()
    copies.point_to(copies.place, "another")
    copies.data.add()
    for words in (["hourly"], ["list"], ["test"], ["restore"]):
        assert "the password does not open the repository" in copies.bad(*words)
    copies.point_to(copies.place)
    copies.all_is_well(kept)


def test_a_place_without_room(copies: Copies) -> None:
    kept = copies.ids()
    inside = copies.data.root / "small"
    inside.mkdir()
    with mounted(inside, "size=3m"):
        shutil.copytree(copies.place, inside / "repo")
        filler = inside / "filler"
        with suppress(OSError):
            filler.write_bytes(b"x" * 3_000_000)
        copies.point_to(inside / "repo")
        (copies.state / "place").write_text(f"{inside}/repo\n")
        copies.data.add(3000)
        assert "there is no room left in" in copies.bad("hourly")
        assert set(copies.ids()) == set(kept)
        copies.good("restore")
        filler.unlink()
        copies.data.add()
        assert "Copied to" in copies.good("hourly")
    copies.point_to(copies.place)
    (copies.state / "place").write_text(f"{copies.place}\n")
    copies.all_is_well(kept)


def test_a_place_that_can_only_be_read(copies: Copies) -> None:
    kept = copies.ids()
    need(os.geteuid() == 0, "root, to mount a disk", "sudo make test")
    locker = lock(copies)
    locker.kill()
    locker.wait()
    bind = ["mount", "--bind", str(copies.place), str(copies.place)]
    done = subprocess.run(bind, check=False)
    need(done.returncode == 0, "to mount a disk", "run it outside a container")
    subprocess.run(["mount", "-o", "remount,bind,ro", copies.place], check=True)
    try:
        assert copies.ids() == kept
        copies.good("restore")
        copies.data.add()
        assert "can only be read" in copies.bad("hourly")
    finally:
        subprocess.run(["umount", copies.place], check=True)
    copies.all_is_well(kept)


def test_a_place_that_does_not_answer(copies: Copies) -> None:
    """A restic that hangs stands for a connection that does: it is ended, and that is all."""
    kept = copies.ids()
    hanging = copies.data.root / "bin/restic"
    kept_restic = hanging.rename(hanging.with_name("restic.kept"))
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    timeout = copies.data.root / "bin/timeout"
    timeout.write_text('#!/bin/sh\nshift\nexec /usr/bin/timeout 1 "$@"\n')
    timeout.chmod(0o755)
    copies.data.add()
    assert "did not answer within two minutes" in copies.bad("hourly")
    kept_restic.rename(hanging)
    timeout.unlink()
    copies.all_is_well(kept)


# --- killed --------------------------------------------------------------------------------------


def run_and_kill(copies: Copies, words: list[str], after: float) -> bool:
    """Kill a command and all that it started, after so many seconds; whether it still ran."""
    process = subprocess.Popen(
        [copies.data.root / "bin/digits-copies", *words],
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
    time.sleep(0.3)
    return ran


@pytest.mark.long
@pytest.mark.parametrize("words", [["now"], ["test"], ["restore"]])
def test_killed_at_ten_instants(copies: Copies, words: list[str]) -> None:
    began = time.monotonic()
    copies.good(*words)
    takes = time.monotonic() - began
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
        ["backup", "--host", "digits", "/usr/bin"],
        ["forget", "--keep-last", "1", "--host", "another"],
        ["prune", "--max-unused", "0"],
        ["check", "--read-data"],
        ["repair", "index", "--read-all-packs"],
    ],
    ids=lambda words: words[0],
)
def test_restic_killed_at_ten_instants(copies: Copies, words: list[str]) -> None:
    """The program alone, as when memory is short: its locks and half-written files stay."""
    for _ in range(3):
        file = copies.data.root / "more"
        file.write_bytes(os.urandom(3_000_000))
        copies.restic("backup", "--host", "another", str(file))
    environment = os.environ | {"RESTIC_PASSWORD": PASSWORD}
    command = [str(restic_program()), "-r", str(copies.place), "--no-cache", *words]
    trial = copies.data.root / "trial"
    shutil.copytree(copies.place, trial)
    began = time.monotonic()
    subprocess.run(
        [*command[:2], str(trial), *command[3:]], env=environment, capture_output=True, check=False
    )
    takes = time.monotonic() - began
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
    listed = json.loads(copies.restic("snapshots", "--json", "--host", "digits").stdout)
    assert len(listed) >= 10
