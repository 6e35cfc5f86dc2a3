"""Managed databases as containers with PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ops.console.errors import Failed
from ops.console.programs import output_of
from rehearsal.commands import output, wait_for
from rehearsal.droplet.containers import ENGINES, Containers
from rehearsal.offline import base_images

PORT = 25060
ADMIN = "doadmin"
_CERTIFICATE = "/var/lib/postgresql/tls/server.crt"
_SECONDS_TO_START = 60
_CONNECTIONS = "digits.rehearsal.connections"
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
        exists = self._containers.exists(name)
        if exists and self._containers.label_of(name, _CONNECTIONS) != allowed:
            # Another container with the same data: for a short while nobody answers.
            output("docker", "stop", name)
            self._containers.remove(name)
            exists = False
        if not exists:
            self._create(name, cluster, allowed)
        output("docker", "start", name)
        _wait(name)
        roles = _known(name, "pg_roles", "rolname")
        databases = _known(name, "pg_database", "datname")
        for statement in statements(cluster, roles, databases):
            _sql(name, statement)
        return output("docker", "exec", name, "cat", _CERTIFICATE) + "\n"

    def guard(self, cluster_id: str, addresses: list[str] | None) -> None:
        """Let only these addresses in, at the network, as trusted sources do; None lets all in."""
        rule = {"protocol": "tcp", "ports": str(PORT), "sources": {"addresses": addresses}}
        name = self._containers.name("database", cluster_id)
        self._containers.guard(name, None if addresses is None else [rule])

    def remove(self, cluster_id: str) -> None:
        """Remove it with all that is in it; nothing happens if there is none."""
        name = self._containers.name("database", cluster_id)
        self._containers.remove(name)
        output("docker", "volume", "rm", "--force", name)

    def _create(self, name: str, cluster: Mapping[str, Any], allowed: str) -> None:
        host = cluster["host"]
        output("docker", "volume", "create", "--label", self._containers.label, name)
        self._containers.create(
            name,
            base_images.ENGINES,
            ENGINES,
            *("--cap-add", "NET_ADMIN", "--label", f"{_CONNECTIONS}={allowed}"),
            *("--network-alias", host, "--network-alias", f"private-{host}"),
            *("--env", f"HOST={host}", "--env", f"CONNECTIONS={allowed}"),
            *("--volume", f"{name}:/var/lib/postgresql"),
            command=("digits-rehearsal-database",),
        )


def _wait(name: str) -> None:
    ready = ("docker", "exec", "--user", "postgres", name, "pg_isready", "-p", str(PORT))
    if not wait_for(lambda: output_of(*ready), _SECONDS_TO_START):
        printed = output("docker", "logs", "--tail", "20", name)
        raise Failed(f"the database {name} does not start. It printed:\n{printed}")


def _known(name: str, table: str, column: str) -> set[str]:
    return set(_sql(name, f"SELECT {column} FROM {table}").split())  # noqa: S608


def _sql(name: str, statement: str) -> str:
    """One statement as PostgreSQL's own administrator; it never stands in a command line."""
    psql = ("psql", "-p", str(PORT), "-qAtX", "-v", "ON_ERROR_STOP=1")
    inside = ("docker", "exec", "--interactive", "--user", "postgres", name)
    return output(*inside, *psql, stdin=statement)


def statements(cluster: Mapping[str, Any], roles: set[str], databases: set[str]) -> list[str]:
    """What gives it the users and databases that the cluster names, as DigitalOcean has them.

    doadmin makes databases and users and is no superuser. Every database is doadmin's, and a user
    may not make tables in it (PostgreSQL 15 and later).
    """
    made = []
    for user in cluster["users"]:
        verb = "ALTER" if user["name"] in roles else "CREATE"
        more = " CREATEDB CREATEROLE" if user["name"] == ADMIN else ""
        made.append(f"{verb} ROLE \"{user['name']}\" LOGIN{more} PASSWORD '{user['password']}'")
    missing = [name for name in cluster["dbs"] if name not in databases]
    return made + [f'CREATE DATABASE "{name}" OWNER {ADMIN}' for name in missing]
