"""Python environments: from locks alone, made anew when they have to be, whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops import environment, lock
from ops.errors import Failed
from tests import packages
from tests.conftest import need

ROOT = Path(__file__).resolve().parents[2]
MAKING = "Making the Python environment .venv/rehearsal"
LIST, LOCK = "rehearsal/requirements.in", "rehearsal/requirements.txt"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A package index of two days: on the second there is a newer release of what others need."""
    folder = tmp_path_factory.mktemp("index")
    packages.two_days(folder)
    with packages.serving(folder) as address:
        yield address


@dataclass
class Clone:
    """A clone with what makes environments; its rehearsal asks for one package, which needs one."""

    folder: Path
    settings: dict[str, str]

    def start(self, *command: str, day: str = "one", **settings: str) -> subprocess.Popen[str]:
        """Begin a command, with the package index as it was on a day."""
        index = {"PIP_INDEX_URL": f"{self.settings['INDEX']}/{day}"}
        return subprocess.Popen(
            command, cwd=self.folder, env=self.settings | index | settings, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def run(self, *command: str, status: int = 0, day: str = "one", **settings: str) -> str:
        """What a command prints that ends with this status."""
        process = self.start(*command, day=day, **settings)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == status, said
        return said

    def venv(
        self, name: str = "rehearsal", status: int = 0, day: str = "one", **settings: str
    ) -> str:
        """What scripts/venv prints."""
        return self.run("scripts/venv", name, status=status, day=day, **settings)

    def is_made_anew(self, **settings: str) -> bool:
        """Whether scripts/venv begins to make it; it is stopped then."""
        process = self.start("scripts/venv", "rehearsal", **settings)
        assert process.stdout is not None
        said = process.stdout.readline()
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        return MAKING in said

    def lock(self, *options: str, status: int = 0, day: str = "one", **settings: str) -> str:
        """What `make lock` prints."""
        python = str(ROOT / ".venv/lint/bin/python")
        return self.run(python, "-m", "ops.lock", *options, status=status, day=day, **settings)

    def pins(self) -> list[str]:
        """What is locked."""
        return lock.pins((self.folder / LOCK).read_text())

    def packages(self, name: str = "rehearsal") -> list[str]:
        """What is installed, but for what came with Python."""
        frozen = self.run(f".venv/{name}/bin/python", "-m", "pip", "freeze")
        return frozen.splitlines()


@pytest.fixture
def clone(tmp_path: Path, index: str) -> Clone:
    folder = tmp_path / "clone"
    for part in ("scripts", "ops", "rehearsal", "training", "app"):
        (folder / part).mkdir(parents=True)
    ops = ("__init__", "environment", "errors", "lock")
    for file in ("scripts/venv", "scripts/in", *(f"ops/{name}.py" for name in ops)):
        shutil.copy(ROOT / file, folder / file)
    (folder / LIST).write_text("asked\n")
    (folder / LOCK).write_text("asked==1.0\nneeded==1.0\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_", "PYTHON"))}
    return Clone(folder, {**kept, "INDEX": index, "PIP_CONFIG_FILE": os.devnull})


@pytest.fixture(scope="module")
def uv() -> None:
    """The environment that has the tool which makes the locks."""
    subprocess.run([ROOT / "scripts/venv", "lint"], check=True)


@pytest.mark.usefixtures("uv")
def test_an_environment_has_the_same_versions_on_every_day(clone: Clone) -> None:
    (clone.folder / LOCK).unlink()
    clone.lock()
    clone.venv(day="one")
    before = clone.packages()
    shutil.rmtree(clone.folder / ".venv")
    clone.venv(day="two")
    assert clone.packages() == before == ["asked==1.0", "needed==1.0"]
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
    said = clone.lock("--check", status=1)
    assert f"Not what the list beside it asks for: {LOCK}." in said
    assert "Lock it: make lock" in said
    (clone.folder / LIST).write_text("asked\nnobody-has-this\n")
    assert f"{LIST} could not be locked; uv's reason is above." in clone.lock(status=1)


