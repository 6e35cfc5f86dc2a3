"""What the package relies on, for the droplet in memory and for real programs alike.

Each class of tests that inherits from Contract has a fixture `rig`. tests/droplet/test_contract.py
has the droplet in memory, and tests/docker/test_contract.py a real Docker and PostgreSQL.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pytest

from droplet import migrate
from droplet.console import Stop
from droplet.disk import Busy
from droplet.docker import APP, DATABASE, Container, Stack
from droplet.host import Host
from droplet.lock import LOCK
from droplet.postgres import COLUMNS, READ_ONLY, TABLE, SqlError


class Rig(Protocol):
    """A droplet for these tests."""

    host: Host
    ports: tuple[int, int]

    def image(self, kind: str) -> str:
        """The id of an image here: good, crashing or huge."""

    def stack(self, image: str = "", port: int = 0) -> Stack:
        """A stack of the tests' own."""

    def insert(self, container: str) -> bool:
        """Store one prediction as the app does, with a new connection; whether that worked."""

    def connect(self, container: str) -> Callable[[], bool]:
        """The same with a connection that is made now."""


@dataclass
class Waiting:
    """How long a test waits for Docker."""

    host: Host

    def until(self, condition: Callable[[], object], what: str) -> None:
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < 60, what
            self.host.clock.sleep(0.2)


def app(rig: Rig, port: int) -> Container:
    """The container of the app on a port."""
    project = rig.stack().project
    return next(one for one in rig.host.docker.containers(APP, project) if port in one.ports)


def database(rig: Rig) -> str:
    """The id of the database's container, which is started if need be."""
    done = rig.host.docker.start_database(rig.stack(), 120)
    assert done.ok, done.error
    [found] = rig.host.docker.containers(DATABASE, rig.stack().project)
    assert found.runs
    return found.id


