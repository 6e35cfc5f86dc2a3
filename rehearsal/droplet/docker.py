"""Docker on this machine, as the droplets are made with it."""

from __future__ import annotations

import io
import subprocess
import tarfile


class DropletError(RuntimeError):
    """A droplet could not be made or changed; says what happened and what to do."""


def docker(*arguments: str, stdin: bytes | None = None) -> str:
    """What a docker command prints. Raises DropletError if it fails."""
    answer = run(*arguments, stdin=stdin)
    if answer.returncode:
        message = answer.stderr.decode(errors="replace").strip()
        raise DropletError(f"docker {arguments[0]} failed: {message}")
    return answer.stdout.decode().strip()


def run(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """A docker command, which may fail."""
    try:
        return subprocess.run(["docker", *arguments], input=stdin, capture_output=True, check=False)
    except FileNotFoundError:
        raise DropletError(
            "There is no docker command, and droplets are containers here. "
            "Install Docker: https://docs.docker.com/engine/install/"
        ) from None


def put(container: str, files: dict[str, str], mode: int = 0o600) -> None:
    """Put files, for root's eyes only, into a container that need not run."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    docker("cp", "-", f"{container}:/", stdin=archive.getvalue())
