"""Docker: images, containers, and the compose stack of the app and the database."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import IO, Any

from droplet.clock import Clock
from droplet.disk import Disk
from droplet.programs import WITH_US, Result, run, start
from droplet.site import LOCAL, MANAGED

FOLDER = "/opt/digits"
DATABASE_SETTINGS = f"{FOLDER}/postgres.env"
PROJECT = "digits"
APP, DATABASE = "app", "db"


@dataclass(frozen=True)
class Image:
    """An image that is here. `names` are its tags and digests."""

    id: str
    names: tuple[str, ...] = ()
    platform: str = "linux/amd64"
    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The first twelve digits of its id."""
        return self.id.removeprefix("sha256:")[:12]


@dataclass(frozen=True)
class Container:
    """A container, running or not. `image` is the id of its image, `name_of_image` its name."""

    id: str
    name: str
    image: str
    name_of_image: str
    status: str  # running, exited, created, restarting, dead
    health: str = ""  # healthy, unhealthy, starting, or empty without a health check
    exit_code: int = 0
    out_of_memory: bool = False
    restarts: int = 0
    started: float = 0.0
    ports: tuple[int, ...] = ()
    config: str = ""  # compose's hash of how it was made
    check: tuple[str, ...] = ()  # the command of its health check
    volumes: tuple[tuple[str, str], ...] = ()  # each with its path
    memory_mb: int = 0  # its limit

    @property
    def runs(self) -> bool:
        """Whether it is up."""
        return self.status == "running"


@dataclass(frozen=True)
class Stack:
    """What the compose file is filled in with: the app's image and port, and its database."""

    image: str = ""
    port: int = 0
    database: str = LOCAL
    connections: int = 8
    settings: Mapping[str, str] = field(default_factory=dict)  # others, such as POSTGRES_IMAGE
    project: str = PROJECT


