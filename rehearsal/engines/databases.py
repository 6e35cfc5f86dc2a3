"""Managed databases as containers with PostgreSQL."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from rehearsal.api.databases import ADMIN
from rehearsal.droplet.containers import Containers
from rehearsal.droplet.docker import DropletError, docker, run

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMAND = ("digits-rehearsal-database",)
_TLS = "/var/lib/postgresql/tls"
_CERTIFICATE = f"{_TLS}/ca.crt"
_PORT = "25060"
_SECONDS_TO_START = 60
# What PostgreSQL keeps for its own administrator, beside what the size offers.
_RESERVED = 3
_CONNECTIONS_OF_A_GB = 22


def connections(size: str) -> int:
    """How many connections a cluster of this size takes: 22 for each GB of memory."""
    found = re.search(r"-(\d+)gb", size)
    return _CONNECTIONS_OF_A_GB * int(found[1] if found else 1)


class Databases:
    """Makes, changes and removes them."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def serve(self, cluster: Mapping[str, Any]) -> str:
        """Run it with the users, passwords and databases that it names; its CA, as PEM."""
        name = self._containers.name("database", cluster["id"])
        allowed = str(connections(cluster["size"]) + _RESERVED)
        if self._containers.exists(name) and self._connections(name) != allowed:
            self._resize(name, cluster, allowed)
        elif not self._containers.exists(name):
            self._create(name, cluster, allowed)
        docker("start", name)
        self._wait(name)
        roles = self._known(name, "pg_roles", "rolname")
        databases = self._known(name, "pg_database", "datname")
        for database, statement in statements(cluster, roles, databases):
            self._sql(name, statement, database)
        return docker("exec", name, "cat", _CERTIFICATE) + "\n"

    def guard(self, cluster_id: str, addresses: list[str] | None) -> None:
        """Let only these addresses in, at the network, as trusted sources do; None lets all in."""
        name = self._containers.name("database", cluster_id)
        rules = None
        if addresses is not None:
            rules = [{"protocol": "tcp", "ports": _PORT, "sources": {"addresses": addresses}}]
        self._containers.guard(name, rules)

    def remove(self, cluster_id: str) -> None:
        """Remove it with all that is in it; nothing happens if there is none."""
        name = self._containers.name("database", cluster_id)
        self._containers.remove(name)
        run("volume", "rm", "--force", name)

    def fail_over(self, cluster: Mapping[str, Any]) -> str:
        """Let it end as a machine that dies, and come back at another address; the address."""
        name = self._containers.name("database", cluster["id"])
        docker("kill", name)
        address = self._containers.move(name, cluster["host"], f"private-{cluster['host']}")
        docker("start", name)
        return address

    def rotate_authority(self, cluster: Mapping[str, Any]) -> None:
        """Give it another authority and certificate; the API tells the new one once it restarts."""
        name = self._containers.name("database", cluster["id"])
        docker("exec", name, "rm", "-r", _TLS)
        docker("restart", name)
        self._wait(name)

    def _create(self, name: str, cluster: Mapping[str, Any], allowed: str) -> None:
        host = cluster["host"]
        docker("volume", "create", "--label", self._containers.label, name)
        self._containers.create_engine(
            name,
            *("--cap-add", "NET_ADMIN", "--label", f"digits.rehearsal.connections={allowed}"),
            *("--network-alias", host, "--network-alias", f"private-{host}"),
            *("--env", f"HOST={host}", "--env", f"PROJECT={cluster['name']}"),
            *("--env", f"CONNECTIONS={allowed}"),
            *("--volume", f"{name}:/var/lib/postgresql"),
            command=_COMMAND,
        )

    def _resize(self, name: str, cluster: Mapping[str, Any], allowed: str) -> None:
        """Another container with the same data: a short while nobody answers, as in a real one."""
        docker("stop", name)
        docker("rm", name)
        self._create(name, cluster, allowed)

    def _connections(self, name: str) -> str:
        label = '{{index .Config.Labels "digits.rehearsal.connections"}}'
        return docker("inspect", "--format", label, name)

    def _wait(self, name: str) -> None:
        deadline = time.monotonic() + _SECONDS_TO_START
        while run("exec", "--user", "postgres", name, "pg_isready", "-q", "-p", _PORT).returncode:
            if time.monotonic() > deadline:
                printed = run("logs", "--tail", "20", name).stderr.decode(errors="replace")
                raise DropletError(f"the database {name} does not start. It printed:\n{printed}")
            time.sleep(0.3)

    def _known(self, name: str, table: str, column: str) -> set[str]:
        return set(self._sql(name, f"SELECT {column} FROM {table}").split())  # noqa: S608

    def _sql(self, name: str, statement: str, database: str = "postgres") -> str:
        """One statement as PostgreSQL's own administrator; it never stands in a command line."""
        psql = ("psql", "-p", _PORT, "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", database)
        return docker(
            "exec", "--interactive", "--user", "postgres", name, *psql, stdin=statement.encode()
        )


def statements(
    cluster: Mapping[str, Any], roles: set[str], databases: set[str]
) -> list[tuple[str, str]]:
    """What makes the users and databases those that the cluster names, as DigitalOcean has them.

    Each with the database to say it in. doadmin makes databases and users and is no superuser.
    Every database is doadmin's, and a user may not make tables in it (PostgreSQL 15 and later).
    """
    made = []
    for user in cluster["users"]:
        verb = "ALTER" if user["name"] in roles else "CREATE"
        more = " CREATEDB CREATEROLE" if user["name"] == ADMIN else ""
        made.append(f"{verb} ROLE \"{user['name']}\" LOGIN{more} PASSWORD '{user['password']}'")
    made += [
        f'CREATE DATABASE "{name}" OWNER {ADMIN}'
        for name in cluster["dbs"]
        if name not in databases
    ]
    # What was made by SQL, and never by the API, stays.
    gone = cluster["removed"]
    made += [f'DROP DATABASE "{name}" WITH (FORCE)' for name in gone["dbs"] if name in databases]
    kept = [name for name in cluster["dbs"] if name in databases]
    found = [("postgres", statement) for statement in made]
    for name in gone["users"]:
        if name in roles:
            found += [
                (database, statement)
                for database in kept
                for statement in (
                    f'REASSIGN OWNED BY "{name}" TO {ADMIN}',
                    f'DROP OWNED BY "{name}"',
                )
            ]
            found.append(("postgres", f'DROP ROLE "{name}"'))
    return found
