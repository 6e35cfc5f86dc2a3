"""digits-join: a droplet that comes back takes visitors only once it serves what the others do.

curl is a stand-in that answers for the app and for the site; the script is the real one.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.conftest import ROOT

SCRIPT = ROOT / "infra/ansible/roles/fleet/files/bin/digits-join"
CURL = """
url=${*: -1}
case $url in
http://localhost:8502/_stcore/health) [ -e "$HERE/app" ] ;;
http://203.0.113.9/release) cat "$HERE/site" 2>/dev/null || exit 22 ;;
*) echo "asked for $url" >>"$HERE/wrong"; exit 1 ;;
esac
"""
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


class Machine:
    """A droplet in a folder, after its boot."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process: subprocess.Popen[str] | None = None
        text = SCRIPT.read_text()
        for path in ("/opt/digits", "/etc/nginx", "/var/www/html", "/run", "/etc/digits"):
            text = text.replace(f"{path}/", f"{root}/")
        self.command("digits-join", text.removeprefix("#!/usr/bin/env bash\n"))
        self.command("curl", CURL)
        self.command("digits-trouble", 'echo "$@" >>"$HERE/troubles"')
        (root / "site.env").write_text("SITE_ADDRESS=203.0.113.9\nSITE_DOMAIN=\n")
        (root / "digits-upstream.conf").write_text("server 127.0.0.1:8502;\n")
        (root / "digits-booted").touch()
        (root / "app").touch()
        self.serves(OLD)

    def command(self, name: str, text: str) -> None:
        (self.root / name).write_text(f"#!/usr/bin/env bash\n{text}")
        (self.root / name).chmod(0o755)

    def serves(self, image: str) -> None:
        """A release."""
        with (self.root / "releases.log").open("a") as log:
            log.write(f"2026-01-01T00:00:00Z\tdigits:1\tabc\tme\t{image}\trelease\n")

    def others_serve(self, image: str) -> None:
        (self.root / "site").write_text(f"{image}\n")

    @property
    def waits(self) -> bool:
        return (self.root / "digits-booted").exists()

    def start(self, *words: str, alone_after: int = 60) -> None:
        self.process = subprocess.Popen(
            [self.root / "digits-join", *words],
            env={
                "PATH": f"{self.root}:{os.environ['PATH']}",
                "HERE": str(self.root),
                "ALONE_AFTER": str(alone_after),
                "EVERY": "0.1",
            },
            stdout=subprocess.PIPE,
            text=True,
        )

    def end(self, seconds: float = 20) -> str:
        """What it said, once it has ended well."""
        assert self.process is not None
        said, _ = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0
        assert not (self.root / "wrong").exists()
        return said

    def still_waits(self) -> None:
        time.sleep(0.7)
        assert self.process is not None
        assert self.process.poll() is None
        assert self.waits


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    if made.process and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def test_the_same_version_takes_visitors(machine: Machine) -> None:
    machine.others_serve(OLD)
    machine.start()
    assert "It serves what the others do" in machine.end()
    assert not machine.waits
    assert (machine.root / "release").read_text().strip() == OLD
    # Once more, with nothing to wait for.
    machine.start()
    assert machine.end() == ""


def test_an_older_version_waits_for_the_next_release(machine: Machine) -> None:
    machine.others_serve(NEW)
    machine.start(alone_after=0)
    machine.still_waits()
    assert "begin another-version" in (machine.root / "troubles").read_text()
    # A release reaches it, and takes it in (ops/fleet.py).
    machine.serves(NEW)
    (machine.root / "digits-booted").unlink()
    assert "no visitors until the next release" in machine.end()
    assert (machine.root / "release").read_text().strip() == NEW
    assert (machine.root / "troubles").read_text().splitlines()[-1] == "end another-version"


def test_the_others_may_go_back_to_what_it_serves(machine: Machine) -> None:
    machine.others_serve(NEW)
    machine.start()
    machine.still_waits()
    machine.others_serve(OLD)
    assert "It serves what the others do" in machine.end()


def test_not_before_its_own_app_answers(machine: Machine) -> None:
    machine.others_serve(OLD)
    (machine.root / "app").unlink()
    machine.start()
    machine.still_waits()
    (machine.root / "app").touch()
    machine.end()
    assert not machine.waits


def test_where_nobody_serves_it_does_after_a_while(machine: Machine) -> None:
    machine.start(alone_after=2)
    machine.still_waits()
    assert "No other droplet serves" in machine.end()
    assert not machine.waits


def test_a_new_one_waits_for_its_first_release(machine: Machine) -> None:
    (machine.root / "releases.log").unlink()
    machine.start(alone_after=0)
    machine.still_waits()


def test_what_it_serves_is_noted(machine: Machine) -> None:
    machine.start("note")
    machine.end()
    assert (machine.root / "release").read_text().strip() == OLD
    assert machine.waits
