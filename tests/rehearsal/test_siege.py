"""Four laptops keep all the connections that they can get: nobody else notices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from _pytest.mark import ParameterSet

from rehearsal import places
from tests import siege
from tests.crowd import visiting
from tests.needs import need
from tests.rehearsal.deployment import ROOT, Deployment

pytestmark = pytest.mark.timeout(1800)

CONNECTIONS = 9_000  # of all hostile addresses together: more than nginx once took
# Seconds until a siege stands. Pages that ask once stay, and an address gets two a second.
STARTS = dict.fromkeys(siege.KINDS, 4) | {"idle_pages": 40}
SECONDS = 7  # for which visitors are watched
PAUSE = 1  # seconds before each draw and each answer: people are no faster
KEPT = 0.9  # of the visitors' speed, at least
TRIES = 3  # other programs on this machine slow visitors down as well
# Addresses of the rehearsal's network that it gives nobody (rehearsal/droplet/containers.py).
ADDRESSES = (2, 3, 4, 7)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def namespaces(deployment: Deployment) -> Iterator[list[str]]:
    """Four network namespaces, each with an address of its own beside the droplet."""
    del deployment
    need(os.geteuid() == 0, "root, to make network namespaces", "sudo make test-rehearsal")
    (network,) = json.loads(_run("docker", "network", "inspect", places.PROJECT))
    prefix = network["IPAM"]["Config"][0]["Subnet"].rpartition(".")[0]
    made = []
    try:
        for number in ADDRESSES:
            name, cable = f"digits-siege-{number}", f"digits-siege{number}"
            _run("ip", "netns", "add", name)
            made.append(name)
            peer = ("type", "veth", "peer", "name", "eth0", "netns", name)
            _run("ip", "link", "add", cable, *peer)
            _run("ip", "link", "set", cable, "master", f"br-{network['Id'][:12]}", "up")
            _run("ip", "-n", name, "address", "add", f"{prefix}.{number}/24", "dev", "eth0")
            _run("ip", "-n", name, "link", "set", "eth0", "up")
        yield made
    finally:
        for name in made:
            _run("ip", "netns", "delete", name)


@contextmanager
def besieged(url: str, kind: str, namespaces: list[str]) -> Iterator[list[str]]:
    """Let each of them do its worst while the block lasts; then see what they had."""
    seen: list[str] = []
    # They are other machines: what the droplet and its visitors need of this one goes first.
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.siege"]
    command += [url, kind, str(CONNECTIONS // len(namespaces)), str(STARTS[kind] + SECONDS)]
    attackers = [
        subprocess.Popen(
            ["ip", "netns", "exec", name, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for name in namespaces
    ]
    try:
        time.sleep(STARTS[kind])
        yield seen
    finally:
        for attacker in attackers:
            printed, _ = attacker.communicate(timeout=60)
            seen.append(printed.strip())


def _crowd(deployment: Deployment) -> tuple[int, float]:
    """Ten visitors come, draw and answer; how many answers they give, and how many in a second."""
    started = time.monotonic()
    with visiting(deployment.url, 10, pause=PAUSE) as crowd:
        time.sleep(SECONDS)
    seconds = time.monotonic() - started
    assert crowd.failed == []
    return crowd.answers, crowd.answers / seconds


def cases() -> list[ParameterSet]:
    """Every kind of siege; the weekly tests have all but one of them."""
    often = "silent_pages"
    return [
        pytest.param(kind, marks=() if kind == often else pytest.mark.long) for kind in siege.KINDS
    ]


@pytest.mark.parametrize("kind", cases())
def test_a_siege_is_not_noticed(deployment: Deployment, namespaces: list[str], kind: str) -> None:
    before = len(deployment.rows())
    given, quiet = _crowd(deployment)
    kept = []
    for _ in range(TRIES):
        with besieged(deployment.url, kind, namespaces) as seen:
            answers, speed = _crowd(deployment)
        more, after = _crowd(deployment)
        given += answers + more
        kept.append(2 * speed / (quiet + after))
        print(f"opened and open: {seen}; answers a second: {quiet:.2f}, {speed:.2f}, {after:.2f}")
        quiet = after
        if kept[-1] >= KEPT:
            break
    assert max(kept) >= KEPT
    assert len({at for at, _, _ in deployment.rows()}) - before == given
