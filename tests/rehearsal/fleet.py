"""Several rehearsed droplets behind their load balancer, as the tests use them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from rehearsal import places
from tests.rehearsal.deployment import STATE, Deployment

SETTINGS = {"TF_VAR_droplets": "2", "TF_VAR_managed_database": "true"}
# Without these, a deploy keeps what the one before has set.
ALONE = {"TF_VAR_droplets": "1", "TF_VAR_managed_database": "false"}


@dataclass(frozen=True)
class Numbered(Deployment):
    """The droplet that stands beside the first under this number."""

    number: int

    @property
    def ip(self) -> str:
        """Its own address."""
        state = json.loads((STATE / "terraform/terraform.tfstate").read_text())
        for resource in state["resources"]:
            if (resource["type"], resource["name"]) == ("digitalocean_droplet", "more"):
                for one in resource["instances"]:
                    if one["index_key"] == str(self.number):
                        return str(one["attributes"]["ipv4_address"])
        raise AssertionError(f"Terraform knows no droplet {self.number}")


def account(path: str, method: str = "GET") -> Any:
    """What the rehearsal's API says there."""
    url = f"{places.API_URL.read_text().strip()}/v2/{path}"
    token = {"Authorization": f"Bearer {places.TOKEN.read_text().strip()}"}
    body: dict[str, str] | None = {} if method == "POST" else None
    return requests.request(method, url, headers=token, json=body, timeout=30).json()


def balancer() -> str:
    """The load balancer's URL; empty while there is none."""
    for one in account("load_balancers")["load_balancers"]:
        if one["ip"]:
            return f"http://{one['ip']}"
    return ""


def images(*droplets: Deployment) -> list[str]:
    """The image that serves on each, by its id."""
    # Of the container that nginx sends visitors to.
    script = (
        "port=$(grep -o '[0-9]*;' /etc/nginx/digits-upstream.conf | tr -d ';' | head -n 1);"
        " docker inspect --format '{{.Image}}' $(docker ps --quiet --filter publish=$port)"
    )
    return [one.ssh(script).strip() for one in droplets]


@dataclass
class Visits:
    """What a visitor saw who asks by the address that answered last."""

    answers: dict[str, int] = field(default_factory=dict)  # by address
    unanswered: list[str] = field(default_factory=list)  # when no address answered


def _answers(url: str) -> bool:
    try:
        answer = requests.get(f"{url}/_stcore/health", timeout=5, allow_redirects=False)
    except requests.RequestException:
        return False
    return (answer.status_code, answer.text) == (200, "ok")


@contextmanager
def moving(*addresses: Callable[[], str]) -> Iterator[Visits]:
    """Ask ten times a second, by another address if the one that answered last does not."""
    seen, over = Visits(), threading.Event()

    def visit() -> None:
        last, known = 0, [""] * len(addresses)
        while not over.wait(0.1):
            for number in range(len(addresses)):
                here = (last + number) % len(addresses)
                url = known[here] = known[here] or addresses[here]()
                if url and _answers(url):
                    seen.answers[url] = seen.answers.get(url, 0) + 1
                    last = here
                    break
            else:
                seen.unanswered.append(time.strftime("%T"))

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield seen
    finally:
        over.set()
        visitor.join(30)
