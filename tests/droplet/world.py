"""A droplet in memory: what Docker, nginx, PostgreSQL, systemd and the disk hold.

It knows nothing of the commands. It also plays the visitors, at every call to the outside: who
reaches a process that does not work, and whose answer was stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

GB = 1_000_000_000
GOOD = ("good", "slow", "unchecked")  # kinds of images that work
CHECK = ("python", "health.py")
POSTGRES = "postgres:17-trixie"
MANAGED_CLIENT = "digits-migrate"


class Killed(BaseException):
    """The process was killed: nothing that it still does has an effect."""


@dataclass
class FakeImage:
    """An image, and how its containers behave."""

    id: str
    kind: str
    names: set[str] = field(default_factory=set)
    environment: dict[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    platform: str = "linux/amd64"


@dataclass
class Data:
    """A database. `rows` are the answers; None before there is a table for them."""

    rows: list[int] | None = None
    app_role: bool = False
    read_only: bool = False
    holder: object = None  # the session that holds the predictions
    # Somebody was logging in when it was closed, and does not know of that.
    late: bool = False
    waiting: list[tuple[Box, Session, int]] = field(default_factory=list)


@dataclass
class Session:
    """A connection of the app to a database."""

    data: Data
    read_only: bool


@dataclass
class Box:
    """A container."""

    id: str
    name: str
    service: str
    project: str
    image: FakeImage
    name_of_image: str
    port: int
    config: str
    database: str
    user: str = "digits_app"  # the app's in the droplet's own database; of an older one digits
    volume: str = ""
    status: str = "created"
    exit_code: int = 0
    out_of_memory: bool = False
    restarts: int = 0
    started: float = 0.0
    hangs: bool = False
    crowded: bool = False  # its health check takes too long for Docker, and the page still answers
    stopped: bool = False  # by hand or a command: it stays so after a reboot
    first_end: tuple[int, bool] | None = None
    session: Session | None = None
    visited: bool = False

    @property
    def runs(self) -> bool:
        return self.status == "running"

    @property
    def works(self) -> bool:
        """Whether visitors may be sent there: of some images only the first process works."""
        kind = self.image.kind
        return kind in GOOD or (kind == "second" and self.port in (8501, 8502))


class Process:
    """One command, and what happens to it: `events` by the number of the call to the outside."""

    def __init__(
        self, world: World, events: dict[int, Callable[[Process], None]] | None = None
    ) -> None:
        self.world = world
        self.events = events or {}
        self.calls = 0
        self.killed = False
        self.protected = False

    def outside(self) -> None:
        """Count a call to the outside, and let fate strike."""
        if self.killed:
            raise Killed
        self.calls += 1
        self.world.passes(0.02)
        event = self.events.get(self.calls)
        if event:
            event(self)
            if self.killed:
                raise Killed
        self.world.visit()

    def kill(self) -> None:
        """End the process, now."""
        self.killed = True


class World:
    """The droplet."""

    def __init__(self) -> None:
        self.now = 1_795_867_200.0
        self.files: dict[str, bytes] = {}
        self.changed: dict[str, float] = {}
        self.free = 20 * GB
        self.memory_mb = 4000
        self.lock: Process | None = None
        self.lookers: set[Process] = set()
        # Docker
        self.docker_runs = True
        self.docker_answers = True
        self.images: dict[str, FakeImage] = {}
        self.names: dict[str, FakeImage] = {}
        self.registry: dict[str, FakeImage] = {}
        self.boxes: dict[str, Box] = {}
        self.at_port: dict[int, Box] = {}
        self.counter = 0
        # nginx
        self.nginx_runs = True
        self.nginx_starts = True
        self.loaded: tuple[int, ...] = ()
        self.workers = (100, 101)
        self.draining: list[tuple[tuple[int, ...], tuple[int, ...], float]] = []
        # PostgreSQL
        self.volumes: dict[str, Data] = {}
        self.managed = Data()
        self.managed_answers = True
        self.database_starts = True
        self.database_hangs = False
        # the visitors
        self.presses = 0
        self.acknowledged: list[int] = []
        self.ever_live = False
        self.excused = False  # fate took something away, and no command has run since
        self.violations: list[str] = []
        self.install()

    def install(self) -> None:
        """What Ansible brings."""
        self.files["/etc/digits/site.env"] = b"APP_PROCESSES=1\n"
        self.files["/etc/nginx/digits-upstream.conf"] = b"server 127.0.0.1:8501 down;\n"
        self.files["/opt/digits/infra/postgres/app_role.sql"] = b"CREATE ROLE digits_app;\n"
        self.files["/opt/digits/secrets/app_password"] = b"a password\n"
        self.loaded = ()
        self.registry[POSTGRES] = FakeImage(
            self.new_id("d"), "postgres", set(), {"PG_MAJOR": "17"}, ("/var/lib/postgresql/data",)
        )

    def new_id(self, letter: str) -> str:
        """Another id of an image or container."""
        self.counter += 1
        return f"sha256:{letter}{self.counter:011d}".ljust(71, "0")

    # --- time --------------------------------------------------------------------------

    def passes(self, seconds: float) -> None:
        """Let time pass: containers that crash do, workers that drained end."""
        self.now += seconds
        if self.draining:
            self.draining = [one for one in self.draining if one[2] > self.now]
        for box in self.boxes.values():
            if (
                box.image.kind in ("crashing", "huge")
                and box.runs
                and self.now > box.started + 0.4
                and self.docker_runs
            ):
                huge = box.image.kind == "huge"
                box.first_end = box.first_end or (137 if huge else 1, huge)
                box.restarts += 1
                box.started = self.now
                box.exit_code, box.out_of_memory = 0, False  # Docker forgets it

    # --- containers ------------------------------------------------------------------------

    def is_healthy(self, box: Box) -> bool:
        """Whether its health check succeeds."""
        kind = box.image.kind
        if not box.runs or box.hangs or not self.docker_runs:
            return False
        if kind == "second" and not box.works:
            return False
        after = {"good": 0.3, "untried": 0.3, "second": 0.3, "unchecked": 0.3, "slow": 4.0}
        return kind in after and self.now >= box.started + after[kind] - 1e-9

    def run_box(self, box: Box) -> str:
        """Start a container; why Docker does not."""
        if box.runs:
            return ""
        if box.port:
            other = self.at_port.get(box.port)
            if other:
                return f"Bind for 127.0.0.1:{box.port} failed: port is already allocated"
            self.at_port[box.port] = box
        box.status, box.started, box.stopped = "running", self.now, False
        box.session, box.hangs = None, False
        # Whoever was there before lost their connection when it ended.
        box.visited = self.nginx_runs and box.port in self.loaded
        return ""

    def end_box(self, box: Box, *, by_hand: bool = True) -> None:
        """Stop a container."""
        if box.port and self.at_port.get(box.port) is box:
            del self.at_port[box.port]
        box.stopped = box.stopped or by_hand
        if box.runs:
            box.status = "exited"
        box.session = None
        if box.service == "db" and box.database == "local":
            self.end_server(box.volume)

    def remove_box(self, box: Box) -> None:
        """Remove a container."""
        self.end_box(box)
        self.boxes.pop(box.id, None)

    def end_server(self, volume: str) -> None:
        """A PostgreSQL ends: so do its sessions, and what waited in them."""
        data = self.volumes.get(volume)
        if data:
            data.holder = None
            data.late = False  # nor does a login go on
            data.waiting.clear()
            for box in self.boxes.values():
                if box.session and box.session.data is data:
                    box.session = None

    def service(self, name: str, project: str = "digits") -> list[Box]:
        """The containers of a service."""
        return [
            box for box in self.boxes.values() if box.service == name and box.project == project
        ]

    def stop_docker(self) -> None:
        """The engine stops, and its containers with it."""
        self.docker_runs = False
        for box in self.boxes.values():
            stopped = box.stopped
            self.end_box(box)
            box.stopped = stopped
        self.excused = True

    def start_docker(self) -> None:
        """The engine starts, and with it the containers that nobody stopped."""
        self.docker_runs = self.docker_answers = True
        for box in self.boxes.values():
            if not box.runs and not box.stopped and box.status != "created":
                broken = box.image.kind == "broken postgres" or not self.database_starts
                if box.service == "db" and broken:
                    continue
                self.run_box(box)

    # --- nginx ------------------------------------------------------------------------------

    def ports_in_file(self) -> tuple[int, ...] | None:
        """What nginx would load; None if it does not accept the file."""
        text = self.files.get("/etc/nginx/digits-upstream.conf", b"").decode()
        ports = []
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        for line in lines:
            address, _, rest = line.removeprefix("server 127.0.0.1:").partition(";")
            if rest or not line.endswith(";"):
                return None
            if not address.endswith(" down"):
                ports.append(int(address))
        return tuple(ports) if lines else None

    def load(self) -> bool:
        """Let nginx read its file, at its start or at a reload."""
        ports = self.ports_in_file()
        if ports is None:
            return False
        for port in {*ports} - {*self.loaded}:
            box = self.at_port.get(port)
            if box and box.works and not self.is_healthy(box) and not self.excused:
                self.violations.append(f"{port} gets visitors before it is healthy")
        if self.nginx_runs:
            self.draining.append((self.workers, self.loaded, self.now + 60))
        self.workers = (self.workers[0] + 2, self.workers[1] + 2)
        self.loaded, self.nginx_runs = ports, True
        for port in ports:
            box = self.at_port.get(port)
            if box and not box.works:
                self.violations.append(f"a {box.image.kind} image gets visitors")
            if box:
                box.visited = True
        self.look()
        return True

    def stop_nginx(self) -> None:
        """Somebody stops it."""
        self.nginx_runs, self.excused = False, True
        self.draining.clear()

    def leave_soon(self, box: Box, seconds: float) -> None:
        """A command takes a container away: its visitors must have left, or had the time."""
        if box.runs and self.nginx_runs:
            if box.port in self.loaded and not self.excused:
                self.violations.append(f"{box.port} is taken away while nginx sends visitors there")
            for _, ports, end in self.draining:
                if box.port in ports and box.visited and self.now < end - 60 + 5 - 1e-6:
                    self.violations.append(f"visitors at {box.port} got no time to leave")
        del seconds

    # --- the visitors -------------------------------------------------------------------------

    def serves(self) -> bool:
        """Whether every visitor reaches a process that works."""
        if not (self.nginx_runs and self.loaded):
            return False
        for port in self.loaded:
            box = self.at_port.get(port)
            if not (box and self.is_healthy(box) and box.works):
                return False
        return True

    def look(self) -> None:
        """A visitor comes."""
        if self.serves():
            self.ever_live, self.excused = True, False
        elif self.ever_live and not self.excused:
            there = {port: self.at_port.get(port) for port in self.loaded}
            kinds = {port: box.image.kind if box else "nobody" for port, box in there.items()}
            self.violations.append(f"nothing is live any more: nginx {self.nginx_runs}, {kinds}")
            self.excused = True

    def visit(self) -> None:
        """Visitors come, and those who are there press a button."""
        self.look()
        boxes = [box for box in self.at_port.values() if box.visited and box.runs]
        if not boxes:
            return
        if any(data.read_only or data.holder for data in (self.managed, *self.volumes.values())):
            for box in boxes:  # that is when answers could be lost
                self.press(box)
        else:
            self.press(boxes[self.presses % len(boxes)])

    def data_of(self, box: Box) -> Data | None:
        """The database that a process of the app gets into now."""
        if box.database == "managed":
            return self.managed if self.managed_answers else None
        data = self._own_database()
        return data if data and (data.app_role or box.user == "digits") else None

    def _own_database(self) -> Data | None:
        if self.database_hangs or not self.docker_runs:
            return None
        for one in self.boxes.values():
            if one.service == "db" and one.project == "digits" and one.runs:
                return self.volumes[one.volume] if one.database == "local" else None
        return None

    def older(self) -> None:
        """The droplet becomes one from before the app had a role of its own."""
        for data in self.volumes.values():
            data.app_role = False
        for box in self.service("app"):
            box.user = "digits"

    def press(self, box: Box) -> None:
        """Somebody gives an answer; it counts once the page has said that it is stored."""
        if not self.docker_runs or box.hangs:
            return
        self.presses += 1
        data = self.data_of(box)
        if data is None:
            box.session = None
            return
        if box.session is None or box.session.data is not data:
            box.session = Session(data, data.read_only and not data.late)
            data.late = False
        if box.session.read_only:
            box.session = None
        elif data.holder:
            data.waiting.append((box, box.session, self.presses))
        else:
            self.store(data, self.presses)

    def store(self, data: Data, press: int) -> None:
        """Store an answer, and say so."""
        data.rows = data.rows or []
        data.rows.append(press)
        self.acknowledged.append(press)

    def release_hold(self, data: Data) -> None:
        """Nobody holds the predictions any more: the answers that waited are stored."""
        data.holder = None
        waiting, data.waiting = data.waiting, []
        for box, session, press in waiting:
            if box.session is session and box.runs:
                self.store(data, press)

    def end_sessions(self, data: Data) -> None:
        """Connections of the app are closed; it makes new ones."""
        data.waiting.clear()
        for box in self.boxes.values():
            if box.session and box.session.data is data:
                box.session = None

    # --- fate ------------------------------------------------------------------------------------

    def reboot(self) -> None:
        """The machine restarts: /run is empty, and what ran runs again."""
        self.excused = True
        ran = self.docker_runs
        self.stop_docker()
        for name in [name for name in self.files if name.startswith("/run/")]:
            del self.files[name]
        self.lock = None
        self.lookers.clear()
        self.draining.clear()
        self.nginx_runs = False
        self.database_hangs = False
        self.end_sessions(self.managed)
        self.managed.holder = None
        self.passes(20)
        if ran:
            self.start_docker()
        if self.nginx_starts:
            self.load()
        self.passes(20)

    def ended(self, process: Process) -> None:
        """A process has ended: the kernel closes what it had open."""
        if self.lock is process:
            self.lock = None
        self.lookers.discard(process)
        for data in (self.managed, *self.volumes.values()):
            if getattr(data.holder, "process", None) is process:
                data.waiting.clear()  # they wait on, and their visitors press again
                self.release_hold(data)

    def remove_images(self, images: Iterable[FakeImage]) -> None:
        """Somebody removes images."""
        for image in list(images):
            if not any(box.image is image for box in self.boxes.values()):
                self.images.pop(image.id, None)
                self.names = {name: one for name, one in self.names.items() if one is not image}
