"""The account at DigitalOcean, as far as Ansible and the scripts need it.

The only place that talks to python-digitalocean. It turns what can go wrong
into one exception, `CloudError`, whose text a person can act on.

Settings come from the environment:
  DIGITALOCEAN_TOKEN       the API token (the name Terraform's provider uses)
  DIGITALOCEAN_END_POINT   another API address than DigitalOcean's own
  TF_VAR_name              the deployment's name, which is also its droplet's tag
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import digitalocean
import requests

TOKEN_HELP = (
    "Make one at https://cloud.digitalocean.com/account/api/tokens and then:\n"
    "  export DIGITALOCEAN_TOKEN=dop_v1_..."
)


class CloudError(Exception):
    """The API could not be asked, or said no; the text says what to do next."""


@dataclass(frozen=True)
class Droplet:
    """One droplet of this deployment: its name, public IPv4 address and status."""

    name: str
    ip: str | None
    status: str


def deployment_name() -> str:
    """The deployment's name, as Terraform has it."""
    return os.environ.get("TF_VAR_name") or "digits"  # noqa: SIM112 - Terraform's spelling


def _token() -> str:
    token = os.environ.get("DIGITALOCEAN_TOKEN", "").strip()
    if not token:
        raise CloudError(
            "DIGITALOCEAN_TOKEN is not set, so DigitalOcean cannot be asked for a server.\n"
            f"{TOKEN_HELP}\n"
            "To try everything on this machine first, with no account and no token:\n"
            "  make deploy TARGET=rehearsal"
        )
    return token


def _explain(error: Exception) -> CloudError:
    """Say what an error of the library or the network means for the person who sees it."""
    text = str(error).strip() or type(error).__name__
    # The library reports only the message of the answer, not its status code.
    lower = text.lower()
    if "unable to authenticate" in lower:
        return CloudError(
            "DigitalOcean does not know this token (401): DIGITALOCEAN_TOKEN is mistyped, "
            f"expired or revoked.\n{TOKEN_HELP}"
        )
    if "not authorized" in lower or "forbidden" in lower:
        return CloudError(
            "The token may not do this (403): it was made with too few scopes.\n"
            "Make one with Full Access, or with read and write on droplet, firewall, "
            f"project, ssh_key and tag.\n{TOKEN_HELP}"
        )
    if "rate limit" in lower or "too many requests" in lower:
        return CloudError(
            "DigitalOcean asks to slow down (429): too many API requests in the last hour.\n"
            "Wait a few minutes, then run the same command again."
        )
    if isinstance(error, requests.exceptions.ConnectionError | requests.exceptions.Timeout):
        return CloudError(
            "The DigitalOcean API does not answer: no network, or it is down.\n"
            "Check https://status.digitalocean.com, then run the same command again."
        )
    return CloudError(
        f"The DigitalOcean API answered with an error: {text}\n"
        "Check https://status.digitalocean.com, then run the same command again."
    )


def check_token() -> str:
    """Ask the API who the token belongs to; return the account's status ("active").

    Raises CloudError if there is no token, it is wrong, or the API does not answer.
    """
    token = _token()
    try:
        return str(digitalocean.Account.get_object(api_token=token).status)
    except (digitalocean.Error, requests.exceptions.RequestException, ValueError) as error:
        raise _explain(error) from error


def droplets(tag: str) -> list[Droplet]:
    """Every droplet that carries `tag`. Raises CloudError."""
    manager = digitalocean.Manager(token=_token())
    try:
        found = manager.get_all_droplets(tag_name=tag)
    except (digitalocean.Error, requests.exceptions.RequestException, ValueError) as error:
        raise _explain(error) from error
    return [Droplet(d.name, d.ip_address, d.status) for d in found]


def main() -> int:
    """Check the token before anything is made: `python digitalocean_api.py`."""
    try:
        status = check_token()
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The token is valid; the account is {status}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
