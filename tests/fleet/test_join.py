"""A droplet that comes back takes visitors only once it serves what the others do.

The app and the site are stand-ins; what happens meanwhile is told for each look (Machine.then).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import pytest

from droplet import alerts
from droplet import host as hosts
from droplet.__main__ import main
from droplet.clock import Clock
from droplet.fleet import ALONE_AFTER

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
APP = "http://localhost:8502/_stcore/health"
LOOKS = 40  # after so many it still waits


class StillWaits(Exception):
    """It has looked often enough."""


class TellingClock(Clock):
    """Time passes only where somebody waits; then the next thing happens."""

    def __init__(self) -> None:
        self.time = 0.0
        self.events: list[Callable[[], None]] = []
        self.looks = 0

    def seconds(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.looks += 1
        if self.events:
            self.events.pop(0)()
        elif self.looks > LOOKS:
            raise StillWaits


class Machine:
    """A droplet in a folder, after its boot."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.clock = TellingClock()
        self.host = replace(hosts.real(root), clock=self.clock)
        self.answers = {APP: "ok"}
        self._capture = capture
        disk = self.host.disk
        disk.write("/etc/digits/site.env", "SITE_ADDRESS=203.0.113.9\nSITE_DOMAIN=\n")
        disk.write("/etc/nginx/digits-upstream.conf", "server 127.0.0.1:8502;\n")
        for file in ("/run/digits-booted", "/etc/tmpfiles.d/digits-join.conf"):
            disk.touch(file)
        self.serves(OLD)

    def urlopen(self, url: str, **_options: object) -> io.BytesIO:
        if url in self.answers:
            return io.BytesIO(f"{self.answers[url]}\n".encode())
        assert url in ("http://203.0.113.9/release", APP)
        raise URLError("refused")

    def serves(self, image: str) -> None:
        """A release."""
        line = f"2026-01-01T00:00:00Z\tdigits:1\tabc\tme\t{image}\trelease\n"
        log = "/opt/digits/releases.log"
        self.host.disk.write(log, self.host.disk.read(log) + line)

    def others_serve(self, image: str) -> None:
        self.answers["http://203.0.113.9/release"] = image

    def end_wait(self) -> None:
        """As a release does that takes it in (ops/deployment/fleet.py)."""
        self.host.disk.remove("/run/digits-booted")

    @property
    def waits(self) -> bool:
        return self.host.disk.exists("/run/digits-booted")

    @property
    def reported(self) -> str:
        """What it tells the others."""
        return self.host.disk.read("/var/www/html/release").strip()

    @property
    def alerts(self) -> list[str]:
        return [name for name, _, _ in alerts.listed(self.host)]

    def run(self, mode: str = "join") -> str:
        """What it prints, once it has ended well."""
        assert main(["fleet", mode], self.host) == 0
        return self._capture.readouterr().out

    def still_waits(self) -> str:
        """What it prints while it waits."""
        with pytest.raises(StillWaits):
            self.run()
        assert self.waits
        return self._capture.readouterr().out


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Machine:
    made = Machine(tmp_path, capsys)
    monkeypatch.setattr("urllib.request.urlopen", made.urlopen)
    return made


def test_the_same_version_takes_visitors(machine: Machine) -> None:
    machine.others_serve(OLD)
    assert "It has the version of the others" in machine.run()
    assert not machine.waits
    assert machine.reported == OLD
    # Once more, with nothing to wait for.
    assert machine.run() == ""


def test_an_older_version_waits_for_the_next_release(machine: Machine) -> None:
    machine.others_serve(NEW)
    assert machine.still_waits().count("no visitors until the next release") == 1
    assert machine.alerts == ["another-version"]
    machine.clock.events = [lambda: machine.serves(NEW), machine.end_wait]
    printed = machine.run()
    assert "It has aaaaaaaaaaaa, and the others have bbbbbbbbbbbb: no visitors until" in printed
    assert machine.reported == NEW
    assert machine.alerts == []


def test_the_others_may_go_back_to_its_version(machine: Machine) -> None:
    machine.others_serve(NEW)
    machine.clock.events = [lambda: machine.others_serve(OLD)]
    assert "It has the version of the others" in machine.run()
    assert machine.alerts == []


def test_not_before_its_own_app_answers(machine: Machine) -> None:
    machine.others_serve(OLD)
    app = dict(machine.answers)
    del machine.answers[APP]
    machine.still_waits()
    machine.clock.events = [lambda: machine.answers.update(app)]
    machine.run()
    assert not machine.waits


def test_where_no_other_answers_it_takes_visitors_after_a_while(machine: Machine) -> None:
    assert "No other droplet is in service" in machine.run()
    assert not machine.waits
    assert ALONE_AFTER <= machine.clock.time < ALONE_AFTER + 5


def test_a_new_one_waits_for_its_first_release(machine: Machine) -> None:
    machine.host.disk.remove("/opt/digits/releases.log")
    machine.still_waits()


def test_its_version_is_noted(machine: Machine) -> None:
    machine.run("note")
    assert machine.reported == OLD
    assert machine.waits


def test_one_that_is_alone_notes_nothing(machine: Machine) -> None:
    machine.host.disk.remove("/etc/tmpfiles.d/digits-join.conf")
    machine.run("note")
    assert machine.reported == ""
