"""What one address may open to a droplet: the limits that nftables and nginx really keep."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests import web
from tests.needs import need, need_program
from tests.nginx import FILES, WEB, rendered
from tests.nginx import nginx as served_by_nginx

SITE, VISITORS = (f"digits-{name}-{os.getpid()}" for name in ("site", "visitors"))

LISTENS = """
import asyncio, sys
async def serve(reader, writer):
    await reader.read()
    writer.close()
async def main():
    for port in sys.argv[1:]:
        await asyncio.start_server(serve, None, int(port))
    print("listening", flush=True)
    await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""
# Opens so many connections from an address; prints how many of them there are.
OPENS = """
import socket, sys
there, port, count, here = sys.argv[1:]
kept = []
for _ in range(int(count)):
    try:
        kept.append(socket.create_connection((there, int(port)), 0.3, (here, 0)))
    except TimeoutError:
        pass
print(len(kept), flush=True)
sys.stdin.read()
"""


def inside(namespace: str, *command: str, stdin: str = "") -> str:
    """Run a command in a network namespace; return what it prints."""
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, *command],
        input=stdin, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def running() -> Iterator[ExitStack]:
    """A droplet and visitors with several addresses, in network namespaces joined by a cable."""
    need_program("nft", "nftables")
    need_program("ip", "iproute2")
    need(os.geteuid() == 0, "root, to make network namespaces", "sudo make test")
    with ExitStack() as stack:
        for name in (SITE, VISITORS):
            subprocess.run(["ip", "netns", "add", name], check=True)
            stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        cable = ["ip", "-n", SITE, "link", "add", "eth0", "type", "veth"]
        subprocess.run([*cable, "peer", "name", "eth0", "netns", VISITORS], check=True)
        for name, addresses in {
            SITE: "10.9.0.1/24 fd09::1/32",
            VISITORS: "10.9.0.2/24 10.9.0.3/24 fd09:0:2::1/32 fd09:0:2::2/32 fd09:0:3::1/32",
        }.items():
            for address in addresses.split():
                add = ["ip", "-n", name, "address", "add", address, "dev", "eth0"]
                subprocess.run([*add, *(["nodad"] if ":" in address else [])], check=True)
            for link in ("lo", "eth0"):
                subprocess.run(["ip", "-n", name, "link", "set", link, "up"], check=True)
        assert started(stack, SITE, LISTENS, "22", "80", "443") == "listening"
        yield stack


def started(stack: ExitStack, namespace: str, script: str, *arguments: str) -> str:
    """Start a script that stays; return the first line it prints."""
    program = stack.enter_context(
        subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, "-c", script, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
    )  # fmt: skip
    assert program.stdin
    assert program.stdout
    stack.callback(program.stdin.close)
    return program.stdout.readline().strip()


def opens(stack: ExitStack, here: str, port: int, count: int = 8, namespace: str = "") -> int:
    """Open connections and keep them; return how many the droplet took."""
    there = "fd09::1" if ":" in here else "10.9.0.1"
    return int(started(stack, namespace or VISITORS, OPENS, there, str(port), str(count), here))


def load(**values: object) -> None:
    inside(SITE, "nft", "--file", "-", stdin=rendered("limits.nft.j2", **values))


def test_an_address_has_so_many_connections_and_others_have_theirs(running: ExitStack) -> None:
    load(web_connections_of_address=5)
    with ExitStack() as first:
        assert opens(first, "10.9.0.2", 443) == 5
        assert opens(first, "10.9.0.2", 80) == 0
        # Another address, another port, and the droplet itself.
        assert opens(first, "10.9.0.3", 443, 5) == 5
        assert opens(first, "10.9.0.2", 22) == 8
        assert opens(first, "10.9.0.1", 443, namespace=SITE) == 8
        # A network of 64 bits is one source.
        assert opens(first, "fd09:0:2::1", 443) == 5
        assert opens(first, "fd09:0:2::2", 443) == 0
        assert opens(first, "fd09:0:3::1", 443) == 5
    # What was closed makes room.
    assert opens(running, "10.9.0.2", 443) == 5


