"""Operators and fate on a droplet in memory, and what has to hold after each of their steps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from droplet import database, disk, history, images, migrate, release, rollback, status, watchdog
from droplet.console import Left, Stop
from droplet.disk import RESERVE_FILE, DiskFull
from droplet.history import KEEP
from droplet.host import Host
from droplet.lock import HOLDER
from droplet.underway import FILE as UNDERWAY
from tests.droplet import fakes
from tests.droplet.world import GB, GOOD, POSTGRES, FakeImage, Killed, Process, World

KINDS = (*GOOD, "bad", "crashing", "huge", "untried", "second")
SITE = "/etc/digits/site.env"
OLD_LIST, OLD_SETTINGS = "/opt/digits/releases.log", "/opt/digits/release.env"
FATES = (
    *("full", "little", "docker hangs", "docker restarts", "docker stops", "nginx stops"),
    *("database stops", "database hangs", "managed away", "reboot"),
)
_CHANGES = {
    "full": ("free", 0),
    "little": ("free", 300),
    "docker hangs": ("docker_answers", False),
    "nginx cannot start": ("nginx_starts", False),
    "database hangs": ("database_hangs", True),
    "database cannot start": ("database_starts", False),
    "managed away": ("managed_answers", False),
}
Fate = tuple[str, int]  # what strikes, and at which call to the outside


@dataclass
class Outcome:
    """How a command ended."""

    how: str  # done, refused, full, left, killed
    text: str = ""
    printed: list[str] = field(default_factory=list)
    value: object = None


class Droplet:
    """A world, the commands that are run on it, and a simple list of what was live."""

    def __init__(self) -> None:
        self.world = World()
        self.processes = 1
        self.wanted = "local"
        self.way: list[str] = []  # ids of images, the live one last
        self.killed = False  # a command did not end, and none has recovered since
        self.kills = 0
        self.numbers_before_kill: list[int] = []
        self.told_before: list[int] = []
        self.pruned: set[str] = set()  # images that may be gone

    # --- what operators set ----------------------------------------------------------------

    def set_site(self) -> None:
        """Ansible writes the settings of the deployment."""
        text = f"APP_PROCESSES={self.processes}\n"
        if self.wanted == "managed":
            text += "DATABASE=managed\n"
        self.world.files[SITE] = text.encode()

    def publish(self, kind: str) -> str:
        """Push an image; its name in the registry."""
        if kind == "identical" and self.way:
            for name, image in self.world.registry.items():
                if image.id == self.way[-1]:
                    return name
        world = self.world
        image = FakeImage(world.new_id("a"), "good" if kind == "identical" else kind)
        name = f"registry/digits:{world.counter}"
        world.registry[name] = image
        return name

    def publish_postgres(self, *, broken: bool) -> None:
        """The name of the database's image means another one from now on."""
        world = self.world
        old = world.registry[POSTGRES]
        kind = "broken postgres" if broken else "postgres"
        world.registry[POSTGRES] = FakeImage(
            world.new_id("d"), kind, set(), old.environment, old.volumes
        )

    def from_bash(self, processes: int, releases: int) -> None:
        """A droplet that the bash version of the commands has set up."""
        world, lines = self.world, []
        self.processes = processes
        self.set_site()
        for number in range(releases):
            name = self.publish("good")
            image = world.registry[name]
            world.images[image.id] = world.names[name] = image
            image.names.add(name)
            columns = [f"2026-11-2{number}T10:00:00Z", name, "abc", "me", image.id, "release"]
            lines.append("\t".join(columns if number else columns[:4]))
            self.way.append(image.id)
        postgres = world.registry[POSTGRES]
        world.images[postgres.id] = world.names[POSTGRES] = postgres
        postgres.names.add(POSTGRES)
        ports = range(8502, 8502 + 2 * processes, 2)
        for port in ports:
            host = fakes.host(Process(world))
            done = host.docker.start_app(host.stack(self.way[-1], port))
            assert done.ok, done
        world.older()
        world.files[OLD_LIST] = "".join(f"{line}\n" for line in lines).encode()
        settings = f"APP_IMAGE={name}\nAPP_PORT=8502\nDATABASE=local\n"
        world.files[OLD_SETTINGS] = settings.encode()
        upstream = "".join(f"server 127.0.0.1:{port};\n" for port in ports)
        world.files["/etc/nginx/digits-upstream.conf"] = upstream.encode()
        world.passes(5)
        world.load()

    # --- commands ------------------------------------------------------------------------------

    def run(self, command: Callable[[Host], object], *fates: Fate) -> Outcome:
        """Run a command; fate strikes at its calls to the outside."""
        self.world.passes(2)
        before = self.told_before = self.numbers()
        holder = self.world.files.get(HOLDER)
        process = Process(self.world, {at: self._strike(what) for what, at in fates})
        outcome = self._end(command, process)
        self.world.ended(process)
        self.kills += outcome.how != "done" or bool(fates)
        self._told_right(outcome.printed)
        if self.world.files.get(HOLDER, holder) != holder:  # killed, or its recovery failed
            self.killed = True
            self.numbers_before_kill = before
        self.follow(before)
        return outcome

    def _told_right(self, printed: list[str]) -> None:
        """Whether what a command says about one that was killed is so."""
        for line in printed:
            if line.startswith("It is completed"):
                assert self.numbers() > self.numbers_before_kill, "it is not completed"
            elif line.startswith("It is taken back"):
                assert self.told_before == self.numbers_before_kill, "it was not taken back"

    def _end(self, command: Callable[[Host], object], process: Process) -> Outcome:
        host = fakes.host(process)
        printed = host.console.printed  # type: ignore[attr-defined]
        try:
            value = command(host)
        except Stop as stop:
            if not all(stop.then) or not stop.then or not stop.what:
                self.world.violations.append(f"a refusal without a next step: {stop.what}")
            how = "killed" if process.killed else "refused"
            return Outcome(how, f"{stop.what} {' '.join(stop.then)}", printed)
        except DiskFull as full:
            return Outcome("killed" if process.killed else "full", str(full), printed)
        except Left:
            return Outcome("killed" if process.killed else "left", "", printed)
        except Killed:
            return Outcome("killed", "", printed)
        return Outcome("killed" if process.killed else "done", "", printed, value)

    def _strike(self, what: str) -> Callable[[Process], None]:
        of_the_process: dict[str, Callable[[Process], None]] = {
            "kill": Process.kill,
            "leave": fakes.ctrl_c,
            "another release": lambda one: self.beside(one, self.releasing(self.publish("good"))),
            "another rollback": lambda one: self.beside(one, self.rolling_back()),
            "status": lambda one: self.beside(one, lambda host: status.run(host, quiet=True)),
            "watchdog": lambda one: self.beside(one, watchdog.run),
        }
        if what in of_the_process:
            return of_the_process[what]

        def strike(process: Process) -> None:
            if what == "reboot":
                process.kill()
            self.strike(what)

        return strike

    def strike(self, what: str) -> None:
        """Something happens to the droplet; see FATES."""
        world = self.world
        if what in _CHANGES:
            name, value = _CHANGES[what]
            setattr(world, name, value)
        if what in ("docker stops", "docker restarts"):
            world.stop_docker()
        if what == "docker restarts":
            world.start_docker()
        elif what.startswith("nginx"):
            world.stop_nginx()
        elif what in ("database stops", "database cannot start"):
            self.stop_database()
        elif what == "reboot":
            world.reboot()

    def beside(self, first: Process, command: Callable[[Host], object]) -> None:
        """Another command runs to its end while the first one is where it is."""
        busy = self.world.lock is first
        before, there = self.numbers(), len(self.world.boxes)
        process = Process(self.world)
        outcome = self._end(command, process)
        self.world.ended(process)
        if busy:
            assert self.numbers() == before, "two commands changed something at once"
            assert len(self.world.boxes) == there
        elif outcome.how == "refused":
            assert "is running" not in outcome.text, "nothing was running"
        self.follow(before)

    def waiting(self, command: Callable[[Host], object], at: int, *, killed: bool) -> Outcome:
        """A release waits for a command that is at this call, and that ends or is killed then."""
        arrived, go = threading.Event(), threading.Event()

        def pause(process: Process) -> None:
            arrived.set()
            go.wait()
            if killed:
                self.kills += 1
                process.kill()

        first = Process(self.world, {at: pause})

        def run() -> None:
            self._end(command, first)
            self.world.ended(first)
            arrived.set()

        before = self.numbers()
        thread = threading.Thread(target=run)
        thread.start()
        arrived.wait()
        if self.world.lock is not first:  # it was not begun, or has ended
            go.set()
            thread.join()
            self.follow(before)
            return Outcome("done")

        def first_ends(process: Process) -> None:
            del process
            go.set()
            thread.join()
            self.follow(before)

        process = Process(self.world, {8: first_ends})
        outcome = self._end(self.releasing(self.publish("good"), wait=600), process)
        self.world.ended(process)
        go.set()
        thread.join()
        self.follow(before)
        return outcome

    def release(self, kind: str = "good", *fates: Fate) -> Outcome:
        """Publish an image and release it."""
        return self.run(self.releasing(self.publish(kind)), *fates)

    def rollback(self, *fates: Fate) -> Outcome:
        """Go back."""
        return self.run(self.rolling_back(), *fates)

    def live(self) -> str:
        """The name of the image that is live."""
        found = history.read(self.look())
        return found[-1].name if found else ""

    @staticmethod
    def releasing(name: str, wait: int = 0) -> Callable[[Host], object]:
        """A release of an image."""
        order = release.Order(
            images.Source(name), name, "abc1234", "me@here", wait=wait, healthy_within=10
        )
        return lambda host: release.run(host, order)

    @staticmethod
    def rolling_back(image: str = "") -> Callable[[Host], object]:
        """A rollback."""
        return lambda host: rollback.run(host, "me@here", image)

    @staticmethod
    def bringing_back() -> Callable[[Host], object]:
        """The predictions come back from the managed database."""
        return lambda host: migrate.bring_back(host, "me@here")

    # --- fate ------------------------------------------------------------------------------------

    def stop_database(self) -> None:
        """Somebody stops the database."""
        for box in self.world.service("db"):
            self.world.end_box(box)

    def causes_gone(self) -> None:
        """Whatever kept commands from working is over."""
        world = self.world
        if not world.docker_runs:
            world.start_docker()
        world.docker_answers = world.database_starts = world.managed_answers = True
        world.nginx_starts = True
        world.database_hangs = False
        if world.registry[POSTGRES].kind != "postgres":
            self.publish_postgres(broken=False)
        world.free = max(world.free, 20 * GB)
        world.memory_mb = 4000

    def has_reserve(self) -> bool:
        """Whether the room is kept that a rollback needs on a full disk."""
        return len(self.world.files.get(RESERVE_FILE, b"")) >= disk.RESERVE

    def database_is_right(self) -> bool:
        """Whether nothing has to be done about the database."""
        found = history.read(self.look())
        box = next(iter(self.world.service("db")), None)
        return bool(
            found
            and found[-1].database == self.wanted
            and UNDERWAY not in self.world.files
            and box
            and box.runs
            and box.image is self.world.registry[POSTGRES]
            and database.is_right(self.look(), POSTGRES)
            and (box.database == "managed" or self.world.volumes[box.volume].app_role)
        )

    def may_move(self) -> bool:
        """Whether memory allows the move to another database, if one is due."""
        found = history.read(self.look())
        stays = not found or found[-1].database == self.wanted
        return stays or self.world.memory_mb > 2000 or self.processes == 1

    def has_cause(self) -> bool:
        """Whether something keeps commands from working."""
        world = self.world
        return not (
            world.docker_runs
            and world.docker_answers
            and world.database_starts
            and world.managed_answers
            and world.nginx_starts
            and not world.database_hangs
            and world.registry[POSTGRES].kind == "postgres"
            and world.names.get(POSTGRES, world.registry[POSTGRES]).kind == "postgres"
            and world.free > GB
        )

    # --- what has to hold -------------------------------------------------------------------------

    def look(self) -> Host:
        """The droplet, for a look that changes nothing."""
        process = Process(self.world)
        process.outside = lambda: None  # type: ignore[method-assign]
        return fakes.host(process)

    def numbers(self) -> list[int]:
        """The numbers of the releases that were live."""
        return [one.number for one in history.read(self.look())]

    def follow(self, before: list[int]) -> None:
        """Note in the simple list what has become live."""
        found = history.read(self.look())
        for one in found[len(before) :]:
            if one.how == "rollback" and one.id in self.way:
                while self.way[-1] != one.id:
                    self.way.pop()
            elif not self.way or self.way[-1] != one.id:
                self.way.append(one.id)
            self.note_kept()

    def note_kept(self) -> list[str]:
        """The images that have to stay; the others may be gone from now on."""
        kept = list(dict.fromkeys(reversed(self.way)))[:KEEP]
        self.pruned |= {*self.way} - {*kept}
        return kept

    def before(self) -> str:
        """Where a rollback leads to."""
        there = [one for one in self.way[:-1] if one != self.way[-1] and one in self.world.images]
        return there[-1] if there else ""

    def holds(self) -> None:
        """What holds at any time, also after a kill."""
        world = self.world
        assert not world.violations, world.violations
        found = history.read(self.look())
        assert (found[-1].id if found else "") in (self._live_ids() if self.way else {""})
        assert all(self.works(one.id, len(one.ports)) for one in found), "a bad image was live"
        self._no_answer_is_lost(found[-1].database if found else "")
        kept = self.note_kept()
        gone = [one for one in kept if one not in world.images and one not in self.pruned]
        assert not gone, "an image that a rollback needs was removed"
        of_app = [one for one in world.images.values() if "postgres" not in one.kind]
        assert len(of_app) <= 2 * KEEP + 2, "images pile up"
        # One that was killed may have left one more.
        of_database = len(world.images) - len(of_app)
        assert of_database <= 2 + self.kills, "images of the database pile up"

    def _live_ids(self) -> set[str]:
        live = self.way[-1]
        return {live, *self.world.images.get(live, FakeImage(live, "")).names, *self._names(live)}

    def _names(self, image: str) -> set[str]:
        return {name for name, one in self.world.registry.items() if one.id == image}

    def works(self, image: str, processes: int) -> bool:
        """Whether an image works in so many processes."""
        kind = self._kind(image)
        return kind in GOOD or (kind == "second" and processes == 1)

    def _kind(self, image: str) -> str:
        return next(
            one.kind for name, one in self.world.registry.items() if image in (one.id, name)
        )

    def _no_answer_is_lost(self, live: str) -> None:
        world = self.world
        local = world.volumes.get("digits_postgres")
        data = {"managed": world.managed, "local": local}.get(live)  # before a release, none
        rows = (data.rows if data else None) or []
        assert len(rows) == len(set(rows)), "an answer was stored twice"
        lost = set(world.acknowledged) - set(rows)
        assert not lost, f"{len(lost)} acknowledged answers are lost"

    def agrees(self, *, excused: bool = False) -> None:
        """What holds after a command that was not killed: all tell of the same release."""
        world = self.world
        found = history.read(self.look())
        if not found or not world.nginx_runs:
            return
        assert world.loaded == world.ports_in_file(), "nginx has not loaded its file"
        reported = status.run(self.look(), quiet=True)
        assert reported["live"]["number"] == found[-1].number
        assert tuple(reported["route"]) == world.loaded
        for port in world.loaded:
            box = world.at_port.get(port)
            assert box or world.excused or excused, f"nobody is on {port}"
            if box:
                assert box.image.id in self._live_ids(), f"an old image is on {port}"
                assert box.database == found[-1].database, "its database is not the live one"

    def is_recovered(self) -> None:
        """What holds after a command that had all it needs: one release, complete, nothing else."""
        world = self.world
        found = history.read(self.look())
        if not found:
            assert not world.service("app"), "a container is left"
            return
        live = found[-1]
        assert world.nginx_runs, "nginx does not run"
        self.agrees()
        world.passes(6)
        there = {box.port: box for box in world.service("app")}
        assert len(there) == len(world.service("app")), "two containers on one port"
        if live.id in self._live_ids() and self.way[-1] in world.images:
            hangs = any(box.hangs for box in there.values())  # the watchdog restarts it
            assert world.serves() or hangs, "nothing is live"
            assert world.loaded == live.ports, "processes are missing"
            assert set(there) == set(live.ports), "a container is left"
        left = [name for name in world.files if name.endswith(".rows")]
        assert not left, left
        for name in (HOLDER, UNDERWAY, OLD_LIST, OLD_SETTINGS):
            assert name not in world.files, name
        assert not [box for box in world.boxes.values() if box.name == "digits-migrate"]
        self._databases_are_right(live.database)

    def _databases_are_right(self, live: str) -> None:
        world = self.world
        local = world.volumes.get("digits_postgres")
        data, other = (world.managed, local) if live == "managed" else (local, world.managed)
        assert data
        assert not data.read_only, "no answer is stored"
        if live == "local":
            as_role = [box for box in world.service("app") if box.user == "digits_app"]
            assert data.app_role or not as_role, "the app does not get into the database"
        assert not data.holder
        if other and other.rows and set(other.rows) & set(world.acknowledged):
            assert other.read_only, "the database that is not live is open"
