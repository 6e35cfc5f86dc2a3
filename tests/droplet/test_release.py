"""What people read when a release does not go through, and what is live then."""

from __future__ import annotations

import json

import pytest

from droplet import __main__ as command
from droplet import database, history, images, lock, release, status, watchdog
from droplet.console import Stop
from droplet.nginx import Route
from tests.droplet import fakes
from tests.droplet.model import Droplet, Outcome
from tests.droplet.world import Process


def printed(done: Outcome) -> str:
    """All that a command printed, its refusal included."""
    return "\n".join((*done.printed, done.text))


def test_the_story_of_a_release(droplet: Droplet) -> None:
    droplet.release()
    done = droplet.release()
    assert done.how == "done"
    story = [
        "Pulling registry/digits:",
        "Backed up to /var/backups/digits/digits-",
        "Starting it beside the live one, on port 8502",
        "Waiting until it is healthy (at most 10 s)",
        "Trying it: a digit to recognise, a row for the database",
        "Cutting over to it",
        "Removing 1 old container once visitors have left",
        "In service after ",
    ]
    lines = iter(done.printed)
    for begins in story:
        assert any(line.startswith(begins) for line in lines), begins
    assert [name for name in droplet.world.files if name.endswith("-release.dump")]


def test_the_same_image_again_changes_nothing(droplet: Droplet) -> None:
    droplet.release()
    before = dict(droplet.world.boxes)
    done = droplet.release("identical")
    assert "Nothing to do: registry/digits:2 is live already." in done.printed
    assert droplet.world.boxes == before


def older(droplet: Droplet) -> None:
    """What the version before left: an app that is a superuser of its database."""
    assert droplet.release().how == "done"
    droplet.world.older()


def app_has_its_role(droplet: Droplet) -> bool:
    """Whether the live app uses a role of its own, and the database has it."""
    users = {box.user for box in droplet.world.service("app")}
    return users == {"digits_app"} and droplet.world.volumes["digits_postgres"].app_role


def test_an_older_droplet_gets_the_app_s_role(droplet: Droplet) -> None:
    older(droplet)
    assert droplet.release().how == "done"
    assert app_has_its_role(droplet)
    droplet.is_recovered()
    assert droplet.rollback().how == "done"
    assert app_has_its_role(droplet)
    droplet.is_recovered()


def test_the_app_s_role_wherever_a_release_is_killed() -> None:
    for call in range(1, 400):
        droplet = Droplet()
        older(droplet)
        done = droplet.release("good", ("kill", call))
        droplet.holds()
        if done.how == "done":
            assert call > 50, "nothing was killed"
            return
        assert droplet.release().how == "done"
        assert app_has_its_role(droplet), f"killed at call {call}"
        droplet.is_recovered()
    raise AssertionError("it never ended")


def test_an_older_app_that_is_started_again_gets_the_role_too(droplet: Droplet) -> None:
    """The new compose file is there, and the release that failed did not use it."""
    older(droplet)
    for box in droplet.world.service("app"):
        droplet.world.excused = True
        droplet.world.remove_box(box)
    assert droplet.release("bad").how == "refused"
    assert app_has_its_role(droplet)
    droplet.is_recovered()


def test_a_process_that_is_started_again_gets_visitors_once_it_is_healthy() -> None:
    """A command is killed while it starts one, and the next one recovers."""
    for call in range(1, 60):
        droplet = Droplet()
        droplet.processes = 2
        droplet.set_site()
        droplet.release("slow")
        droplet.world.excused = True
        droplet.world.remove_box(droplet.world.service("app")[1])
        droplet.run(droplet.releasing(droplet.publish("bad")), ("kill", call))
        droplet.world.look()
        droplet.release("bad")
        droplet.holds()


def test_the_same_image_again_makes_the_app_s_role_right(droplet: Droplet) -> None:
    droplet.release()
    droplet.world.volumes["digits_postgres"].app_role = False
    assert any(line.startswith("Nothing to do") for line in droplet.release("identical").printed)
    assert app_has_its_role(droplet)


def test_without_the_role_s_file_nothing_is_released(droplet: Droplet) -> None:
    droplet.release()
    live = droplet.live()
    del droplet.world.files[database.APP_ROLE_FILE]
    done = droplet.release()
    assert "app_role.sql or /opt/digits/secrets/app_password is missing or empty" in done.text
    assert droplet.live() == live
    droplet.is_recovered()


