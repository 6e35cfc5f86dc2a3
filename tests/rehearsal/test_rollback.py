"""The way back: which version serves after which rollback, and which are kept for it.

Most versions here are light: they are no app, but start at once (Deployment.variant).
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator

import pytest

from tests.rehearsal.deployment import Deployment, run
from tests.rehearsal.load import under_load
from tests.rehearsal.releases import back, image_that_serves, put, release

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module", autouse=True)
def _the_app_again(deployment: Deployment) -> Iterator[None]:
    """Put the app itself into service again for what comes after these."""
    yield
    done = release()
    assert done.returncode == 0, done.stdout[-3000:]
    assert deployment.rows()


def light_variants(deployment: Deployment, *names: str) -> dict[str, str]:
    """A light version for each name; the ids of their images, and of the one that serves."""
    serving = {"serving": image_that_serves(deployment)}
    return serving | {name: deployment.variant(name, light=True) for name in names}


def test_each_rollback_goes_one_further_back(deployment: Deployment) -> None:
    # Visitors are there when b takes c's place: these two are the app.
    ids = {name: deployment.variant(name) for name in "bc"}
    ids |= light_variants(deployment, "a", "d")
    for name in "abc":
        assert "In service" in put(deployment, f"digits:{name}")
    with under_load(deployment.url) as load:
        started = time.monotonic()
        done = run("make", "rollback", "TARGET=rehearsal")
        seconds = time.monotonic() - started
    assert done.returncode == 0, done.stdout[-3000:]
    print(f"rolled back in {seconds:.0f} s")
    assert seconds < 60
    assert load.failed == []
    assert image_that_serves(deployment) == ids["b"]
    # No disk is needed to go back: nothing is pulled.
    assert "In service" in deployment.ssh("DISK_NEEDED=99999999 digits rollback me@here 2>&1")
    assert image_that_serves(deployment) == ids["a"]
    listed = run("make", "releases", "TARGET=rehearsal").stdout
    assert listed.count("\n* ") == 1
    assert re.search(rf"^\* .* rollback .* {ids['a'][7:19]} +digits:a$", listed, re.MULTILINE)
    # After a later release, to what served before it; and that is the end again.
    assert "In service" in put(deployment, "digits:d")
    assert "In service" in back(deployment)
    assert image_that_serves(deployment) == ids["a"]
    # By its ID, forward too.
    assert "In service" in back(deployment, ids["d"][7:19])
    assert image_that_serves(deployment) == ids["d"]
    # And back, until none is kept: of what served before, a few images are.
    for _ in range(12):
        serves = image_that_serves(deployment)
        said = back(deployment)
        if "refused" in said:
            break
        assert image_that_serves(deployment) not in (serves, ids["b"], ids["c"], ids["d"])
    assert "There is nothing further back than " in said
    assert "that is kept on the droplet, so it stays." in said
    assert image_that_serves(deployment) == serves
    gone = re.search(r"(\S+)  \(removed\)", run("make", "releases", "TARGET=rehearsal").stdout)
    assert gone
    refused = run("make", "rollback", "TARGET=rehearsal", f"RELEASE={gone[1]}")
    assert refused.returncode != 0
    assert "is not on the droplet" in refused.stdout
    assert "make releases TARGET=rehearsal" in refused.stdout


def test_a_tag_that_was_used_twice_can_be_gone_back_to(deployment: Deployment) -> None:
    first = light_variants(deployment, "twice")
    assert "In service" in put(deployment, "digits:twice")
    second = light_variants(deployment, "twice")
    assert first["twice"] == second["serving"] != second["twice"]
    assert "In service" in put(deployment, "digits:twice")
    assert image_that_serves(deployment) == second["twice"]
    said = back(deployment)
    assert f"Going back to digits:twice ({first['twice'][7:19]})" in said
    assert image_that_serves(deployment) == first["twice"]


def test_a_long_list_of_releases(deployment: Deployment) -> None:
    light_variants(deployment, "last")
    assert "In service" in put(deployment, "digits:last")
    one = {"number": 0, "when": "2020-01-01T00:00:00Z", "commit": "abc", "by": "me", "ports": [1]}
    lines = [json.dumps({**one, "name": f"fake:{n}", "id": f"sha256:{n}"}) for n in range(1000)]
    deployment.ssh(
        "cd /opt/digits && cat - releases.jsonl >long && mv long releases.jsonl",
        "".join(f"{line}\n" for line in lines),
    )
    started = time.monotonic()
    assert len(deployment.ssh("digits releases").splitlines()) > 1000
    assert "In service" in back(deployment)
    assert time.monotonic() - started < 60
    deployment.ssh("sed -i /fake:/d /opt/digits/releases.jsonl")


def test_a_slow_start_is_not_a_failed_one(deployment: Deployment) -> None:
    """Its health check gives up long before it is well, and HEALTHY_WITHIN says how long."""
    deployment.variant("quick", light=True)
    check = (
        "HEALTHCHECK --interval=1s --retries=1 --start-period=0s CMD "
        "test $(( $(date +%s) - $(stat -c %Y /proc/1) )) -gt 6\n"
    )
    recipe = shlex.quote(f"FROM digits:quick\n{check}")
    deployment.ssh(f"printf %s {recipe} | docker build --quiet --tag digits:slow -")
    assert "failed" in put(deployment, "digits:slow", HEALTHY_WITHIN="2")
    assert "In service" in put(deployment, "digits:slow", HEALTHY_WITHIN="60")
    assert "In service" in back(deployment)


def test_images_of_failed_releases_are_kept_for_the_next_try_and_no_longer(
    deployment: Deployment,
) -> None:
    ids = light_variants(deployment, "tried", "next")
    # As pull notes it, for images that came and were not put into service.
    deployment.ssh(f"printf '%s\\n' {ids['next']} {ids['tried']} >>/opt/digits/pulled")
    for image in ("digits:next", "digits:again", "digits:more", "digits:most"):
        if image != "digits:next":
            light_variants(deployment, image.removeprefix("digits:"))
        assert "In service" in put(deployment, image)
    here = deployment.ssh("docker image ls --quiet --no-trunc").split()
    assert ids["tried"] in here, "the last that was tried stays"
    deployment.ssh(f"printf '%s\\n' {image_that_serves(deployment)} >>/opt/digits/pulled")
    light_variants(deployment, "other")
    assert "In service" in put(deployment, "digits:other")
    here = deployment.ssh("docker image ls --quiet --no-trunc").split()
    assert ids["tried"] not in here
    assert ids["next"] not in here
