"""Every verb copies the newest dump to this machine: whole, or not at all."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.backup import dumps
from tests.project import Project

# An ssh whose droplet is a folder of this machine: what is told to it is done, there.
SSH = """
command=${!#}
FAKE/bin-of-droplet/called "$command"
command=${command//\\/opt\\/digits/FAKE/opt/digits}
PATH=FAKE/bin-of-droplet:$PATH bash -c "${command//\\/var\\//FAKE/var/}"
"""


def name(age: timedelta, kind: str = "nightly") -> str:
    return f"digits-{datetime.now(UTC) - age:%Y%m%dT%H%M%SZ}-{kind}.dump"


class FakeDroplet:
    """The part of a droplet that these tests look at."""

    def __init__(self, project: Project) -> None:
        self.root = project.folder / "droplet"
        self.dumps = self.root / "var/backups/digits"
        self.dumps.mkdir(parents=True)
        (self.root / "opt/digits").mkdir(parents=True)
        programs = self.root / "bin-of-droplet"
        programs.mkdir()
        self.calls = self.root / "calls"
        (programs / "docker").write_text("#!/bin/sh\n")
        # `digits VERB` is the program digits-VERB, if there is one.
        (programs / "digits").write_text(
            f"#!/bin/sh\nverb={programs}/digits-$1\nshift\n"
            '[ ! -e "$verb" ] || exec "$verb" "$@"\necho "{}"\n'
        )
        (programs / "called").write_text(f'#!/bin/sh\necho "$1" >>{self.calls}\n')
        for file in programs.iterdir():
            file.chmod(0o755)
        project.ssh_says(SSH.replace("FAKE", str(self.root)))

    def dump(self, age: timedelta, kind: str = "nightly", content: str = "a dump") -> Path:
        file = self.dumps / name(age, kind)
        file.write_text(content)
        return file

    def program(self, name: str, script: str) -> None:
        """What a command of the droplet's does."""
        file = self.root / "bin-of-droplet" / name
        file.write_text(f"#!/bin/bash\n{script}\n")
        file.chmod(0o755)

    def fetched(self) -> int:
        """How often a dump was asked for."""
        return self.calls.read_text().count("cat /var/backups/")


@pytest.fixture
def droplet(project: Project) -> FakeDroplet:
    project.deployed()
    return FakeDroplet(project)


def here(project: Project, folder: str = "backups/digits") -> list[str]:
    return sorted(file.name for file in (project.folder / folder).iterdir())


def test_each_verb_copies_the_newest_dump_once(project: Project, droplet: FakeDroplet) -> None:
    droplet.dump(timedelta(hours=30))
    copied = []
    for hours, verb in enumerate(("logs", "psql", "ssh true", "releases", "status")):
        newest = droplet.dump(timedelta(hours=10 - hours), "release")
        first = project.verb(*verb.split())
        assert first.returncode == 0, verb
        assert (
            f"Copied the droplet's newest dump to this machine: backups/digits/{newest.name}"
            in first.stdout
        ), verb
        copied.append(newest.name)
        assert here(project) == copied
        file = project.folder / "backups/digits" / newest.name
        assert file.read_text() == "a dump"
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
        second = project.verb(*verb.split())
        assert "newest dump" not in second.stdout, verb
        assert droplet.fetched() == len(copied)


def test_the_age_of_the_newest_backup_and_a_warning_past_a_day(
    project: Project, droplet: FakeDroplet
) -> None:
    none = project.verb("status")
    assert none.returncode == 0
    assert re.search(r"^backed up +none$", none.stdout, re.MULTILINE)
    assert "WARNING: There is no backup that is not on the droplet" in none.stdout
    assert "make backup TARGET=rehearsal" in none.stdout

    droplet.dump(timedelta(hours=50))
    old = project.verb("status")
    assert re.search(r"^backed up +2 days old: backups/digits/", old.stdout, re.MULTILINE)
    assert "WARNING: The newest backup that is not on the droplet is 2 days old" in old.stdout
    warned = project.verb("doctor").stdout
    assert re.search(
        r"^warn +backup age +The newest backup that is not on the", warned, re.MULTILINE
    )
    assert "Fix: Make one: make backup TARGET=rehearsal" in warned

    droplet.dump(timedelta(minutes=61))
    fresh = project.verb("status")
    assert re.search(r"^backed up +1 h old: backups/digits/", fresh.stdout, re.MULTILINE)
    assert "WARNING" not in fresh.stdout
    assert re.search(
        r"^ok +backup age +the newest one that is not", project.verb("doctor").stdout, re.MULTILINE
    )


def test_offsite_backups_count_too(project: Project, droplet: FakeDroplet) -> None:
    dump = droplet.dump(timedelta(hours=50))
    droplet.program("digits-offsite", 'echo "{\\"complete\\": $(date +%s)}"')
    printed = project.verb("status").stdout
    assert re.search(r"^backed up +\d s old: the repository", printed, re.MULTILINE)
    assert "WARNING" not in printed
    assert here(project) == [dump.name], "root on the droplet can delete the offsite backups"


def test_a_droplet_of_the_bash_version_is_asked_too(project: Project, droplet: FakeDroplet) -> None:
    """It has no command `digits`."""
    (droplet.root / "bin-of-droplet/digits").write_text("#!/bin/sh\nexit 127\n")
    droplet.dump(timedelta(hours=50))
    complete = droplet.root / "var/lib/digits/copies/complete"
    complete.parent.mkdir(parents=True)
    complete.touch()
    printed = project.verb("doctor").stdout
    assert re.search(
        r"^ok +backup age +the newest one that is not .* the repository", printed, re.MULTILINE
    )


def test_a_rehearsal_and_another_name_have_folders_of_their_own(
    project: Project, droplet: FakeDroplet
) -> None:
    (project.folder / "backups/digits").mkdir(parents=True)
    real = name(timedelta())
    (project.folder / "backups/digits" / real).write_text("the real one's")
    rehearsed = droplet.dump(timedelta(hours=1))
    project.verb("status", BACKUP_FOLDER="backups/rehearsal")
    assert here(project, "backups/rehearsal/digits") == [rehearsed.name]
    assert here(project) == [real]
    asked = project.verb("restore", BACKUP_FOLDER="backups/rehearsal")
    assert f"FILE=backups/rehearsal/digits/{rehearsed.name}" in asked.stdout


def test_a_fetch_that_breaks_off_leaves_nothing_and_fails_no_verb(
    project: Project, droplet: FakeDroplet
) -> None:
    good = droplet.dump(timedelta(hours=30))
    project.verb("status")
    torn = droplet.dump(timedelta(hours=1), content="a longer dump")
    cat = droplet.root / "bin-of-droplet/cat"
    cat.write_text("#!/bin/sh\nhead -c 5 $1\n")  # says that all is well
    cat.chmod(0o755)
    done = project.verb("status")
    assert done.returncode == 0
    assert "The dump did not arrive whole (5 bytes of 13), so it was not kept." in done.stdout
    assert here(project) == [good.name]
    cat.write_text("#!/bin/sh\nhead -c 5 $1\nexit 1\n")
    assert project.verb("status").returncode == 0
    assert here(project) == [good.name]
    cat.unlink()
    project.verb("status")
    assert here(project) == [good.name, torn.name]


def test_no_room_is_printed_before_anything_is_fetched(
    project: Project, droplet: FakeDroplet
) -> None:
    file = droplet.dump(timedelta(hours=1))
    with file.open("r+b") as content:
        content.truncate(2**43)  # takes no room on this disk
    done = project.verb("status")
    assert done.returncode == 0
    assert "too little room" in done.stdout
    assert "Make room there" in done.stdout
    assert here(project) == []
    assert droplet.fetched() == 0


def test_a_folder_that_cannot_be_written_fails_no_verb(
    project: Project, droplet: FakeDroplet
) -> None:
    droplet.dump(timedelta(hours=1))
    (project.folder / "backups").write_text("a file where the folder should be")
    done = project.verb("status")
    assert "could not be copied to this machine" in done.stdout


def test_a_droplet_cannot_choose_where_its_dump_goes(
    project: Project, droplet: FakeDroplet
) -> None:
    (droplet.dumps / "digits-..%2f..%2fops.dump").write_text("x")
    assert project.verb("status").returncode == 0
    assert not (project.folder / "backups/digits").exists()


def test_the_pipeline_copies_no_dump(project: Project, droplet: FakeDroplet) -> None:
    droplet.dump(timedelta(hours=1))
    assert project.verb("status", BRING_BACKUP="no").returncode == 0
    assert droplet.fetched() == 0


def test_ten_are_kept_and_what_a_person_asked_for_and_the_fullest(
    project: Project, droplet: FakeDroplet
) -> None:
    folder = project.folder / "backups/digits"
    folder.mkdir(parents=True)
    full = name(timedelta(days=40))
    by_hand = name(timedelta(days=50), "manual")
    (folder / full).write_text("a hundred answers")
    (folder / by_hand).write_text("mine")
    emptied = [name(timedelta(days=day)) for day in range(2, 20)]
    for file in emptied:
        (folder / file).write_text("")
    newest = droplet.dump(timedelta(hours=1), content="")
    project.verb("status")
    assert here(project) == sorted([full, by_hand, newest.name, *sorted(emptied)[-9:]])


def test_parts_of_fetches_that_were_killed_go(project: Project, droplet: FakeDroplet) -> None:
    folder = project.folder / "backups/digits"
    folder.mkdir(parents=True)
    for part, when in (("old.part", "2 hours ago"), ("new.part", "now")):
        subprocess.run(["touch", "--date", when, folder / part], check=True)
    newest = droplet.dump(timedelta(hours=1))
    project.verb("status")
    assert here(project) == [newest.name, "new.part"]


@pytest.mark.parametrize(
    ("age", "printed"),
    [(0, "0 s"), (119, "1 min"), (7199, "1 h"), (86400, "24 h"), (172800, "2 days")],
)
def test_ages(age: int, printed: str) -> None:
    assert dumps.age_text(timedelta(seconds=age)) == printed


def test_a_folder_in_a_dumps_place_is_looked_into_itself(project: Project) -> None:
    """Not the deployment's own folder of dumps is listed, which it may have nothing to do with."""
    other = project.folder / "somewhere"
    other.mkdir()
    done = project.verb("restore", FILE=str(other))
    assert done.returncode == 1
    assert f"{other} is a folder, not a dump." in done.stdout
    assert f"It holds no dump. See what is in it: ls {other}" in done.stdout
    assert "backups/" not in done.stdout
    file = other / name(timedelta(hours=1))
    file.touch()
    done = project.verb("restore", FILE=str(other))
    assert f"make restore FILE=somewhere/{file.name} TARGET=rehearsal" in done.stdout