@pytest.mark.parametrize("before", [1, 2, 3])
@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize("memory", [300, 4000])
def test_from_any_number_of_processes_to_any_other(
    droplet: Droplet, before: int, after: int, memory: int
) -> None:
    for count in (before, after):
        droplet.processes, droplet.world.memory_mb = count, memory
        droplet.set_site()
        assert droplet.release().how == "done"
        droplet.is_recovered()
        assert len(droplet.world.loaded) == count


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("bad", "The new container is up but not healthy after 10 s."),
        ("crashing", "The new container does not stay up: it ended with status 1."),
        (
            "huge",
            "killed for want of memory: it may use 600 MB, and the droplet has 4000 MB available.",
        ),
        ("untried", "The new version is up but does not work; what failed is above."),
    ],
)
def test_an_image_that_does_not_work(droplet: Droplet, kind: str, says: str) -> None:
    droplet.release()
    live = droplet.live()
    done = droplet.release(kind)
    assert done.how == "refused"
    assert says in done.text
    assert f"Nothing has changed: {live} is still live." in done.printed
    assert droplet.live() == live
    droplet.is_recovered()
    above = {"untried": "  the network recognises nothing"}
    assert above.get(kind, "  | a line of the log") in done.printed


def test_an_image_for_another_processor(droplet: Droplet) -> None:
    droplet.release()
    name = droplet.publish("good")
    droplet.world.registry[name].platform = "linux/arm64"
    done = droplet.run(droplet.releasing(name))
    assert f"{name} is made for linux/arm64, and the droplet is linux/amd64" in done.text
    assert f"Nothing has changed: {droplet.live()} is still live." in done.printed


def test_how_long_a_new_container_may_take_is_a_setting(droplet: Droplet) -> None:
    name = droplet.publish("slow")  # it takes 4 s
    order = release.Order(images.Source(name), name, "abc1234", "me@here", healthy_within=2)
    done = droplet.run(lambda host: release.run(host, order))
    assert "up but not healthy after 2 s" in done.text
    assert droplet.run(droplet.releasing(name)).how == "done"


def test_images_of_failed_releases_are_removed_though_docker_hung_meanwhile() -> None:
    for call in (1, *range(2, 40, 3)):
        droplet = Droplet()
        droplet.release()
        for _ in range(2):
            droplet.release("bad")
        droplet.run(droplet.releasing(droplet.publish("good")), ("docker hangs", call))
        droplet.causes_gone()
        for _ in range(2):
            assert droplet.release().how == "done"
        kinds = [image.kind for image in droplet.world.images.values()]
        assert "bad" not in kinds, f"Docker hung at call {call}"


@pytest.mark.parametrize("wait", [0, 3, 30])
def test_it_waits_for_another_command_as_long_as_it_may(droplet: Droplet, wait: int) -> None:
    droplet.release()
    world = droplet.world
    other = world.lock = Process(world)
    lock.sign(fakes.host(other), "rollback", "you@there")
    began = world.now

    def other_ends_after_ten_seconds(_: Process) -> None:
        if world.now > began + 10:
            world.ended(other)

    host = fakes.host(Process(world, dict.fromkeys(range(500), other_ends_after_ten_seconds)))
    if wait > 10:
        with lock.held(host, "release", "me@here", wait):
            assert world.now > began + 10
    else:
        with (
            pytest.raises(Stop, match=r"The rollback by you@there, .* is running"),
            lock.held(host, "release", "me@here", wait),
        ):
            pass
        assert wait <= world.now - began < wait + 1
    printed_lines = host.console.printed  # type: ignore[attr-defined]
    waiting = [line for line in printed_lines if "Waiting for it" in line]
    assert len(waiting) == (1 if wait else 0)
    assert all(line.startswith("The rollback by you@there") for line in waiting)


def test_the_image_of_a_failed_release_stays_for_the_next_try_and_no_longer(
    droplet: Droplet,
) -> None:
    droplet.release()
    droplet.release("bad")
    (failed,) = (one.id for one in droplet.world.images.values() if one.kind == "bad")
    assert failed in droplet.world.images
    droplet.release()
    assert failed not in droplet.world.images


def test_a_first_release_that_does_not_work_leaves_room_for_the_next(droplet: Droplet) -> None:
    done = droplet.release("bad")
    assert "Nothing is live yet." in done.printed
    assert not droplet.world.service("app")
    assert droplet.release().how == "done"


