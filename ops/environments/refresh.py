"""Make or refresh Python environments, .venv/NAME: `scripts/venv NAME...`.

An environment holds what its lock files name and nothing else. It is recreated when a lock file,
Python or the clone's place has changed, or its making was cut short; otherwise this takes an
instant.

This runs before there is an environment, so it needs nothing but Python's own library.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from ops.console.errors import Failed

# A verb makes only the environments that it uses. "dev" takes the app's locks: the tests run what
# is shipped. Two are apart, because their packages exclude versions that dev has: tf and boto3 (in
# rehearsal) exclude the app's protobuf and python-dateutil; checkov excludes its packaging.
LOCKS = {
    "app": ("app/requirements.txt", "app/requirements-local.txt"),
    "training": ("training/requirements.txt",),
    "ops": ("ops/requirements.txt",),
    "dev": ("app/requirements.txt", "app/requirements-local.txt", "scripts/requirements-dev.txt"),
    "rehearsal": ("rehearsal/requirements.txt",),
    "checkov": ("scripts/requirements-checkov.txt",),
}
USE_THE_APP = ("app", "dev", "training")  # these import the package digits
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
# What only a build of torch with CUDA needs.
CUDA = re.compile(r"cuda|nvidia|triton")
# Streamlit asks for these, and the page never loads them. app/Dockerfile removes them, too.
UNUSED = ("pandas", "pyarrow")


def say(*lines: str) -> None:
    """Tell the person who waits."""
    print(*lines, sep="\n", file=sys.stderr, flush=True)


class Environment:
    """One environment; `.made-from`, written last, says what it was made from."""

    def __init__(self, root: Path, name: str) -> None:
        if name not in LOCKS:
            raise Failed(f"There is no environment {name}.", f"There are: {', '.join(LOCKS)}.")
        self.name = name
        self.locks = LOCKS[name]
        (root / ".venv").mkdir(exist_ok=True)
        # A copy of the clone may link to the clone's environments; they are the clone's then.
        self.folder = (root / ".venv").resolve() / name
        # Python itself, not an environment's link to it: that environment may be recreated here.
        self.base_python = Path(sys.executable).resolve()
        self.lock_text = "".join((root / lock).read_text() for lock in self.locks)
        self.wanted = f"{self.folder}\n{self.base_python}\n{sys.version}\n{self.lock_text}"
        self.lock_file: IO[bytes] | None = None

    @property
    def _marker(self) -> Path:
        return self.folder / ".made-from"

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return self.folder / "bin/python"

    def is_current(self) -> bool:
        """Whether it was made, to its end, from what it would be made from now."""
        try:
            return self.python.exists() and self._marker.read_text() == self.wanted
        except OSError:
            return False

    def refresh(self) -> None:
        """Make it, unless it is current. Raises Failed."""
        if self.is_current():
            return
        with (self.folder.parent / f".{self.name}.lock").open("wb") as self.lock_file:
            try:
                fcntl.flock(self.lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"Another command is making .venv/{self.name}; waiting for it ...")
                fcntl.flock(self.lock_file, fcntl.LOCK_EX)
            if not self.is_current():
                self._make()

    def _make(self) -> None:
        index = torch_index() if re.search(r"^torch==", self.lock_text, re.MULTILINE) else None
        say(f"Making the Python environment .venv/{self.name} (once; needs a minute or two) ...")
        self._marker.unlink(missing_ok=True)  # first, so that what is half removed does not count
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._run(self.base_python, "-m", "venv", self.folder):
            raise Failed(
                f"python3 could not make .venv/{self.name}; its reason is above.",
                "Fix it (a full disk?), then run the same command again.",
            )
        self._install_all(index)
        self._put_on_path()
        part = self._marker.with_suffix(".part")
        part.write_text(self.wanted)
        part.rename(self._marker)

    def _install_all(self, index: str | None) -> None:
        unused = tuple(f"{name}==" for name in UNUSED)
        lines = [line for line in self.lock_text.splitlines() if not line.startswith(unused)]
        whole = self._install([line for line in lines if not CUDA.match(line)], index)
        if whole and not self._lacks():
            return
        # Only a build of torch with CUDA lacks what CUDA needs: there was no other.
        if not (whole and self._install(lines, index)):
            shutil.rmtree(self.folder)
            raise Failed(
                f"pip could not install what {' '.join(self.locks)} asks for;"
                " its message is above.",
                "If it is the network, run the same command again: nothing was left half-made.",
            )
        if lacks := self._lacks():
            raise Failed(
                lacks,
                f"The lock files of .venv/{self.name} lack what is named above.",
                "Lock it:  make lock",
            )

    def _install(self, lines: list[str], index: str | None) -> bool:
        """Whether pip installed these: no dependency that is not listed, no tool to build with."""
        # Python compiles what it loads when it first loads it, a small part of all.
        options = ["-qq", "--no-compile", "--no-deps", "--only-binary=:all:"]
        if index:
            options += ["--extra-index-url", index]
        pip = (self.python, "-m", "pip", "--disable-pip-version-check", "install")
        text = "\n".join(lines) + "\n"
        return self._run(*pip, *options, "-r", "/dev/stdin", text=text) == 0

    def _lacks(self) -> str:
        """What an installed package needs and does not have; empty if there is nothing."""
        pip = (self.python, "-m", "pip", "--disable-pip-version-check", "check")
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return ""
        unused = tuple(f" requires {name}, " for name in UNUSED)
        printed = (done.stdout + done.stderr).splitlines()
        return "\n".join(line for line in printed if not any(name in line for name in unused))

    def _put_on_path(self) -> None:
        """Let its Python find the clone's packages from wherever it is started."""
        root = self.folder.parents[1]
        folders = [root, root / "app"] if self.name in USE_THE_APP else [root]
        [packages] = self.folder.glob("lib/python3*/site-packages")
        (packages / "digits.pth").write_text("".join(f"{folder}\n" for folder in folders))

    def _run(self, *command: str | Path, text: str = "") -> int:
        """The exit status of a command; the lock is held until it, too, has ended."""
        assert self.lock_file is not None  # noqa: S101 - only a holder of the lock runs commands
        return subprocess.run(
            command, input=text, text=True, stdout=sys.stderr, check=False,
            pass_fds=[self.lock_file.fileno()],
        ).returncode  # fmt: skip


