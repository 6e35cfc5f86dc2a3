"""Docker Hub for the droplets, where the real one cannot be reached.

A registry on their network holds what stands in for the database's image. A droplet finds it
by the name and trusts its certificate, as it would with a mirror of one's own: so what runs
there needs no setting, and pulls as it does on DigitalOcean.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ops.console.errors import Failed
from ops.console.programs import output_of
from ops.release.registry import IMAGE as REGISTRY
from rehearsal.commands import output

from . import base_images

HOST = "registry-1.docker.io"
_CERTIFICATE = "/etc/docker/registry/certificate.pem"
_KEY = "/etc/docker/registry/key.pem"
# The key never leaves the container, and a restart keeps it.
_SERVE = f"""
[ -e {_KEY} ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc \
    -days 365 -subj /CN={HOST} -addext subjectAltName=DNS:{HOST} \
    -keyout {_KEY} -out {_CERTIFICATE}
exec docker-registry serve /etc/docker/registry/config.yml
"""
_SETTINGS = {
    "REGISTRY_HTTP_ADDR": ":443",
    "REGISTRY_HTTP_TLS_CERTIFICATE": _CERTIFICATE,
    "REGISTRY_HTTP_TLS_KEY": _KEY,
}
_TRIES = 40


@dataclass(frozen=True)
class DockerHub:
    """Where it is, and the certificate to trust it by."""

    address: str
    certificate: str


def is_needed() -> bool:
    """Whether the database's image is a stand-in, which no real registry has."""
    return base_images.stands_in(base_images.postgres())


def start(name: str, label: str, network: str, address: str) -> DockerHub:
    """Start it, in a container of this name, unless it runs. Raises Failed."""
    if not output_of("docker", "port", name):
        output_of("docker", "rm", "--force", "--volumes", name)
        output(
            "docker", "run", "--detach", "--name", name, "--label", label,
            "--restart", "unless-stopped", "--network", network, "--ip", address,
            # From here it is filled; Docker trusts a registry on 127.0.0.1.
            "--publish", "127.0.0.1::443",
            *(word for pair in _SETTINGS.items() for word in ("--env", "=".join(pair))),
            "--entrypoint", "sh", REGISTRY, "-euc", _SERVE,
        )  # fmt: skip
        _fill(name, base_images.postgres())
    return DockerHub(address, output("docker", "exec", name, "cat", _CERTIFICATE))


def offer(name: str, image: str) -> None:
    """Let the one of this name have another image, if it runs. Raises Failed."""
    if output_of("docker", "port", name):
        base_images.BaseImages().provide(image)
        _fill(name, image)


def _fill(name: str, image: str) -> None:
    """Put an image into it that a droplet pulls from Docker Hub."""
    port = output("docker", "port", name, "443").rpartition(":")[2]
    there = f"127.0.0.1:{port}/library/{image}"
    output("docker", "tag", image, there)
    try:
        for _ in range(_TRIES):
            if output_of("docker", "push", "--quiet", there, seconds=300):
                return
            time.sleep(0.5)
    finally:
        output_of("docker", "image", "rm", there)
    raise Failed(
        f"{image} could not be copied to the droplets. What the registry printed:",
        output("docker", "logs", "--tail", "20", name),
        "Fix it, then run the same command again.",
    )
