"""A rehearsal droplet is a server like any other: sshd, systemd, apt, Docker, a firewall."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from rehearsal.droplet.containers import Containers
from rehearsal.droplet.driver import DockerDriver
from rehearsal.offline import base_images, docker_hub
from tests.needs import need_docker
from tests.rehearsal.deployment import volumes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMAGE = "debian-13-x64"
EVERYWHERE = {"addresses": ["0.0.0.0/0", "::/0"]}
ONLY_SSH = [{"protocol": "tcp", "ports": "22", "sources": EVERYWHERE}]
USER_DATA = """\
#cloud-config
write_files:
  - path: /root/from-user-data
    content: applied
runcmd:
  - [touch, /root/from-runcmd]
"""


@dataclass(frozen=True)
class Server:
    """A droplet of the tests, and how to log in."""

    driver: DockerDriver
    label: str
    droplet_id: int
    address: str
    key: Path

    def ssh(self, command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command on the droplet as root, accepting a new host key and no changed one."""
        known_hosts = self.key.with_name("known_hosts")
        # fmt: off
        return subprocess.run(
            [
                "ssh", "-F", "none", "-i", str(self.key), "-o", "BatchMode=yes",
                "-o", "ConnectTimeout=5", "-o", "StrictHostKeyChecking=accept-new",
                "-o", f"UserKnownHostsFile={known_hosts}", f"root@{self.address}", command,
            ],
            capture_output=True, text=True, timeout=timeout, check=False,
        )
        # fmt: on

    def run(self, command: str, timeout: float = 300) -> str:
        """The output of a command that must succeed on the droplet."""
        answer = self.ssh(command, timeout)
        assert answer.returncode == 0, f"{command}: {answer.stdout}\n{answer.stderr}"
        return answer.stdout.strip()

    def wait_for_ssh(self) -> None:
        """Wait until root can log in."""
        wait_until(lambda: self.ssh("true", timeout=20).returncode == 0, 90, "sshd")


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition, or fail saying for what."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come within {seconds:.0f} s")
        time.sleep(0.5)


