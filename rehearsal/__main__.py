"""python -m rehearsal VERB: a verb of the Makefile against the local DigitalOcean.

up     start it (any verb does)
down   end it and remove every trace (`destroy` does)
env    print the settings for a shell: eval "$(scripts/in rehearsal -m rehearsal env)"
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

from ops.console import terminal
from ops.console.errors import AlreadyPrinted, Failed
from ops.console.settings import ROOT, Settings

from . import places
from .droplet.containers import Containers
from .offline import base_images, docker_hub
from .settings import environment, not_for_a_rehearsal, refuse_what_leads_outside, settings
from .standing import down, up


def _print_settings() -> None:
    refuse_what_leads_outside()
    ours = settings()
    for name in not_for_a_rehearsal():
        print(f"unset {name}")
    for name, value in ours.items():
        print(f"export {name}={shlex.quote(value)}")


def run(verb: str, arguments: list[str]) -> int:
    """Start the rehearsal if it does not stand, and run the verb; its exit status.

    Raises Failed. After a `destroy` that succeeded the rehearsal is over.
    """
    refuse_what_leads_outside()
    up()
    if subprocess.run([ROOT / "scripts/venv", "ops"], check=False).returncode != 0:
        raise AlreadyPrinted
    if verb == "upgrade-database":
        _offer_postgres()
    command = [str(ROOT / ".venv/ops/bin/python"), "-m", "ops", verb, *arguments]
    os.chdir(ROOT)
    if verb != "destroy":
        os.execve(command[0], command, environment())  # noqa: S606 - no shell on purpose
    # Ctrl-C is for the verb, which takes back what it began; we wait for its end.
    signal.signal(signal.SIGINT, lambda *_: None)
    status = subprocess.run(command, env=environment(), check=False).returncode
    if status == 0:
        down()
    return status if status >= 0 else 128 - status


def _offer_postgres() -> None:
    """Have ready what the droplet is going to pull, where Docker Hub cannot be reached."""
    if Settings.read().upgrade.version == "18":
        docker_hub.offer(Containers(places.PROJECT), base_images.NEXT_POSTGRES)


def main(arguments: list[str]) -> int:
    """Do what was asked for; the exit status."""
    os.environ["ENV_FILE"] = ""  # it is the real deployment's
    try:
        match arguments:
            case ["up"]:
                up()
            case ["down"]:
                down()
            case ["env"]:
                _print_settings()
            case [verb, *more] if not verb.startswith("-"):
                return run(verb, more)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except Failed as error:
        terminal.failure(error)
        return 1
    except KeyboardInterrupt:
        terminal.note("Interrupted. The same command goes on where this one stopped.")
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