class Contract:
    """Tests of what the package relies on."""

    # --- the disk ---

    def test_a_file_is_written_read_and_removed(self, rig: Rig) -> None:
        disk = rig.host.disk
        assert disk.read("/opt/digits/some") == ""
        assert not disk.exists("/opt/digits/some")
        disk.write("/opt/digits/some", "one\n")
        disk.write("/opt/digits/some", "two\n")
        assert disk.read("/opt/digits/some") == "two\n"
        assert not disk.exists("/opt/digits/some.new")
        disk.remove("/opt/digits/some")
        disk.remove("/opt/digits/some")
        assert not disk.exists("/opt/digits/some")

    def test_a_lock_is_held_by_one(self, rig: Rig) -> None:
        disk = rig.host.disk
        with disk.locked(LOCK), pytest.raises(Busy), disk.locked(LOCK):
            raise AssertionError
        with disk.locked(LOCK):
            pass
        shared, alone = disk.locked(LOCK, shared=True), disk.locked(LOCK)
        with shared, pytest.raises(Busy), alone:
            raise AssertionError

    def test_the_reserve_is_kept_once_and_given_up_once(self, rig: Rig) -> None:
        disk = rig.host.disk
        disk.keep_reserve()
        assert disk.give_up_reserve()
        assert not disk.give_up_reserve()

    # --- images and containers ---

    def test_an_image_has_an_id_and_names(self, rig: Rig) -> None:
        docker = rig.host.docker
        id_of_it = rig.image("good")
        found = docker.image(id_of_it)
        assert found
        assert found.id == id_of_it
        docker.tag(id_of_it, "digits-contract:another")
        again = docker.image("digits-contract:another")
        assert again
        assert again.id == id_of_it
        assert "digits-contract:another" in again.names
        assert id_of_it in {one.id for one in docker.images()}
        assert docker.image("digits-contract:nobody-has-it") is None

    def test_one_more_process_is_started_beside_the_others(self, rig: Rig) -> None:
        docker, image = rig.host.docker, rig.image("good")
        first, second = rig.ports
        assert docker.start_app(rig.stack(image, first)).ok
        one = app(rig, first)
        assert docker.start_app(rig.stack(image, second)).ok
        two = app(rig, second)
        assert app(rig, first).id == one.id, "the first one was made again"
        assert one.image == two.image == image
        assert (one.runs, two.runs) == (True, True)
        # The hash tells whether a container is as it should be.
        assert one.config == docker.config(rig.stack(image, first), APP)
        assert two.config == docker.config(rig.stack(image, second), APP) != one.config
        waiting = Waiting(rig.host)
        waiting.until(lambda: docker.execute(one.id, *one.check, timeout=10).ok, "never healthy")

        # A port that is taken.
        done = docker.start_app(rig.stack(image, second))
        assert not done.ok
        assert "port is already allocated" in done.error
        found = docker.containers(APP, rig.stack().project)
        [left] = [each for each in found if each.id not in (one.id, two.id)]
        assert (left.status, left.ports) == ("created", (second,))
        assert docker.remove(left.id)

        # One that was stopped is started together with the next one.
        assert docker.stop(one.id)
        assert app(rig, first).status == "exited"
        assert not docker.execute(one.id, "true").ok
        assert docker.remove(two.id)
        assert docker.start_app(rig.stack(image, second)).ok
        assert app(rig, first).runs
        assert docker.restart(one.id, 1)
        assert app(rig, first).runs

        # An image stays while a container uses it.
        used = docker.image(image)
        assert used
        docker.remove_image(used)
        assert docker.image(image)
        assert docker.remove(*(each.id for each in docker.containers(APP, rig.stack().project)))
        assert docker.containers(APP, rig.stack().project) == []
        docker.remove_image(used)
        assert docker.image(image) is None

    @pytest.mark.parametrize(("kind", "status"), [("crashing", 1), ("huge", 137)])
    def test_how_a_container_first_ended(self, rig: Rig, kind: str, status: int) -> None:
        docker, image = rig.host.docker, rig.image(kind)
        began = rig.host.clock.now()
        docker.start_app(rig.stack(image, rig.ports[0]))
        one = app(rig, rig.ports[0])
        waiting = Waiting(rig.host)
        waiting.until(lambda: app(rig, rig.ports[0]).restarts, "Docker starts it again")
        assert docker.ended(one.id, began - 60) == (status, kind == "huge")
        assert docker.remove(one.id)

    # --- the database ---

    def test_the_database_stays_as_it_is_and_keeps_its_rows(self, rig: Rig) -> None:
        docker, postgres = rig.host.docker, rig.host.postgres
        one = database(rig)
        assert docker.config(rig.stack(), DATABASE) == self.of(rig, one).config
        assert self.of(rig, one).image == self.image_of(rig)
        assert database(rig) == one
        assert postgres.answers(one)
        assert postgres.version(one) // 10000 == 17
        # The database begins with the table and the app's role.
        assert postgres.count(one) == 0
        assert postgres.has_app_role(one)
        assert postgres.may_make_tables(one)
        assert rig.insert(one)
        assert postgres.count(one) == 1
        assert docker.stop(one)
        with pytest.raises(SqlError):
            postgres.count(one)
        again = database(rig)
        assert postgres.count(again) == 1
        postgres.open(again, empty=True)
        assert postgres.count(again) == 0

    def test_a_closed_database_stores_nothing_until_it_is_opened(self, rig: Rig) -> None:
        postgres, one = rig.host.postgres, database(rig)
        assert rig.insert(one)
        before = postgres.count(one)
        assert not postgres.is_read_only(one)
        postgres.close(one)
        assert postgres.is_read_only(one)
        assert not rig.insert(one)
        assert postgres.count(one) == before
        postgres.open(one)
        assert not postgres.is_read_only(one)
        assert rig.insert(one)

    def test_who_is_connected_stores_nothing_once_it_is_closed(self, rig: Rig) -> None:
        postgres, one = rig.host.postgres, database(rig)
        assert rig.insert(one)
        insert = rig.connect(one)
        assert insert()
        before = postgres.count(one)
        postgres.close(one)
        assert not insert()
        assert postgres.count(one) == before
        postgres.open(one)

    def test_predictions_that_are_held_stay_as_they_are(self, rig: Rig) -> None:
        one = database(rig)
        assert rig.insert(one)
        with migrate.hold(rig.host, one), pytest.raises(Stop), migrate.hold(rig.host, one):
            raise AssertionError
        with migrate.hold(rig.host, one):
            pass
        assert rig.insert(one)

    def test_rows_are_copied_in_one_transaction(self, rig: Rig) -> None:
        disk, postgres, one = rig.host.disk, rig.host.postgres, database(rig)
        for _ in range(3):
            assert rig.insert(one)
        count = postgres.count(one)
        with disk.create("/opt/digits/rows") as rows:
            postgres.rows(one, rows)
        with disk.path("/opt/digits/rows").open("rb") as file:
            assert sum(1 for _ in file) == count
        with postgres.session(one) as session:
            session.tell(
                f"BEGIN READ WRITE; {TABLE} {READ_ONLY}; "
                f"TRUNCATE public.predictions; COPY public.predictions ({COLUMNS}) FROM STDIN;"
            )
            session.copy(disk.path("/opt/digits/rows"))
            session.tell("COMMIT; SELECT 'done', '';")
            session.read("done", 30)
        assert postgres.count(one) == count
        assert postgres.is_read_only(one)
        postgres.open(one)

    def of(self, rig: Rig, container: str) -> Container:
        found = rig.host.docker.containers(DATABASE, rig.stack().project)
        return next(one for one in found if one.id == container)

    def image_of(self, rig: Rig) -> str:
        found = rig.host.docker.image(rig.host.docker.database_image(rig.stack()))
        assert found
        return found.id
