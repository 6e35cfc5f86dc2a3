"""Python environments: recreated when they have to be, whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops.console.errors import Failed
from ops.environments import refresh
from tests.environments.conftest import LOCK, MAKING, Clone


def test_it_is_made_once(made: Clone) -> None:
    assert made.venv() == ""
    (made.folder / LOCK).write_text("needed==1.0\n")
    assert made.is_recreated()
    assert "There is no environment nonsense." in made.venv("nonsense", status=1)


def test_no_path_has_to_be_set_and_a_command_runs_in_it(made: Clone) -> None:
    (made.folder / "rehearsal/__init__.py").write_text("")
    printed = made.run(
        "scripts/in", "rehearsal", "-c", "import rehearsal; print(rehearsal.__file__)"
    )
    assert printed.splitlines()[-1] == str(made.folder / "rehearsal/__init__.py")
    asked = (".venv/rehearsal/bin/python", "-P", "-c", "import rehearsal")
    made.run(*asked)


def test_a_moved_clone_recreates_its_environments(made: Clone) -> None:
    made.folder = made.folder.rename(made.folder.with_name("moved"))
    assert made.is_recreated()


def test_a_copy_that_links_to_the_clones_environments_leaves_them(made: Clone) -> None:
    copy = made.folder.with_name("copy")
    shutil.copytree(made.folder, copy, ignore=shutil.ignore_patterns(".venv"))
    (copy / ".venv").symlink_to(made.folder / ".venv")
    assert Clone(copy, made.settings).venv() == ""


def test_another_python_recreates_it(made: Clone, tmp_path: Path) -> None:
    subprocess.run(
        ["python3", "-m", "venv", "--copies", "--without-pip", tmp_path / "other"], check=True
    )
    path = f"{tmp_path / 'other/bin'}:{made.settings['PATH']}"
    assert made.is_recreated(PATH=path)


def test_one_from_a_cache_of_another_python_is_recreated(made: Clone) -> None:
    made_from = made.folder / ".venv/rehearsal/.made-from"
    place, python, version, *rest = made_from.read_text().splitlines()
    older = re.sub(r"^3\.\d+", "3.10", version)
    made_from.write_text("\n".join([place, python, older, *rest]) + "\n")
    assert made.is_recreated()


def test_a_shell_that_is_inside_it_can_recreate_it(made: Clone) -> None:
    (made.folder / LOCK).write_text("needed==1.0\n")
    path = f"{made.folder / '.venv/rehearsal/bin'}:{made.settings['PATH']}"
    assert MAKING in made.venv(PATH=path)
    assert made.packages() == ["needed==1.0"]
    assert made.venv() == ""


INSTALLED = "lib/python3*/site-packages/needed.py"


@pytest.mark.parametrize(
    ("moment", "whom"),
    [
        pytest.param("pyvenv.cfg", "all", marks=pytest.mark.long),
        pytest.param("bin/pip", "all", marks=pytest.mark.long),
        pytest.param("bin/pip", "the script alone", marks=pytest.mark.long),
        pytest.param(INSTALLED, "all", marks=pytest.mark.long),
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
    printed = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert "".join(printed).count(MAKING) == 1
    assert "Another command is making .venv/rehearsal; waiting for it ..." in "".join(printed)
    assert clone.packages() == ["asked==1.0", "needed==1.0"]


# For each: what only CUDA needs, and what the page never loads.
FOR_TRAINING = "nvidia-thing==1.0\npandas==1.0\npyarrow==1.0\nstreamlit==1.0\ntorch==1.0\n"


def test_what_cannot_be_installed_is_an_error_and_nothing_is_left(clone: Clone) -> None:
    (clone.folder / LOCK).write_text("asked==9.9\n")
    (clone.folder / "training/requirements.txt").write_text(FOR_TRAINING)
    settings = {"TORCH_INDEX": f"{clone.settings['INDEX']}/cpu"}
    printed = clone.venv("rehearsal", "training", status=1, **settings)
    assert "No matching distribution found for asked==9.9" in printed
    assert f"pip could not install what {LOCK} asks for; its message is above." in printed
    assert not (clone.folder / ".venv/rehearsal").exists()
    # The other one was made.
    assert clone.venv("training") == ""


def test_torchs_build_without_cuda_comes_from_its_own_index(clone: Clone) -> None:
    (clone.folder / "training/requirements.txt").write_text(FOR_TRAINING)
    clone.venv("training", TORCH_INDEX=f"{clone.settings['INDEX']}/cpu")
    assert clone.packages("training") == ["streamlit==1.0", "torch==1.0+cpu"]


def test_without_that_index_it_comes_from_where_pip_has_it(clone: Clone) -> None:
    (clone.folder / "training/requirements.txt").write_text(FOR_TRAINING)
    printed = clone.venv("training", TORCH_INDEX=f"{clone.settings['INDEX']}/nowhere")
    assert (
        "PyTorch's CPU index does not answer; torch comes from pip's configured sources." in printed
    )
    assert clone.packages("training") == ["nvidia_thing==1.0", "streamlit==1.0", "torch==1.0"]


def test_without_python_it_says_how_to_get_it(clone: Clone, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for program in ("bash", "dirname"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or "")
    printed = clone.venv(status=1, PATH=str(tmp_path / "bin"))
    assert "python3 is not installed, and everything here needs it." in printed
    assert "sudo apt-get install python3 python3-venv" in printed


def test_a_python_that_is_too_old_is_an_error() -> None:
    with pytest.raises(Failed, match=r"python3 is 3\.9\.2; 3\.11 or newer is needed\."):
        refresh.need_python((3, 9, 2))


def test_debians_python_without_its_venv_part_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Failed) as failed:
        refresh.need_venv_module()
    assert "its venv part is not installed." in failed.value.lines()[0]
    assert failed.value.lines()[-1] == "Install it:  sudo apt-get install python3-venv"
