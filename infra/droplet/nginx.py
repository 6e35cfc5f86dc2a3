"""nginx, and the one file that says which release is live: /etc/nginx/digits-upstream.conf."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from droplet.clock import Clock
from droplet.disk import Disk
from droplet.programs import run
from droplet.systemd import Systemd

DAMAGED = -1  # in place of a number: the file is not one that was written here
TAKES_OVER = 10  # seconds at most until new worker processes are there
UPSTREAM = "/etc/nginx/digits-upstream.conf"
_NUMBER = re.compile(r"^# release (\d+)$", re.MULTILINE)
_PORT = re.compile(r"^server 127\.0\.0\.1:(\d+);$", re.MULTILINE)


@dataclass(frozen=True)
class Route:
    """Where nginx sends visitors: the number of the live release, and the ports of its processes.

    The number is 0 before the first release, and DAMAGED if the file does not tell.
    """

    number: int
    ports: tuple[int, ...]


class Nginx:
    """The web server. Its file is replaced in one step, and read when nginx is reloaded."""

    def __init__(self, disk: Disk, systemd: Systemd, clock: Clock) -> None:
        self._disk = disk
        self._systemd = systemd
        self._clock = clock

    def route(self) -> Route:
        """What the file says."""
        text = self._disk.read(UPSTREAM)
        number, ports = _NUMBER.search(text), tuple(map(int, _PORT.findall(text)))
        if number:
            return Route(int(number[1]), ports)
        return Route(0 if ports or "down;" in text or not text else DAMAGED, ports)

    def write(self, route: Route) -> None:
        """Replace the file; nginx reads it when it is reloaded. Raises DiskFull."""
        servers = [f"server 127.0.0.1:{port};\n" for port in route.ports]
        lines = [f"# release {route.number}\n", *(servers or ["server 127.0.0.1:8501 down;\n"])]
        self._disk.write(UPSTREAM, "".join(lines), 0o644)

    def check(self) -> str:
        """Why nginx does not accept its configuration; empty if it does."""
        done = run("nginx", "-t", "-q")
        return "" if done.ok else done.error.strip() or "nginx -t failed"

    def runs(self) -> bool:
        """Whether nginx runs. One that was stopped is started."""
        return self._systemd.is_active("nginx") or self._systemd.start("nginx")

    def reload(self) -> bool:
        """Let it read the file; False without a signal. New workers start, the old ones drain."""
        return self._systemd.reload("nginx")

    def has_taken_over(self, before: tuple[int, ...]) -> bool:
        """Wait until other workers than these take connections: what nginx refuses, it ignores."""
        deadline = self._clock.seconds() + TAKES_OVER
        while not (now := set(self.workers())) or now & set(before):
            if self._clock.seconds() >= deadline:
                return False
            self._clock.sleep(0.1)
        return True

    def workers(self) -> tuple[int, ...]:
        """The process ids of the worker processes that take connections now."""
        return _processes(b"nginx: worker process")

    def draining(self) -> tuple[int, ...]:
        """Those of an earlier configuration: they end with their last request or open page."""
        return _processes(b"nginx: worker process is shutting down")

    def drain(self, seconds: float) -> None:
        """Wait until those have ended, so nobody is at an old container any more.

        An open page is a connection that stays, so the wait has an end.
        """
        deadline = self._clock.seconds() + seconds
        while self.draining() and self._clock.seconds() < deadline:
            self._clock.sleep(0.2)


def _processes(title: bytes) -> tuple[int, ...]:
    """The process ids of the processes with this title."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if words.rstrip(b"\0 ") == title:
            found.append(int(folder.name))
    return tuple(found)