def test_one_of_several_that_does_not_work_leaves_the_old_ones(droplet: Droplet) -> None:
    droplet.processes = 3
    droplet.set_site()
    droplet.release()
    live = droplet.live()
    for memory in (4000, 300):
        droplet.world.memory_mb = memory
        done = droplet.release("second")
        assert "up but not healthy" in done.text
        assert droplet.live() == live
        droplet.is_recovered()


@pytest.mark.parametrize("how", ["release", "rollback"])
def test_the_next_step_names_the_command_that_was_run(
    droplet: Droplet, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(fakes.FakeConsole, "make", lambda _self, verb: f"make {verb} TARGET=here")
    if how == "release":
        droplet.release()
        done = droplet.release("bad")
        assert "Correct what is named there, then: make release TARGET=here" in done.text
    else:
        droplet.release()
        droplet.release()
        for image in droplet.world.images.values():
            if image.id == droplet.way[0]:
                image.kind = "bad"
        done = droplet.rollback()
        assert "make rollback RELEASE=ID TARGET=here" in done.text
    other = {"release": "rollback", "rollback": "release"}[how]
    assert f"make {how} HEALTHY_WITHIN=300 TARGET=here" in done.text
    assert f"make {other} " not in done.text


def test_a_second_release_does_not_run_beside_the_first(droplet: Droplet) -> None:
    droplet.release()
    first = Process(droplet.world)
    with lock.held(fakes.host(first), "release", "her@elsewhere"):
        done = droplet.release()
    assert done.how == "refused"
    assert done.text.startswith("The release by her@elsewhere, since 2026-")
    assert "is running. Wait until it is done (make releases shows it)" in done.text
    droplet.world.ended(first)
    assert droplet.release().how == "done"


def test_no_room_for_the_image(droplet: Droplet) -> None:
    droplet.release()
    droplet.world.free = 1_000_000_000
    done = droplet.release()
    assert "Only 1000 MB" in done.text
    assert "are free on the droplet's disk, and a release needs 2000." in done.text
    assert "docker system df" in done.text


def test_a_disk_that_fills_at_any_write_of_a_rollback_leaves_what_can_be_repaired(
    droplet: Droplet,
) -> None:
    droplet.release()
    for call in range(1, 150, 7):
        droplet.release()
        droplet.rollback(("full", call))
        droplet.agrees()
        droplet.causes_gone()
        assert droplet.release().how == "done", call
        droplet.is_recovered()


def test_the_disk_is_full(droplet: Droplet, capsys: pytest.CaptureFixture[str]) -> None:
    droplet.release()
    droplet.world.free = 0
    host = fakes.host(Process(droplet.world))
    assert command.main(["backup", "--json"], host) == 1
    [what, then] = json.loads(capsys.readouterr().out)["error"]
    assert what.startswith("The droplet's disk is full: there is no room for /var/backups/digits")
    assert "du -xsh /var/*" in then


def test_docker_that_does_not_run(droplet: Droplet) -> None:
    droplet.release()
    droplet.world.docker_answers = False
    done = droplet.release()
    assert done.how == "refused"
    assert "Cannot connect to the Docker daemon" in printed(done)
    droplet.causes_gone()
    assert droplet.release().how == "done"


def test_an_older_push_does_not_undo_a_rollback(
    droplet: Droplet, monkeypatch: pytest.MonkeyPatch
) -> None:
    droplet.release()
    droplet.release()
    pushed = droplet.world.now
    droplet.rollback()
    monkeypatch.setenv("PUSHED_AT", f"{pushed:.0f}")
    monkeypatch.setenv("NO_PULL", "")
    image = droplet.publish("good")
    done = droplet.run(lambda host: release.run(host, release.order(image, "abc1234", "ci")))
    assert "Not released: me@here went back to registry/digits:2" in done.text


def test_a_long_name_moves_no_column(droplet: Droplet) -> None:
    droplet.release()
    host = droplet.look()
    one = history.read(host)[-1]
    for number, (by, commit) in enumerate(
        (("somebody.with.a.long.name@a-laptop", "0123456789-and-more"), ("me", "abc")), start=2
    ):
        values = {**vars(one), "number": number, "by": by, "commit": commit}
        history.add(host, history.Release(**values))
        host.nginx.write(Route(number, one.ports))
    status.releases(host)
    head, *lines = host.console.printed  # type: ignore[attr-defined]
    assert len(lines) == 3
    for line, name in zip(
        lines, ("me@here", "somebody.with.a.long.name@a-laptop", "me"), strict=True
    ):
        assert line[head.index("BY") :].startswith(f"{name} ")
        assert line[head.index("IMAGE") :].startswith("registry/digits:2")
    assert [line[0] for line in lines] == [" ", " ", "*"]


def test_a_database_that_hangs_has_no_number_of_answers(droplet: Droplet) -> None:
    droplet.release()
    droplet.world.database_hangs = True
    host = droplet.look()
    text = dict(status._of_the_database(host))["database"]  # noqa: SLF001
    assert text.startswith("DOES NOT ANSWER (the database did not answer in time)")
    assert "0 answers" not in text


def test_the_watchdog_restarts_an_app_that_hangs_and_leaves_one_that_is_slow(
    droplet: Droplet,
) -> None:
    droplet.release()
    [box] = droplet.world.service("app")
    began, box.crowded = box.started, True
    droplet.run(watchdog.run)
    assert box.started == began
    box.hangs = droplet.world.excused = True
    droplet.run(watchdog.run)
    assert box.started > began


def test_a_database_that_somebody_stopped_is_noted(droplet: Droplet) -> None:
    """Docker starts it again when it ends by itself, and not after docker kill."""
    from droplet import alerts

    def noted() -> list[str]:
        return [sentence for _, _, sentence in alerts.listed(droplet.look())]

    droplet.run(watchdog.run)
    assert not noted(), "nothing is live yet, so nothing is lost"
    droplet.release()
    droplet.stop_database()
    first = Process(droplet.world)
    with lock.held(fakes.host(first), "release", "me"):
        droplet.run(watchdog.run)
        assert not noted(), "a release stops it for some seconds"
    droplet.run(watchdog.run)
    [sentence] = noted()
    assert "the database is stopped, so no answer is stored. Start it: make deploy" in sentence
    assert database.up(fakes.host(Process(droplet.world)))
    droplet.run(watchdog.run)
    assert not noted()


def test_nginx_loads_its_file_after_a_kill_though_docker_hung_at_the_first_recovery() -> None:
    windows = 0
    for call in range(120, 180):
        droplet = Droplet()
        droplet.release()
        done = droplet.release("good", ("kill", call))
        windows += droplet.world.loaded != droplet.world.ports_in_file()
        droplet.strike("docker hangs")
        droplet.rollback()
        droplet.causes_gone()
        droplet.rollback()
        droplet.is_recovered()
        droplet.holds()
        if done.how == "done":
            break
    assert windows, "no kill was between the file and the reload"


def test_a_rollback_also_removes_what_docker_started_again_meanwhile() -> None:
    droplet = Droplet()
    droplet.release()
    droplet.release()
    droplet.publish_postgres(broken=False)
    droplet.world.database_hangs = True
    assert droplet.release().how == "refused"  # it has pulled the database's newer image
    for box in droplet.world.service("app"):
        droplet.world.end_box(box)
    droplet.world.excused = True
    droplet.wanted = "managed"
    droplet.set_site()
    assert droplet.rollback().how == "done"
    assert len(droplet.world.service("app")) == 1


def test_no_image_of_a_database_that_did_not_start_stays() -> None:
    droplet = Droplet()
    droplet.release()
    droplet.strike("database stops")
    for broken in (True, False):
        droplet.publish_postgres(broken=broken)
        droplet.release()
    assert len([one for one in droplet.world.images.values() if "postgres" in one.kind]) == 1


def test_answers_of_a_first_release_that_failed_at_its_end_move_to_the_managed_database() -> None:
    """nginx stopped when it had just begun to serve: the release is live, if nobody else is."""
    for at in range(1, 400):
        droplet = Droplet()
        done = droplet.release("good", ("nginx stops", at))
        if done.how == "refused" and droplet.world.acknowledged:
            break
    answers = set(droplet.world.acknowledged)
    assert answers
    assert "The release is live as soon as nginx runs" in done.text
    assert len(history.read(droplet.look())) == 1
    droplet.causes_gone()
    droplet.wanted = "managed"
    droplet.set_site()
    assert droplet.release().how == "done"
    assert answers <= set(droplet.world.managed.rows or [])


def test_visitors_have_time_to_leave_a_container_that_the_command_before_left() -> None:
    """Docker hung when the old container was to be removed, and the next command comes at once."""
    for at in range(1, 400):
        droplet = Droplet()
        droplet.release()
        done = droplet.release("good", ("docker hangs", at))
        if done.how == "done" and len(droplet.world.service("app")) == 2:
            break
    assert len(droplet.world.service("app")) == 2
    droplet.causes_gone()
    assert droplet.release().how == "done"
    assert not droplet.world.violations
