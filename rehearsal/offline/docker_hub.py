"""Docker Hub for the droplets, where the real one cannot be reached.

A registry on their network holds what stands in for the database's image. A droplet finds it
by the name and trusts its certificate, as it would with a mirror of one's own: so what runs
there needs no setting, and pulls as it does on DigitalOcean.
"""

from __future__ import annotations

from ops.console.errors import Failed
from ops.console.programs import output_of
from ops.release.registry import IMAGE as REGISTRY
from rehearsal.commands import output, wait_for
from rehearsal.droplet.containers import HUB, Containers

from . import base_images

#: Where a droplet has the certificate, beside those that it trusts anyway.
TRUSTED = "/etc/ssl/certs/rehearsal-docker-hub.pem"
_HOST = "registry-1.docker.io"
_CERTIFICATE = "/etc/docker/registry/certificate.pem"
_KEY = "/etc/docker/registry/key.pem"
# The key never leaves the container, and a restart keeps it.
_SERVE = f"""
[ -e {_KEY} ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc \
    -days 365 -subj /CN={_HOST} -addext subjectAltName=DNS:{_HOST} \
    -keyout {_KEY} -out {_CERTIFICATE}
export REGISTRY_HTTP_ADDR=:443 REGISTRY_HTTP_TLS_CERTIFICATE={_CERTIFICATE} \
    REGISTRY_HTTP_TLS_KEY={_KEY}
exec docker-registry serve /etc/docker/registry/config.yml
"""
_SECONDS = 60


def start_if_needed(containers: Containers) -> None:
    """Start it if the database's image is a stand-in, which no real registry has. Raises Failed."""
    image, name = base_images.postgres(), _name(containers)
    # From this machine it is filled; Docker trusts a registry on 127.0.0.1.
    options = ("--publish", "127.0.0.1::443", "--entrypoint", "sh")
    if base_images.stands_in(image) and containers.serve(
        name, REGISTRY, HUB, *options, command=("-euc", _SERVE)
    ):
        _fill(name, image)


def certificate(containers: Containers) -> str | None:
    """What a droplet trusts it by; None if it does not run."""
    name = _name(containers)
    running = containers.running(name)
    return output("docker", "exec", name, "cat", _CERTIFICATE) if running else None


def options(containers: Containers) -> tuple[str, ...]:
    """By which a droplet's container finds it."""
    return ("--add-host", f"{_HOST}:{containers.host(HUB)}")


def offer(containers: Containers, image: str) -> None:
    """Let it have another image, if it runs. Raises Failed."""
    if containers.running(_name(containers)):
        base_images.BaseImages().provide(image)
        _fill(_name(containers), image)


def _name(containers: Containers) -> str:
    return f"{containers.project}-docker-hub"


def _fill(name: str, image: str) -> None:
    """Put an image into it that a droplet pulls from Docker Hub."""
    port = output("docker", "port", name, "443").rpartition(":")[2]
    there = f"127.0.0.1:{port}/library/{image}"
    output("docker", "tag", image, there)
    push = ("docker", "push", "--quiet", there)
    pushed = wait_for(lambda: output_of(*push, seconds=300), _SECONDS)
    output_of("docker", "image", "rm", there)
    if not pushed:
        raise Failed(
            f"{image} could not be copied to the droplets. What the registry printed:",
            output("docker", "logs", name),
            "Fix it, then run the same command again.",
        )
