"""What visitors notice of three droplets behind a load balancer, while things happen to them.

Sixty pages stay open, others are asked for without a pause, and some visitors draw and answer.
What is planned may cost nobody a request; a machine that dies costs what was under way to it, and
what comes until the balancer's health check has noticed.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.deployment import Failed, changed_app, make
from benchmarks.report import Line
from rehearsal import places
from tests.crowd import visiting
from tests.rehearsal.deployment import STATE, Deployment, run, url_in
from tests.rehearsal.fleet import Numbered, account, answers, images
from tests.rehearsal.load import under_load
from tests.rehearsal.releases import release

DROPLETS = 3
SETTINGS = {"TF_VAR_managed_database": "true", "TF_VAR_droplets": str(DROPLETS)}
PAGES, ASKERS, VISITORS = 60, 4, 6
BEFORE, AFTER = 3.0, 3.0  # seconds of load around what happens
# Nothing comes into a droplet, and nothing leaves it.
CUT = """\
table inet cut {
  chain in { type filter hook input priority -400; policy drop; iif lo accept; }
  chain out { type filter hook output priority -400; policy drop; oif lo accept; }
}
"""
READY = (
    "until curl -sf -o /dev/null -H 'Host: localhost' http://127.0.0.1/ready; do sleep 0.5; done"
)


@dataclass(frozen=True)
class Fleet:
    """The droplets, the first one first, and the balancer's URL."""

    url: str
    droplets: list[Deployment]

    def docker(self, number: int, *words: str, stdin: str = "") -> None:
        """Do something to the container that a droplet is; its name goes where {} stands."""
        address = self.droplets[number - 1].ip
        for one in account("droplets")["droplets"]:
            if any(network["ip_address"] == address for network in one["networks"]["v4"]):
                command = [word.format(f"{places.PROJECT}-{one['id']}") for word in words]
                subprocess.run(["docker", *command], input=stdin, text=True, check=True)
                return
        raise Failed(f"no droplet is at {address}")

    def is_ready(self, number: int) -> None:
        """Wait until a droplet lets the balancer send visitors."""
        deadline = time.monotonic() + 180
        while True:
            try:
                self.droplets[number - 1].ssh(READY)
                return
            except AssertionError:  # it does not answer yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)


def _release(fleet: Fleet) -> str:
    before = images(*fleet.droplets)
    with changed_app("Draw on three droplets") as folder:
        make("release", APP_FOLDER=folder)
    after = images(*fleet.droplets)
    return "new on all" if len(set(after)) == 1 and after != before else f"serve: {after}"


def _rollback(fleet: Fleet) -> str:
    make("rollback")
    return "old on all" if len(set(images(*fleet.droplets))) == 1 else "not the same on all"


def _patch(fleet: Fleet) -> str:
    seconds, _ = make("patch")
    return f"{seconds:.0f} s, {len(fleet.droplets)} droplets"


def _full_disk(fleet: Fleet) -> str:
    """A release for which the second droplet has no room."""
    before = images(*fleet.droplets)
    fleet.droplets[1].ssh("mount -t tmpfs -o size=1m tmpfs /var/lib/docker/tmp")
    try:
        with changed_app("Draw where there is room") as folder:
            # What is downloaded has to be more than that.
            (Path(folder) / "page.css").write_bytes(os.urandom(3_000_000))
            failed = release(APP_FOLDER=folder).returncode != 0
    finally:
        fleet.droplets[1].ssh("umount /var/lib/docker/tmp")
    as_before = failed and images(*fleet.droplets) == before
    return "failed; old on all" if as_before else "not the same as before"


def _killed(fleet: Fleet) -> str:
    fleet.docker(3, "kill", "{}")
    time.sleep(_reaction() + 5)
    fleet.docker(3, "start", "{}")
    fleet.is_ready(3)
    return "back"


