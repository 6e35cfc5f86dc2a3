"""Releases: none drops a request, and no bad one gets in."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.page import DigitsPage
from tests.pen import drawing
from tests.rehearsal.deployment import Deployment, begin, ended, read_until
from tests.rehearsal.load import under_load
from tests.rehearsal.releases import app_containers, image_that_serves, put, release, retitled

pytestmark = pytest.mark.timeout(900)

RELEASE = ("make", "release", "TARGET=rehearsal")


def serving(deployment: Deployment) -> tuple[list[str], str, list[dict[str, Any]]]:
    """What a release that did not happen must leave as it is."""
    return (
        app_containers(deployment),
        deployment.ssh("cat /etc/nginx/digits-upstream.conf"),
        deployment.releases(),
    )


@contextmanager
def nothing_changes(deployment: Deployment) -> Iterator[None]:
    """The old version serves throughout, to everybody, and nothing is left behind."""
    before = serving(deployment)
    with under_load(deployment.url) as load:
        yield
        deadline = time.monotonic() + 90
        there = "ls /run/lock/digits.holder 2>/dev/null || true"
        while load.requests <= 50 or deployment.ssh(there):
            assert time.monotonic() < deadline, "the droplet did not clear up"
            time.sleep(0.2)
    assert serving(deployment) == before
    assert load.requests > 50
    assert load.failed == []
    assert load.dropped == []


def test_a_release_drops_no_request_and_open_pages_go_on(
    deployment: Deployment, page: Page, app_folder: Path
) -> None:
    visitor = DigitsPage(page)
    visitor.open(deployment.url)
    visitor.draw(drawing(3))
    visitor.prediction()
    title = f"Draw a number {time.time():.0f}"  # another one each time these tests are run
    retitled(app_folder, title)
    with under_load(deployment.url) as load:
        done = release(APP_FOLDER=str(app_folder))
        time.sleep(1)
    assert done.returncode == 0, done.stdout[-3000:]
    print(load.requests, load.dropped, load.away)
    assert load.requests > 500
    assert load.failed == []
    # An open page loses its connection once, and has another within seconds.
    assert len(load.dropped) <= 4
    assert load.away < 5
    # This page was never loaded again, and goes on with the new version.
    visitor.wait_until_connected()
    rows = len(deployment.rows())
    visitor.draw(drawing(3))
    expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=30_000)
    assert visitor.prediction()[0] == 3
    visitor.press_correct()
    visitor.wait_until_cleared()
    assert len(deployment.rows()) == rows + 1
    assert len(app_containers(deployment)) == 1


def test_a_one_line_change_sends_little_and_the_same_again_changes_nothing(
    deployment: Deployment, app_folder: Path
) -> None:
    def received() -> int:
        return int(deployment.ssh("cat /sys/class/net/eth0/statistics/rx_bytes"))

    retitled(app_folder, f"Draw any digit {time.time():.0f}")
    before = received()
    done = release(APP_FOLDER=str(app_folder))
    assert done.returncode == 0, done.stdout[-3000:]
    sent = received() - before
    print(f"{sent:,} bytes")
    assert sent < 1_000_000
    before_again = serving(deployment)
    done = release(APP_FOLDER=str(app_folder))
    assert done.returncode == 0
    assert "Nothing to do" in done.stdout
    assert serving(deployment) == before_again


BAD = {
    "unhealthy": (
        "HEALTHCHECK --interval=1s --retries=2 --start-period=1s CMD false",
        "The new container is up but not healthy after 3 s.",
    ),
    "weights": (
        "USER root\nRUN echo nonsense > digits/weights.pt\nUSER 10001",
        "The new container does not stay up: it ended with status",
    ),
    "database": (
        (
            "USER root\n"
            "RUN sed -i 's/self._url = url/self._url = \"postgresql:\\/\\/nowhere\\/x\"/'"
            " digits/prediction_log.py\n"
            "USER 10001"
        ),
        "The new version is up but does not work; what failed is above.",
    ),
}


def test_a_bad_release_never_gets_in(deployment: Deployment) -> None:
    serves = deployment.live()["id"]
    for kind, (recipe, _) in BAD.items():
        dockerfile = shlex.quote(f"FROM {serves}\n{recipe}\n")
        deployment.ssh(f"printf %s {dockerfile} | docker build --quiet --tag digits:{kind} -")
    output = {}
    with nothing_changes(deployment):
        for kind in set(BAD) - {"unhealthy"}:
            output[kind] = put(deployment, f"digits:{kind}")
            assert output[kind].endswith("failed\n")
        # By the verb, which hands the settings on.
        done = release(IMAGE="digits:unhealthy", NO_PULL="yes", HEALTHY_WITHIN="3")
        assert done.returncode != 0
        output["unhealthy"] = done.stdout
    for kind, (_, reason) in BAD.items():
        assert reason in output[kind], (kind, output[kind])
        assert "The last lines of the new container" in output[kind]
        assert "is still live" in output[kind]
    assert "UnpicklingError" in output["weights"]


def _registries() -> list[str]:
    """The registries of the releases that run on this machine."""
    listed = ("docker", "ps", "--all", "--quiet", "--filter", "name=digits-registry")
    return subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()


def _remove_registry() -> None:
    for one in _registries():
        # The registry's image has a volume: without --volumes, an anonymous one would stay.
        remove = ["docker", "rm", "--force", "--volumes", one]
        subprocess.run(remove, check=False, capture_output=True)


@contextmanager
def stuck_in_the_pull(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A release of a new version that hangs while the droplet pulls it."""
    (folder / "page.css").write_text(f"/* {time.time()} */\n" + (folder / "page.css").read_text())
    process = begin(*RELEASE, APP_FOLDER=str(folder))
    try:
        lines = read_until(process, "==> Release")  # everything is in the registry now
        subprocess.run(["docker", "pause", *_registries()], check=True)
        lines += read_until(process, "Pulling")
        time.sleep(1)
        yield process, lines
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        _remove_registry()


