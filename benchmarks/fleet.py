"""What visitors notice on the way to three droplets and back, and of what happens to three.

Sixty pages stay open, others are asked for without a pause, and some visitors draw and answer.
What is planned may cost nobody a request; a machine that dies costs what was under way to it, and
what comes until the balancer's health check has noticed.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.deployment import PAUSE, Failed, changed_app, make
from benchmarks.report import Line
from rehearsal import places
from tests.crowd import visiting
from tests.rehearsal.deployment import STATE, Deployment, run, trust_the_authority, url_in
from tests.rehearsal.fleet import Numbered, Visits, account, balancer, images, moving
from tests.rehearsal.load import under_load
from tests.rehearsal.log import MANY, checksum, count, fill
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
    """With a reboot of each, as a new kernel asks for it."""
    booted = "ps --pid 1 --format lstart="
    boots = [one.ssh(f"touch /var/run/reboot-required; {booted}") for one in fleet.droplets]
    seconds, _ = make("patch")
    again = [one.ssh(booted) for one in fleet.droplets]
    rebooted = sum(old != new for old, new in zip(boots, again, strict=True))
    return f"{seconds:.0f} s, {rebooted} of {len(boots)} rebooted"


def _full_disk(fleet: Fleet) -> str:
    """A release for which the second droplet has no room."""
    before = images(*fleet.droplets)
    fleet.droplets[1].ssh("mount -t tmpfs -o size=1m tmpfs /var/lib/docker/tmp")
    try:
        with changed_app("Draw where there is room") as folder:
            # What is downloaded has to be more than that.
            (Path(folder) / "ballast").write_bytes(os.urandom(3_000_000))
            with (Path(folder) / "Dockerfile").open("a") as recipe:
                recipe.write("COPY ballast ballast\n")
            done = release(APP_FOLDER=folder)
    finally:
        fleet.droplets[1].ssh("umount /var/lib/docker/tmp")
    if done.returncode == 0 or "no space left" not in done.stdout:
        raise Failed("the disk was not full enough")
    as_before = images(*fleet.droplets) == before
    return "stopped there; old on all" if as_before else "not the same as before"


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
    before = count(fleet.droplets[0])
    with (
        under_load(fleet.url, askers=ASKERS, stayers=PAGES, pause=PAUSE) as load,
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
        f"{failed} of {load.requests:,}"
        + (f", from {first} to {last}" if failed else "")
        + f"; the slowest took {load.slowest:.1f} s",
        "0" if planned else f"those within {_reaction()} s",
        failed == 0 if planned else None,
    )
    yield Line(
        f"{what}: times that one of {PAGES} open pages reconnected",
        f"{len(load.dropped)}, the longest after {load.away:.1f} s",
    )
    missing = max(0, crowd.answers - (count(fleet.droplets[0]) - before))
    yield Line(
        f"{what}: rows acknowledged, and missing",
        f"{crowd.answers:,}, {missing}", "0 missing", missing == 0,
    )  # fmt: skip


@dataclass(frozen=True)
class Logged:
    """What the log of answers held."""

    rows: int
    same: str  # a checksum of the ten thousand

    @classmethod
    def by(cls, droplet: Deployment) -> Logged:
        """As it is now."""
        return cls(count(droplet), checksum(droplet))


def _there(one: Deployment) -> tuple[Fleet, Iterator[Line]]:
    """From one droplet to three, while visitors come and answer."""
    before = Logged.by(one)
    with moving(lambda: one.url, balancer) as seen, visiting(one.url, 3, patient=True) as crowd:
        seconds, output = make("deploy", **SETTINGS)
    now = Logged.by(one)
    url = url_in(output)
    others = [Numbered(output, url, number) for number in range(2, DROPLETS + 1)]
    lines = _moved("from one droplet to three", seconds, seen, before, now, crowd.answers)
    return Fleet(url, [Deployment(output, url), *others]), lines


def _back(one: Deployment, fleet: Fleet) -> Iterator[Line]:
    """From three droplets to one with its own database, while visitors come and answer."""
    before = Logged.by(one)
    # It answers by HTTP at once, and has its certificate again in a minute.
    addresses = (fleet.url, f"http://{one.site_address}", one.url)
    ask = [partial(str, address) for address in addresses]
    with moving(*ask) as seen, visiting(fleet.url, 3, patient=True) as crowd:
        seconds, _ = make("deploy")
    now = Logged.by(one)
    yield from _moved("from three droplets to one", seconds, seen, before, now, crowd.answers)


def _moved(
    what: str, seconds: float, seen: Visits, before: Logged, now: Logged, acknowledged: int
) -> Iterator[Line]:
    print(*seen.unanswered, sep="\n")
    yield Line(f"{what}, with {MANY:,} answers", f"{seconds:.0f} s")
    asked = sum(seen.answers.values()) + len(seen.unanswered)
    yield Line(
        f"{what}: asked ten times a second, and unanswered",
        f"{asked:,}, {len(seen.unanswered)}", "0 unanswered", not seen.unanswered,
    )  # fmt: skip
    missing = max(0, acknowledged - (now.rows - before.rows))
    yield Line(
        f"{what}: rows acknowledged meanwhile, and missing",
        f"{acknowledged:,}, {missing}", "0 missing", missing == 0,
    )  # fmt: skip
    equal = before.same == now.same
    yield Line(f"{what}: the rows before", "equal" if equal else "NOT equal", "equal", equal)


def measure() -> Iterator[Line]:
    """Deploy one droplet, go to three, let everything happen to them, come back, destroy."""
    if STATE.exists():
        raise SystemExit("A rehearsal is standing. End it first: make destroy TARGET=rehearsal")
    run("scripts/in", "rehearsal", "-m", "rehearsal", "up")
    try:
        with tempfile.TemporaryDirectory() as folder:
            seconds, output = make("deploy", RESTORE="none")
            trust_the_authority(Path(folder))
            yield Line("one droplet, from nothing", f"{seconds:.0f} s")
            one = Deployment(output, url_in(output))
            with visiting(one.url, 1) as crowd:  # the table comes with the first answer
                while not crowd.answers:
                    time.sleep(1)
            fill(one)
            fleet, lines = _there(one)
            yield from lines
            for what, do, planned in EVENTS:
                yield from _seen(fleet, what, do, planned)
            yield from _back(one, fleet)
    finally:
        run("scripts/in", "rehearsal", "-m", "rehearsal", "down")
