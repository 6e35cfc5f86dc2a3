"""The account at DigitalOcean: droplets, reserved IPs, keys, regions, sizes.

The only module that talks to python-digitalocean. What can go wrong becomes one exception,
`CloudError`, whose text a person can act on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

import digitalocean
import requests
import truststore

from ops.console import pipeline
from ops.console.errors import Failed
from ops.console.settings import AccountSettings

HOW_TO_TRUST = (
    "let the system trust your company's authority (Debian and Ubuntu: put its .crt file into "
    "/usr/local/share/ca-certificates, then sudo update-ca-certificates)"
)
CONTROL_PANEL = "https://cloud.digitalocean.com"
TOKEN_HELP = (
    f"Make one at {CONTROL_PANEL}/account/api/tokens and put it into the file .env (.env.example), "
    "or, for this terminal only:\n"
    "  export DIGITALOCEAN_TOKEN=dop_v1_..."
)
_SECONDS = "30"  # the library's own default is to wait for an answer for ever
# What the library and the network raise. The last four come from an answer that is not
# DigitalOcean's, such as a proxy's: the library takes it apart without looking first.
_TROUBLE = (
    digitalocean.Error,
    requests.exceptions.RequestException,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
)


class CloudError(Failed):
    """The API could not be reached, or refused. `status` is the HTTP status, 0 where unknown."""

    def __init__(self, what: str, *then: str, status: int = 0) -> None:
        super().__init__(what, *then)
        self.status = status


OFF, ON = "off", "active"


@dataclass(frozen=True)
class Droplet:
    """One droplet, as the API has it."""

    name: str
    ip: str | None  # its own public IPv4 address, once it has one
    status: str = ON
    key: str = ""
    region: str = ""
    size: str = ""
    tags: tuple[str, ...] = ()
    created: str = ""
    dollars_a_month: float = 0.0
    processors: int = 1
    memory_mb: int = 1024

    @property
    def is_off(self) -> bool:
        """Whether it is turned off."""
        return self.status == OFF

    def __str__(self) -> str:
        return f"{self.name} ({self.ip or 'no address yet'}, id {self.key}, made {self.created})"


@dataclass(frozen=True)
class ReservedIp:
    """An address of the account's own, and the number of the droplet that it is on."""

    ip: str
    droplet: str | None


@dataclass(frozen=True)
class Size:
    """A size of droplets, what it costs, and in which regions it is to be had now."""

    slug: str
    memory_mb: int
    processors: int
    disk_gb: int
    dollars_a_month: float
    regions: frozenset[str]


def _deepest(error: BaseException) -> str:
    """The cause at the bottom, which requests wraps in several others."""
    inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
    if isinstance(inner, BaseException):
        return _deepest(inner)
    return str(getattr(error, "verify_message", "") or error)


def _explain(error: Exception) -> CloudError:
    """Say what an error of the library or the network means for the person who sees it."""
    text = str(error).strip() or type(error).__name__
    # The library reports only the message of the answer, not its status code.
    lower = text.lower()
    if "unable to authenticate" in lower:
        return CloudError(
            "DigitalOcean does not know this token (401): DIGITALOCEAN_TOKEN is mistyped, "
            "expired or revoked.",
            TOKEN_HELP,
            status=401,
        )
    if "not authorized" in lower or "forbidden" in lower:
        return CloudError(
            "The token may not do this (403): it was made with too few scopes.",
            "Make one with Full Access, or with read and write on droplet, firewall, "
            "project, reserved_ip, ssh_key and tag.",
            TOKEN_HELP,
            status=403,
        )
    if "rate limit" in lower or "too many requests" in lower:
        return CloudError(
            "DigitalOcean asks to slow down (429): too many API requests in the last hour.",
            "Wait a few minutes, then run the same command again.",
            status=429,
        )
    return _explain_network(error, text)


