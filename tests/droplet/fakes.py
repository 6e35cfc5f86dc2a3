"""The droplet's modules for tests: each reaches a World in memory instead of the outside.

Only what reaches outside is replaced; the rest of each module is the real code.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from droplet.clock import Clock
from droplet.console import Console, Left
from droplet.disk import Busy, Disk, DiskFull
from droplet.docker import DATABASE, DATABASE_SETTINGS, Container, Docker, Image, Stack
from droplet.host import Host
from droplet.lock import LOCK
from droplet.memory import Memory
from droplet.nginx import Nginx
from droplet.postgres import Postgres, SqlError
from droplet.postgres import Session as PostgresSession
from droplet.programs import Result
from droplet.systemd import Systemd
from tests.droplet.world import (
    CHECK,
    MANAGED_CLIENT,
    POSTGRES,
    Box,
    Data,
    FakeImage,
    Process,
)

OK = Result(0, "", "")
_OF_A_CONTAINER = 100_000  # bytes that a new container takes on the disk


class FakeConsole(Console):
    """What was printed, in a list. Ctrl-C comes as an event of the process."""

    def __init__(self, process: Process, suffix: str = "") -> None:
        super().__init__(suffix)
        self.process = process
        self.printed: list[str] = []

    def listen(self) -> None:
        self.process.protected = False

    def protect(self) -> None:
        self.process.protected = True

    def _print(self, text: str, *, error: bool) -> None:
        del error
        if self.process.killed:
            return
        self.printed.append(text)


def ctrl_c(process: Process) -> None:
    """The operator leaves."""
    if not process.protected:
        raise Left


class FakeClock(Clock):
    """A clock that only waiting advances."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def now(self) -> float:
        return self.process.world.now

    def seconds(self) -> float:
        return self.process.world.now

    def sleep(self, seconds: float) -> None:
        self.process.outside()
        self.process.world.passes(seconds)


class FakeFile(io.BytesIO):
    """A file that is open for writing."""

    def __init__(self, disk: FakeDisk, name: str) -> None:
        super().__init__()
        self.disk, self.name = disk, name

    def write(self, data: Any) -> int:
        try:
            self.disk.take(self.name, len(data))
        except DiskFull:
            raise OSError(errno.ENOSPC, "No space left on device") from None
        return super().write(data)

    def close(self) -> None:
        if not self.closed and not self.disk.process.killed:
            self.disk.world.files[self.name] = self.getvalue()
        super().close()


class FakePath:
    """The path of a file in memory, as far as commands open it themselves."""

    def __init__(self, disk: FakeDisk, name: str) -> None:
        self.disk, self.name = disk, name

    def __str__(self) -> str:
        return self.name

    def open(self, mode: str) -> IO[bytes]:
        self.disk.process.outside()
        if "w" in mode:
            self.disk.world.free += len(self.disk.world.files.get(self.name, b""))
            self.disk.world.files[self.name] = b""
            return FakeFile(self.disk, self.name)
        if self.name not in self.disk.world.files:
            raise FileNotFoundError(self.name)
        return io.BytesIO(self.disk.world.files[self.name])


