"""The droplet in memory (tests/droplet) stays true: the same contract with real programs."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from droplet import database as databases
from droplet import host as hosts
from droplet import upgrade
from droplet.docker import Container, Docker, Stack
from droplet.host import Host
from droplet.postgres import Postgres
from tests.droplet.contract import Contract, database
from tests.rehearsal.deployment import ROOT

pytestmark = pytest.mark.timeout(600)

COMMANDS = {
    "good": '["python", "-m", "http.server", "8501"]',
    "crashing": '["python", "-c", "import time; time.sleep(1); raise SystemExit(1)"]',
    "huge": '["python", "-c", "bytearray(3 << 30)"]',
}
CHECK = "import urllib.request as u; u.urlopen('http://127.0.0.1:8501', timeout=5)"
AS_APP = ("psql", "--username=digits_app", "--dbname=digits", "--no-psqlrc", "--quiet")
ROW = "INSERT INTO public.predictions VALUES (now(), 1, 1)"


class OfThisProject(Docker):
    """The containers of a compose project of the tests' own."""

    project = ""

    def containers(self, service: str, project: str = "") -> list[Container]:
        return super().containers(service, project or self.project)


@dataclass
class Real:
    """Files in a folder, and containers beside those of this machine."""

    host: Host
    ports: tuple[int, int]
    project: str

    def image(self, kind: str) -> str:
        recipe = (
            f"FROM python:3.11-slim-bookworm\nLABEL digits.contract={self.project}\n"
            f'HEALTHCHECK --interval=1s CMD ["python", "-c", "{CHECK}"]\nCMD {COMMANDS[kind]}\n'
        )
        command = ("docker", "build", "--quiet", "-")
        done = subprocess.run(command, input=recipe, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def stack(self, image: str = "", port: int = 0) -> Stack:
        return Stack(image, port, project=self.project)

    def insert(self, container: str) -> bool:
        return self.host.docker.execute(container, *AS_APP, "--command", ROW, timeout=30).ok

    def connect(self, container: str) -> Callable[[], bool]:
        process = self.host.docker.attach(container, *AS_APP, "--no-align", "--tuples-only")

        def insert() -> bool:
            assert process.stdin
            assert process.stdout
            with suppress(OSError):
                process.stdin.write(f"{ROW}; SELECT 'stored';\n".encode())
                process.stdin.flush()
            return process.stdout.readline() == b"stored\n"

        return insert


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, offline: dict[str, str]) -> Iterator[Real]:
    del offline
    root: Path = tmp_path_factory.mktemp("droplet")
    for folder in ("opt/digits/secrets", "opt/digits/infra", "etc/digits", "run/lock"):
        (root / folder).mkdir(parents=True)
    shutil.copy(ROOT / "docker-compose.yml", root / "opt/digits")
    shutil.copytree(ROOT / "infra/postgres", root / "opt/digits/infra/postgres")
    for name in ("postgres_password", "app_password"):
        (root / "opt/digits/secrets" / name).write_text(f"the {name}\n")
    (root / "etc/digits/site.env").write_text("")
    real = hosts.real(root)
    docker = OfThisProject(real.disk, real.clock)
    docker.project = f"digits-contract-{uuid4().hex[:8]}"
    host = dataclasses.replace(real, docker=docker, postgres=Postgres(docker))
    rig = Real(host, (free_port(), free_port()), docker.project)
    yield rig
    docker.compose(rig.stack(), "down", "--volumes")
    labelled = ("--all", "--quiet", "--filter", f"label=digits.contract={docker.project}")
    left = subprocess.run(
        ("docker", "image", "ls", *labelled), capture_output=True, text=True, check=True
    )
    for image in dict.fromkeys(left.stdout.split()):
        subprocess.run(("docker", "image", "rm", "--force", image), check=False)


class TestReal(Contract):
    """The contract, for real programs."""

    def test_a_dump_takes_the_place_of_the_table_and_the_app_gets_in_again(self, rig: Real) -> None:
        """As when the database moves to another major version."""
        host, one = rig.host, database(rig)
        assert rig.insert(one)
        count = host.postgres.count(one)
        with host.disk.create("/opt/digits/dump") as dump:
            assert host.postgres.dump(one, dump).ok
        assert rig.insert(one)
        with host.disk.path("/opt/digits/dump").open("rb") as dump:
            done = host.postgres.restore(one, dump)
        assert done.ok, done.error
        assert host.postgres.count(one) == count
        assert not rig.insert(one), "a dump has privileges"
        assert host.postgres.ask(one, upgrade._OTHERS) == "", "an upgrade refuses"  # noqa: SLF001
        databases.make_app_role(host, one)
        assert rig.insert(one)
        assert count
        assert host.postgres.count(one) == count + 1
