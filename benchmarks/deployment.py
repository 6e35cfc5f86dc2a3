"""How long, how much, and at what cost to visitors? A deployment rehearsed from nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from benchmarks.report import Line
from benchmarks.tls import the_cost_of_tls
from tests.rehearsal.deployment import (
    ROOT,
    STATE,
    Deployment,
    run,
    trust_the_authority,
    url_in,
)
from tests.rehearsal.load import under_load

MB = 1_000_000
PAUSE = 0.02  # seconds between one visitor's requests


class Failed(Exception):
    """A step that is measured did not work; its output is above."""


def make(*words: str, **env: str) -> tuple[float, str]:
    """Run a make target on the rehearsal; return seconds and output. Raises Failed."""
    started = time.monotonic()
    done = run("make", *words, "TARGET=rehearsal", **env)
    if done.returncode:
        raise Failed(" ".join(words))
    return time.monotonic() - started, done.stdout


@contextmanager
def changed_app(title: str) -> Iterator[str]:
    """A copy of the app with one line changed."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "app"
        shutil.copytree(ROOT / "app", folder)
        page = folder / "streamlit_app.py"
        page.write_text(re.sub(r'st\.title\("[^"]*"', f'st.title("{title}"', page.read_text()))
        yield str(folder)


class Memory:
    """The most memory that a droplet's processes held at once, as its control group has it."""

    def __init__(self) -> None:
        found = subprocess.run(
            ["docker", "ps", "--no-trunc", "--quiet", "--filter", "label=digits.rehearsal"],
            capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        places = [
            *(Path(f"/sys/fs/cgroup/memory/docker/{id_}") for id_ in found),
            *(Path(f"/sys/fs/cgroup/system.slice/docker-{id_}.scope") for id_ in found),
        ]
        # The droplet is the one with a limit; the rehearsal's helpers have none.
        self._folders = [place for place in places if (place / "memory.stat").exists()]
        self.peak = 0
        self._over = threading.Event()

    def _now(self) -> int:
        most = 0
        for folder in self._folders:
            for line in (folder / "memory.stat").read_text().splitlines():
                name, value = line.split()
                if name in {"total_rss", "anon"}:
                    most = max(most, int(value))
        return most

    def killed(self) -> int:
        """How often the kernel ended a process for want of memory."""
        count = 0
        for folder in self._folders:
            for name in ("memory.oom_control", "memory.events"):
                if (folder / name).exists():
                    found = re.search(
                        r"^oom_kill (\d+)$", (folder / name).read_text(), re.MULTILINE
                    )
                    count += int(found[1]) if found else 0
        return count

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            self.peak = max(self.peak, self._now())

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look five times a second for as long as the block lasts."""
        watch = threading.Thread(target=self._watch)
        watch.start()
        try:
            yield
        finally:
            self._over.set()
            watch.join()


def received(deployment: Deployment) -> int:
    """Bytes that have come to the droplet so far."""
    return int(deployment.ssh("cat /sys/class/net/eth0/statistics/rx_bytes"))


def until_it_serves(url: str) -> float:
    """Seconds until the page answers."""
    started = time.monotonic()
    while True:
        try:
            if requests.get(f"{url}/_stcore/health", timeout=1).ok:
                return time.monotonic() - started
        except requests.RequestException:
            time.sleep(0.1)


def the_image() -> Iterator[Line]:
    """The size of the app's image, and what takes it."""

    def ask(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    size = int(ask("docker", "image", "inspect", "--format", "{{.Size}}", "digits:dev")) / MB
    yield Line("image size", f"{size:,.0f} MB")
    inside = "cd /venv/lib/python3.11/site-packages && du --summarize --block-size=1MB *"
    listed = ask("docker", "run", "--rm", "--entrypoint", "sh", "digits:dev", "-c", inside)
    packages = {name: int(mb) for mb, name in (line.split("\t") for line in listed.splitlines())}
    largest = sorted(packages, key=lambda name: -packages[name])[:5]
    rest = size - sum(packages[name] for name in largest)
    parts = [f"{name} {packages[name]}" for name in largest]
    yield Line("of it, MB", ", ".join([*parts, f"all else (Debian and Python too) {rest:.0f}"]))


def measure() -> Iterator[Line]:
    """Deploy, release in two ways, roll back, reboot, destroy."""
    if STATE.exists():
        raise SystemExit("A rehearsal is standing. End it first: make destroy TARGET=rehearsal")
    run("scripts/in", "rehearsal", "-m", "rehearsal", "up")
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield from _measure(Path(folder))
    finally:
        run("scripts/in", "rehearsal", "-m", "rehearsal", "down")


def _measure(folder_for_trust: Path) -> Iterator[Line]:
    seconds, output = make("deploy", "RESTORE=none")
    trust_the_authority(folder_for_trust)
    deployment = Deployment(output, url_in(output))
    yield Line("first deploy, bare droplet to URL (image layers cached)", f"{seconds:.0f} s")
    yield from the_image()
    yield from the_cost_of_tls(deployment)

    seconds, _ = make("deploy")
    yield Line("deploy again with nothing changed", f"{seconds:.0f} s")

    with changed_app("Draw one digit") as folder:
        before = received(deployment)
        seconds, _ = make("release", APP_FOLDER=folder)
        sent = received(deployment) - before
    yield Line("release of a one-line change", f"{seconds:.0f} s")
    yield Line("bytes to the droplet for it", f"{sent / 1000:,.0f} kB", "< 1 MB", sent < MB)

    memory = Memory()
    with (
        changed_app("Draw one digit, please") as folder,
        memory.watched(),
        under_load(deployment.url, pause=PAUSE) as load,
    ):
        make("release", APP_FOLDER=folder)
        time.sleep(2)
    failed = len(load.failed)
    yield Line(
        "requests failed during a release under load",
        f"{failed} of {load.requests:,}", "0", failed == 0,
    )  # fmt: skip
    yield Line("open pages: longest without a connection", f"{load.away:.1f} s")
    peak, killed = memory.peak / MB, memory.killed()
    yield Line(
        "memory held at most, both versions and a backup, droplet of 1 GB without its swap",
        f"{peak:.0f} MB, {killed} processes killed", "fits", killed == 0,
    )  # fmt: skip

    # The same change of version as everybody does it: compose up, in place.
    images = [one["name"] for one in deployment.releases()[-2:]]
    compose = "cd /opt/digits && APP_IMAGE={} docker compose up --detach --wait app"
    deployment.ssh("systemctl stop digits-watchdog.timer")  # it would repair this meanwhile
    with under_load(deployment.url, pause=PAUSE) as load:
        deployment.ssh(compose.format(images[0]))
        time.sleep(2)
    yield Line(
        "requests failed when the same is done by plain `docker compose up -d`",
        f"{len(load.failed)} of {load.requests:,}",
    )  # fmt: skip
    deployment.ssh(compose.format(images[1]))
    deployment.ssh("systemctl start digits-watchdog.timer")

    with under_load(deployment.url, pause=PAUSE) as load:
        deployment.ssh("systemctl restart containerd docker")
        time.sleep(3)
    failed = len(load.failed)
    yield Line(
        "requests failed while Docker itself is restarted, as for an upgrade",
        f"{failed} of {load.requests:,}", "0", failed == 0,
    )  # fmt: skip

    seconds, _ = make("rollback")
    yield Line("rollback", f"{seconds:.0f} s")

    deployment.ssh("systemd-run --quiet --on-active=1 reboot")
    time.sleep(3)
    yield Line("reboot to serving again", f"{until_it_serves(deployment.url) + 2:.0f} s")

    seconds, _ = make("destroy", CONFIRM="digits")
    yield Line("destroy, last backup included", f"{seconds:.0f} s")
