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
from ops.release.docker import COMPOSE, Build

PASSWORD = Path("secrets/postgres_password")
AGAIN = "Then run the same command again."
# Typed into psql, which reads the password from its environment.
_GIVE_PASSWORD = "\\getenv password PASSWORD\nALTER ROLE digits PASSWORD :'password';\n"
_PSQL = (
    "read -r PASSWORD; export PASSWORD\n"
    "exec psql --quiet --username digits --dbname digits --set ON_ERROR_STOP=1"
)


def run(settings: Settings, _arguments: list[str]) -> None:
    """See that there is a password, build, start both, see that they agree on it. Raises Failed."""
    docker.need_engine()
    docker.need_buildx()
    docker.need_compose()
    made = _password()
    services = _compose_file()["services"]
    docker.build(settings.build, Build((services["app"]["image"],)))
    _start(recreate=made)
    _agree_on_the_password()
    port = _compose("port", "app", "8501").rpartition(":")[2]
    terminal.done(f"The page is on http://localhost:{port}  (make down stops it)")


def _password() -> bool:
    """Make the database's password if there is none; whether it was made. Raises Failed.

    The database may have another one: see _agree_on_the_password.
    """
    file = ROOT / PASSWORD
    if file.is_dir():  # Docker may make an empty folder where a file should be and is not
        try:
            file.rmdir()
        except OSError:
            raise Failed(
                f"{PASSWORD} is a folder, where the file with the database's password should be.",
                f"See what is in it, then remove it: sudo rm -r {PASSWORD}. {AGAIN}",
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
            terminal.line(f"Made {PASSWORD}, a new password for the database.")
    except OSError as error:
        raise Failed(
            f"The database's password could not be written to {PASSWORD}: {error.strerror}.",
            f"If the folder is another user's: sudo chown -R $USER secrets. {AGAIN}",
        ) from None
    _open_to_the_containers(file)
    return made


def _open_to_the_containers(file: Path) -> None:
    mode = file.stat().st_mode
    if mode & 0o004:
        return
    try:
        file.chmod(mode | 0o444)
    except OSError:
        raise Failed(
            f"{PASSWORD} is closed to the users in the containers, who must read it.",
            f"Open it (its folder keeps others out): sudo chmod a+r {PASSWORD}. {AGAIN}",
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


def _agree_on_the_password() -> None:
    """Give the database the password that the app has. Raises Failed.

    A database keeps the one it was made with; where secrets/ was lost since, or another clone
    made it, they would not agree. Inside its own container it asks for none.
    """
    password = _compose("exec", "-T", "app", "cat", f"/run/{PASSWORD}")
    done = subprocess.run(
        [
            *COMPOSE,
            "exec",
            "-T",
            "db",
            "sh",
            "-c",
            _PSQL,
        ],
        input=f"{password}\n{_GIVE_PASSWORD}",
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(
            f"The database did not take the password in {PASSWORD}; its reason is above.",
            "See also: docker compose logs db",
        )