def need_python(version: tuple[int, ...]) -> None:
    """Raise Failed if this Python is too old for the rest."""
    if version < (3, 11):
        raise Failed(
            f"python3 is {'.'.join(map(str, version[:3]))}; 3.11 or newer is needed.",
            "Put a newer python3 first in PATH (Debian 12 and Ubuntu 24.04 have one).",
        )


def need_venv_module() -> None:
    """Debian ships python3 without the part that makes environments; root gets it installed."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv"]
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise Failed(
                "python3 cannot make an environment: its venv part is not installed.",
                "Install it:  sudo apt-get install python3-venv",
            ) from None
        say("Installing Debian's python3-venv (python3 cannot make an environment without it) ...")
        subprocess.run(["apt-get", "update", "-qq"], stdout=sys.stderr, check=False)
        settings = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(install, stdout=subprocess.DEVNULL, env=settings, check=False)
        if done.returncode:
            raise Failed(
                "apt-get could not install python3-venv; its reason is above.",
                "Fix it, then run the same command again.",
            ) from None


def torch_index() -> str | None:
    """PyTorch's own index of builds without CUDA (200 MB, not several GB), if it answers.

    Without it, pip's own configuration decides where torch comes from.
    """
    import urllib.request  # slow to load, and seldom needed

    index = os.environ.get("TORCH_INDEX") or TORCH_INDEX
    try:
        urllib.request.urlopen(f"{index}/torch/", timeout=5).close()  # noqa: S310 - https, or what was set
    except (OSError, ValueError):
        say("PyTorch's CPU index does not answer; torch comes from pip's configured sources.")
        return None
    return index


def refresh_all(environments: list[Environment]) -> list[Failed]:
    """Make those that are not current, all at once; what went wrong."""
    stale = [environment for environment in environments if not environment.is_current()]
    if not stale:
        return []
    from concurrent.futures import ThreadPoolExecutor  # slow to load, and seldom needed

    def refresh(environment: Environment) -> Failed | None:
        try:
            environment.refresh()
        except Failed as failed:
            return failed
        return None

    need_venv_module()
    with ThreadPoolExecutor() as pool:
        return [failed for failed in pool.map(refresh, stale) if failed]


def main() -> None:
    """Refresh the environments that are named."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    try:
        need_python(sys.version_info[:3])
        failures = refresh_all([Environment(Path.cwd(), name) for name in sys.argv[1:]])
    except Failed as failed:
        failures = [failed]
    for failure in failures:
        say(*failure.lines())
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
