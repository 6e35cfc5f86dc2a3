"""Locks: every version on every day and machine, and nothing that is not locked."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ops.environments import lock, refresh
from tests.environments.conftest import LIST, LOCK, ROOT, Clone
from tests.needs import need

UV = ROOT / ".venv/dev/bin/uv"


@pytest.mark.usefixtures("uv")
def test_an_environment_has_the_same_versions_on_every_day(clone: Clone) -> None:
    (clone.folder / LOCK).unlink()
    clone.lock(day="one")
    clone.venv(day="two")
    assert clone.packages() == ["asked==1.0", "needed==1.0"]
    # The second day does offer another: without a lock it would have come.
    pip = (".venv/rehearsal/bin/python", "-m", "pip", "install", "--upgrade", "needed")
    clone.run(*pip, day="two")
    assert clone.packages() == ["asked==1.0", "needed==1.1"]


@pytest.mark.usefixtures("uv")
def test_a_lock_keeps_its_versions_until_newer_ones_are_asked_for(clone: Clone) -> None:
    clone.lock(day="two")
    assert clone.pins() == ["asked==1.0", "needed==1.0"]
    clone.lock(PACKAGE="asked", day="two")
    assert clone.pins() == ["asked==1.0", "needed==1.0"]
    clone.lock(PACKAGE="needed", day="two")
    assert clone.pins() == ["asked==1.0", "needed==1.1"]
    (clone.folder / LOCK).write_text("asked==1.0\nneeded==1.0\n")
    clone.lock(UPGRADE="yes", day="two")
    assert clone.pins() == ["asked==1.0", "needed==1.1"]


@pytest.mark.usefixtures("uv")
def test_a_list_that_was_changed_and_not_locked_is_found(clone: Clone) -> None:
    assert "Every lock is what its list asks for." in clone.lock("--check")
    (clone.folder / LIST).write_text("asked\ntorch\n")
    printed = clone.lock("--check", status=1)
    assert f"Not what the list beside it asks for: {LOCK}." in printed
    assert "Lock it: make lock" in printed
    (clone.folder / LIST).write_text("asked\nnobody-has-this\n")
    assert f"{LIST} could not be locked; uv's reason is above." in clone.lock(status=1)


@pytest.mark.usefixtures("uv")
def test_a_build_that_only_one_index_has_is_not_locked(clone: Clone) -> None:
    (clone.folder / LIST).write_text("torch\n")
    printed = clone.lock(status=1, day="cpu")
    assert "a build that not every package index has, torch==1.0+cpu." in printed
    assert clone.pins() == ["asked==1.0", "needed==1.0"], "the lock stays"


def test_a_lock_that_lacks_what_another_package_needs_is_refused(clone: Clone) -> None:
    (clone.folder / LOCK).write_text("asked==1.0\n")
    printed = clone.venv(status=1)
    assert "asked 1.0 requires needed, which is not installed." in printed
    assert "The lock files of .venv/rehearsal lack what is named above." in printed
    assert "Lock it:  make lock" in printed
    assert clone.is_recreated(), "nothing that counts was left"


@pytest.fixture(scope="module")
def pypi(uv: None) -> None:
    """The package index that this machine's pip is set to."""
    del uv
    asked = subprocess.run(
        [UV, "pip", "compile", "--quiet", "-"],
        input="rich\n", env=os.environ | lock.index_of_pip(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    fix = "check the network, and the index-url of `pip config list`"
    need(asked.returncode == 0, "a package index that answers", fix)


@pytest.mark.usefixtures("pypi")
@pytest.mark.parametrize("version", ["3.11", "3.13"])
@pytest.mark.parametrize("machine", ["aarch64-manylinux_2_28", "aarch64-apple-darwin"])
def test_our_locks_serve_other_machines_too(machine: str, version: str, tmp_path: Path) -> None:
    settings = os.environ | lock.index_of_pip() | {"MACOSX_DEPLOYMENT_TARGET": "14.0"}
    # What is needed on every machine that this test does not run on: a wheel for each package.
    only_try = ("--quiet", "--dry-run", "--no-deps", "--only-binary=:all:", "--target", tmp_path)
    for locks in refresh.LOCKS.values():
        files = [word for name in locks for word in ("-r", name)]
        done = subprocess.run(
            [
                UV, "pip", "install", *only_try, *files,
                f"--python-platform={machine}", f"--python-version={version}",
            ],
            cwd=ROOT, env=settings, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("pypi")
def test_our_locks_are_what_their_lists_ask_for() -> None:
    done = subprocess.run(
        [ROOT / "scripts/in", "dev", "-m", "ops.environments.lock", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_lock_is_of_an_environment_and_every_list_has_a_lock() -> None:
    used = {name for locks in refresh.LOCKS.values() for name in locks}
    assert used == {str(file.with_suffix(".txt")) for file in lock.lists()}
    for locked in used:
        pinned = [line.split(" ;")[0] for line in lock.pins((ROOT / locked).read_text())]
        assert [pin for pin in pinned if not re.fullmatch(r"[a-z0-9-]+==[a-z0-9.]+", pin)] == []
