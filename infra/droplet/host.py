"""Everything outside of this process that the commands reach, each behind one small module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from droplet.clock import Clock
from droplet.console import Console
from droplet.disk import Disk
from droplet.docker import Docker, Stack
from droplet.memory import Memory
from droplet.nginx import Nginx
from droplet.postgres import Postgres
from droplet.site import LOCAL, Site, read
from droplet.systemd import Systemd


@dataclass(frozen=True)
class Host:
    """The droplet, as the commands see it. Tests have one in memory."""

    console: Console
    clock: Clock
    disk: Disk
    memory: Memory
    systemd: Systemd
    nginx: Nginx
    docker: Docker
    postgres: Postgres

    @property
    def site(self) -> Site:
        """What Ansible wrote down about this deployment."""
        return read(self.disk)

    def stack(self, image: str = "", port: int = 0, database: str = LOCAL) -> Stack:
        """The settings of docker compose, with the connections that this deployment allows."""
        return Stack(image, port, database, self.site.connections)


def real(root: Path = Path("/")) -> Host:
    """The droplet itself, or one whose files are below another root."""
    disk, clock, systemd = Disk(root), Clock(), Systemd()
    docker = Docker(disk, clock)
    return Host(
        console=Console(),
        clock=clock,
        disk=disk,
        memory=Memory(),
        systemd=systemd,
        nginx=Nginx(disk, systemd, clock),
        docker=docker,
        postgres=Postgres(docker),
    )
