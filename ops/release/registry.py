"""A registry on this machine that a release hands its image to the droplet from.

The droplet reaches it through the release's own ssh connection, so only the layers that it
lacks travel. Each release has a registry of its own; what they keep is shared, in a Docker
volume, so that the next push sends only what is new. Other users of this machine could
push to it, too, so the droplet pulls by digest.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import output_of
from ops.release.docker import has_image

IMAGE = "registry:2"
VOLUME = "digits-registry"
# It ends when its standard input does, and so when this process has ended, in whatever way.
# The program has another name in Debian's package than in Docker's image.
_SERVE = (
    "$(command -v registry || command -v docker-registry) serve"
    " /etc/docker/registry/config.yml & cat; kill $!"
)
_DIGESTS = "{{range .RepoDigests}}{{println .}}{{end}}"
_TRIES = 100


def offer(address: str, here: str, key: str) -> str:
    """Put an image into the registry there; what the droplet pulls: digits@sha256:...

    `here` is the image's name on this machine, `key` its id. Raises Failed.
    """
    terminal.line("Putting it where the droplet can pull it from")
    # On a terminal, Docker draws how far it is.
    quiet = [] if terminal.on_terminal() else ["--quiet"]
    there = f"{address}/digits:{key.partition(':')[2][:12]}"
    subprocess.run(["docker", "tag", here, there], check=True)
    pushed = subprocess.run(["docker", "push", *quiet, there], check=False).returncode == 0
    digests = output_of("docker", "image", "inspect", "--format", _DIGESTS, there) or ""
    output_of("docker", "image", "rm", there)
    mine = [one for one in digests.split() if one.startswith(f"{address}/")]
    if not pushed or not mine:
        raise Failed(
            f"{here} could not be put into the registry on this machine; Docker's reason is above.",
            "See how full the disk is: df -h. Then run the same command again.",
        )
    return mine[0].partition("/")[2]


@contextmanager
def registry() -> Iterator[str]:
    """The address of a registry that runs until the block ends."""
    if not has_image(IMAGE):
        subprocess.run(["docker", "pull", "--quiet", IMAGE], check=False)
    name = f"digits-registry-{os.getpid()}"
    reading, writing = os.pipe()
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(_command(name), stdin=reading, stdout=log, stderr=log)
        os.close(reading)
        try:
            yield _address(name, process, Path(log.name))
        finally:
            os.close(writing)
            output_of("docker", "rm", "--force", "--volumes", name)
            process.wait()


def _command(name: str) -> list[str]:
    return [
        *("docker", "run", "--rm", "--interactive", "--name", name),
        *("--volume", f"{VOLUME}:/var/lib/registry", "--publish", "127.0.0.1::5000"),
        *("--entrypoint", "sh", IMAGE, "-c", _SERVE),
    ]


def _address(name: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """Where it answers, as soon as it does. Raises Failed."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(_TRIES):
        if process.poll() is not None:
            break
        address = output_of("docker", "port", name, "5000")
        try:
            if address:
                opener.open(f"http://{address}/v2/", timeout=2).close()
                return address
        except OSError:
            pass
        time.sleep(0.2)
    for line in log.read_text(errors="replace").splitlines()[-20:]:
        terminal.note(line)
    raise Failed(
        "The registry that hands the image to the droplet did not start; its output is above.",
        "Fix it, then run the same command again.",
    )


def forget_names() -> None:
    """Remove the names of images that a release which was killed left on this machine."""
    running = output_of("docker", "ps", "--filter", f"name={VOLUME}", "--format", "{{.Ports}}")
    listed = output_of("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}") or ""
    for name in listed.split():
        released = re.fullmatch(r"digits:release-(\d+)", name)
        offered = re.fullmatch(r"(127\.0\.0\.1:\d+)/digits:[0-9a-f]{12}", name)
        if released and not _runs(int(released[1])):
            output_of("docker", "image", "rm", name)
        if offered and f"{offered[1]}->" not in (running or ""):
            output_of("docker", "image", "rm", name)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def forget_volume() -> None:
    """Remove what the registries kept; the next release sends everything."""
    if output_of("docker", "volume", "inspect", VOLUME) is None:
        return
    if output_of("docker", "volume", "rm", VOLUME) is None:
        terminal.line(f"The image cache, Docker's volume {VOLUME}, is in use and stays.")
