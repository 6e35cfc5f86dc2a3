"""PostgreSQL's programs in a container of the droplet in memory run on a real server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from subprocess import Popen
from typing import IO

from psycopg2 import extensions

from droplet.database import APP_ROLE_FILE
from droplet.host import Host
from droplet.postgres import Postgres
from droplet.programs import Result
from tests.droplet.fakes import FakeDocker, host
from tests.droplet.world import Process, World
from tests.postgres import PROGRAMS, Database

# Those of the version that a new server has.
NEWEST = PROGRAMS.parents[1] / "pginstall18/bin"

APP_ROLE = Path(__file__).resolve().parents[2] / "infra/postgres/app_role.sql"
_OF_POSTGRES = ("psql", "pg_dump", "pg_restore", "createdb", "dropdb", "sh")


class DockerWithPostgres(FakeDocker):
    """Such a program runs on the server that its container reaches."""

    servers: Mapping[str, Database]

    def _environment(self, container: str, env: Mapping[str, str] | None) -> dict[str, str]:
        name = "managed" if self.server(container) is self.world.managed else "local"
        folder = extensions.parse_dsn(self.servers[name].url)["host"]
        path = f"{NEWEST}{os.pathsep}{os.environ['PATH']}"
        return {"PGHOST": folder, "PATH": path, **(env or {})}

    def execute(
        self,
        container: str,
        *command: str,
        stdin: str | IO[bytes] = "",
        stdout: IO[bytes] | None = None,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        if command[0] not in _OF_POSTGRES:
            return super().execute(
                container, *command, stdin=stdin, stdout=stdout, timeout=timeout, env=env
            )
        done = subprocess.run(
            command,
            input=stdin.encode() if isinstance(stdin, str) else stdin.read(),
            capture_output=True,
            env=self._environment(container, env),
            check=False,
        )
        if stdout:
            stdout.write(done.stdout)
        return Result(done.returncode, "" if stdout else done.stdout.decode(), done.stderr.decode())

    def attach(
        self, container: str, *command: str, env: Mapping[str, str] | None = None
    ) -> Popen[bytes]:
        pipe = subprocess.PIPE
        environment = self._environment(container, env)
        return Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)


def host_with(world: World, servers: Mapping[str, Database]) -> Host:
    """The droplet, with these databases: local, and managed if there is one."""
    process = Process(world)
    made = host(process)
    docker = DockerWithPostgres(process, made.disk, made.clock)
    docker.servers = servers
    world.files[APP_ROLE_FILE] = APP_ROLE.read_bytes()
    return Host(
        made.console, made.clock, made.disk, made.memory, made.systemd, made.nginx, docker,
        Postgres(docker),
    )  # fmt: skip
