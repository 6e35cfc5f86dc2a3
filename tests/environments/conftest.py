"""A clone in which environments are made, and a package index to make them from."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.environments import lock
from tests import packages

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
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == status, printed
        return printed

    def venv(self, *names: str, status: int = 0, day: str = "one", **settings: str) -> str:
        """What scripts/venv prints."""
        names = names or ("rehearsal",)
        return self.run("scripts/venv", *names, status=status, day=day, **settings)

    def is_recreated(self, **settings: str) -> bool:
        """Whether scripts/venv begins to make it; it is stopped then."""
        process = self.start("scripts/venv", "rehearsal", **settings)
        assert process.stdout is not None
        printed = process.stdout.readline()
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        return MAKING in printed

    def lock(self, *options: str, status: int = 0, day: str = "one", **settings: str) -> str:
        """What `make lock` prints."""
        python = str(ROOT / ".venv/dev/bin/python")
        return self.run(
            python, "-m", "ops.environments.lock", *options, status=status, day=day, **settings
        )

    def pins(self) -> list[str]:
        """What is locked."""
        return lock.pins((self.folder / LOCK).read_text())

    def packages(self, name: str = "rehearsal") -> list[str]:
        """What is installed, but for what came with Python."""
        frozen = self.run(f".venv/{name}/bin/python", "-m", "pip", "freeze")
        return frozen.splitlines()


def _new_clone(folder: Path, index: str) -> Clone:
    for part in ("scripts", "ops", "rehearsal", "training", "app"):
        (folder / part).mkdir(parents=True)
    own = ["__init__", "console/__init__", "console/errors"]
    own += ["environments/__init__", "environments/lock", "environments/refresh"]
    for file in ("scripts/venv", "scripts/in", *(f"ops/{name}.py" for name in own)):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    (folder / LIST).write_text("asked\n")
    (folder / LOCK).write_text("asked==1.0\nneeded==1.0\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_", "PYTHON"))}
    return Clone(folder, {**kept, "INDEX": index, "PIP_CONFIG_FILE": os.devnull})


@pytest.fixture
def clone(tmp_path: Path, index: str) -> Clone:
    """A clone without an environment."""
    return _new_clone(tmp_path / "clone", index)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, index: str) -> Clone:
    """A clone whose environment was made, which takes seconds of work."""
    clone = _new_clone(tmp_path_factory.mktemp("first") / "clone", index)
    assert MAKING in clone.venv()
    return clone


@pytest.fixture
def made(clone: Clone, first: Clone) -> Clone:
    """A clone with an environment that is as if it had been made here."""
    folder = clone.folder / ".venv"
    shutil.copytree(first.folder / ".venv", folder, symlinks=True)
    places = [folder / "rehearsal" / name for name in (".made-from", "pyvenv.cfg")]
    places += [*folder.glob("rehearsal/bin/*"), *folder.rglob("digits.pth")]
    for file in places:
        if not file.is_symlink():
            file.write_text(file.read_text().replace(str(first.folder), str(clone.folder)))
    assert clone.venv() == ""
    return clone


@pytest.fixture(scope="module")
def uv() -> None:
    """The environment that has the tool which makes the locks."""
    subprocess.run([ROOT / "scripts/venv", "dev"], check=True)
