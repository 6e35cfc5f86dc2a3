"""The rehearsal's load balancer: haproxy with the configuration that the API's object comes to."""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from rehearsal.engines import balancers
from tests.api.conftest import until
from tests.needs import need_program


def free_port() -> int:
    """A port of this machine's that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Answers(BaseHTTPRequestHandler):
    """A droplet's nginx, as a balancer sees it."""

    def do_GET(self) -> None:
        droplet: Droplet = self.server.droplet  # type: ignore[attr-defined]
        if self.path == "/slow":
            time.sleep(2)
        well = droplet.ready or self.path != "/ready"
        droplet.seen.append({k.lower(): v for k, v in self.headers.items()} | {"path": self.path})
        body = droplet.name.encode()
        self.send_response(200 if well else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@dataclass
class Droplet:
    """What stands behind the balancer."""

    name: str
    address: str
    port: int
    ready: bool = True
    seen: list[dict[str, str]] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[None]:
        server = ThreadingHTTPServer((self.address, self.port), Answers)
        server.droplet = self  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def visits(self) -> list[dict[str, str]]:
        """The requests that were no health checks."""
        return [one for one in self.seen if one["path"] != "/ready"]


@dataclass
class Balancer:
    """haproxy with a configuration in a folder of its own."""

    folder: Path
    port: int
    target: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def object(self) -> dict[str, Any]:
        """The balancer as the API has it, but for its quicker checks."""
        rule = {"entry_protocol": "http", "entry_port": self.port}
        return {
            "id": "4de7ac8b-495b-4884-9a69-1050c6793cd6",
            "forwarding_rules": [rule | {"target_protocol": "http", "target_port": self.target}],
            "sticky_sessions": {
                "type": "cookies",
                "cookie_name": "digits-droplet",
                "cookie_ttl_seconds": 300,
            },
            "health_check": {
                "protocol": "http",
                "port": self.target,
                "path": "/ready",
                "check_interval_seconds": 1,
                "response_timeout_seconds": 1,
                "unhealthy_threshold": 2,
                "healthy_threshold": 2,
            },
            "http_idle_timeout_seconds": 600,
            "redirect_http_to_https": False,
        }

    def tell(self, *droplets: Droplet) -> None:
        """What the rehearsal does when the droplets with the tag change."""
        members = {droplet.name: droplet.address for droplet in droplets}
        known = self.ask("show servers state") if self.process else ""
        text = balancers.configuration(self.object, members, str(self.folder))
        (self.folder / "haproxy.cfg").write_text(text)
        (self.folder / "state").write_text(balancers.state(self.object, members, known))
        if self.process:
            while not balancers.runs_on(self.ask("show info"), text):
                self.process.send_signal(signal.SIGUSR2)
                time.sleep(0.5)
        else:
            command = ["haproxy", "-W", "-db", "-f", "haproxy.cfg"]
            self.process = subprocess.Popen(command, cwd=self.folder)
            until(lambda: bool(self.ask("show servers state")))

    def ask(self, what: str) -> str:
        with socket.socket(socket.AF_UNIX) as there, suppress(OSError):
            there.connect(str(self.folder / "socket"))
            there.sendall(f"{what}\n".encode())
            return b"".join(iter(lambda: there.recv(65536), b"")).decode()
        return ""

    def get(self, path: str = "/", cookie: str = "") -> tuple[int, str, str]:
        """Status, the droplet that answered, and the cookie that was set."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        answer = connection.getresponse()
        set_to = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        body = answer.read().decode()
        connection.close()
        return answer.status, body if answer.status == 200 else "", set_to


@pytest.fixture
def droplets() -> list[Droplet]:
    port = free_port()
    names = ("digits", "digits-2", "digits-3")
    return [Droplet(name, f"127.0.0.{n}", port) for n, name in enumerate(names, start=2)]


@pytest.fixture
def balancer(droplets: list[Droplet]) -> Iterator[Balancer]:
    need_program("haproxy")
    folder = Path("/tmp") / f"digits-haproxy-{free_port()}"  # noqa: S108 - a socket's path is short
    folder.mkdir()
    made = Balancer(folder, free_port(), droplets[0].port)
    yield made
    if made.process:
        made.process.terminate()
        made.process.wait()
    shutil.rmtree(folder)


def answering(balancer: Balancer, count: int = 12) -> set[str]:
    """Who answers new visitors."""
    return {balancer.get()[1] for _ in range(count)}


def test_a_visitor_stays_and_others_are_spread(balancer: Balancer, droplets: list[Droplet]) -> None:
    one, two, _ = droplets
    with one.serving(), two.serving():
        balancer.tell(one, two)
        until(lambda: answering(balancer) == {"digits", "digits-2"})
        _, mine, cookie = balancer.get()
        assert cookie.startswith("digits-droplet=")
        assert "digits" not in cookie.partition("=")[2]
        assert {balancer.get(cookie=cookie)[1] for _ in range(8)} == {mine}
        # The droplet sees the visitor's address, and not the balancer's cookie.
        [seen] = [d.visits()[-1] for d in (one, two) if d.name == mine]
        assert seen["x-forwarded-for"] == "127.0.0.1"
        assert seen["x-forwarded-proto"] == "http"
        assert "digits-droplet" not in seen.get("cookie", "")


def test_one_that_is_not_well_yet_gets_nobody(balancer: Balancer, droplets: list[Droplet]) -> None:
    one, two, _ = droplets
    two.ready = False
    with one.serving(), two.serving():
        balancer.tell(one)
        until(lambda: answering(balancer) == {"digits"})
        # The first has been found well, and stays so while the second comes.
        balancer.tell(one, two)
        assert all(balancer.get()[0] == 200 for _ in range(20))
        until(lambda: any(look["path"] == "/ready" for look in two.seen))
        assert all(balancer.get()[0] == 200 for _ in range(20))
        assert two.visits() == []
        two.ready = True
        until(lambda: answering(balancer) == {"digits", "digits-2"})
        # Taken out by its health path, as before a reboot: its visitors go to another.
        two.ready = False
        until(lambda: answering(balancer) == {"digits"})


def test_one_that_dies_loses_its_visitors_to_the_others(
    balancer: Balancer, droplets: list[Droplet]
) -> None:
    one, two, _ = droplets
    with one.serving():
        with two.serving():
            balancer.tell(one, two)
            until(lambda: answering(balancer) == {"digits", "digits-2"})
            while (found := balancer.get())[1] != "digits-2":
                pass
            cookie = found[2]
        # It is not known yet that nobody is there, and nobody gets an error.
        assert balancer.get(cookie=cookie)[:2] == (200, "digits")
        until(lambda: answering(balancer) == {"digits"})
    until(lambda: balancer.get()[0] == 503)


def test_a_change_lets_what_is_under_way_end(balancer: Balancer, droplets: list[Droplet]) -> None:
    one, two, three = droplets
    with one.serving(), two.serving(), three.serving():
        balancer.tell(one)
        until(lambda: answering(balancer) == {"digits"})
        answers: list[tuple[int, str, str]] = []
        slow = Thread(target=lambda: answers.append(balancer.get("/slow")))
        slow.start()
        until(lambda: any(seen["path"] == "/slow" for seen in one.seen) or not slow.is_alive())
        balancer.tell(one, two, three)
        balancer.tell(two, three)
        slow.join()
        assert answers[0][:2] == (200, "digits")
        until(lambda: answering(balancer) == {"digits-2", "digits-3"})


def test_nobody_there(balancer: Balancer) -> None:
    balancer.tell()
    assert balancer.get()[0] == 503


def test_another_droplet_of_the_same_name_is_a_stranger(balancer: Balancer) -> None:
    first = balancers.state(balancer.object, {"digits": "10.0.0.2"}, "")
    well = first.replace("10.0.0.2 0", "10.0.0.2 2")
    assert balancers.state(balancer.object, {"digits": "10.0.0.2"}, well) == well
    other = balancers.state(balancer.object, {"digits": "10.0.0.3"}, well)
    assert "10.0.0.3 0" in other
    assert "10.0.0.2" not in other
