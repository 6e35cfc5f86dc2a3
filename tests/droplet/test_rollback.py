"""Where a rollback leads to, and what people read when it cannot."""

from __future__ import annotations

import json

import pytest

from droplet import history, status
from tests.droplet.model import Droplet
from tests.droplet.world import FakeImage


def test_a_rollback_goes_to_what_was_live_before_and_never_to_what_is_live(
    droplet: Droplet,
) -> None:
    for _ in range(3):
        droplet.release()
    first, second, third = droplet.way
    droplet.release("identical")
    # The second one is not on the droplet any more.
    droplet.world.remove_images([droplet.world.images[second]])
    done = droplet.rollback()
    assert "1 of the releases in between are not on the droplet any more." in done.printed
    assert droplet.way == [first]
    done = droplet.rollback()
    assert done.how == "refused"
    assert "There is nothing further back than" in done.text
    assert "make rollback RELEASE=ID" in done.text
    assert droplet.run(droplet.rolling_back(third)).how == "done"
    assert droplet.way == [first, third]


def test_a_name_that_meant_two_images(droplet: Droplet) -> None:
    droplet.release()
    name = droplet.live()
    second = FakeImage(droplet.world.new_id("a"), "good")
    droplet.world.registry[name] = second
    assert droplet.run(droplet.releasing(name)).how == "done"
    first = droplet.way[0]
    assert droplet.way == [first, second.id]
    done = droplet.rollback()
    assert any(f"Going back to {name} ({first[7:19]})" in line for line in done.printed)
    assert droplet.way == [first]


def test_a_list_of_a_thousand_releases(droplet: Droplet) -> None:
    droplet.release()
    droplet.release()
    first, _ = droplet.way
    *_, live = droplet.world.files[history.FILE].splitlines()
    others = [
        json.dumps(json.loads(live) | {"number": 0, "name": f"old:{n}", "id": f"sha256:{n:064}"})
        for n in range(1000)
    ]
    whole = "\n".join(others).encode() + b"\n" + droplet.world.files[history.FILE]
    droplet.world.files[history.FILE] = whole
    found = droplet.run(lambda host: status.releases(host, quiet=True)).value
    assert isinstance(found, dict)
    assert len(found["releases"]) == 1002
    assert droplet.rollback().how == "done"
    assert droplet.way == [first]


def test_before_the_first_release(droplet: Droplet) -> None:
    done = droplet.rollback()
    assert done.text == (
        "Nothing has been released yet, so there is nothing to go back to. "
        "Release something: make deploy"
    )


def test_an_image_that_is_not_here(droplet: Droplet) -> None:
    droplet.release()
    done = droplet.run(droplet.rolling_back("sha256:gone"))
    assert done.text == (
        "sha256:gone is not on the droplet (any more): the last 3 images are kept. "
        "See which: make releases"
    )


def test_on_a_full_disk_it_goes_back_without_a_backup(droplet: Droplet) -> None:
    droplet.release()
    droplet.release()
    droplet.world.free = 0
    done = droplet.rollback()
    assert done.how == "done", done
    assert "The droplet's disk is full." in done.printed
    assert "Going back without a backup." in done.printed
    droplet.is_recovered()


@pytest.mark.parametrize("verb", ["release", "rollback"])
def test_a_command_that_was_killed_is_named_and_how_it_ended(droplet: Droplet, verb: str) -> None:
    endings = set()
    for call in range(30, 280, 9):
        droplet.release()
        droplet.release()
        droplet.release("good", ("kill", call)) if verb == "release" else droplet.rollback(
            ("kill", call)
        )
        reported = droplet.run(lambda host: status.releases(host, quiet=True)).printed
        assert not droplet.run(lambda host: status.releases(host, quiet=True)).printed, (
            "once is enough"
        )
        if reported:
            assert reported[0].startswith(f"The {verb} by me@here, since 2026-")
            assert reported[0].endswith("did not end. Recovering.")
            assert reported[-1].startswith(("It is completed: ", "It is taken back: "))
            endings.add(reported[-1].split(":")[0])
        droplet.is_recovered()
    assert endings == {"It is completed", "It is taken back"}
