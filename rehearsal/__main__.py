"""python -m rehearsal VERB: a verb of the Makefile against the local DigitalOcean.

up     start it (any verb does)
down   end it and remove every trace (`destroy` does)
env    print the settings for a shell: eval "$(scripts/in rehearsal -m rehearsal env)"
"""

from __future__ import annotations

import os
import shlex
import signal
import sys

from ops.console import terminal
from ops.console.errors import Failed

from .down import down
from .settings import NOT_FOR_A_REHEARSAL, refuse_what_leads_outside, settings
from .up import up
from .verb import run


def _print_settings() -> None:
    refuse_what_leads_outside()
    for name in NOT_FOR_A_REHEARSAL:
        if name in os.environ:
            print(f"unset {name}")
    for name, value in settings().items():
        print(f"export {name}={shlex.quote(value)}")


def main(arguments: list[str]) -> int:
    """Do what was asked for; the exit status."""
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