def test_a_release_whose_connection_is_cut_in_the_pull_leaves_the_old_one(
    deployment: Deployment, app_folder: Path
) -> None:
    with nothing_changes(deployment), stuck_in_the_pull(app_folder) as (process, lines):
        deployment.ssh("systemd-run --quiet --on-active=1 pkill -KILL -x sshd-session")
        time.sleep(3)
        _remove_registry()
        assert "The ssh connection to the droplet at" in ended(process, lines)


def test_interrupted_while_it_starts(deployment: Deployment, app_folder: Path) -> None:
    retitled(app_folder, "Draw and wait")
    with nothing_changes(deployment):
        process = begin(*RELEASE, APP_FOLDER=str(app_folder))
        lines = read_until(process, "Waiting until")
        os.killpg(process.pid, signal.SIGINT)
        assert "Interrupted" in ended(process, lines)


def test_a_full_disk(deployment: Deployment, app_folder: Path) -> None:
    # Where the engine puts what it downloads; 1 MB of it.
    (app_folder / "page.css").write_bytes(os.urandom(3_000_000))
    deployment.ssh("mount -t tmpfs -o size=1m tmpfs /var/lib/docker/tmp")
    try:
        with nothing_changes(deployment):
            done = release(APP_FOLDER=str(app_folder))
            assert done.returncode != 0
            assert "no space left on device" in done.stdout
            assert "could not be pulled" in done.stdout
    finally:
        deployment.ssh("umount /var/lib/docker/tmp")


def test_one_at_a_time_and_a_killed_one_is_taken_over(
    deployment: Deployment, app_folder: Path
) -> None:
    before = serving(deployment)
    with stuck_in_the_pull(app_folder) as (process, _):
        second = _second(deployment)
        assert second.returncode != 0
        assert re.search(
            r"The release by .+@.+, since \d{4}-\d\d-\d\dT.+, is running", second.stdout
        )
        deployment.ssh("pkill -KILL -f '[s]bin/digits release'")
        # What it had started ends with it, and so nothing holds its lock.
        time.sleep(1)
        deployment.ssh("flock --nonblock /run/lock/digits true")
        assert deployment.ssh("pgrep -f '[d]ocker pull' || true") == ""
        _remove_registry()  # the tunnel to it would keep ssh waiting
        process.wait(60)
    printed = deployment.ssh("digits status 2>&1")
    noted = deployment.ssh("journalctl --unit digits-watchdog --since '-5min'")
    assert "did not end. Recovering." in printed + noted
    assert serving(deployment) == before


def _second(deployment: Deployment) -> subprocess.CompletedProcess[str]:
    serves = deployment.live()["id"]
    return release(IMAGE=serves, NO_PULL="yes")


def test_a_tag_that_looks_like_the_beginning_of_an_id_is_pulled(deployment: Deployment) -> None:
    serves = image_that_serves(deployment)
    with nothing_changes(deployment):
        for name in (
            f"nowhere.invalid/digits:{serves[7]}",
            f"nowhere.invalid/digits:{serves[7:19]}",
        ):
            deployment.ssh(f"docker tag {serves} {name}")
            output = put(deployment, name, NO_PULL="")
            assert f"Pulling {name}" in output
            assert "could not be pulled; Docker's reason is above." in output
            # By force: it may be the last name of the image that serves.
            deployment.ssh(f"docker image rm --force {name}")


def test_a_change_to_the_server_comes_with_a_release_and_cloud_init_is_not_in_the_way(
    deployment: Deployment,
) -> None:
    right = deployment.ssh("cat /etc/nginx/nginx.conf")
    deployment.ssh("echo '# another' >>/etc/nginx/nginx.conf; echo other >/opt/digits/fingerprint")
    deployment.ssh(
        "printf '#!/bin/sh\\necho status: error; exit 1\\n' >/usr/local/bin/cloud-init"
        " && chmod +x /usr/local/bin/cloud-init"
    )
    done = _second(deployment)
    deployment.ssh("rm /usr/local/bin/cloud-init")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "cloud-init reported an error; the setup continues:" in done.stdout
    assert deployment.ssh("cat /etc/nginx/nginx.conf") == right
    # What nginx would not take never gets in.
    broken = "echo nonsense >/etc/nginx/digits-upstream.conf; echo '# x' >>/etc/nginx/nginx.conf"
    kept = deployment.ssh("cat /etc/nginx/digits-upstream.conf")
    fingerprint = deployment.ssh("cat /opt/digits/fingerprint")
    deployment.ssh(f"{broken}; echo other >/opt/digits/fingerprint")
    done = _second(deployment)
    assert done.returncode != 0
    assert "Nothing was released." in done.stdout
    assert deployment.ssh("tail -n 1 /etc/nginx/nginx.conf").strip() == "# x"
    for file, content in (
        ("/etc/nginx/digits-upstream.conf", kept),
        ("/etc/nginx/nginx.conf", right),
        ("/opt/digits/fingerprint", fingerprint),
    ):
        deployment.ssh(f"printf %s {shlex.quote(content)} >{file}")
    deployment.ssh("nginx -t -q")