def test_an_address_opens_so_many_in_a_second(running: ExitStack) -> None:
    values = {"web_connections_of_address": 10, "web_new_connections_of_address": 1}
    load(**values)
    with ExitStack() as first:
        assert opens(first, "10.9.0.2", 443, 10) == 10
    # Ten at once were allowed, and then one a second.
    assert opens(running, "10.9.0.2", 443, 10) < 8


def test_behind_the_balancer_there_are_no_limits_and_dockers_rules_stay(
    running: ExitStack,
) -> None:
    inside(SITE, "nft", "add table ip nat; add chain ip nat DOCKER")
    load(web_connections_of_address=5)
    load(web_connections_of_address=5)  # again, as after a change
    load(web_connections_of_address=5, web_balanced=True)
    assert opens(running, "10.9.0.2", 443) == 8
    assert inside(SITE, "nft", "list", "tables") == "table ip nat\n"
    load()
    stop = re.search(r"^ExecStop=-/usr/sbin/(.*)", service(), re.MULTILINE)
    assert stop
    inside(SITE, *stop[1].split())
    assert inside(SITE, "nft", "list", "tables") == "table ip nat\n"
    assert "DOCKER" in inside(SITE, "nft", "list", "ruleset")


def service() -> str:
    return (FILES / "etc/systemd/system/digits-limits.service").read_text()


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[int]:
    """nginx before an app that answers everything."""
    with web.serving(lambda _path: (200, b"")) as app, served_by_nginx(tmp_path, app) as port:
        yield port


def ask(port: int, path: str, address: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path, headers={"X-Forwarded-For": address})
        return connection.getresponse().status


def test_what_is_begun_and_not_ended_is_closed_in_seconds(nginx: int) -> None:
    """Silent, half a request, one whose headers come byte by byte, one without its body."""
    with ExitStack() as stack:
        silent, half, slow, body = (
            stack.enter_context(socket.create_connection(("127.0.0.1", nginx), 10))
            for _ in range(4)
        )
        started = time.monotonic()
        half.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ")
        slow.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        body.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n\r\n")
        with suppress(OSError):
            for _ in range(9):
                slow.sendall(b"x")
                time.sleep(1)
        for connection in (silent, half, slow, body):
            connection.settimeout(0.1)
            with suppress(ConnectionError):
                assert connection.recv(100)[9:12] in (b"", b"408")
        assert time.monotonic() - started < 10


def test_new_pages_come_at_a_pace(nginx: int) -> None:
    """The limit of one source, of IPv6 a network of 64 bits, is no other's."""
    path = "/_stcore/stream"
    for addresses in (
        ["203.0.113.7"] * 80,
        [f"2001:db8:1:2::{number}" for number in range(1, 81)],
    ):
        started = time.monotonic()
        for address in addresses[:40]:  # a class opens them at once
            assert ask(nginx, path, address) == 200
        assert time.monotonic() - started < 2
        with ThreadPoolExecutor(40) as pool:
            seen = list(pool.map(partial(ask, nginx, path), addresses[40:]))
        # Some wait for their turn, and the rest has to come again.
        assert 20 <= seen.count(200) <= 35
        assert seen.count(429) == 40 - seen.count(200)
        assert time.monotonic() - started > 5
    assert ask(nginx, path, "203.0.113.8") == 200
    assert ask(nginx, path, "2001:db8:1:3::1") == 200
    assert ask(nginx, "/", "203.0.113.7") == 200  # files are another matter


def test_an_address_may_not_take_all_of_nginx_connections() -> None:
    text = rendered("nginx.conf.j2")
    connections = re.search(r"worker_connections (\d+);", text)
    assert connections
    one = yaml.safe_load((WEB / "defaults/main.yml").read_text())["web_connections_of_address"]
    # Four, with the app's side of each, and as much again for everybody else.
    assert int(connections[1]) > 2 * 4 * 2 * one
