"""Pin every Python package, the ones that others need too: `make lock`.

Beside each requirements*.in, the short list of what we ask for, stands the lock that is made
from it, of the same name with .txt: one version of each package for Linux and macOS, x86-64
and arm64, Python 3.11 and newer. Versions stay as they are locked;

    make lock PACKAGE=name   takes the newest of one package
    make lock UPGRADE=yes    takes the newest of all

`--check` changes nothing, and fails if a lock is not what its list asks for.
"""

from __future__ import annotations

import ast
import functools
import graphlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ops.console.errors import Failed

ROOT = Path(__file__).resolve().parents[2]
# Dependabot reads the options out of the header, and makes its locks with the same.
OPTIONS = ("--universal", "--python-version=3.11")
BIN = Path(sys.executable).parent  # uv is installed beside Python
HEADER = f"make lock   (uv pip compile {' '.join(OPTIONS)})"


def lists(root: Path = ROOT) -> list[Path]:
    """Every requirements*.in, each after those that it names."""
    found = list(root.glob("*/requirements*.in"))
    names = {file.relative_to(root): _named_in(root, file) for file in found}
    return list(graphlib.TopologicalSorter(names).static_order())


def _named_in(root: Path, file: Path) -> set[Path]:
    """The lists that this one takes packages (-r) or versions (-c) from."""
    named = re.findall(r"^-[rc] (\S+)", file.read_text(), re.MULTILINE)
    paths = {Path(os.path.relpath(file.parent / name, root)) for name in named}
    return {path.with_suffix(".in") for path in paths}


@functools.cache
def index_of_pip() -> dict[str, str]:
    """The package index and certificates that pip is set to use, as uv's settings.

    Not pip's further indexes and folders: they may hold a package for one kind of machine
    only, or under a local version (torch's +cpu), and a lock is for every machine.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    settings: dict[str, str] = {}
    names = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        # The environment's come last, and count.
        if uvs := names.get(name.rpartition(".")[2]):
            settings[uvs] = str(ast.literal_eval(value))
    return settings


def locked(file: Path, *upgrade: str) -> str:
    """The lock of one list, its versions kept but for those to `upgrade`. Raises Failed."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "requirements.txt"
        if (ROOT / file.with_suffix(".txt")).exists():
            shutil.copy(ROOT / file.with_suffix(".txt"), target)
        done = subprocess.run(
            [
                "uv", "pip", "compile", "--quiet", *OPTIONS,
                # What has to be built would need build tools that no lock pins.
                "--only-binary=:all:",
                # One version for all Pythons, wherever there is one.
                "--fork-strategy=fewest",
                f"--custom-compile-command={HEADER}",
                *upgrade, f"--output-file={target}", file.name,
            ],
            cwd=(ROOT / file).parent,
            env=index_of_pip() | {**os.environ, "PATH": f"{BIN}:{os.environ.get('PATH', '')}"},
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise Failed(
                f"{file} could not be locked; uv's reason is above.",
                "If it is the network, run the same command again. If the versions exclude each"
                f" other, change what {file} asks for.",
            )
        text = target.read_text()
    if local := re.findall(r"^\S+==\S*\+\S*", text, re.MULTILINE):
        raise Failed(
            f"{file} was not locked: it would name a build that not every package index has,"
            f" {local[0]}.",
            "Set pip's index-url to one that has PyPI's packages, then run the same command again.",
        )
    return text


def pins(text: str) -> list[str]:
    """The lines of a lock that count: a package, its version, and where it is needed."""
    return [line for line in text.splitlines() if not line.lstrip().startswith("#")]


def check() -> None:
    """Raise Failed if a lock is not what its list asks for."""
    stale = []
    for file in lists():
        lock = ROOT / file.with_suffix(".txt")
        if not lock.exists() or pins(lock.read_text()) != pins(locked(file)):
            stale.append(str(file.with_suffix(".txt")))
    if stale:
        raise Failed(
            f"Not what the list beside it asks for: {', '.join(stale)}.",
            "Somebody changed the list and did not lock it. Lock it: make lock",
        )


def main() -> None:
    """Lock every list, or check the locks."""
    upgrade = []
    if os.environ.get("UPGRADE") == "yes":
        upgrade.append("--upgrade")
    if package := os.environ.get("PACKAGE"):
        upgrade.append(f"--upgrade-package={package}")
    try:
        if sys.argv[1:] == ["--check"]:
            check()
            print("Every lock is what its list asks for.")
            return
        for file in lists():
            (ROOT / file.with_suffix(".txt")).write_text(locked(file, *upgrade))
            print(f"{file.with_suffix('.txt')} is locked.")
    except Failed as failed:
        sys.exit("\n".join(failed.lines()))


if __name__ == "__main__":
    main()
