"""The rehearsal's load balancer and managed database, in their containers."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from rehearsal.droplet import containers
from rehearsal.droplet.containers import Containers
from rehearsal.engines import DockerEngines
from rehearsal.offline.base_images import ENGINES, BaseImages
from tests.needs import need_docker
from tests.rehearsal.database import fail_over, rotate_authority
from tests.rehearsal.deployment import volumes
from tests.rehearsal.test_droplet import labelled, volumes_of, wait_until

pytestmark = pytest.mark.long  # as all that runs on them: test_fleet, test_managed_database
NUMBER = "4de7ac8b-495b-4884-9a69-1050c6793cd6"
BALANCER: dict[str, Any] = {
    "id": NUMBER,
    "name": "digits",
    "forwarding_rules": [
        {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 80}
    ],
    "sticky_sessions": {"type": "none"},
    "health_check": {
        "protocol": "http",
        "port": 80,
        "path": "/ready",
        "check_interval_seconds": 3,
        "response_timeout_seconds": 3,
        "unhealthy_threshold": 2,
        "healthy_threshold": 2,
    },
    "http_idle_timeout_seconds": 600,
    "redirect_http_to_https": False,
}
HOST = "digits-do-user-1-0.d.db.ondigitalocean.com"
CLUSTER = {
    "id": NUMBER,
    "name": "digits",
    "host": HOST,
    "version": "17",
    "size": "db-s-1vcpu-1gb",
    "users": [{"name": "doadmin", "password": "of-the-admin"}, {"name": "digits", "password": "a"}],
    "dbs": ["defaultdb", "digits"],
}
# A droplet's nginx, in as few words as can be.
ANSWERS = """frontend f
  mode http
  bind :80
  http-request return status 200 content-type text/plain lf-string "{says}"