def answers(address: str, port: int) -> bool:
    """Whether somebody takes a connection there."""
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def labelled(kind: str, label: str) -> str:
    """The names of what Docker has with this label."""
    command = {
        "container": ["docker", "ps", "--all", "--quiet"],
        "network": ["docker", "network", "ls", "--quiet"],
        "volume": ["docker", "volume", "ls", "--quiet"],
    }[kind]
    answer = subprocess.run(
        [*command, "--filter", f"label={label}"], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def volumes_of(label: str) -> set[str]:
    """The volumes of the containers with this label; there is one at least."""
    names = "{{range .Mounts}}{{.Name}} {{end}}"
    containers = labelled("container", label).split()
    answer = subprocess.run(
        ["docker", "inspect", "--format", names, *containers],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = set(answer.stdout.split())
    assert found
    return found


def droplet(number: int, name: str, **more: Any) -> dict[str, Any]:
    """A small droplet as the API has it."""
    known = {"image": IMAGE, "vcpus": 1, "memory": 1024, "ssh_keys": [], "user_data": None}
    return {"id": number, "name": name, **known, **more}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A droplet with one key, user data and 1 GB of memory."""
    need_docker()
    base_images.BaseImages().provide_all()
    key = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    containers = Containers(f"digits-test-{uuid4().hex[:8]}")
    driver = DockerDriver(containers)
    try:
        docker_hub.start_if_needed(containers)
        public_key = key.with_suffix(".pub").read_text()
        address = driver.create(droplet(101, "web", ssh_keys=[public_key], user_data=USER_DATA))
        made = Server(driver, containers.label, 101, address, key)
        made.wait_for_ssh()
        yield made
    finally:
        containers.remove_all()


@pytest.fixture(scope="module")
def docker_inside(server: Server) -> Server:
    """The droplet with Debian's Docker in it and an image to run."""
    server.run("apt-get update -qq", timeout=600)
    server.run(
        "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends"
        " docker.io docker-cli </dev/null",
        timeout=900,
    )
    # An image made of what the droplet has: nothing has to come from elsewhere.
    server.run("tar -c -C / bin lib lib64 usr/bin usr/lib usr/lib64 | docker import - local:1")
    return server


def test_systemd_runs_with_no_failed_unit(server: Server) -> None:
    state = server.ssh("systemctl is-system-running --wait").stdout.strip()
    failed = server.ssh("systemctl --failed --no-legend").stdout
    assert state == "running", failed


def test_cloud_init_applies_the_user_data(server: Server) -> None:
    status = server.ssh("cloud-init status --wait --long")
    assert status.returncode == 0, status.stdout
    assert "status: done" in status.stdout
    assert server.run("cat /root/from-user-data") == "applied"
    server.run("test -e /root/from-runcmd")
    assert server.run("hostname") == "web"


def test_root_logs_in_by_key_only(server: Server) -> None:
    settings = server.run("sshd -T").splitlines()
    assert "passwordauthentication no" in settings
    assert "permitrootlogin without-password" in settings


def test_the_message_of_the_day_names_the_rehearsal(server: Server) -> None:
    assert "rehearsal" in server.run("cat /etc/motd")


def test_docker_inside_publishes_a_port_and_limits_memory(docker_inside: Server) -> None:
    server = docker_inside
    assert server.run("docker info --format '{{.Driver}}'") == "overlay2"
    server.run(
        "docker run -d --name web --restart always --memory 64m --publish 8080:8000 local:1"
        " python3 -m http.server 8000"
    )
    wait_until(lambda: answers(server.address, 8080), 30, "the published port")
    assert int(server.run("docker inspect -f '{{.HostConfig.Memory}}' web")) == 64 * 2**20
    limit = server.run(
        "docker exec web sh -c 'cat /sys/fs/cgroup/memory.max"
        " /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true'"
    )
    assert limit == str(64 * 2**20)


def test_only_what_the_firewall_names_answers(docker_inside: Server) -> None:
    server = docker_inside
    server.run("systemd-run --unit=listener python3 -m http.server --bind :: 80")
    wait_until(lambda: answers(server.address, 80), 30, "the listener")
    server.driver.apply_firewall(server.droplet_id, ONLY_SSH)
    assert [port for port in (22, 80, 8080) if answers(server.address, port)] == [22]
    # What the droplet itself asks for is let back in.
    server.run("apt-get update -qq", timeout=600)


def reboot(server: Server) -> None:
    server.driver.power_off(server.droplet_id)
    server.driver.power_on(server.droplet_id)


def test_a_reboot_keeps_address_files_host_key_and_firewall(docker_inside: Server) -> None:
    server = docker_inside
    server.run("echo kept >/root/file")
    server.run("touch /run/before")  # is in memory, and gone with it
    server.driver.apply_firewall(server.droplet_id, ONLY_SSH)
    reboot(server)
    server.wait_for_ssh()  # refuses a changed host key
    assert server.run("systemctl is-system-running --wait") == "running"
    assert server.run("cat /root/file") == "kept"
    server.run("test ! -e /run/before")
    server.run(f"docker pull --quiet {base_images.postgres()}", timeout=600)
    wait_until(lambda: "Up" in server.ssh("docker ps").stdout, 60, "the container inside")
    assert not answers(server.address, 8080)
    server.driver.apply_firewall(server.droplet_id, None)
    wait_until(lambda: answers(server.address, 8080), 30, "the published port")


def test_it_answers_at_its_reserved_ip_after_a_reboot_too(server: Server) -> None:
    driver, droplet_id = server.driver, server.droplet_id
    first = driver.reserved_ip(set())
    second = driver.reserved_ip({first})
    assert server.address not in (first, second)
    assert not answers(first, 22)
    driver.answer_at(droplet_id, first)
    wait_until(lambda: answers(first, 22), 10, "the reserved IP")
    assert answers(server.address, 22)
    # What the droplet sends of itself still comes from its own address.
    assert f"src {server.address}" in server.run("ip route get 192.0.2.1")
    driver.answer_at(droplet_id, second)
    wait_until(lambda: answers(second, 22), 10, "the other reserved IP")
    assert not answers(first, 22)
    reboot(server)
    server.wait_for_ssh()
    assert answers(second, 22)
    driver.apply_firewall(droplet_id, [])
    assert not answers(second, 22)
    driver.apply_firewall(droplet_id, None)
    driver.answer_at(droplet_id, None)
    assert not answers(second, 22)
    driver.answer_at(999, first)  # no such droplet: nothing is left to do


def test_off_changed_in_size_and_on_again(server: Server) -> None:
    server.driver.power_off(server.droplet_id)
    assert not answers(server.address, 22)
    server.driver.resize(server.droplet_id, 2, 2048)
    server.driver.power_on(server.droplet_id)
    server.wait_for_ssh()
    limit = server.run(
        "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null"
        " || true"
    )
    assert str(2048 * 2**20) in limit.split()


def test_another_droplet_has_its_own_address_and_leaves_nothing(
    server: Server,
) -> None:
    firsts = volumes_of(server.label)
    other = server.driver.create(droplet(102, "other"))
    assert other != server.address
    others = volumes_of(server.label) - firsts
    server.driver.destroy(102)
    server.driver.destroy(102)  # nothing is left to do
    assert others
    assert not others & volumes()
    server.run("true")


@pytest.mark.usefixtures("server")
def test_cleanup_leaves_nothing() -> None:
    containers = Containers(f"digits-test-{uuid4().hex[:8]}")
    DockerDriver(containers).create(droplet(1, "short-lived"))
    its = volumes_of(containers.label)
    containers.remove_all()
    containers.remove_all()
    assert labelled("container", containers.label) == ""
    assert labelled("network", containers.label) == ""
    assert not its & volumes()
