"""digits-release, killed at every step: what is left is settled, and nobody is sent to nothing.

Docker, systemctl and nginx are stand-ins (fake_docker) that note the steps; the droplet's scripts
are the real ones. With real containers, tests/rehearsal does the same at fewer points.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.infra.conftest import ROOT

BIN = ROOT / "infra/ansible/roles/app/files/bin"
COMMANDS = ("digits-release", "digits-rollback", "digits-home", "digits-watch", "digits-trouble")
STANDS_IN = ("docker", "systemctl", "nginx", "mv", "rm")
AT_ONCE, ONE_BY_ONE = "1", "99999999"  # MB that a process needs
# Of the steps, one in so many is killed, and which the first one is.
EVERY, FIRST = 13, 4


@dataclass
class Machine:
    """A droplet in a folder."""

    root: Path

    def __post_init__(self) -> None:
        for folder in ("bin", "fake/app", "opt", "nginx"):
            (self.root / folder).mkdir(parents=True)
        for name in STANDS_IN:
            (self.root / "bin" / name).symlink_to(ROOT / "tests/infra/fake_docker")
        for name, text in (("digits-backup", ""), ("id", "echo 0"), ("pgrep", "exit 1")):
            (self.root / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        for file in BIN.iterdir():
            if file.name.endswith(".sh") or file.name.startswith(COMMANDS):
                (self.root / "bin" / file.name).write_text(self._moved(file.read_text()))
        for file in (self.root / "bin").iterdir():
            if not file.is_symlink():
                file.chmod(0o755)
        self.set_to(1)

    def _moved(self, text: str) -> str:
        for path, here in (
            ("/usr/local/lib/digits", "bin"),
            ("/opt/digits", "opt"),
            ("/etc/nginx", "nginx"),
            ("/etc/digits", "opt"),
            ("/var/lib/digits", "opt"),
        ):
            text = text.replace(path, str(self.root / here))
        return text

    def keep(self) -> None:
        """Remember how it is now."""
        for part in ("fake", "opt", "nginx"):
            shutil.copytree(self.root / part, self.root / "kept" / part)

    def back(self) -> None:
        """Be as it was then."""
        for part in ("fake", "opt", "nginx"):
            shutil.rmtree(self.root / part)
            shutil.copytree(self.root / "kept" / part, self.root / part)

    def set_to(self, count: int) -> None:
        """So many processes, from the next release on."""
        (self.root / "opt/site.env").write_text(f"APP_PROCESSES={count}\n" if count > 1 else "")

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run one of the droplet's commands; the steps are counted from here."""
        fake = self.root / "fake"
        (fake / "step").write_text("")
        told = {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "FAKE": str(fake),
            "UPSTREAM": str(self.root / "nginx/digits-upstream.conf"),
            "DRAIN": "0",
            "NO_PULL": "yes",
        }
        return subprocess.run(
            ["bash", "-c", 'echo $$ >"$FAKE/pid"; exec "$@"', "bash", *command],
            env=told | env,
            capture_output=True,
            text=True,
            check=False,
        )

    def release(self, image: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Release an image."""
        return self.run("digits-release", image, "abc1234", "me@here", **env)

    def steps(self) -> int:
        """How many steps the last command took."""
        return len((self.root / "fake/step").read_text())

    def serves(self) -> tuple[str, int]:
        """The image that serves, and in how many processes; everything agrees on it."""
        violations = self.root / "fake/violations"
        assert not violations.exists(), violations.read_text()
        there = {
            (folder / "port").read_text().strip(): (folder / "image").read_text().strip()
            for folder in (self.root / "fake/app").iterdir()
        }
        upstream = (self.root / "nginx/digits-upstream.conf").read_text()
        assert (self.root / "fake/loaded").read_text() == upstream
        assert upstream == "".join(f"server 127.0.0.1:{port};\n" for port in sorted(there))
        (image,) = set(there.values())
        settings = (self.root / "opt/release.env").read_text().split()
        settings = [one for one in settings if not one.startswith("DATABASE=")]
        assert settings[:2] == [f"APP_IMAGE={image}", f"APP_PORT={min(there)}"]
        assert settings[2:] == ([f"APP_PROCESSES={len(there)}"] if len(there) > 1 else [])
        last = (self.root / "opt/releases.log").read_text().splitlines()[-1]
        assert last.split("\t")[1] == image
        left = [*(self.root / "opt").glob("*.new"), *(self.root / "opt").glob("lock.holder")]
        assert left == []
        return image, len(there)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A droplet before its first release."""
    return Machine(tmp_path / "droplet")


def changed(machine: Machine, before: int, after: int, memory: str) -> None:
    """The old version serves in so many processes; the new one is to serve in others."""
    machine.set_to(before)
    done = machine.release("old")
    assert done.returncode == 0, done.stderr
    assert machine.serves() == ("old", before)
    machine.set_to(after)
    done = machine.release("new", PROCESS_MB=memory)
    assert done.returncode == 0, done.stderr
    assert machine.serves() == ("new", after)


NUMBERS = [(1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 2)]


@pytest.mark.parametrize("memory", [AT_ONCE, ONE_BY_ONE])
@pytest.mark.parametrize(("before", "after"), NUMBERS)
def test_from_any_number_to_any_other(
    machine: Machine, before: int, after: int, memory: str
) -> None:
    changed(machine, before, after, memory)
    again = machine.release("new", PROCESS_MB=memory)
    assert "Nothing to do: new serves already." in again.stdout
    # And as many as before, of what serves already.
    machine.set_to(before)
    assert machine.release("new", PROCESS_MB=memory).returncode == 0
    assert machine.serves() == ("new", before)


@pytest.mark.parametrize(
    ("before", "after", "memory", "when"),
    [
        (1, 1, AT_ONCE, "before"),
        (1, 1, AT_ONCE, "after"),
        (2, 2, AT_ONCE, "after"),
        (2, 2, ONE_BY_ONE, "before"),
        (3, 2, ONE_BY_ONE, "after"),
        (1, 3, ONE_BY_ONE, "before"),
    ],
)
def test_killed_at_every_step(
    tmp_path: Path, before: int, after: int, memory: str, when: str
) -> None:
    machine = Machine(tmp_path / "droplet")
    machine.set_to(before)
    assert machine.release("old").returncode == 0
    machine.set_to(after)
    machine.keep()
    assert machine.release("new", PROCESS_MB=memory).returncode == 0
    steps, seen = machine.steps(), set()
    # The last ones decide it: all of them would take minutes, so a few.
    for step in sorted({*range(FIRST, steps - 12, EVERY), *range(steps - 12, steps, 3)}):
        machine.back()
        done = machine.release("new", PROCESS_MB=memory, KILL_AT=str(step), KILL_WHEN=when)
        # What runs at the same time may be counted as one, so a few steps more or less.
        assert done.returncode == -9 or machine.steps() < step + 5, f"step {step}: {done.stderr}"
        assert machine.run("digits-releases").returncode == 0
        image, count = machine.serves()
        assert count == {"old": before, "new": after}[image], f"step {step}"
        seen.add(image)
    # And it can be released as if nothing had been.
    assert machine.release("new", PROCESS_MB=memory).returncode == 0
    assert machine.serves() == ("new", after)
    assert seen == {"old", "new"}


@pytest.mark.parametrize("failing", ["new:8502", "new:8504", "new:8506"])
@pytest.mark.parametrize("memory", [AT_ONCE, ONE_BY_ONE])
def test_one_that_does_not_get_well_leaves_the_old_ones(
    machine: Machine, failing: str, memory: str
) -> None:
    machine.set_to(3)
    machine.release("old")
    done = machine.release("new", PROCESS_MB=memory, FAIL_EXEC=failing, HEALTHY_WITHIN="0")
    assert done.returncode == 1
    assert "up but not healthy" in done.stderr
    assert "Nothing has changed: old still serves." in done.stderr
    assert machine.serves() == ("old", 3)


def test_a_second_release_does_not_run_beside_the_first(machine: Machine) -> None:
    machine.set_to(1)
    machine.release("old")
    with (machine.root / "opt/lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = machine.release("new")
    assert done.returncode != 0
    assert "Another release is running" in done.stderr
    assert "Wait until it is done" in done.stderr
    assert machine.serves() == ("old", 1)
    assert machine.steps() == 0
    assert machine.release("new").returncode == 0


def test_a_long_name_moves_no_column(machine: Machine) -> None:
    machine.set_to(1)
    machine.release("old")
    log = machine.root / "opt/releases.log"
    when, image, commit, by, *rest = log.read_text().strip().split("\t")
    others = [
        "\t".join(
            (when, image, "0123456789-and-more", "somebody.with.a.long.name@a-laptop", *rest)
        ),
        "\t".join((when, image, commit, "me", *rest)),
    ]
    log.write_text(log.read_text() + "".join(f"{line}\n" for line in others))
    head, *lines = machine.run("digits-releases").stdout.splitlines()
    assert len(lines) == 3
    for line, name in zip(lines, (by, "somebody.with.a.long.name@a-laptop", "me"), strict=True):
        assert line[head.index("BY") :].startswith(f"{name} ")
        assert line[head.index("IMAGE") :].startswith(image)


def test_an_old_one_that_cannot_be_started_again_is_said(machine: Machine) -> None:
    machine.set_to(2)
    machine.release("old")
    # The new one's second does not get well, and neither does the old one's first then.
    machine.release("new", PROCESS_MB=ONE_BY_ONE, FAIL_EXEC="new:8504", HEALTHY_WITHIN="0")
    assert machine.serves() == ("old", 2)


def test_a_rollback_goes_to_what_served_before_and_never_to_what_serves(machine: Machine) -> None:
    for image in ("first", "second", "third"):
        machine.release(image)
    log = machine.root / "opt/releases.log"
    # The same image once more, as after it was released from another registry.
    log.write_text(log.read_text() + log.read_text().splitlines(keepends=True)[-1])

    def back(*images: str) -> subprocess.CompletedProcess[str]:
        return machine.run("digits-rollback", "me@here", IMAGES=" ".join(images))

    assert back("third").returncode == 1
    assert machine.serves() == ("third", 1)
    assert back("first", "third").returncode == 0, "the second is not kept any more"
    assert machine.serves() == ("first", 1)
    machine.release("third")
    assert back("first", "second", "third").returncode == 0
    assert machine.serves() == ("first", 1)
    done = back("first", "second", "third")
    assert done.returncode == 1
    assert "There is nothing further back than first" in done.stderr


def test_a_rollback_that_is_killed_is_called_one_and_how_it_ended_is_said(machine: Machine) -> None:
    machine.release("old")
    machine.release("new")
    machine.keep()
    machine.release("old", HOW="rollback")
    steps, seen = machine.steps(), set()
    for step in (FIRST, steps // 2, *range(steps - 9, steps, 2)):
        machine.back()
        done = machine.release("old", HOW="rollback", KILL_AT=str(step))
        if done.returncode != -9 or not (machine.root / "opt/lock.holder").exists():
            continue
        told = machine.run("digits-releases").stderr
        assert told.startswith("The rollback by me@here, since 20")
        assert "UTC was killed; clearing up after it.\n" in told
        image, _ = machine.serves()
        seen.add(image)
        ended = {
            "old": "It is completed: old serves.\n",
            "new": "It is taken back: new still serves.\n",
        }
        assert told.endswith(ended[image]), f"step {step}"
        assert machine.run("digits-releases").stderr == "", "once is enough"
    assert seen == {"old", "new"}


@pytest.mark.parametrize(
    ("how", "next_step"),
    [
        ("release", "Correct what is named there, then: make release TARGET=rehearsal"),
        ("rollback", "make rollback RELEASE=ID TARGET=rehearsal"),
    ],
)
def test_what_to_do_after_a_version_that_does_not_work(
    machine: Machine, how: str, next_step: str
) -> None:
    machine.release("old")
    done = machine.release(
        "new", HOW=how, FAIL_EXEC="new:8502", HEALTHY_WITHIN="0", VERB_SUFFIX=" TARGET=rehearsal"
    )
    assert done.returncode == 1
    assert next_step in done.stderr
    assert f"make {how} HEALTHY_WITHIN=300 TARGET=rehearsal" in done.stderr
    other = {"release": "rollback", "rollback": "release"}[how]
    assert f"make {other} " not in done.stderr


def test_a_database_that_somebody_stopped_is_noted(machine: Machine) -> None:
    """Docker starts it again when it ends by itself, and not after docker kill."""
    note = machine.root / "opt/troubles/database-stopped"
    stopped = machine.root / "fake/stopped"
    machine.run("digits-watch")
    stopped.touch()
    machine.run("digits-watch")
    assert not note.exists(), "nothing serves yet, so nothing is lost"
    stopped.unlink()
    machine.release("old")
    machine.run("digits-watch")
    assert not note.exists()
    stopped.touch()
    with (machine.root / "opt/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        machine.run("digits-watch")
        assert not note.exists(), "a release stops it for some seconds"
    assert machine.run("digits-watch").returncode == 0
    assert note.exists()
    said = machine.run("digits-trouble", "words").stdout
    assert "the database is stopped, so no answer is stored. Start it: make deploy" in said
    stopped.unlink()
    machine.run("digits-watch")
    assert not note.exists()