"""


class Place:
    """The droplets' network of a project of its own, and who stands there."""

    def __init__(self) -> None:
        self.project = f"digits-test-{uuid4().hex[:8]}"
        self.containers = Containers(self.project)
        self.engines = DockerEngines(self.containers)

    def stand(self, name: str, *command: str) -> str:
        """A container on the network; its address."""
        name = f"{self.project}-{name}"
        address = self.containers.create(name, ENGINES, containers.ENGINES, command=command)
        subprocess.run(["docker", "start", name], check=True, capture_output=True)
        return address

    def droplet(self, name: str, says: str = "") -> str:
        """One that answers with its name, or what it says; its address."""
        text = ANSWERS.format(says=says or name)
        return self.stand(name, "bash", "-c", f"echo '{text}' >/tmp/f && exec haproxy -f /tmp/f")

    def sql(self, client: str, statement: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A statement from a client on the network, with all that it checks."""
        words = {
            "host": f"private-{HOST}", "port": "25060", "user": "digits", "dbname": "digits",
            "sslmode": "verify-full", "sslrootcert": "/root/ca", "connect_timeout": "3",
        } | more  # fmt: skip
        address = " ".join(f"{key}={value}" for key, value in words.items())
        password = more.get("password", "a")
        return subprocess.run(
            ["docker", "exec", "--env", f"PGPASSWORD={password}", f"{self.project}-{client}",
             "psql", address, "-qAtXc", statement],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def trust(self, client: str, certificate: str) -> None:
        """Let a client have the authority's certificate."""
        command = ["docker", "exec", "--interactive", f"{self.project}-{client}", "tee", "/root/ca"]
        subprocess.run(command, input=certificate.encode(), check=True, capture_output=True)


@pytest.fixture
def place() -> Iterator[Place]:
    need_docker()
    BaseImages().provide(ENGINES)
    made = Place()
    yield made
    its = volumes_of(made.containers.label)
    made.engines.unbalance(NUMBER)
    made.engines.remove(NUMBER)
    made.containers.remove_all()
    assert labelled("container", made.containers.label) == ""
    assert labelled("volume", made.containers.label) == ""
    assert not its & volumes()


def got(address: str, scheme: str = "http") -> str:
    """What comes from there: the text, or the status; nothing while nobody listens."""
    # No authority certifies an address here.
    unchecked = ssl._create_unverified_context()  # noqa: S323, SLF001
    try:
        url = f"{scheme}://{address}/"
        with urllib.request.urlopen(url, timeout=5, context=unchecked) as answer:  # noqa: S310
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError:
        return ""


def test_a_balancer_and_its_droplets(place: Place) -> None:
    address = place.engines.balance(BALANCER, {})
    wait_until(lambda: got(address) == "503", 20, "the balancer")
    droplets = {name: place.droplet(name) for name in ("digits", "digits-2")}
    assert place.engines.balance(BALANCER, droplets) == address
    wait_until(lambda: {got(address) for _ in range(8)} == set(droplets), 30, "both droplets")
    # Again, as after a restart of the API: nothing changes.
    assert place.engines.balance(BALANCER, droplets) == address
    assert {got(address) for _ in range(8)} == set(droplets)
    subprocess.run(["docker", "kill", f"{place.project}-digits-2"], check=True, capture_output=True)
    wait_until(lambda: {got(address) for _ in range(8)} == {"digits"}, 30, "the other one alone")
    place.engines.unbalance(NUMBER)
    place.engines.unbalance(NUMBER)


def test_a_balancer_that_speaks_https(place: Place) -> None:
    """The droplets hear by which way a visitor came, and who comes by HTTP is led away from it."""
    secure = {
        "entry_protocol": "https", "entry_port": 443, "target_protocol": "http", "target_port": 80
    }  # fmt: skip
    droplets = {"digits": place.droplet("digits", "%[req.hdr(x-forwarded-proto)]")}
    address = place.engines.balance(BALANCER, droplets)
    wait_until(lambda: got(address) == "http", 20, "the balancer")
    both = BALANCER | {
        "forwarding_rules": [*BALANCER["forwarding_rules"], secure],
        "redirect_http_to_https": True,
    }
    assert place.engines.balance(both, droplets) == address
    wait_until(lambda: got(address, "https") == "https", 20, "HTTPS")
    connection = http.client.HTTPConnection(address, timeout=5)
    connection.request("GET", "/page")
    answer = connection.getresponse()
    assert answer.status in {301, 302, 307, 308}
    assert answer.getheader("Location") == f"https://{address}/page"


def test_a_database_and_who_reaches_it(place: Place) -> None:
    droplet = place.stand("droplet", "sleep", "600")
    place.stand("stranger", "sleep", "600")
    certificate = place.engines.serve(CLUSTER)
    for client in ("droplet", "stranger"):
        place.trust(client, certificate)
    assert place.sql("stranger", "SELECT 1").stdout.strip() == "1"
    place.engines.guard(NUMBER, [droplet])
    assert place.sql("stranger", "SELECT 1").returncode != 0
    assert place.sql("droplet", "SHOW max_connections").stdout.strip() == "25"
    assert "permission denied" in place.sql("droplet", "CREATE TABLE mine (a int)").stderr
    assert place.sql("droplet", "SELECT 1", sslmode="disable").returncode != 0

    # Another password, a larger size, a restart elsewhere: the data stays, and so do the rules.
    admin = {"user": "doadmin", "password": "of-the-admin"}
    assert place.sql("droplet", "CREATE TABLE kept AS SELECT 7 AS a", **admin).returncode == 0
    other: dict[str, Any] = CLUSTER | {"size": "db-s-1vcpu-2gb"}
    other["users"] = [CLUSTER["users"][0], {"name": "digits", "password": "b"}]
    assert place.engines.serve(other) == certificate
    place.engines.guard(NUMBER, [droplet])
    assert place.sql("droplet", "SELECT 1").returncode != 0
    assert place.sql("droplet", "SHOW max_connections", password="b").stdout.strip() == "47"
    database = place.containers.name("database", NUMBER)
    fail_over(place.containers, database, HOST)
    wait_until(
        lambda: place.sql("droplet", "SELECT a FROM kept", **admin).stdout == "7\n", 30, "it"
    )
    assert place.sql("stranger", "SELECT 1", password="b").returncode != 0

    # Another authority: whoever trusts the old one alone is not let talk to it.
    rotate_authority(database)
    assert "certificate verify failed" in place.sql("droplet", "SELECT 1", password="b").stderr
    place.trust("droplet", place.engines.serve(other))
    assert place.sql("droplet", "SELECT 1", password="b").returncode == 0
