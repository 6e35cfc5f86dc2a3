"""Which droplet is this deployment's: the one rule that every verb goes by.

    python deployment.py ip        its address
    python deployment.py id        its number in the API
    python deployment.py price     what it costs a month, in dollars
    python deployment.py name      the deployment's name
    python deployment.py made ip   the address of the droplet that Terraform made from here,
                                   and of no other; "id" likewise

It is the droplet that Terraform's state holds. Where there is no state (in the
pipeline, in another clone) it is the one that carries the tag; of several, none is
chosen. What is not there prints nothing. Exit status 1 if it cannot be told, which
is explained.
"""

from __future__ import annotations

import os
import sys

import digitalocean_api as cloud
from digitalocean_api import CONTROL_PANEL, CloudError, Droplet
from terraform_state import StateError, deployed_name, resources

DROPLET = "digitalocean_droplet"


class Ambiguous(CloudError):
    """More than one droplet could be meant."""


def verb(name: str) -> str:
    """A verb of the Makefile as it has to be typed: in a rehearsal it has an ending."""
    return f"make {name}{os.environ.get('VERB_SUFFIX', '')}"


def made_here() -> Droplet | None:
    """The droplet that Terraform made from here, if it still exists, whatever its name is now.

    Raises CloudError and StateError.
    """
    keys = [made.key for made in resources() if made.kind == DROPLET and made.key]
    there = [droplet for droplet in map(cloud.droplet, keys) if droplet]
    if len(there) > 1:
        raise _ambiguous("Terraform's state holds", there)
    return there[0] if there else None


def find() -> Droplet | None:
    """This deployment's droplet, or None if there is none yet.

    Raises Ambiguous if it cannot be told which it is, CloudError and StateError.
    """
    set_now, mine = cloud.deployment_name(), made_here()
    if mine and set_now in (name(), *mine.tags):
        return mine
    there = cloud.droplets(set_now)
    if mine and there:
        raise _ambiguous(
            f"Terraform made {name()} from here, and {set_now}, the name that is set now, is "
            "another deployment's:",
            [mine, *there],
        )
    if len(there) > 1:
        raise _ambiguous(f"{len(there)} droplets carry the tag {set_now}:", there)
    return mine or (there[0] if there else None)


def _ambiguous(problem: str, there: list[Droplet]) -> Ambiguous:
    listed = "; ".join(map(str, there))
    return Ambiguous(
        f"{problem} {listed}. Which of them is meant cannot be told, so nothing was done.\n"
        f"Run this where {verb('deploy')} ran: Terraform's state there knows which. Or name the "
        "right one: export TF_VAR_name=...\n"
        f"Or remove the other one, or its tag: {CONTROL_PANEL}/droplets"
    )


def name() -> str:
    """The name that the deployment has: Terraform's, where it made it, else the one that is set.

    Raises StateError.
    """
    return deployed_name(resources()) or cloud.deployment_name()


def _print(droplet: Droplet | None, what: str) -> None:
    if droplet is None:
        return
    facts = {"ip": droplet.ip or "", "id": droplet.key, "price": f"{droplet.dollars_a_month:g}"}
    print(facts[what], end="")


def main(*words: str) -> int:
    """Return the exit status."""
    try:
        match words:
            case ["name"]:
                print(name(), end="")
            case ["made", what]:
                _print(made_here(), what)
            case [what]:
                _print(find(), what)
    except (CloudError, StateError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