class FakeDisk(Disk):
    """Files in memory. Those below /run are not on the disk, and are gone after a reboot."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self.process, self.world = process, process.world

    def take(self, name: str, size: int) -> None:
        """Take room on the disk. Raises DiskFull."""
        if name.startswith("/run/"):
            return
        if size > self.world.free:
            raise DiskFull(name)
        self.world.free -= size

    def path(self, name: str) -> Path:
        return cast("Path", FakePath(self, name))

    def read(self, name: str) -> str:
        self.process.outside()
        return self.world.files.get(name, b"").decode()

    def exists(self, name: str) -> bool:
        self.process.outside()
        return name in self.world.files

    def remove(self, name: str) -> None:
        self.process.outside()
        self._give_back(name, self.world.files.pop(name, b""))

    def free_mb(self, name: str) -> int:
        self.process.outside()
        del name
        return max(0, self.world.free) // 1_000_000

    def names(self, folder: str) -> list[str]:
        self.process.outside()
        found = [name for name in self.world.files if name.startswith(f"{folder}/")]
        return sorted(name.removeprefix(f"{folder}/") for name in found if name[-4:] != ".new")

    def folder(self, name: str, mode: int) -> None:
        """Folders need not be made."""

    def touch(self, name: str) -> None:
        self.process.outside()
        self.world.files.setdefault(name, b"")

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self.path(name).open("wb") as file:
                yield file
        except OSError as error:
            raise DiskFull(name) from error

    def add_name(self, name: str, another: str) -> bool:
        self.process.outside()
        if another in self.world.files:
            return False
        self.world.files[another] = self.world.files[name]
        return True

    def modified(self, name: str) -> float:
        self.process.outside()
        return self.world.changed.get(name, self.world.now if name in self.world.files else 0.0)

    @contextmanager
    def locked(self, name: str, *, wait: bool = False, shared: bool = False) -> Iterator[None]:
        assert name == LOCK, "all commands share one lock"
        self.process.outside()
        others = self.world.lock or (self.world.lookers and not shared and not wait)
        if others:
            assert not wait, "it would wait for ever"
            raise Busy
        if shared:
            self.world.lookers.add(self.process)
        else:
            self.world.lock = self.process
        try:
            yield
        finally:
            self.world.lookers.discard(self.process)
            if self.world.lock is self.process:
                self.world.lock = None

    def _size(self, name: str) -> int:
        self.process.outside()
        return len(self.world.files.get(name, b""))

    def _put(self, name: str, data: bytes, mode: int) -> None:
        del mode
        self.process.outside()
        self._give_back(name, self.world.files.get(name, b""))
        self.world.files[name] = b""
        if not name.endswith("/reserve.new"):
            self.process.outside()  # a kill leaves half of it
        room = len(data) if name.startswith("/run/") else max(0, min(self.world.free, len(data)))
        self.take(name, room)
        self.world.files[name] = data[:room]
        if room < len(data):
            raise DiskFull(name)

    def _move(self, name: str, to: str) -> None:
        self.process.outside()
        self._give_back(to, self.world.files.get(to, b""))
        self.world.files[to] = self.world.files.pop(name)

    def _give_back(self, name: str, data: bytes) -> None:
        if not name.startswith("/run/"):
            self.world.free += len(data)


class FakeMemory(Memory):
    """So much memory as the world has."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def figures(self) -> dict[str, int]:
        self.process.outside()
        free = self.process.world.memory_mb
        return {"MemTotal": 4000, "MemAvailable": free, "SwapTotal": 1000, "SwapFree": 900}


class FakeSystemd(Systemd):
    """Knows nginx; other units are active."""

    def __init__(self, process: Process) -> None:
        self.process, self.world = process, process.world

    def is_active(self, unit: str) -> bool:
        self.process.outside()
        return self.world.nginx_runs if unit == "nginx" else True

    def is_enabled(self, unit: str) -> bool:
        self.process.outside()
        del unit
        return True

    def start(self, unit: str) -> bool:
        self.process.outside()
        if unit != "nginx" or self.world.nginx_runs:
            return True
        return self.world.nginx_starts and self.world.load()

    def reload(self, unit: str) -> bool:
        self.process.outside()
        if unit != "nginx":
            return True
        return self.world.nginx_runs and self.world.load()


class FakeNginx(Nginx):
    """The real one, but for its processes."""

    def __init__(self, process: Process, disk: Disk, systemd: Systemd, clock: Clock) -> None:
        super().__init__(disk, systemd, clock)
        self.process, self.world = process, process.world

    def check(self) -> str:
        self.process.outside()
        return "" if self.world.ports_in_file() is not None else "no servers in upstream"

    def workers(self) -> tuple[int, ...]:
        self.process.outside()
        return self.world.workers if self.world.nginx_runs else ()

    def draining(self) -> tuple[int, ...]:
        return tuple(worker for workers, _, _ in self.world.draining for worker in workers)


