"""What does a second process bring? One and two of them in turn, on a droplet of two processors.

What makes the load must not take part in what it measures, and this machine has two cores. So the
droplet's processors are slow ones: control groups give each of them SPEED of a core of this
machine, and to a process of the app, which can use one processor and no more, as much. What is
left of the machine is the visitors', whose drawings are made before.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.app import canvases
from benchmarks.deployment import make
from benchmarks.report import Line, percentiles
from tests.rehearsal.deployment import STATE, Deployment, run, trust_the_authority, url_in
from tests.visitor import Visitor, encoded

SIZE = "s-2vcpu-4gb"
SPEED = 0.75  # of a core of this machine
VISITORS = 50
WARM, SECONDS = 6.0, 20.0  # before a round counts, and how long it does
ROUNDS = 3  # of each number of processes, in turn

# A visitor at people's pace draws and answers every ten seconds, and a processor is busy for
# six tenths of its time: more, and what comes at once has to wait.
PACE = 0.2  # draws and answers a second
BUSY = 0.6
PAGES = 400  # that a process takes (app/gate.py)
# Sizes of droplets with one process for each processor: slug, processors, dollars a month.
SIZES = (
    ("s-1vcpu-1gb", 1, 6),
    ("s-2vcpu-2gb", 2, 18),
    ("s-4vcpu-8gb", 4, 48),
    ("s-8vcpu-16gb", 8, 96),
)
# More droplets than one need what they share: a node of the balancer takes so many open pages.
BALANCER, NODE, DATABASE = 12, 10_000, 15  # dollars a month, pages, dollars a month
CROWDS = (100, 1_000, 10_000)


@dataclass
class Round:
    """What visitors saw in one round, and who used how much of the machine meanwhile."""

    waits: list[float] = field(default_factory=list)  # seconds, of each draw and each answer
    wrong: list[str] = field(default_factory=list)
    visitors_used: float = 0.0  # cores
    app_used: float = 0.0

    @property
    def rate(self) -> float:
        """Draws and answers a second."""
        return len(self.waits) / SECONDS


async def _visit(url: str, drawings: list[str], seen: Round, begins: float, ends: float) -> None:
    """One visitor who never pauses; what begins and ends within the bounds counts."""

    def note(started: float) -> None:
        if begins <= (now := time.monotonic()) <= ends:
            seen.waits.append(now - started)

    try:
        async with Visitor(url) as visitor:
            number = 0
            while (started := time.monotonic()) < ends:
                await visitor.send_picture(drawings[number % len(drawings)])
                note(started)
                if visitor.digit is None:
                    seen.wrong.append(f"not recognised: {visitor.hint!r}")
                    continue
                started = time.monotonic()
                await visitor.answer(number % 10)
                note(started)
                if visitor.message:
                    seen.wrong.append(visitor.message)
                number += 1
    except Exception as error:  # noqa: BLE001 - whatever ends a visit is a failure to count
        seen.wrong.append(repr(error))


def _round(deployment: Deployment, drawings: list[str]) -> Round:
    """Let the visitors come, and count."""
    seen = Round()
    begins = time.monotonic() + WARM
    ends = begins + SECONDS

    async def all_of_them() -> None:
        visits = (_visit(deployment.url, drawings, seen, begins, ends) for _ in range(VISITORS))
        await asyncio.gather(*visits)

    # In a thread, so that this one can look at the clocks.
    crowd = threading.Thread(target=lambda: asyncio.run(all_of_them()))
    crowd.start()
    time.sleep(begins - time.monotonic())
    used, app = _own_seconds(), _app_seconds(deployment)
    time.sleep(ends - time.monotonic())
    seen.visitors_used = (_own_seconds() - used) / SECONDS
    seen.app_used = (_app_seconds(deployment) - app) / SECONDS
    crowd.join(120)
    return seen


def _own_seconds() -> float:
    """Seconds of a core that this process, whose visitors they are, has used so far."""
    times = psutil.Process(os.getpid()).cpu_times()
    return float(times.user + times.system)


def _app_seconds(deployment: Deployment) -> float:
    """Seconds of a core that the app's processes have used so far."""
    script = (
        "for id in $(docker ps --quiet --filter label=com.docker.compose.service=app); do"
        " for pid in $(docker top $id -eo pid | tail -n +2); do"
        " cut -d ' ' -f 14,15 /proc/$pid/stat; done; done"
    )
    ticks = sum(map(int, deployment.ssh(script).split()))
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def slow_processors(deployment: Deployment) -> Iterator[None]:
    """Two processors for the droplet, and one for each process, of SPEED of a core each."""
    listed = ("docker", "ps", "--quiet", "--filter", f"name=-{_droplet_id()}$")
    container = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.strip()

    def limit(cores: float) -> None:
        docker = ["docker", "update", f"--cpus={cores}", container]
        subprocess.run(docker, check=True, capture_output=True)

    apps = "$(docker ps --quiet --filter label=com.docker.compose.service=app)"
    # The inner limit may not be above the outer one.
    deployment.ssh(f"docker update --cpus={SPEED} {apps}")
    limit(2 * SPEED)
    try:
        yield
    finally:
        limit(2)


