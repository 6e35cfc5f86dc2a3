"""What happens to a managed database now and then, done to the container behind it."""

from __future__ import annotations

import time

from rehearsal.commands import output
from rehearsal.droplet.containers import ENGINES, Containers


def fail_over(containers: Containers, name: str, host: str) -> None:
    """Let it end as a machine that dies, and come back at another address."""
    output("docker", "kill", name)
    output("docker", "network", "disconnect", containers.project, name)
    address = containers.host(ENGINES[-1])
    aliases = ("--alias", host, "--alias", f"private-{host}")
    output("docker", "network", "connect", "--ip", address, *aliases, containers.project, name)
    output("docker", "start", name)


def rotate_authority(name: str) -> None:
    """Give it another authority and certificate; the API hears of the new one once it restarts."""
    output("docker", "exec", name, "rm", "-r", "/var/lib/postgresql/tls")
    output("docker", "restart", name)
    time.sleep(5)
