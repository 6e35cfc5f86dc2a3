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


def test_people_read_the_first_twelve_digits_of_an_id() -> None:
    assert Release(1, "", "A", f"sha256:{'0123456789abcdef' * 4}", "", "").short == "0123456789ab"


def test_images_to_keep_are_those_of_the_way_back_and_the_newest_ones() -> None:
    assert KEEP == 3
    assert history.to_keep(releases("ABCDE")) == set("CDE")
    assert history.to_keep(releases("ABCDE<C")) == set("ABCDE")
    assert history.to_keep(releases("AABBCCDD")) == set("BCD")


def test_the_list_of_the_bash_version_is_read() -> None:
    droplet = Droplet()
    lines = ["2026-01-01\tA\tc1\tme", "2026-01-02\tB\tc2\tme\tsha256:b\trollback\tmore"]
    droplet.world.files[history._OLD_LIST] = "\n".join(lines).encode()  # noqa: SLF001
    first, second = history.read(droplet.look())
    assert first == Release(1, "2026-01-01", "A", "A", "c1", "me")
    assert second == Release(2, "2026-01-02", "B", "sha256:b", "c2", "me", "rollback", (8501,))
    droplet.world.files[UPSTREAM] = b"server 127.0.0.1:8503;\n"
    droplet.world.files[history._OLD_SETTINGS] = b"DATABASE=managed\n"  # noqa: SLF001
    first, second = history.read(droplet.look())
    assert (first.ports, first.database) == ((8501,), "local")
    assert (second.ports, second.database) == ((8503,), "managed")


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
