"""The list of releases: what is live, the way back, the images to keep."""

from __future__ import annotations

import pytest

from droplet import history
from droplet.history import KEEP, Release
from droplet.nginx import UPSTREAM
from tests.droplet.model import Droplet


def releases(text: str) -> list[Release]:
    """Each letter is an image that was released; after "<", one that was rolled back to."""
    how = "release"
    found: list[Release] = []
    for letter in text:
        if letter == "<":
            how = "rollback"
            continue
        found.append(Release(len(found) + 1, "", letter, letter, "", "", how))
        how = "release"
    return found


def ids(found: list[Release]) -> str:
    return "".join(one.id for one in found)


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("", ""),
        ("A", "A"),
        ("ABC", "ABC"),
        ("ABC<B", "AB"),
        ("ABC<B<A", "A"),
        ("ABC<A", "A"),
        ("ABC<AD", "AD"),
        ("ABAC<A", "ABA"),
        ("ABACD<A", "ABA"),
        ("ABCDE<C", "ABC"),
        ("AB<X", "ABX"),
    ],
)
def test_the_way_back_is_a_stack(text: str, way: str) -> None:
    assert ids(history.way_back(releases(text))) == way


def test_images_to_keep_are_those_of_the_way_back_and_the_newest_ones() -> None:
    assert KEEP == 3
    assert history.to_keep(releases("ABCDE")) == set("CDE")
    assert history.to_keep(releases("ABCDE<C")) == set("ABCDE")
    assert history.to_keep(releases("AABBCCDD")) == set("BCD")


def test_what_nginx_has_says_which_release_is_live() -> None:
    droplet = Droplet()
    names = []
    for _ in range(3):
        droplet.release()
        names.append(droplet.live())
    host, files = droplet.look(), droplet.world.files
    assert [one.name for one in history.read(host)] == names
    text = files[UPSTREAM].decode()
    files[UPSTREAM] = text.replace("# release 3", "# release 2").encode()
    assert [one.name for one in history.read(host)] == names[:2]
    files[UPSTREAM] = b"# damaged\n"  # then the newest one is the best guess
    assert [one.name for one in history.read(host)] == names


def test_the_list_of_the_bash_version_stays_when_docker_restarts_during_the_first_command() -> None:
    for call in range(40, 140, 2):
        droplet = Droplet()
        droplet.from_bash(processes=2, releases=2)
        droplet.strike("docker stops")
        droplet.release("good", ("docker restarts", call))
        assert droplet.numbers() in ([1, 2], [1, 2, 3]), call
        droplet.causes_gone()
        droplet.release()
        assert droplet.numbers()[:2] == [1, 2], call


def test_the_end_of_the_way_back_is_known_though_docker_stopped_in_the_first_command() -> None:
    for call in range(1, 60):
        droplet = Droplet()
        droplet.from_bash(processes=1, releases=2)
        if droplet.rollback(("docker stops", call)).how != "done":
            droplet.causes_gone()
            assert droplet.rollback().how == "done"
        assert droplet.rollback().how == "refused", "it returns to what it came from"