def _cut_off(fleet: Fleet) -> str:
    inside = ("exec", "--interactive", "{}", "nft")
    fleet.docker(2, *inside, "-f", "-", stdin=CUT)
    time.sleep(_reaction() + 5)
    fleet.docker(2, *inside, "delete", "table", "inet", "cut")
    fleet.is_ready(2)
    return "back"


def _to(number: int) -> Callable[[Fleet], str]:
    def resize(fleet: Fleet) -> str:
        there = {one["id"] for one in account("droplets")["droplets"]}
        seconds, _ = make("deploy", **SETTINGS | {"TF_VAR_droplets": str(number)})
        now = {one["id"] for one in account("droplets")["droplets"]}
        untouched = min(len(there), len(now)) == len(there & now)
        images(*fleet.droplets[:number])
        return f"{seconds:.0f} s, the others {'un' if untouched else ''}touched"

    return resize


# What happens, and whether it was planned.
EVENTS: tuple[tuple[str, Callable[[Fleet], str], bool], ...] = (
    ("a release", _release, True),
    ("a rollback", _rollback, True),
    ("make patch", _patch, True),
    ("the second one's disk is full during a release", _full_disk, True),
    ("docker kill of one", _killed, False),
    ("the network of one is cut", _cut_off, False),
    ("from three to two", _to(2), True),
    ("from two to three", _to(3), True),
)


def _reaction() -> int:
    """Seconds until the balancer has noticed that a droplet is down."""
    (balancer,) = account("load_balancers")["load_balancers"]
    health = balancer["health_check"]
    once = health["check_interval_seconds"] + health["response_timeout_seconds"]
    return int(health["unhealthy_threshold"] * once)


def _seen(fleet: Fleet, what: str, do: Callable[[Fleet], str], planned: bool) -> Iterator[Line]:
    """Let it happen under load, and say what that cost whom."""
    before = answers(fleet.droplets[0])
    with (
        under_load(fleet.url, askers=ASKERS, stayers=PAGES) as load,
        visiting(fleet.url, VISITORS, pause=1, patient=True) as crowd,
    ):
        time.sleep(BEFORE)
        came_of_it = do(fleet)
        time.sleep(AFTER)
    failed = len(load.failed)
    print(*load.failed, *crowd.failed, sep="\n")
    first, last = (load.failed[number].split()[0] for number in (0, -1)) if failed else ("", "")
    yield Line(f"{what}: what came of it", came_of_it)
    yield Line(
        f"{what}: requests failed",
        f"{failed} of {load.requests:,}" + (f", from {first} to {last}" if failed else ""),
        "0" if planned else f"those within {_reaction()} s",
        failed == 0 if planned else None,
    )
    yield Line(
        f"{what}: of {PAGES} open pages reconnected",
        f"{load.dropped}, the longest after {load.away:.1f} s",
    )
    missing = max(0, crowd.answers - (answers(fleet.droplets[0]) - before))
    yield Line(
        f"{what}: rows acknowledged, and missing",
        f"{crowd.answers}, {missing}", "0 missing", missing == 0,
    )  # fmt: skip


def measure() -> Iterator[Line]:
    """Deploy three droplets, let everything happen to them, destroy."""
    if STATE.exists():
        raise SystemExit("A rehearsal is standing. End it first: make destroy TARGET=rehearsal")
    run("scripts/in", "rehearsal", "-m", "rehearsal", "up")
    try:
        seconds, output = make("deploy", RESTORE="none", **SETTINGS)
        yield Line("three droplets, from nothing", f"{seconds:.0f} s")
        url = url_in(output)
        others = [Numbered(output, url, number) for number in range(2, DROPLETS + 1)]
        fleet = Fleet(url, [Deployment(output, url), *others])
        for what, do, planned in EVENTS:
            yield from _seen(fleet, what, do, planned)
    finally:
        run("scripts/in", "rehearsal", "-m", "rehearsal", "down")
