"""Hostile visitors and killed releases, among visitors who draw, answer and are not to notice."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from functools import partial

import pytest

from tests import hostile
from tests.crowd import Crowd, visiting
from tests.rehearsal.deployment import Deployment
from tests.rehearsal.load import under_load

pytestmark = pytest.mark.timeout(1800)

ATTACKS: tuple[Callable[[str], object], ...] = (
    hostile.picture_bomb,
    hostile.garbage_states,
    hostile.broken_frames,
    hostile.oversized_message,
    partial(hostile.many_pieces, seconds=2),
    partial(hostile.pings, seconds=2),
    partial(hostile.reruns, seconds=3),
    hostile.foreign_pages,
    hostile.foreign_names,
    hostile.unused_endpoints,
)
# Where a release is killed: so many times by the clock, and at points that would be hit by
# chance alone.
INSTANTS = 3
POINTS = ("systemctl reload nginx", "docker stop")


def _container(deployment: Deployment) -> str:
    (container,) = deployment.ssh(
        "docker ps --all --quiet --no-trunc --filter label=com.docker.compose.service=app"
    ).split()
    return container


def _memory(deployment: Deployment) -> int:
    """What the app holds, MB, without the files that the kernel keeps for it."""
    pid = deployment.ssh(f"docker inspect -f '{{{{.State.Pid}}}}' {_container(deployment)}").strip()
    resident = deployment.ssh(
        f"for p in $(pgrep --parent {pid}) {pid}; do grep RssAnon /proc/$p/status; done"
    )
    return sum(map(int, re.findall(r"\d+", resident))) // 1024


def _all_logged(deployment: Deployment, before: int, crowd: Crowd) -> None:
    """Of what was acknowledged none is lost, and nothing is there twice."""
    rows = deployment.rows()
    print(f"{crowd.answers} answers, {len(rows) - before} rows, {len(crowd.failed)} unanswered")
    assert len({at for at, _, _ in rows}) == len(rows)
    # An answer whose acknowledgement was lost with its connection may have been logged.
    assert crowd.answers <= len(rows) - before <= crowd.answers + len(crowd.failed)


def test_a_hostile_visitor_is_not_noticed(deployment: Deployment) -> None:
    with visiting(deployment.url, 10):  # what it takes for the first visitors, it keeps
        time.sleep(3)
    before, memory = len(deployment.rows()), _memory(deployment)
    container = deployment.ssh(
        f"docker inspect -f '{{{{.State.StartedAt}}}}' {_container(deployment)}"
    )
    with (
        under_load(deployment.url, askers=2, stayers=2) as load,
        visiting(deployment.url, 10) as crowd,
    ):
        for attack in ATTACKS:
            print(attack, str(attack(deployment.url))[:200])
    print(
        f"{load.requests} requests, {len(load.failed)} failed; waits up to {max(crowd.waits):.1f} s"
    )
    print(f"memory: {memory} MB before, {_memory(deployment)} MB after")
    assert load.failed == []
    assert load.dropped == []
    assert crowd.failed == []
    assert crowd.answers > 50
    _all_logged(deployment, before, crowd)
    assert _memory(deployment) - memory < 60
    again = deployment.ssh(f"docker inspect -f '{{{{.State.StartedAt}}}}' {_container(deployment)}")
    assert again == container, "the app was restarted"


def _agree(deployment: Deployment, killed: bool = False) -> str:
    """After a command has settled what was left: files, nginx, status and releases say the same.

    Returns the image that serves.
    """
    status = deployment.ssh("DRAIN=2 digits status 2>&1")
    assert ("did not end. Recovering." in status) == killed
    image = deployment.ssh(f"docker inspect -f '{{{{.Image}}}}' {_container(deployment)}").strip()
    port = re.search(r"127\.0\.0\.1:(\d+);", deployment.ssh("cat /etc/nginx/digits-upstream.conf"))
    assert port
    assert f":{port[1]}->" in deployment.ssh(
        "docker ps --filter label=com.docker.compose.service=app"
    )
    live = deployment.live()
    assert live["ports"] == [int(port[1])]
    assert live["id"] == image
    (served,) = re.findall(r"^\* .*$", deployment.ssh("digits releases"), re.MULTILINE)
    assert image[7:19] in served
    assert served.split()[-1] in status
    left = "ls /opt/digits/*.new /run/lock/digits.holder 2>/dev/null || true"
    assert deployment.ssh(left) == ""
    deployment.ssh("flock --nonblock /run/lock/digits true")
    return image


def _other(deployment: Deployment) -> str:
    """Of the two versions the one that does not serve."""
    return "odd" if deployment.live()["name"] == "digits:even" else "even"


def _release_and_kill(deployment: Deployment, name: str, instant: float) -> None:
    """Start a release on the droplet, and kill it so many seconds later."""
    begin = f"DRAIN=2 NO_PULL=yes setsid digits release digits:{name} abc1234 me@here"
    deployment.ssh(f"{begin} >/tmp/killed.log 2>&1 </dev/null & sleep {instant}")
    deployment.ssh("pkill -KILL -f '[s]bin/digits release' || true")


@pytest.mark.long
def test_a_release_that_is_killed_leaves_what_the_next_command_settles(
    deployment: Deployment,
) -> None:
    deployment.variant("even")
    deployment.variant("odd")
    before = len(deployment.rows())
    # At people's pace: two processors carry the visitors too, and a release takes its time.
    with (
        under_load(deployment.url, askers=1, stayers=2) as load,
        visiting(deployment.url, 10, pause=1.5) as crowd,
    ):
        started = time.monotonic()
        deployment.ssh("DRAIN=2 NO_PULL=yes digits release digits:even abc1234 me@here")
        length = time.monotonic() - started
        seen = {_agree(deployment)}
        for number in range(INSTANTS):
            _release_and_kill(deployment, _other(deployment), length * (number + 0.5) / INSTANTS)
            killed = "me@here" in deployment.ssh("cat /run/lock/digits.holder 2>/dev/null || true")
            seen.add(_agree(deployment, killed=killed))
        for command in POINTS:
            _killed_at(deployment, _other(deployment), command)
            seen.add(_agree(deployment, killed=True))
        last = f"digits release digits:{_other(deployment)} abc1234 me@here"
        deployment.ssh(f"DRAIN=2 NO_PULL=yes {last}")
        seen.add(_agree(deployment))
    print(f"{load.requests} requests, {len(load.failed)} failed, a release takes {length:.0f} s")
    assert len(seen) == 2
    assert load.failed == []
    _all_logged(deployment, before, crowd)


def _killed_at(deployment: Deployment, name: str, command: str) -> None:
    """Release, and kill it where it would run this command: a program of that name does it."""
    program, _, words = command.partition(" ")
    script = (
        "#!/bin/bash\n"
        f'PATH=${{PATH#/tmp/killing:}}\n[[ "$*" != {shlex.quote(words)}* ]] || '
        "kill -KILL $(pgrep -f '[s]bin/digits release')\n"
        f'exec {program} "$@"\n'
    )
    deployment.ssh(
        f"mkdir -p /tmp/killing && printf %s {shlex.quote(script)} >/tmp/killing/{program}"
        f" && chmod +x /tmp/killing/{program}"
    )
    release = f"DRAIN=2 NO_PULL=yes digits release digits:{name} abc1234 me@here"
    printed = deployment.ssh(
        f"PATH=/tmp/killing:$PATH {release} 2>&1; echo ended $?; rm -r /tmp/killing"
    )
    assert printed.endswith("ended 137\n"), printed
