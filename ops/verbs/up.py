"""make up: the app and its database in containers on this machine."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
from pathlib import Path
from typing import Any

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import output_of, shown
from ops.console.settings import ROOT, Settings
from ops.release import docker
from ops.release.docker import COMPOSE

APP_PASSWORD = Path("secrets/app_password")
PASSWORDS = (Path("secrets/postgres_password"), APP_PASSWORD)
APP_ROLE = Path("infra/postgres/app_role.sql")
AGAIN = "Then run the same command again."
# The password is the first line of what it reads: a command line is for all to read.
_PSQL = (
    "read -r APP_PASSWORD; export APP_PASSWORD\n"
    "exec psql --quiet --no-psqlrc --username digits --dbname digits --file -"
)


def run(settings: Settings, _arguments: list[str]) -> None:
    """See that there are passwords, build, start both, give the app its role. Raises Failed."""
    docker.need_engine()
    docker.need_buildx()
    docker.need_compose()
    made = [one for one in PASSWORDS if _make(one)]
    for path in (APP_ROLE.parent, APP_ROLE):
        _open_to_the_containers(path)
    services = _compose_file()["services"]
    docker.build(settings.build, (services["app"]["image"],))
    _start(recreate=bool(made))
    _make_the_apps_role()
    port = _compose("port", "app", "8501").rpartition(":")[2]
    terminal.done(f"The page is on http://localhost:{port}  (make down stops it)")


def _make(password: Path) -> bool:
    """Make a password of the database if there is none; whether it was made. Raises Failed."""
    file = ROOT / password
    if file.is_dir():  # Docker may make an empty folder where a file should be and is not
        try:
            file.rmdir()
        except OSError:
            raise Failed(
                f"{password} is a folder, where the file with the database's password should be.",
                f"See what is in it, then remove it: sudo rm -r {password}. {AGAIN}",
            ) from None
    try:
        made = not file.exists() or not file.read_text().strip()
    except PermissionError:
        made = False
    try:
        if made:
            # The folder keeps others out; the file must be readable to the containers' users.
            file.parent.mkdir(mode=0o700, exist_ok=True)
            file.write_text(f"{secrets.token_hex(24)}\n")
            terminal.line(f"Made {password}, a new password for the database.")
    except OSError as error:
        raise Failed(
            f"The database's password could not be written to {password}: {error.strerror}.",
            f"If the folder is another user's: sudo chown -R $USER secrets. {AGAIN}",
        ) from None
    _open_to_the_containers(password)
    return made


def _open_to_the_containers(path: Path) -> None:
    """Let the users in the containers read it, whatever this user's umask is. Raises Failed."""
    file = ROOT / path
    mode = file.stat().st_mode
    others = 0o005 if file.is_dir() else 0o004
    if mode & others == others:
        return
    try:
        file.chmod(mode | 0o111 * others)
    except OSError:
        raise Failed(
            f"{path} is closed to the users in the containers, who must read it.",
            f"Open it: sudo chmod a+rX {path}. {AGAIN}",
        ) from None


def _compose(*words: str) -> str:
    """What docker compose prints; it has to succeed. Raises Failed."""
    printed = output_of(*COMPOSE, *words, seconds=60)
    if printed is None:
        raise Failed(f"docker compose {' '.join(words)} failed.", "See why: run it by hand.")
    return printed


def _compose_file() -> dict[str, Any]:
    """docker-compose.yml as Docker reads it, with the settings in it."""
    return dict(json.loads(_compose("config", "--format", "json")))


def _start(*, recreate: bool) -> None:
    command = [*COMPOSE, "up", "--detach"]
    # Containers that run with another password have to be recreated.
    command += ["--no-build", "--wait", *(["--force-recreate"] if recreate else [])]
    status, output = shown(command)
    if status == 0:
        return
    if re.search(
        r"port is already allocated|address already in use|ports are not available", output
    ):
        ports = re.findall(r"127\.0\.0\.1:(\d+)", output)
        raise Failed(
            f"Port {ports[-1] if ports else 'of the page'} is taken by another program "
            "(make run?).",
            "Stop that one, or choose another port:  APP_PORT=8502 make up",
        )
    if re.search(r"failed to (do request|resolve)|pull access denied|manifest unknown", output):
        raise Failed(
            "An image that the two containers need cannot be had; Docker's reason is above.",
            f"See that Docker Hub answers: docker compose pull db. {AGAIN}",
        )
    subprocess.run([*COMPOSE, "logs", "--tail", "20"], check=False)
    raise Failed(
        "The two containers did not come up; Docker's reason and their last lines are above.",
        "Fix it, then run the same command again.",
    )


def _make_the_apps_role() -> None:
    """Give the app its role in the database, with the password that it has. Raises Failed.

    The database may be older than the role, or than secrets/. Inside its own container it asks
    for no password.
    """
    password = _compose("exec", "-T", "app", "cat", f"/run/{APP_PASSWORD}").strip()
    done = subprocess.run(
        [*COMPOSE, "exec", "-T", "db", "sh", "-c", _PSQL],
        input=f"{password}\n{(ROOT / APP_ROLE).read_text()}",
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(
            "The app did not get its role in the database; the reason is above.",
            "See also: docker compose logs db",
        )
