"""A build and its way to the droplet, as far as this machine goes: no droplet is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import web
from tests.rehearsal.deployment import ROOT, clean_environment

pytestmark = pytest.mark.timeout(600)

# Takes the place of ssh: what the droplet is asked happens on this machine. The pull goes where
# ssh would have forwarded it, once there is a file "go".
SSH = r"""#!/bin/bash
command=${*: -1}
case $command in
*"cat /opt/digits/fingerprint"*)
  exec .venv/ops/bin/python -c 'from ops.provision import ansible; print(ansible.fingerprint())' ;;
*"docker version"*) echo "${PLATFORM:-linux/amd64}" && exit ;;
*"digits releases"*) cat "$DROPLET/releases" 2>/dev/null || echo '{}' && exit ;;
*"docker image inspect"*)
  exec bash -c "$(sed "s|/opt/digits|$DROPLET|; s|docker image inspect|$HAS|" <<<"$command")" ;;
esac
exec 9>"$DROPLET/lock"
flock --nonblock 9 || { echo "Another release is running: $(cat "$DROPLET/lock.holder")."; exit 1; }
echo "me, since noon" >"$DROPLET/lock.holder"
echo "$*" >"$DROPLET/started"
until [ -e "$DROPLET/go" ]; do sleep 0.1; done
[[ $* != *NO_PULL=yes* ]] || exit 0
name=$(grep -oE 'digits@sha256:[0-9a-f]{64} ' <<<"$command")
registry=$(grep -oE -- "-R 127.0.0.1:$REGISTRY_PORT:[0-9.:]+" <<<"$*")
here=${registry##*"$REGISTRY_PORT:"}/${name% }
docker pull --quiet "$here"
docker image inspect --format '{{.Os}}/{{.Architecture}} {{.Id}}' "$here"
docker image rm "$here" >/dev/null
"""


RELEASE = (".venv/ops/bin/python", "-m", "ops", "release")


def docker(*words: str | Path) -> str:
    """What docker prints; it must succeed."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def registries() -> set[str]:
    """The names of the registries that serve a release."""
    return set(docker("ps", "--filter", "name=digits-registry-", "--format", "{{.Names}}").split())


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until it holds; half a minute at most."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@dataclass
class Laptop:
    """A copy of the project, whose droplet is this machine too; its app is one file."""

    folder: Path
    settings: dict[str, str]

    @property
    def droplet(self) -> Path:
        return Path(self.settings["DROPLET"])

    def app(self, content: str, recipe: str = "FROM scratch\nCOPY content /\n") -> None:
        """Make this the app that is built next."""
        (self.folder / "app").mkdir(exist_ok=True)
        (self.folder / "app/content").write_text(content)
        (self.folder / "app/Dockerfile").write_text(recipe)

    def start(self, *command: str, **settings: str) -> subprocess.Popen[str]:
        """Begin one; what it prints is one text."""
        # Where these tests run in the background, Ctrl-C would be ignored by what they start.
        command = ("env", "--default-signal=INT", *command)
        return subprocess.Popen(
            command, cwd=self.folder, env=self.settings | settings, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def run(self, *command: str, status: int = 0, **settings: str) -> str:
        """What one prints that ends with this status."""
        process = self.start(*command, **settings)
        printed, _ = process.communicate(timeout=300)
        print(printed)
        assert process.returncode == status, printed
        return printed


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    """A package index that answers, so that no build looks for another."""
    with web.serving(lambda _path: (200, b"")) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def engine() -> Iterator[None]:
    """What registries keep in the engine goes again, unless it was there before."""
    before = docker("volume", "ls", "--quiet").split()
    yield
    if "digits-registry" not in before:
        docker("volume", "rm", "--force", "digits-registry")


@pytest.fixture
def laptop(tmp_path: Path, index: str, engine: None, offline: dict[str, str]) -> Iterator[Laptop]:
    del engine
    folder = tmp_path / "project"
    without_terraform = shutil.ignore_patterns("__pycache__", "terraform*", ".terraform*")
    shutil.copytree(ROOT / "infra", folder / "infra", ignore=without_terraform)
    shutil.copytree(ROOT / "ops", folder / "ops", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "docker-compose.yml", folder)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    ssh = folder / "bin/ssh"
    ssh.parent.mkdir()
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    (tmp_path / "droplet").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    others = ("IMAGE", "SSH_OPTIONS", "APP_FOLDER")
    settings = {k: v for k, v in clean_environment().items() if k not in others}
    settings |= offline | {
        "DROPLET": str(tmp_path / "droplet"),
        "DROPLET_IP": "192.0.2.1",
        "PATH": f"{ssh.parent}:{os.environ['PATH']}",
        "HAS": "false",
        "BRING_BACKUP": "no",
        "REGISTRY_PORT": str(port),
        "RELEASED_BY": "me",
        "TORCH_INDEX": index,
    }
    made = Laptop(folder, settings)
    made.app("a digit")
    before = registries()
    dev = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", "digits:dev"],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    if dev:  # a name of its own while these tests take the other
        docker("tag", dev, "digits:dev-kept")
    yield made
    (made.droplet / "go").touch()
    wait_for(lambda: registries() <= before)
    if dev:
        docker("tag", "digits:dev-kept", "digits:dev")
        docker("image", "rm", "digits:dev-kept")


def test_two_at_once_the_second_is_refused_and_the_first_goes_on(laptop: Laptop) -> None:
    first = laptop.start(*RELEASE)
    wait_for((laptop.droplet / "started").exists)
    one = registries()
    assert len(one) == 1
    laptop.app("another digit")
    printed = laptop.run(*RELEASE, status=1)
    assert "Another release is running: me, since noon." in printed
    assert "connection" not in printed
    assert registries() == one
    (laptop.droplet / "go").touch()
    printed, _ = first.communicate(timeout=60)
    assert first.returncode == 0, printed
    assert "linux/amd64" in printed, "the pull went through"
    assert registries() == set()


@pytest.mark.parametrize("how", ["killed", "killed alone", "interrupted", "finished"])
def test_the_registry_ends_with_its_release(laptop: Laptop, how: str) -> None:
    process = laptop.start(*RELEASE)
    wait_for((laptop.droplet / "started").exists)
    assert len(registries()) == 1
    match how:
        case "killed":
            os.killpg(process.pid, signal.SIGKILL)
        case "interrupted":
            os.killpg(process.pid, signal.SIGINT)
        case "killed alone":
            process.kill()  # ssh goes on for a moment; the droplet's pull ends without the registry
            wait_for(lambda: not registries())
            (laptop.droplet / "go").touch()
        case "finished":
            (laptop.droplet / "go").touch()
    process.communicate(timeout=60)
    wait_for(lambda: not registries())


def test_no_name_of_an_image_is_left_on_the_laptop(laptop: Laptop) -> None:
    (laptop.droplet / "go").touch()
    docker("image", "inspect", "registry:2")
    killed = ("digits:release-999999999", "127.0.0.1:1/digits:0123456789ab")
    mine = "127.0.0.1:1/digits:mine"
    for name in (*killed, mine):
        docker("tag", "registry:2", name)
    try:
        before = set(docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split())
        laptop.run(*RELEASE)
        after = set(docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split())
        assert mine in after
        assert not after & set(killed)
        assert after <= before | {"digits:dev"}
    finally:
        docker("image", "rm", mine)


def test_a_port_of_the_droplet_that_is_taken(laptop: Laptop) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(laptop.settings["REGISTRY_PORT"])))
        other.listen()
        printed = laptop.run(*RELEASE, status=1, VERB_SUFFIX=" TARGET=rehearsal")
        port = laptop.settings["REGISTRY_PORT"]
        assert (
            f"Port {port} of the droplet, which it would pull the image through, is taken."
            in printed
        )
        assert "make release REGISTRY_PORT=5051 TARGET=rehearsal" in printed
        # By a release, as long as one runs.
        values = {"releases": [], "running": "The release by her@elsewhere, since noon,"}
        (laptop.droplet / "releases").write_text(json.dumps(values))
        printed = laptop.run(*RELEASE, status=1)
        assert "The release by her@elsewhere, since noon, is running." in printed
        assert not (laptop.droplet / "started").exists()