class Docker:
    """The docker command."""

    def __init__(self, disk: Disk, clock: Clock) -> None:
        self._disk = disk
        self._clock = clock

    # --- images ----------------------------------------------------------------

    def image(self, name: str) -> Image | None:
        """The image that a tag, digest or id means here; None if it is not here."""
        done = run("docker", "image", "inspect", name)
        return _image(json.loads(done.out)[0]) if done.ok else None

    def images(self) -> list[Image]:
        """All that are here, the newest first."""
        ids = run("docker", "image", "ls", "--all", "--quiet", "--no-trunc").out.split()
        done = run("docker", "image", "inspect", *dict.fromkeys(ids)) if ids else None
        return [_image(one) for one in json.loads(done.out or "[]")] if done else []

    def platform(self) -> str:
        """What kind of machine this is: linux/amd64."""
        form = "{{.Server.Os}}/{{.Server.Arch}}"
        return run("docker", "version", "--format", form).out.strip()

    def pull(self, name: str, login: Path | None, tick: Callable[[int], None]) -> str:
        """Pull an image; why it could not be pulled, or nothing.

        `tick` is called every ten seconds with the megabytes that have come in over the network.
        """
        config = ("--config", str(login)) if login else ()
        before, next_tick = _received(), self._clock.seconds() + 10
        command = [*WITH_US, "docker", *config, "pull", "--quiet", name]
        with Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE) as pulling:
            try:
                while pulling.poll() is None:
                    self._clock.sleep(0.2)
                    if self._clock.seconds() >= next_tick:
                        next_tick += 10
                        tick((_received() - before) // 1_000_000)
            except BaseException:
                pulling.kill()
                raise
            reason = (pulling.stderr.read() if pulling.stderr else b"").decode(errors="replace")
            return reason.strip() or "docker pull failed" if pulling.returncode else ""

    def log_in(self, registry: str, user: str, password: str) -> Path | None:
        """A folder with the login, in memory; None if the registry refuses it."""
        folder = Path(tempfile.mkdtemp(prefix="digits-login.", dir=self._disk.path("/run")))
        done = run(
            *("docker", "--config", str(folder), "login", "--username", user),
            *("--password-stdin", registry),
            stdin=password,
        )
        return folder if done.ok else None

    def tag(self, image: str, name: str) -> None:
        """Give an image a name."""
        run("docker", "tag", image, name)

    def remove_image(self, image: Image) -> None:
        """Remove an image and its names. One that a container uses stays."""
        for name in (*image.names, image.id):
            run("docker", "image", "rm", name)

    # --- containers --------------------------------------------------------------

    def containers(self, service: str, project: str = PROJECT) -> list[Container]:
        """Those of a service of a compose project, running or not."""
        found = run(
            *("docker", "ps", "--all", "--quiet", "--no-trunc"),
            *("--filter", f"label=com.docker.compose.project={project}"),
            *("--filter", f"label=com.docker.compose.service={service}"),
        )
        ids = found.out.split()
        if not ids:
            return []
        # One may have gone since: then inspect fails, and prints the others.
        return [_container(one) for one in json.loads(run("docker", "inspect", *ids).out or "[]")]

    def answers(self) -> bool:
        """Whether the Docker engine runs."""
        return run("docker", "version", timeout=20).ok

    def logs(self, container: str, lines: int) -> list[str]:
        """Its last lines."""
        done = run("docker", "logs", "--tail", str(lines), container)
        return [*done.out.splitlines(), *done.error.splitlines()]

    def ended(self, container: str, since: float) -> tuple[int, bool] | None:
        """How it first ended since then: its exit status, and whether for want of memory.

        The state of a container forgets this as soon as Docker starts it again.
        """
        # Whole seconds would leave out what happened in the last one.
        done = run(
            *("docker", "events", "--since", f"{since:.9f}", "--until", f"{self._clock.now():.9f}"),
            *("--filter", f"container={container}", "--format", "{{json .}}"),
        )
        events = [json.loads(line) for line in done.out.splitlines()]
        memory = any(event.get("Action") == "oom" for event in events)
        for event in events:
            if event.get("Action") == "die":
                return int(event["Actor"]["Attributes"].get("exitCode", 0)), memory
        return None

    def execute(
        self,
        container: str,
        *command: str,
        stdin: str | IO[bytes] = "",
        stdout: IO[bytes] | None = None,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command in a container."""
        interactive = ["--interactive"] if stdin else []
        return run(
            *("docker", "exec", *interactive, *_env(env), container, *command),
            stdin=stdin,
            stdout=stdout,
            timeout=timeout,
        )

    def attach(
        self, container: str, *command: str, env: Mapping[str, str] | None = None
    ) -> Popen[bytes]:
        """Start a command in a container that reads and writes while this process goes on."""
        return start(("docker", "exec", "--interactive", *_env(env), container, *command))

    def stop(self, *containers: str, seconds: int = 10, signal: str = "TERM") -> bool:
        """Stop containers; each has so many seconds to end by itself."""
        return run("docker", "stop", "--signal", signal, "--time", str(seconds), *containers).ok

    def remove(self, *containers: str) -> bool:
        """Remove containers, running or not."""
        return run("docker", "rm", "--force", "--volumes", *containers).ok

    def restart(self, container: str, seconds: int) -> bool:
        """Stop a container, after so many seconds by force, and start it."""
        return run("docker", "restart", "--time", str(seconds), container).ok

    def uptime(self, container: str) -> str:
        """How long it has been up, and whether it is healthy, in Docker's words."""
        chosen = ("--filter", f"id={container}", "--format", "{{.Status}}")
        return run("docker", "ps", "--all", "--no-trunc", *chosen).out.strip()

    def stats(self, container: str) -> str:
        """The memory that it uses, of its limit: 214.3MiB / 600MiB."""
        form = "{{.MemUsage}}"
        return run("docker", "stats", "--no-stream", "--format", form, container).out.strip()

    def run(self, *arguments: str) -> Result:
        """`docker run`, of an image that is here."""
        return run("docker", "run", "--pull", "never", *arguments)

    # --- volumes -----------------------------------------------------------------

    def has_volume(self, name: str) -> bool:
        """Whether there is such a volume."""
        return run("docker", "volume", "inspect", name).ok

    def make_volume(self, name: str) -> Result:
        """An empty volume of the database, in the place of any of that name."""
        removed = self.remove_volume(name)
        labels = [f"--label=com.docker.compose.project={PROJECT}"]
        labels += ["--label=com.docker.compose.volume=postgres"]
        return run("docker", "volume", "create", *labels, name) if removed.ok else removed

    def remove_volume(self, *names: str) -> Result:
        """Remove volumes, if they are there."""
        return run("docker", "volume", "rm", "--force", *names)

    # --- the compose stack ---------------------------------------------------------

    def start_app(self, stack: Stack) -> Result:
        """Start one more process of the app, beside those that there are."""
        count = len(self.containers(APP)) + 1
        return self.compose(
            stack, "up", "--detach", "--no-recreate", "--no-build", "--scale", f"app={count}", APP
        )

    def start_database(self, stack: Stack, within: int) -> Result:
        """Start the database as the compose file has it now, and wait until it is healthy."""
        wait = ("--wait", "--wait-timeout", str(within))
        return self.compose(stack, "up", "--detach", "--no-build", *wait, DATABASE)

    def config(self, stack: Stack, service: str) -> str:
        """Compose's hash of how it would make a container of this service."""
        return (self.compose(stack, "config", "--hash", service).out.split() or [""])[-1]

    def database_image(self, stack: Stack) -> str:
        """The name of the database's image."""
        return self.compose(stack, "config", "--images", DATABASE).out.strip()

    def compose(self, stack: Stack, *arguments: str) -> Result:
        """`docker compose`, filled in for this stack."""
        path = self._disk.path
        files = ["--env-file", str(path("/etc/digits/site.env"))]
        if self._disk.exists(DATABASE_SETTINGS):
            files += ["--env-file", str(path(DATABASE_SETTINGS))]
        if stack.database == MANAGED:
            for name in ("docker-compose.yml", "managed-database.yml"):
                files += ["--file", str(path(f"{FOLDER}/{name}"))]
        env = {
            "DATABASE_CONNECTIONS": str(stack.connections),
            "COMPOSE_PROJECT_NAME": stack.project,
        }
        if stack.image:
            env |= {"APP_IMAGE": stack.image, "APP_PORT": str(stack.port)}
        return run(
            *("docker", "compose", "--project-directory", str(path(FOLDER)), *files, *arguments),
            env={**env, **stack.settings},
        )


def _env(values: Mapping[str, str] | None) -> list[str]:
    return [word for name, value in (values or {}).items() for word in ("--env", f"{name}={value}")]


def _image(data: dict[str, Any]) -> Image:
    config = data.get("Config") or {}
    return Image(
        id=data["Id"],
        names=(*(data.get("RepoTags") or ()), *(data.get("RepoDigests") or ())),
        platform=f"{data.get('Os')}/{data.get('Architecture')}",
        environment=dict(line.partition("=")[::2] for line in config.get("Env") or ()),
        volumes=tuple(config.get("Volumes") or ()),
    )


def _container(data: dict[str, Any]) -> Container:
    state, config, host = data["State"], data["Config"], data["HostConfig"]
    labels = config.get("Labels") or {}
    bound = (host.get("PortBindings") or {}).values()
    check = ((config.get("Healthcheck") or {}).get("Test")) or []
    return Container(
        id=data["Id"],
        name=data["Name"].lstrip("/"),
        image=data["Image"],
        name_of_image=config["Image"],
        status=state["Status"],
        health=(state.get("Health") or {}).get("Status", ""),
        exit_code=state["ExitCode"],
        out_of_memory=bool(state.get("OOMKilled")),
        restarts=data.get("RestartCount", 0),
        started=_seconds(state.get("StartedAt", "")),
        ports=tuple(int(one["HostPort"]) for ones in bound for one in ones if one["HostPort"]),
        config=labels.get("com.docker.compose.config-hash", ""),
        check=_check(check),
        volumes=tuple(
            (mount["Name"], mount["Destination"])
            for mount in data.get("Mounts") or ()
            if mount.get("Type") == "volume"
        ),
        memory_mb=host.get("Memory", 0) // (1024 * 1024),
    )


def _check(test: list[str]) -> tuple[str, ...]:
    """The command of a HEALTHCHECK, which begins with CMD, CMD-SHELL or NONE."""
    if test[:1] == ["CMD"]:
        return tuple(test[1:])
    return ("sh", "-c", test[1]) if test[:1] == ["CMD-SHELL"] else ()


def _seconds(text: str) -> float:
    """Docker's time, with nanoseconds, in seconds since 1970."""
    with suppress(ValueError):
        return datetime.fromisoformat(re.sub(r"\.\d+", "", text)).timestamp()
    return 0.0


def _received() -> int:
    """The bytes that have come in over the network, by every interface but the local one."""
    total = 0
    for interface in Path("/sys/class/net").glob("e*"):
        with suppress(OSError):
            total += int((interface / "statistics/rx_bytes").read_text())
    return total