def _explain_network(error: Exception, text: str) -> CloudError:
    """The same for what is not an answer of DigitalOcean's."""
    if isinstance(error, requests.exceptions.SSLError):
        return CloudError(
            "What answers in place of the DigitalOcean API shows a certificate that this machine "
            f"does not trust ({_deepest(error)}).",
            f"Behind a company's proxy: {HOW_TO_TRUST}. Anywhere else: use another network.",
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return CloudError(
            f"The proxy of HTTPS_PROXY does not lead to the DigitalOcean API ({_deepest(error)}).",
            "Correct HTTPS_PROXY, or unset it if this network needs none.",
        )
    if isinstance(error, requests.exceptions.ConnectionError | requests.exceptions.Timeout):
        what = "The DigitalOcean API does not answer: no network, or it is down."
    else:
        what = f"The DigitalOcean API answered with an error: {text}"
    return CloudError(
        what, "Check https://status.digitalocean.com, then run the same command again."
    )


def own_address(networks: dict[str, Any]) -> str | None:
    """A droplet's own address among all of its public ones: the first, as for Terraform.

    A reserved IP is one more; the library would take the last.
    """
    public = (net["ip_address"] for net in networks["v4"] if net["type"] == "public")
    return next(public, None)


def _droplet(found: digitalocean.Droplet) -> Droplet:
    return Droplet(
        found.name,
        own_address(found.networks),
        found.status,
        str(found.id),
        found.region["slug"],
        found.size_slug,
        tuple(found.tags),
        found.created_at,
        float(found.size["price_monthly"]),
        int(found.vcpus),
        int(found.memory),
    )


class Cloud:
    """The account that the token opens. Every method raises CloudError."""

    def __init__(self, account: AccountSettings) -> None:
        self._account = account
        # The library knows only Mozilla's authorities; a company's own is in the system's store.
        truststore.inject_into_ssl()
        # The library reads both from the environment, each time it makes an object.
        os.environ["DIGITALOCEAN_END_POINT"] = f"{account.api_url.rstrip('/')}/v2/"
        os.environ["PYTHON_DIGITALOCEAN_REQUEST_TIMEOUT_SEC"] = _SECONDS

    def _manager(self) -> digitalocean.Manager:
        if token := self._account.token:
            return digitalocean.Manager(token=token)
        if self._account.on_github == "true":
            why = pipeline.no_secret(self._account.github_actor, "DIGITALOCEAN_TOKEN")
            raise CloudError(why.what, *why.then)
        raise CloudError(
            "DIGITALOCEAN_TOKEN is not set, so DigitalOcean cannot be asked for a server.",
            TOKEN_HELP,
            "To try everything on this machine first, with no account and no token:",
            "  make deploy TARGET=rehearsal",
        )

    @contextmanager
    def _ask(self) -> Iterator[digitalocean.Manager]:
        """The library, with its errors explained."""
        manager = self._manager()
        try:
            yield manager
        except _TROUBLE as error:
            raise _explain(error) from error

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """An answer of the API."""
        with self._ask() as manager:
            return dict(manager.get_data(path, params=query))

    def listed(self, path: str, key: str, **query: object) -> list[dict[str, Any]]:
        """The list `key` of an answer, with all its pages."""
        return cast("list[dict[str, Any]]", self.get(path, **query).get(key) or [])

    def delete(self, path: str) -> None:
        """Remove what is at this path."""
        with self._ask() as manager:
            manager.get_data(path, type="DELETE")

    def act(self, droplet: str, kind: str) -> None:
        """Begin an action on the droplet of this number, such as "power_off"."""
        with self._ask() as manager:
            manager.get_data(f"droplets/{droplet}/actions", type="POST", params={"type": kind})

    def account_status(self) -> str:
        """Ask who the token belongs to; the account's status ("active")."""
        return str(self.get("account/").get("account", {}).get("status", "unknown"))

    def may_read(self, path: str) -> bool:
        """Whether the token may read this list, such as "droplets"."""
        try:
            # With a page named, the library does not go on to the others.
            self.get(path, page=1, per_page=1)
        except CloudError as error:
            if error.status == 403:
                return False
            raise
        return True

    def droplets(self, tag: str) -> list[Droplet]:
        """Every droplet that carries `tag`."""
        with self._ask() as manager:
            return [_droplet(found) for found in manager.get_all_droplets(tag_name=tag)]

    def droplet(self, key: str) -> Droplet | None:
        """The droplet with this number in the API, if there is one."""
        with self._ask() as manager, suppress(digitalocean.NotFoundError):
            return _droplet(manager.get_droplet(key))
        return None

    def reserved_ips(self) -> list[ReservedIp]:
        """Every reserved IP of the account."""
        listed = self.listed("reserved_ips", "reserved_ips")
        return [
            ReservedIp(one["ip"], str(one["droplet"]["id"]) if one.get("droplet") else None)
            for one in listed
        ]

    def keys(self) -> dict[str, str]:
        """The account's SSH keys: name by the key itself (base64)."""
        listed = self.listed("account/keys", "ssh_keys")
        return {key["public_key"].split()[1]: key["name"] for key in listed}

    def regions(self) -> list[str]:
        """The slugs of the regions that take new droplets."""
        listed = self.listed("regions/", "regions")
        return sorted(region["slug"] for region in listed if region["available"])

    def sizes(self) -> dict[str, Size]:
        """Every size, by its slug."""
        return {
            size["slug"]: Size(
                size["slug"],
                size["memory"],
                size["vcpus"],
                size["disk"],
                float(size["price_monthly"]),
                frozenset(size["regions"] if size["available"] else []),
            )
            for size in self.listed("sizes/", "sizes")
        }