def test_what_the_droplet_has_is_neither_offered_nor_pulled(laptop: Laptop) -> None:
    (laptop.droplet / "go").touch()
    with socket.socket() as other:  # no port is needed then
        other.bind(("127.0.0.1", int(laptop.settings["REGISTRY_PORT"])))
        other.listen()
        printed = laptop.run(*RELEASE, HAS="printf 127.0.0.1:5050/digits@sha256:abc")
    assert "The droplet has the image already." in printed
    started = (laptop.droplet / "started").read_text()
    assert "NO_PULL=yes" in started
    assert "digits release 127.0.0.1:5050/digits@sha256:abc " in started


def test_what_somebody_else_puts_there_is_not_pulled(laptop: Laptop, tmp_path: Path) -> None:
    """Everybody who is logged in on the laptop reaches the registry, and may change its tags."""
    process = laptop.start(*RELEASE)
    wait_for((laptop.droplet / "started").exists)
    mine = docker("image", "inspect", "--format", "{{.Id}}", "digits:dev")
    started = (laptop.droplet / "started").read_text()
    registry = re.search(r"-R 127\.0\.0\.1:\d+:([0-9.:]+)", started)
    assert registry
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil/Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    evil = f"{registry[1]}/digits:{mine[7:19]}"
    docker("build", "--quiet", "--tag", evil, tmp_path / "evil")
    docker("push", "--quiet", evil)
    theirs = docker("image", "inspect", "--format", "{{.Id}}", evil)
    docker("image", "rm", evil)
    (laptop.droplet / "go").touch()
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed
    assert mine in printed
    assert theirs not in printed