class FakeDocker(Docker):
    """Images and containers in memory."""

    def __init__(self, process: Process, disk: Disk, clock: Clock) -> None:
        super().__init__(disk, clock)
        self.process, self.world = process, process.world

    def _is_up(self) -> bool:
        self.process.outside()
        return self.world.docker_runs and self.world.docker_answers

    def answers(self) -> bool:
        return self._is_up()

    # --- images ---

    def image(self, name: str) -> Image | None:
        is_up = self._is_up()
        found = self.world.names.get(name) or self.world.images.get(name)
        return _image(found) if is_up and found else None

    def images(self) -> list[Image]:
        return [_image(one) for one in self.world.images.values()] if self._is_up() else []

    def platform(self) -> str:
        return "linux/amd64" if self._is_up() else ""

    def pull(self, name: str, login: Path | None, tick: Callable[[int], None]) -> str:
        del login
        if not self._is_up():
            return "Cannot connect to the Docker daemon"
        found = self.world.registry.get(name)
        if not found:
            return f"{name}: not found"
        tick(1)
        self.process.outside()
        if self.world.free < 1_000_000:
            return "no space left on device"
        if not self._is_up():
            return "Cannot connect to the Docker daemon"
        self.world.images[found.id] = found
        self._name(name, found)
        return ""

    def log_in(self, registry: str, user: str, password: str) -> Path | None:
        self.process.outside()
        del registry, user
        return Path("/run/digits-login.x") if password == "right" else None

    def tag(self, image: str, name: str) -> None:
        if self._is_up() and image in self.world.images:
            self._name(name, self.world.images[image])

    def _name(self, name: str, image: FakeImage) -> None:
        before = self.world.names.get(name)
        if before:
            before.names.discard(name)
        self.world.names[name] = image
        image.names.add(name)

    def remove_image(self, image: Image) -> None:
        found = self.world.images.get(image.id)
        for name in image.names:
            if not self._is_up() or not found:
                return
            if len(found.names) > 1 or not self._used(found):
                self.world.names.pop(name, None)
                found.names.discard(name)
        if self._is_up() and found and not self._used(found):
            del self.world.images[found.id]

    def _used(self, image: FakeImage) -> bool:
        return any(box.image is image for box in self.world.boxes.values())

    # --- containers ---

    def containers(self, service: str, project: str = "digits") -> list[Container]:
        if not self._is_up():
            return []
        return [self._container(box) for box in self.world.service(service, project)]

    def _container(self, box: Box) -> Container:
        health = ""
        if box.runs and box.image.kind != "unchecked":
            healthy = self._db_healthy(box) if box.service == DATABASE else None
            if healthy is None:
                healthy = self.world.is_healthy(box)
            health = "healthy" if healthy and not box.crowded else "unhealthy"
        return Container(
            id=box.id,
            name=box.name,
            image=box.image.id,
            name_of_image=box.name_of_image,
            status=box.status,
            health=health,
            exit_code=box.exit_code,
            out_of_memory=box.out_of_memory,
            restarts=box.restarts,
            started=box.started,
            ports=(box.port,) if box.port else (),
            config=box.config,
            check=() if box.image.kind == "unchecked" else CHECK,
            volumes=((box.volume, "/var/lib/postgresql/data"),) if box.volume else (),
            memory_mb=600 if box.service == "app" else 256,
        )

    def logs(self, container: str, lines: int) -> list[str]:
        self.process.outside()
        del container, lines
        return ["a line of the log"]

    def ended(self, container: str, since: float) -> tuple[int, bool] | None:
        del since
        is_up, box = self._is_up(), self._find(container)
        return box.first_end if is_up and box else None

    def execute(
        self,
        container: str,
        *command: str,
        stdin: str | IO[bytes] = "",
        stdout: IO[bytes] | None = None,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        del stdin, timeout, env
        is_up, box = self._is_up(), self._find(container)
        if not is_up:
            return Result(1, "", "Cannot connect to the Docker daemon")
        if not box:
            return Result(1, "", f"No such container: {container}")
        if not box.runs:
            return Result(1, "", f"container {container} is not running")
        match command:
            case ("python", "-m", "digits.selftest"):
                return self._selftest(box)
            case ("python", "health.py") | ("python", "-c", _):
                return _ended(self.world.is_healthy(box))
            case ("pg_isready", *_):
                return Result(0 if self._db_healthy(box) else 2, "", "")
            case ("pg_dump", *_):
                data = self._server(box)
                if not data:
                    return Result(1, "", "pg_dump: error: connection failed")
                assert stdout
                stdout.write(repr(data.rows).encode())
                return OK
            case ("pg_restore", *_):
                return OK
        raise AssertionError(command)

    def _selftest(self, box: Box) -> Result:
        if box.image.kind == "untried" or not self.world.is_healthy(box):
            return Result(1, "", "the network recognises nothing")
        data = self.world.data_of(box)
        if not data or data.read_only or data.holder:
            return Result(1, "", "no row was stored")
        data.rows = data.rows or []  # an app of an older version makes its table
        return OK

    def stop(self, *containers: str, seconds: int = 10, signal: str = "TERM") -> bool:
        del signal
        if not self._is_up():
            return False
        for box in filter(None, map(self._find, containers)):
            self.world.leave_soon(box, seconds)
            self.world.end_box(box)
        return True

    def remove(self, *containers: str) -> bool:
        if not self._is_up():
            return False
        for box in filter(None, map(self._find, containers)):
            self.world.leave_soon(box, 0)
            self.world.remove_box(box)
            self.process.outside()
        return True

    def restart(self, container: str, seconds: int) -> bool:
        del seconds
        is_up, box = self._is_up(), self._find(container)
        if not is_up or not box:
            return False
        self.world.excused = True
        self.world.end_box(box)
        if box.service == DATABASE:
            self.world.database_hangs = False
            if not self.world.database_starts or box.image.kind == "broken postgres":
                return False
        return not self.world.run_box(box)

    def uptime(self, container: str) -> str:
        self.process.outside()
        del container
        return "Up 2 minutes (healthy)"

    def stats(self, container: str) -> str:
        self.process.outside()
        del container
        return "214.3MiB / 600MiB"

    def run(self, *arguments: str) -> Result:
        if not self._is_up():
            return Result(1, "", "Cannot connect to the Docker daemon")
        if "--rm" in arguments:  # reads which PostgreSQL has written the volume
            volume = arguments[arguments.index("--volume") + 1].partition(":")[0]
            return Result(0, "17\n" if self.world.volumes[volume].rows is not None else "", "")
        name = arguments[arguments.index("--name") + 1]
        if any(box.name == name for box in self.world.boxes.values()):
            return Result(125, "", f"The container name {name} is already in use")
        image = self.world.names.get(POSTGRES)
        if not image:
            return Result(125, "", f"Unable to find image {POSTGRES} locally")
        box = Box(self.world.new_id("c"), name, "", "", image, POSTGRES, 0, "", "managed")
        self.world.boxes[box.id] = box
        self.world.run_box(box)
        return OK

    # --- volumes ---

    def has_volume(self, name: str) -> bool:
        return self._is_up() and name in self.world.volumes

    def remove_volume(self, *names: str) -> Result:
        if not self._is_up():
            return Result(1, "", "Cannot connect to the Docker daemon")
        for name in names:
            if any(box.volume == name for box in self.world.boxes.values()):
                return Result(1, "", "volume is in use")
            self.world.volumes.pop(name, None)
        return OK

    def make_volume(self, name: str) -> Result:
        removed = self.remove_volume(name)
        if removed.ok:
            self.world.volumes[name] = Data(rows=[], app_role=True)
        return removed

    # --- compose ---

    def compose(self, stack: Stack, *arguments: str) -> Result:
        match arguments:
            case ("config", "--hash", service):
                self.process.outside()
                return Result(0, f"{service} {self._hash(stack, service)}\n", "")
            case ("config", "--images", _):
                self.process.outside()
                return Result(0, f"{self._setting(stack, 'POSTGRES_IMAGE', POSTGRES)}\n", "")
        if not self._is_up():
            return Result(1, "", "Cannot connect to the Docker daemon")
        match arguments:
            case ("up", *_, "app"):
                scale = next(word for word in arguments if word.startswith("app="))
                return self._up_app(stack, int(scale.removeprefix("app=")))
            case ("up", *_, "db"):
                return self._up_database(stack, recreate=True)
            case ("down", *_):
                for box in [*self.world.boxes.values()]:
                    if box.project == stack.project:
                        self.world.remove_box(box)
                return OK
        raise AssertionError(arguments)

    def _up_app(self, stack: Stack, count: int) -> Result:
        done = self._up_database(stack, recreate=False)
        there = self.world.service("app", stack.project)
        created = []
        for _ in range(count - len(there)):
            image = self.world.images.get(stack.image) or self.world.names.get(stack.image)
            if not image:
                return Result(1, "", f"No such image: {stack.image}")
            if self.world.free < _OF_A_CONTAINER:
                return Result(1, "", "no space left on device")
            used = {box.name for box in self.world.boxes.values()}
            name = next(f"digits-app-{n}" for n in range(1, 99) if f"digits-app-{n}" not in used)
            box = Box(
                id=self.world.new_id("c"),
                name=name,
                service="app",
                project=stack.project,
                image=image,
                name_of_image=stack.image,
                port=stack.port,
                config=self._hash(stack, "app"),
                database=stack.database,
            )
            self.world.boxes[box.id] = box
            created.append(box)
        self.process.outside()
        if not done.ok:
            return done
        for box in [*there, *created]:  # those that have ended, too
            if why := self.world.run_box(box):
                return Result(1, "", why)
        return OK

    def _up_database(self, stack: Stack, *, recreate: bool) -> Result:
        name = self._setting(stack, "POSTGRES_IMAGE", POSTGRES)
        image = self.world.names.get(name)
        there = self.world.service(DATABASE, stack.project)
        config = self._hash(stack, DATABASE)
        if there and recreate and (there[0].config != config or there[0].image is not image):
            self.world.remove_box(there[0])
            there = []
            self.process.outside()
        if not there:
            if not image:
                return Result(1, "", f"No such image: {name}")
            if self.world.free < _OF_A_CONTAINER:
                return Result(1, "", "no space left on device")
            volume = self._setting(stack, "POSTGRES_VOLUME", f"{stack.project}_postgres")
            data = self.world.volumes.setdefault(volume, Data())
            if stack.database == "local" and data.rows is None:  # PostgreSQL makes its files
                data.rows, data.app_role = [], True
            box = Box(
                id=self.world.new_id("c"),
                name=f"{stack.project}-db-1",
                service=DATABASE,
                project=stack.project,
                image=image,
                name_of_image=name,
                port=0,
                config=config,
                database=stack.database,
                volume=volume,
            )
            self.world.boxes[box.id] = box
            there = [box]
            self.process.outside()
        box = there[0]
        broken = box.image.kind == "broken postgres" or not self.world.database_starts
        if box.database == "local" and broken:
            return Result(1, "", "container digits-db-1 is unhealthy")
        if not box.runs:
            self.world.run_box(box)
            self.world.database_hangs = False
        self.process.outside()
        self.world.passes(1)
        healthy = self._db_healthy(box)
        return OK if healthy else Result(1, "", "container digits-db-1 is unhealthy")

    def _hash(self, stack: Stack, service: str) -> str:
        if service == "app":
            return f"app,{stack.image},{stack.port},{stack.database},{stack.connections}"
        image = self._setting(stack, "POSTGRES_IMAGE", POSTGRES)
        return f"db,{stack.database},{image},{self._setting(stack, 'POSTGRES_VOLUME', '')}"

    def _setting(self, stack: Stack, name: str, default: str) -> str:
        if name in stack.settings:
            return stack.settings[name]
        for line in self.world.files.get(DATABASE_SETTINGS, b"").decode().splitlines():
            if line.startswith(f"{name}="):
                return line.partition("=")[2]
        return default

    def _find(self, container: str) -> Box | None:
        found = self.world.boxes.get(container)
        if found:
            return found
        return next((box for box in self.world.boxes.values() if box.name == container), None)

    def _db_healthy(self, box: Box) -> bool:
        if box.database == "managed":
            return box.runs
        return box.runs and not self.world.database_hangs

    def _server(self, box: Box) -> Data | None:
        """The database that is reached through a container."""
        if not box.runs:
            return None
        if box.database == "managed":
            return self.world.managed if self.world.managed_answers else None
        return None if self.world.database_hangs else self.world.volumes[box.volume]

    def server(self, container: str) -> Data:
        """The same. Raises SqlError."""
        is_up, box = self._is_up(), self._find(container)
        if not is_up:
            raise SqlError("Cannot connect to the Docker daemon")
        if not box or not box.runs:
            raise SqlError(f"No such container: {container}")
        data = self._server(box)
        if not data:
            raise SqlError("the database did not answer in time")
        return data

    @property
    def client(self) -> Box | None:
        """The container that reaches the managed database during a migration."""
        return self._find(MANAGED_CLIENT)


class FakePostgres(Postgres):
    """Understands the SQL that the package sends."""

    def __init__(self, process: Process, docker: FakeDocker) -> None:
        super().__init__(docker)
        self.process, self.world, self.fake = process, process.world, docker
        self.ended: Data | None = None

    def ask(self, container: str, sql: str, database: str = "digits") -> str:  # noqa: C901
        del database
        data = self.fake.server(container)
        full = self.world.free <= 0 and data is not self.world.managed
        match sql:
            case "SHOW default_transaction_read_only":
                return "on" if data.read_only else "off"
            case "SHOW server_version_num":
                return "170006"
            case _ if "server_version" in sql:
                return "17.6"
            case _ if "SET default_transaction_read_only = on" in sql:
                _need_room(full)
                data.read_only = data.late = True
                return ""
            case _ if "RESET default_transaction_read_only" in sql:
                _need_room(full)
                if "TRUNCATE" in sql and data.rows is not None:
                    data.rows = []
                data.read_only = False
                return ""
            case _ if "rolname = 'digits_app'" in sql:
                return str(int(data.app_role))
            case _ if "to_regclass" in sql:
                return str(int(data.rows is not None))
            case "SELECT count(*) FROM public.predictions":
                return str(len(data.rows or []))
            case _ if "has_schema_privilege" in sql:
                return "1"
            case "SELECT clock_timestamp()":
                return "2026-11-28"
            case _ if "pg_terminate_backend" in sql:
                sessions = data.late
                self.world.end_sessions(data)
                data.late = sessions and not self.closed_again(data)
                return "t"
            case _ if "pg_stat_activity" in sql:
                return "0"
        raise AssertionError(sql)

    def make_app_role(self, container: str, sql: str, password: str) -> None:
        assert sql == "CREATE ROLE digits_app;\n"
        assert password == "a password"
        data = self.fake.server(container)
        _need_room(self.world.free <= 0)
        data.rows = data.rows or []
        data.app_role = True

    def closed_again(self, data: Data) -> bool:
        """Whether sessions are ended for the second time: whoever was logging in is seen then."""
        before, self.ended = self.ended, data
        return before is data

    def copy_out(self, container: str, sql: str, into: IO[bytes]) -> None:
        assert "public.predictions" in sql
        data = self.fake.server(container)
        self.process.outside()
        into.write(b"".join(b"%d\n" % one for one in sorted(data.rows or [])))

    @contextmanager
    def session(self, container: str) -> Iterator[PostgresSession]:
        session = FakeSession(self, container)
        try:
            yield session
        finally:
            session.end()


class FakeSession(PostgresSession):
    """A session, with a transaction."""

    def __init__(self, postgres: FakePostgres, container: str) -> None:
        self.postgres, self.container = postgres, container
        self.process = postgres.process
        self.data: Data | None = None
        self.rows: list[int] | None = None
        self.read_only = self.done = False
        self.error = ""

    def tell(self, sql: str) -> None:
        self.process.outside()
        try:
            data = self.data = self.postgres.fake.server(self.container)
        except SqlError as error:
            self.error = str(error)
            return
        if "LOCK TABLE" in sql:
            if data.holder:
                self.error = "canceling statement due to lock timeout"
            else:
                data.holder = self
        self.read_only = self.read_only or "SET default_transaction_read_only = on" in sql
        if "COMMIT" in sql and not self.error:
            if self.rows is not None:
                data.rows = self.rows
            data.read_only = data.read_only or self.read_only
            self.done = True

    def copy(self, file: Path) -> None:
        with file.open("rb") as rows:
            self.rows = [int(line) for line in rows.read().split()]

    def read(self, word: str, within: float) -> str:
        del word, within
        self.process.outside()
        if self.error:
            raise SqlError(self.error)
        return ""

    def end(self) -> None:
        if not self.process.killed and self.data and self.data.holder is self:
            self.process.world.release_hold(self.data)


def _need_room(full: bool) -> None:
    if full:
        raise SqlError("could not write to file: No space left on device")


def _ended(well: object) -> Result:
    return OK if well else Result(1, "", "")


def _image(found: FakeImage) -> Image:
    return Image(
        found.id, tuple(sorted(found.names)), found.platform, found.environment, found.volumes
    )


def host(process: Process) -> Host:
    """The droplet, as a command sees it."""
    disk, clock, systemd = FakeDisk(process), FakeClock(process), FakeSystemd(process)
    docker = FakeDocker(process, disk, clock)
    return Host(
        console=FakeConsole(process),
        clock=clock,
        disk=disk,
        memory=FakeMemory(process),
        systemd=systemd,
        nginx=FakeNginx(process, disk, systemd, clock),
        docker=docker,
        postgres=FakePostgres(process, docker),
    )
