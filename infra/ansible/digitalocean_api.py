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
from typing import Any, cast

import digitalocean
import requests

TOKEN_HELP = (
    "Make one at https://cloud.digitalocean.com/account/api/tokens and then:\n"
    "  export DIGITALOCEAN_TOKEN=dop_v1_..."
)


CONTROL_PANEL = "https://cloud.digitalocean.com"

# What the library and the network raise. The last three come from an answer that
# is no DigitalOcean answer, such as a proxy's: the library does not look first.
_TROUBLE = (
    digitalocean.Error,
    requests.exceptions.RequestException,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
)


class CloudError(Exception):
    """The API could not be asked, or said no; the text says what to do next.

    `status` is the HTTP status where it is known, else 0.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Droplet:
    """One droplet, as the API has it."""

    name: str
    ip: str | None  # the public IPv4 address, once it has one
    status: str
    key: str
    region: str
    size: str
    tags: tuple[str, ...] = ()
    created: str = ""
    dollars_a_month: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} ({self.ip or 'no address yet'}, id {self.key}, made {self.created})"


@dataclass(frozen=True)
class Size:
    """A size of droplets, what it costs, and in which regions it is to be had now."""

    slug: str
    memory_mb: int
    processors: int
    disk_gb: int
    dollars_a_month: float
    regions: frozenset[str]


@dataclass(frozen=True)
class Thing:
    """Something in the account that belongs to the deployment."""

    kind: str
    key: str
    name: str
    note: str = ""
    billed: bool = False

    def __str__(self) -> str:
        return f"{self.kind:<9} {self.name}{'  ' if self.note else ''}{self.note}"

    @property
    def urn(self) -> str:
        """Its name in a project's list."""
        return f"do:{self.kind}:{self.key}"


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
            f"expired or revoked.\n{TOKEN_HELP}",
            401,
        )
    if "not authorized" in lower or "forbidden" in lower:
        return CloudError(
            "The token may not do this (403): it was made with too few scopes.\n"
            "Make one with Full Access, or with read and write on droplet, firewall, "
            f"project, ssh_key and tag.\n{TOKEN_HELP}",
            403,
        )
    if "rate limit" in lower or "too many requests" in lower:
        return CloudError(
            "DigitalOcean asks to slow down (429): too many API requests in the last hour.\n"
            "Wait a few minutes, then run the same command again.",
            429,
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


def _manager() -> digitalocean.Manager:
    # The library's own default is to wait for an answer for ever.
    os.environ.setdefault("PYTHON_DIGITALOCEAN_REQUEST_TIMEOUT_SEC", "30")
    return digitalocean.Manager(token=_token())


def _get(path: str, **query: object) -> dict[str, Any]:
    """An answer of the API. Raises CloudError."""
    try:
        return dict(_manager().get_data(path, params=query))
    except _TROUBLE as error:
        raise _explain(error) from error


def _list(path: str, key: str, **query: object) -> list[dict[str, Any]]:
    """The list `key` of an answer, with all its pages. Raises CloudError."""
    return cast("list[dict[str, Any]]", _get(path, **query).get(key) or [])


def check_token() -> str:
    """Ask the API who the token belongs to; return the account's status ("active").

    Raises CloudError if there is no token, it is wrong, or the API does not answer.
    """
    return str(_get("account/").get("account", {}).get("status", "unknown"))


def may_read(path: str) -> bool:
    """Whether the token may read this list, such as "droplets". Raises CloudError."""
    try:
        # With a page named, the library does not go on to the others.
        _get(path, page=1, per_page=1)
    except CloudError as error:
        if error.status == 403:
            return False
        raise
    return True


def _droplet(found: digitalocean.Droplet) -> Droplet:
    return Droplet(
        found.name,
        found.ip_address,
        found.status,
        str(found.id),
        found.region["slug"],
        found.size_slug,
        tuple(found.tags),
        found.created_at,
        float(found.size["price_monthly"]),
    )


def droplets(tag: str) -> list[Droplet]:
    """Every droplet that carries `tag`. Raises CloudError."""
    try:
        return [_droplet(found) for found in _manager().get_all_droplets(tag_name=tag)]
    except _TROUBLE as error:
        raise _explain(error) from error


def droplet(key: str) -> Droplet | None:
    """The droplet with this number in the API, if there is one. Raises CloudError."""
    try:
        return _droplet(_manager().get_droplet(key))
    except digitalocean.NotFoundError:
        return None
    except _TROUBLE as error:
        raise _explain(error) from error


def keys() -> dict[str, str]:
    """The account's SSH keys: name by the key itself (base64). Raises CloudError."""
    listed = _list("account/keys", "ssh_keys")
    return {key["public_key"].split()[1]: key["name"] for key in listed}


def regions() -> list[str]:
    """The slugs of the regions that take new droplets. Raises CloudError."""
    return sorted(region["slug"] for region in _list("regions/", "regions") if region["available"])


def sizes() -> dict[str, Size]:
    """Every size, by its slug. Raises CloudError."""
    return {
        size["slug"]: Size(
            size["slug"],
            size["memory"],
            size["vcpus"],
            size["disk"],
            float(size["price_monthly"]),
            frozenset(size["regions"] if size["available"] else []),
        )
        for size in _list("sizes/", "sizes")
    }


def _of_droplet(droplet: dict[str, Any]) -> list[Thing]:
    """A droplet and what hangs on it."""
    public = [net["ip_address"] for net in droplet["networks"]["v4"] if net["type"] == "public"]
    facts = [
        *public,
        f"{droplet['size_slug']} in {droplet['region']['slug']}",
        f"${droplet['size']['price_monthly']:g} a month",
    ]
    name, attached = droplet["name"], f"belongs to the droplet {droplet['name']}"
    return [
        Thing("droplet", str(droplet["id"]), name, ", ".join(facts), billed=True),
        *(Thing("volume", key, key, attached, billed=True) for key in droplet["volume_ids"]),
        *(
            Thing("snapshot", str(key), str(key), attached, billed=True)
            for key in droplet["snapshot_ids"]
        ),
    ]


def _in_project(project: dict[str, Any]) -> list[Thing]:
    """What a project lists, by URN: do:volume:123."""
    things = []
    for resource in _list(f"projects/{project['id']}/resources", "resources"):
        _, kind, key = resource["urn"].split(":", 2)
        # A domain in a project costs nothing; all else there is may.
        note = f"in the project {project['name']}"
        things.append(Thing(kind, key, key, note, billed=kind != "domain"))
    return things


def belongings(name: str) -> list[Thing]:
    """What the account has of the deployment `name`, found by tag and by project.

    What is free (project, firewall, key, tag) comes last. Raises CloudError.
    """
    projects = [p for p in _list("projects", "projects") if p["name"] == name]
    tagged = [t for d in _list("droplets", "droplets", tag_name=name) for t in _of_droplet(d)]
    grouped = [thing for project in projects for thing in _in_project(project)]
    known = {thing.urn for thing in tagged}
    # The list of a project may lag behind and still name a droplet that is gone.
    alive = {str(d["id"]) for d in _list("droplets", "droplets")}
    billed = tagged + [
        thing
        for thing in grouped
        if thing.urn not in known and (thing.kind != "droplet" or thing.key in alive)
    ]
    free = [
        *(Thing("project", p["id"], name) for p in projects),
        *(
            Thing("firewall", f["id"], name)
            for f in _list("firewalls", "firewalls")
            if f["name"] == name
        ),
        *(
            Thing("ssh key", str(k["id"]), name)
            for k in _list("account/keys", "ssh_keys")
            if k["name"] == name
        ),
        *(Thing("tag", name, name) for t in _list("tags", "tags") if t["name"] == name),
    ]
    return billed + free


def still_there(things: list[Thing]) -> list[Thing]:
    """Those of the billed `things` that the account still has, wherever. Raises CloudError.

    When a project goes, what was in it moves to the account's default project, so
    asking for the project alone would not find it.
    """
    billed = [thing for thing in things if thing.billed]
    alive = {f"do:droplet:{d['id']}" for d in _list("droplets", "droplets")}
    if any(thing.kind not in ("droplet", "snapshot") for thing in billed):
        alive |= {
            thing.urn
            for project in _list("projects", "projects")
            for thing in _in_project(project)
            if thing.kind != "droplet"
        }
    if any(thing.kind == "snapshot" for thing in billed):
        images = _list("images", "images", private="true")
        alive |= {f"do:snapshot:{image['id']}" for image in images}
    return [thing for thing in billed if thing.urn in alive]


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