def test_it_is_built_for_the_droplets_kind_of_machine(laptop: Laptop) -> None:
    (laptop.droplet / "go").touch()
    assert "linux/amd64" in laptop.run(*RELEASE)
    assert "linux/arm64" in laptop.run(*RELEASE, PLATFORM="linux/arm64")


def foreign_program() -> bytes:
    """The smallest program for a processor that this machine does not have."""
    machine = 183 if os.uname().machine == "x86_64" else 62  # ARM; x86
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120, 120, 4096)


BASE = "FROM python:3.11-slim-bookworm\n"
NO_DEBIAN = "rm -rf /etc/apt/sources.list* && echo deb http://a.invalid/ x y >/etc/apt/sources.list"
CAUSES = {
    "base image": (
        "FROM digits-that-nobody-has:1\n",
        "its base image for linux/amd64 is not here and cannot be had",
    ),
    "disk": (f"{BASE}RUN head -c 200000000 /dev/zero >/dev/shm/full\n", "the disk is full"),
    "processor": (
        'FROM scratch\nCOPY program /\nRUN ["/program"]\n',
        "this machine's processor does not run the droplet's programs",
    ),
    "Debian": (
        f"{BASE}RUN {NO_DEBIAN} && apt-get update --error-on=any\n",
        "Debian's packages cannot be had",
    ),
    "anything else": (f"{BASE}RUN no-such-program\n", "Docker's reason is above"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_failed_build_names_its_cause(laptop: Laptop, cause: str) -> None:
    recipe, says = CAUSES[cause]
    laptop.app("", recipe)
    program = laptop.folder / "app/program"
    program.write_bytes(foreign_program())
    program.chmod(0o755)
    printed = laptop.run(*RELEASE, status=1)
    assert "The image could not be built" in printed
    assert says in printed.splitlines()[-3 if cause == "processor" else -2]


def test_a_build_with_no_torch_anywhere_says_so_soon(laptop: Laptop) -> None:
    began = time.monotonic()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        nowhere = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        app = laptop.folder / "torchless"
        shutil.copytree(ROOT / "app", app)
        (app / "requirements.txt").write_text("torch==0.0.1\n")  # a version that nobody has
        printed = laptop.run(*RELEASE, status=1, TORCH_INDEX=nowhere, APP_FOLDER=str(app))
    assert f"PyTorch's index {nowhere} does not answer" in printed
    assert "The image could not be built: torch's CPU build cannot be had." in printed
    assert time.monotonic() - began < 30, "the tries of an index that is not there took 47 s"


@pytest.mark.parametrize(
    ("pulls", "says"), [("true", "is as new as its registry has it"), ("false", "is here")]
)
def test_a_build_takes_the_newest_base_image_that_can_be_had(
    laptop: Laptop, tmp_path: Path, pulls: str, says: str
) -> None:
    laptop.app("a digit", f"{BASE}COPY content /\n")
    (laptop.droplet / "go").touch()
    programs = tmp_path / "programs"
    programs.mkdir()
    asked = tmp_path / "asked"
    fake = programs / "docker"
    fake.write_text(
        f'#!/bin/bash\n[ "$1" != pull ] || {{ echo "$*" >>{asked}; exec {pulls}; }}\n'
        f'exec {shutil.which("docker")} "$@"\n'
    )
    fake.chmod(0o755)
    printed = laptop.run(*RELEASE, HAS="printf there", PATH=f"{programs}:{laptop.settings['PATH']}")
    assert f"python:3.11-slim-bookworm {says}" in printed
    [pull] = asked.read_text().splitlines()
    assert pull == "pull --quiet --platform linux/amd64 python:3.11-slim-bookworm"
