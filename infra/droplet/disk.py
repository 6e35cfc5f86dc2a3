"""The droplet's files. Every write is atomic, and a small one finds room on a full disk, too."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_TEMPORARY = "digits-command."
RESERVE = 1 << 20  # bytes that are kept for a rollback on a full disk: its container, its files
RESERVE_FILE = "/opt/digits/reserve"


class DiskFull(Exception):
    """A write found no room."""


class Busy(Exception):
    """Another process holds the lock."""


class Disk:
    """The file system, below a root folder. Paths are those of the droplet: /opt/digits/..."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """Where a file of the droplet is."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str:
        """A file's text; empty if there is no such file."""
        try:
            return self.path(name).read_text(errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def exists(self, name: str) -> bool:
        """Whether there is such a file or folder."""
        return self.path(name).exists()

    def write(self, name: str, text: str, mode: int = 0o600, *, spare: bool = True) -> None:
        """Replace a file: it is there whole or not at all, even if the power goes.

        Raises DiskFull. Where there is no room, the reserve is given up for it, if `spare`.
        """
        try:
            self._write(name, text, mode)
        except DiskFull:
            if not spare or not self.give_up_reserve():
                raise
            self._write(name, text, mode)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        self.path(name).unlink(missing_ok=True)

    def touch(self, name: str) -> None:
        """Make an empty file, if it is not there. A full disk has room for it, too."""
        self.folder(str(Path(name).parent), 0o755)
        self.path(name).touch()

    def folder(self, name: str, mode: int) -> None:
        """Make a folder with this mode, if it is not there. Raises DiskFull."""
        with _full(name):
            if not self.exists(name):
                self.path(name).mkdir(parents=True)
                self.path(name).chmod(mode)

    def names(self, folder: str) -> list[str]:
        """The files of a folder, sorted, without those that a killed `write` has left."""
        found = self.path(folder).glob("*")
        return sorted(file.name for file in found if file.suffix != ".new")

    def link(self, name: str, to: str) -> None:
        """Let a symbolic link lead to a file beside it, in one step. Raises DiskFull."""
        file, beside = self.path(name), self.path(f"{name}.new")
        if file.is_symlink() and str(file.readlink()) == to:
            return
        with _full(name):
            beside.unlink(missing_ok=True)
            beside.symlink_to(to)
            beside.replace(file)

    def free_mb(self, name: str) -> int:
        """Megabytes that are free on the disk of a folder."""
        return shutil.disk_usage(self.path(name)).free // 1_000_000

    def keep_reserve(self) -> None:
        """Put the reserve back, if there is room for it."""
        with suppress(DiskFull):
            if self._size(RESERVE_FILE) < RESERVE and self.free_mb("/opt/digits") > 10:
                self._put(RESERVE_FILE, os.urandom(RESERVE), 0o600)

    def give_up_reserve(self) -> bool:
        """Make room on a full disk; whether there was a reserve for that."""
        if not self._size(RESERVE_FILE):
            return False
        self.remove(RESERVE_FILE)
        return True

    @contextmanager
    def locked(self, name: str, *, wait: bool = False, shared: bool = False) -> Iterator[None]:
        """Hold a file lock, alone or with others that share it. Raises Busy.

        The kernel releases it when this process ends.
        """
        file = self.path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as lock:
            try:
                fcntl.flock(
                    lock,
                    (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB),
                )
            except BlockingIOError:
                raise Busy from None
            yield

    # --- large files ---------------------------------------------------------------

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        """A new file for bytes, which nobody else may read. Raises DiskFull.

        It is on the disk when the block ends, even if the power goes then.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
        with _full(name), os.fdopen(os.open(self.path(name), flags, 0o600), "wb") as new:
            yield new
            new.flush()
            os.fsync(new.fileno())

    @contextmanager
    def temporary(self, folder: str) -> Iterator[str]:
        """A new folder below another, until the block ends. Raises DiskFull.

        Those that killed commands left are removed after a day.
        """
        for left in self.path(folder).glob(f"{_TEMPORARY}*"):
            if time.time() - self.modified(f"{folder}/{left.name}") > 86400:
                shutil.rmtree(left, ignore_errors=True)
        with _full(folder):
            made = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=self.path(folder)))
        try:
            yield f"{folder}/{made.name}"
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def add_name(self, name: str, another: str) -> bool:
        """Give a file another name, too (a hard link); False if that name is taken."""
        try:
            with _full(another):
                self.path(another).hardlink_to(self.path(name))
        except FileExistsError:
            return False
        return True

    def modified(self, name: str) -> float:
        """When a file was changed, in seconds since 1970; 0 if it is not there."""
        try:
            return self.path(name).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def date(self, name: str, seconds: float) -> None:
        """Make an empty file, if it is not there, and set when it was changed. Raises DiskFull."""
        with _full(name):
            self.path(name).touch()
            os.utime(self.path(name), (seconds, seconds))

    def remove_folder(self, name: str) -> None:
        """Remove a folder with all that is in it, if it is there."""
        shutil.rmtree(self.path(name), ignore_errors=True)

    def _write(self, name: str, text: str, mode: int) -> None:
        beside = f"{name}.new"
        try:
            self._put(beside, text.encode(), mode)
            self._move(beside, name)
        except (DiskFull, OSError):
            self.remove(beside)
            raise

    # --- the steps of a write, each of which may be the last --------------------------

    def _size(self, name: str) -> int:
        """Bytes; 0 if there is no such file."""
        try:
            return self.path(name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def _put(self, name: str, data: bytes, mode: int) -> None:
        """Write a file in its place: a kill leaves a part of it. Raises DiskFull."""
        file, flags = self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with _full(name):
            file.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(file, flags, mode), "wb") as new:
                os.fchmod(new.fileno(), mode)  # whatever the umask is
                new.write(data)
                new.flush()
                os.fsync(new.fileno())

    def _move(self, name: str, to: str) -> None:
        """Let a file take another one's place, in one step that lasts if the power goes then."""
        self.path(name).replace(self.path(to))
        folder = os.open(self.path(to).parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


@contextmanager
def _full(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(name) from error
        raise