@pytest.mark.usefixtures("uv")
def test_a_build_that_only_one_index_has_is_not_locked(clone: Clone) -> None:
    (clone.folder / LIST).write_text("torch\n")
    said = clone.lock(status=1, day="cpu")
    assert "a build that not every package index has, torch==1.0+cpu." in said
    assert clone.pins() == ["asked==1.0", "needed==1.0"], "the lock stays"


def test_a_lock_that_lacks_what_another_package_needs_is_refused(clone: Clone) -> None:
    (clone.folder / LOCK).write_text("asked==1.0\n")
    said = clone.venv(status=1)
    assert "asked 1.0 requires needed, which is not installed." in said
    assert "The lock files of .venv/rehearsal lack what is named above." in said
    assert "Lock it:  make lock" in said
    assert clone.is_made_anew(), "nothing that counts was left"


@pytest.mark.usefixtures("uv")
def test_our_locks_are_what_their_lists_ask_for() -> None:
    asked = subprocess.run(
        [ROOT / ".venv/lint/bin/uv", "pip", "compile", "--quiet", "-"],
        input="rich\n", env=os.environ | lock.index_of_pip(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    need(asked.returncode == 0, "No package index answers", "see what pip's index-url is set to")
    done = subprocess.run(
        [ROOT / "scripts/in", "lint", "-m", "ops.lock", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_lock_is_of_an_environment_and_every_list_has_a_lock() -> None:
    used = {name for locks in environment.LOCKS.values() for name in locks}
    assert used == {str(file.with_suffix(".txt")) for file in lock.lists()}
    for locked in used:
        pinned = [line.split(" ;")[0] for line in lock.pins((ROOT / locked).read_text())]
        assert [pin for pin in pinned if not re.fullmatch(r"[a-z0-9-]+==[a-z0-9.]+", pin)] == []


def test_it_is_made_once(clone: Clone) -> None:
    assert MAKING in clone.venv()
    assert clone.venv() == ""
    (clone.folder / LOCK).write_text("needed==1.0\n")
    assert clone.is_made_anew()
    assert "There is no environment nonsense." in clone.venv("nonsense", status=1)


def test_no_path_has_to_be_set_and_a_command_runs_in_it(clone: Clone) -> None:
    (clone.folder / "rehearsal/__init__.py").write_text("")
    said = clone.run("scripts/in", "rehearsal", "-c", "import rehearsal; print(rehearsal.__file__)")
    assert said.splitlines()[-1] == str(clone.folder / "rehearsal/__init__.py")
    asked = (".venv/rehearsal/bin/python", "-P", "-c", "import rehearsal")
    clone.run(*asked)


def test_a_moved_clone_makes_its_environments_anew(clone: Clone) -> None:
    clone.venv()
    moved = clone.folder.rename(clone.folder.with_name("moved"))
    clone.folder = moved
    assert MAKING in clone.venv()
    first_line = (moved / ".venv/rehearsal/bin/pip").read_text().splitlines()[0]
    assert str(moved) in first_line
    assert clone.venv() == ""


def test_a_copy_that_links_to_the_clones_environments_leaves_them(clone: Clone) -> None:
    clone.venv()
    copy = clone.folder.with_name("copy")
    shutil.copytree(clone.folder, copy, ignore=shutil.ignore_patterns(".venv"))
    (copy / ".venv").symlink_to(clone.folder / ".venv")
    assert Clone(copy, clone.settings).venv() == ""


def test_another_python_makes_it_anew(clone: Clone, tmp_path: Path) -> None:
    clone.venv()
    subprocess.run(["python3", "-m", "venv", "--copies", tmp_path / "other"], check=True)
    path = f"{tmp_path / 'other/bin'}:{clone.settings['PATH']}"
    assert clone.is_made_anew(PATH=path)


def test_one_that_a_cache_kept_from_another_version_of_python_is_made_anew(clone: Clone) -> None:
    clone.venv()
    made_from = clone.folder / ".venv/rehearsal/.made-from"
    place, python, version, *rest = made_from.read_text().splitlines()
    older = re.sub(r"^3\.\d+", "3.10", version)
    made_from.write_text("\n".join([place, python, older, *rest]) + "\n")
    assert clone.is_made_anew()


def test_it_can_be_made_anew_by_a_shell_that_is_inside_it(clone: Clone) -> None:
    clone.venv()
    (clone.folder / LOCK).write_text("needed==1.0\n")
    path = f"{clone.folder / '.venv/rehearsal/bin'}:{clone.settings['PATH']}"
    assert MAKING in clone.venv(PATH=path)
    assert clone.packages() == ["needed==1.0"]
    assert clone.venv() == ""


INSTALLED = "lib/python3*/site-packages/needed.py"


@pytest.mark.parametrize(
    ("moment", "whom"),
    [
        ("pyvenv.cfg", "all"),
        ("bin/pip", "all"),
        ("bin/pip", "the script alone"),
        (INSTALLED, "all"),
        (INSTALLED, "the script alone"),
    ],
)
def test_one_whose_making_was_killed_does_not_count(clone: Clone, moment: str, whom: str) -> None:
    making = clone.start("scripts/venv", "rehearsal")
    deadline = time.monotonic() + 60
    while not list((clone.folder / ".venv/rehearsal").glob(moment)):
        assert time.monotonic() < deadline
        assert making.poll() is None
        time.sleep(0.002)
    if whom == "all":
        os.killpg(making.pid, signal.SIGKILL)
    else:
        making.kill()
    making.wait(60)
    assert MAKING in clone.venv()
    assert clone.packages() == ["asked==1.0", "needed==1.0"]
    assert clone.venv() == ""


def test_two_at_once_make_one(clone: Clone) -> None:
    both = [clone.start("scripts/venv", "rehearsal") for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert "".join(said).count(MAKING) == 1
    assert "Another command is making .venv/rehearsal; waiting for it ..." in "".join(said)
    assert clone.packages() == ["asked==1.0", "needed==1.0"]


def test_what_cannot_be_installed_is_said_and_nothing_is_left(clone: Clone) -> None:
    (clone.folder / LOCK).write_text("asked==9.9\n")
    said = clone.venv(status=1)
    assert "No matching distribution found for asked==9.9" in said
    assert f"pip could not install what {LOCK} asks for; its message is above." in said
    assert not (clone.folder / ".venv/rehearsal").exists()


def test_torchs_build_without_cuda_comes_from_its_own_index(clone: Clone) -> None:
    (clone.folder / "training/requirements.txt").write_text("nvidia-thing==1.0\ntorch==1.0\n")
    clone.venv("training", TORCH_INDEX=f"{clone.settings['INDEX']}/cpu")
    assert clone.packages("training") == ["torch==1.0+cpu"]


def test_without_that_index_it_comes_from_where_pip_has_it(clone: Clone) -> None:
    (clone.folder / "training/requirements.txt").write_text("nvidia-thing==1.0\ntorch==1.0\n")
    said = clone.venv("training", TORCH_INDEX=f"{clone.settings['INDEX']}/nowhere")
    assert "PyTorch's CPU index does not answer; torch comes from pip's configured sources." in said
    assert clone.packages("training") == ["nvidia_thing==1.0", "torch==1.0"]


def test_without_python_it_says_how_to_get_it(clone: Clone, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for program in ("bash", "dirname"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or "")
    said = clone.venv(status=1, PATH=str(tmp_path / "bin"))
    assert "python3 is not installed, and everything here needs it." in said
    assert "sudo apt-get install python3 python3-venv" in said


def test_a_python_that_is_too_old_is_said() -> None:
    with pytest.raises(Failed, match=r"python3 is 3\.9\.2; 3\.11 or newer is needed\."):
        environment.need_python((3, 9, 2))


def test_debians_python_without_its_venv_part_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Failed) as failed:
        environment.need_venv_module()
    assert "its venv part is not installed." in failed.value.lines()[0]
    assert failed.value.lines()[-1] == "Install it:  sudo apt-get install python3-venv"