def _droplet_id() -> str:
    state = json.loads((STATE / "terraform/terraform.tfstate").read_text())
    return str(state["outputs"]["droplet_id"]["value"])


def _send_to(deployment: Deployment, ports: list[str]) -> None:
    """Let nginx send visitors to these processes alone."""
    lines = "".join(f"server 127.0.0.1:{port};\\n" for port in ports)
    deployment.ssh(
        f"printf '{lines}' >/etc/nginx/digits-upstream.conf && systemctl reload nginx && sleep 1"
    )


def _compared(deployment: Deployment) -> Iterator[Line]:
    """One process and two, in turn."""
    ask = "sed -n 's/^server 127.0.0.1:\\([0-9]*\\);/\\1/p' /etc/nginx/digits-upstream.conf"
    ports = deployment.ssh(ask).split()
    drawings = [encoded(drawing) for drawing in canvases(40)]
    seen: dict[int, list[Round]] = {1: [], 2: []}
    with slow_processors(deployment):
        for _ in range(ROUNDS):
            for count, rounds in seen.items():
                _send_to(deployment, ports[:count])
                rounds.append(_round(deployment, drawings))
    rates, slow = {}, {}
    for count, rounds in seen.items():
        wrong = [problem for one in rounds for problem in one.wrong]
        rates[count] = statistics.median(one.rate for one in rounds)
        median, slow[count] = percentiles([wait for one in rounds for wait in one.waits])
        what = f"{count} process{'es' if count > 1 else ''}"
        used, own = (
            statistics.median(getattr(one, name) for one in rounds)
            for name in ("app_used", "visitors_used")
        )
        yield Line(
            f"{what}: draws and answers a second, median of {ROUNDS} rounds",
            f"{rates[count]:.1f} ({', '.join(f'{one.rate:.1f}' for one in rounds)})",
        )
        yield Line(f"{what}: wait", f"p50 {median:.0f} ms, p95 {slow[count]:.0f} ms")
        yield Line(f"{what}: errors", str(len(wrong)), "0", not wrong)
        yield Line(
            f"{what}: cores of this machine used",
            f"{used:.2f} by the app, {own:.2f} by the visitors",
        )
    gain = rates[2] / rates[1]
    yield Line("two processes in place of one", f"{gain:.2f} times", "1.7 times", gain >= 1.7)
    better = slow[2] <= slow[1]
    yield Line("and their p95", f"{slow[2] / slow[1]:.2f} times", "not worse", better)
    yield from _model(rates[2] / 2 / SPEED)


def _model(rate: float) -> Iterator[Line]:
    """What crowds would need, if every processor did as much as a core of this machine."""
    yield Line("a whole core of this machine would do", f"{rate:.0f} draws and answers/s")
    for crowd in CROWDS:
        needed = max(crowd * PACE / (rate * BUSY), crowd / PAGES)
        slug, each, price = next((size for size in SIZES if size[1] >= needed), SIZES[-1])
        count = math.ceil(needed / each)
        dollars = count * price + (BALANCER * math.ceil(crowd / NODE) + DATABASE) * (count > 1)
        more = ", a balancer and a managed database" if count > 1 else ""
        yield Line(
            f"model: {crowd:,} visitors at once, who draw and answer every ten seconds",
            f"{needed:.1f} processors: {count} x {slug}{more}, ${dollars} a month",
        )


def measure() -> Iterator[Line]:
    """Deploy to a droplet with two processors, compare, destroy."""
    if STATE.exists():
        raise SystemExit("A rehearsal is standing. End it first: make destroy TARGET=rehearsal")
    run("scripts/in", "rehearsal", "-m", "rehearsal", "up")
    try:
        with tempfile.TemporaryDirectory() as folder:
            _, output = make("deploy", RESTORE="none", TF_VAR_size=SIZE)
            trust_the_authority(Path(folder))
            yield from _compared(Deployment(output, url_in(output)))
    finally:
        run("scripts/in", "rehearsal", "-m", "rehearsal", "down")
