"""A local DigitalOcean for the infrastructure tests, and Terraform to point at it."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
import requests
from flask import request
from werkzeug.serving import BaseWSGIServer, make_server

from rehearsal.api.cloud import Cloud
from rehearsal.api.fields import ApiError
from rehearsal.api.server import make_app
from rehearsal.api.store import LOG, Store
from tests import in_process as verbs
from tests.api.machines import FakeDriver, FakeEngines
from tests.needs import need_terraform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
TERRAFORM = ROOT / "infra/terraform"
TOKEN = "a-word-that-opens-the-rehearsal"
APPLY = ("apply", "-auto-approve", "-input=false")


def environment(name: str) -> Path:
    """The Python of one of the project's environments, made if it is not there."""
    subprocess.run([ROOT / "scripts/venv", name], cwd=ROOT, check=True)
    return ROOT / ".venv" / name / "bin/python"


class Server:
    """An HTTP server of this process, at one address; behind it is the API of one test."""

    def __init__(self) -> None:
        self.app: Callable[..., Any] | None = None
        self._server: BaseWSGIServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Where it answers, or would."""
        return f"http://127.0.0.1:{self._port}"

    def _answer(self, environ: Any, start_response: Any) -> Any:
        assert self.app is not None
        return self.app(environ, start_response)

    def start(self) -> None:
        """Listen: on a free port the first time, later on the same one again."""
        if self._server is not None:
            return
        self._server = make_server("127.0.0.1", self._port, self._answer, threaded=True)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@dataclass
class Fault:
    """What goes wrong at DigitalOcean now and then: requests answered with an error, or slowly."""

    method: str
    path: str  # as it begins
    status: int = 0  # without one, the request is answered as it should be
    message: str = "a fault that a test asked for"
    # So many such requests are answered before, and so many get the fault; -1 is all of them.
    after: int = 0
    times: int = 1
    seconds: float = 0


@dataclass
class Api:
    """The stand-in for the DigitalOcean API, in this process and with no machines behind it."""

    folder: Path
    server: Server
    cloud: Cloud | None = None
    faults: list[Fault] = field(default_factory=list)

    def start(self) -> None:
        """Answer, with the state that is in the folder."""
        machines: tuple[Any, Any] = FakeDriver(), FakeEngines()
        self.cloud = Cloud(Store(self.folder / "state.json"), *machines)
        app = make_app(self.cloud, TOKEN, self.journal)
        app.before_request(self._meet_a_fault)
        self.server.app = app
        self.server.start()

    def _meet_a_fault(self) -> None:
        for fault in self.faults:
            if request.method != fault.method or not request.path.startswith(fault.path):
                continue
            if fault.after:
                fault.after -= 1
                return
            fault.times -= 1
            if fault.times == 0:
                self.faults.remove(fault)
            time.sleep(fault.seconds)
            if fault.status:
                raise ApiError(fault.status, fault.message)
            return

    def stop(self) -> None:
        """Answer no more; what is under way is finished."""
        self.server.stop()
        self.end()

    def end(self) -> None:
        """Finish what is under way."""
        if self.cloud is not None:
            self.cloud.close()
            self.cloud = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.server.url

    def an_hour_later(self) -> None:
        """Let the last change of every load balancer's size be an hour ago."""
        assert self.cloud is not None
        with self.cloud.store.change() as state:
            for balancer in state["load_balancers"].values():
                balancer["resized_at"] -= 3600

    @property
    def journal(self) -> Path:
        """Where it writes down what it was asked."""
        return self.folder / "requests.jsonl"

    @property
    def log(self) -> Path:
        """Where it logs what goes on behind it."""
        return self.folder / "log"

    def call(self, method: str, path: str, body: Any = None, token: str = TOKEN) -> Any:
        """One request; the answer as requests has it."""
        return requests.request(
            method,
            f"{self.url}/v2/{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )


def another(api: Api, name: str = "digits", tag: str | None = None) -> dict[str, Any]:
    """A droplet that Terraform here did not make, once it is there."""
    values = {"name": name, "size": "s-1vcpu-1gb", "image": "debian-13-x64", "tags": [tag or name]}
    made = api.call("POST", "droplets", values).json()["droplet"]
    while True:
        now = api.call("GET", f"droplets/{made['id']}").json()["droplet"]
        if now["status"] == "active":
            return dict(now)


def address(droplet: dict[str, Any]) -> str:
    return str(droplet["networks"]["v4"][0]["ip_address"])


@pytest.fixture(scope="session")
def api_server() -> Iterator[Server]:
    """The address of every test's API, so that the stand-in provider knows it beforehand."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # one line a request
    server = Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def api(tmp_path: Path, api_server: Server) -> Iterator[Api]:
    folder = tmp_path / "api"
    folder.mkdir()
    api = Api(folder, api_server)
    handler = logging.FileHandler(api.log)
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    api.start()
    yield api
    api.end()
    LOG.removeHandler(handler)
    handler.close()


@dataclass
class Terraform:
    """Terraform on a copy of infra/terraform, so that nobody's state is touched."""

    folder: Path
    settings: dict[str, str]

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """One command; its output is what a person would read."""
        return subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=with_fitting_provider({**self.settings, **settings}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def good(self, *arguments: str) -> str:
        """One command that has to succeed; its output."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="session")
def terraform_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment for Terraform: the real provider if the registry answers, else ours."""
    need_terraform()
    folder = tmp_path_factory.mktemp("provider")
    command = [sys.executable, "-m", "rehearsal.offline", "provider", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TF_", "DIGITALOCEAN_"))
    }
    settings = {**kept, "TF_IN_AUTOMATION": "1", "TF_CLI_ARGS": "-no-color"}
    if (folder / "terraformrc").exists():
        settings["TF_CLI_CONFIG_FILE"] = str(folder / "terraformrc")
    return settings


@pytest.fixture(scope="session")
def prepared(
    terraform_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Terraform:
    """Terraform after init, with no API behind it."""
    folder = tmp_path_factory.mktemp("terraform") / "terraform"
    shutil.copytree(
        TERRAFORM, folder, ignore=shutil.ignore_patterns(".terraform*", "terraform.tfstate*")
    )
    terraform = Terraform(folder, terraform_settings)
    terraform.good("init", "-input=false")
    return terraform


REATTACH = "TF_REATTACH_PROVIDERS"
PROVIDER_SETTINGS = {"DIGITALOCEAN_TOKEN": TOKEN, "DIGITALOCEAN_HTTP_RETRY_MAX": "0"}
# What each running provider was started with, by the value of REATTACH that leads to it.
STARTED_WITH: dict[str, dict[str, str]] = {}


def of_the_provider(settings: dict[str, str]) -> dict[str, str]:
    """What the provider takes from its environment."""
    names = ("DIGITALOCEAN_", "SPACES_")
    return {name: value for name, value in settings.items() if name.startswith(names)}


def with_fitting_provider(settings: dict[str, str]) -> dict[str, str]:
    """The settings, without the running provider if it was started with others."""
    running = settings.get(REATTACH)
    if running is None or STARTED_WITH[running] == of_the_provider(settings):
        return settings
    return {name: value for name, value in settings.items() if name != REATTACH}


@contextmanager
def running_provider(terraform: dict[str, str], **own: str) -> Iterator[dict[str, str]]:
    """Start the stand-in provider with settings of its own; the setting by which it is used.

    Terraform starts a provider several times a command, and Python takes long to start. Where the
    real provider is used, there is no setting.
    """
    if "TF_CLI_CONFIG_FILE" not in terraform:
        yield {}
        return
    with TemporaryDirectory() as cache, Path(cache, "log").open("w") as log:
        python = str(environment("rehearsal"))
        command = [python, "-u", "-m", "rehearsal.offline.provider", cache, "--dev"]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env={**terraform, **own},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process:
            assert process.stdout is not None
            printed = next(line for line in process.stdout if REATTACH in line)
            reattach = printed.partition("'")[2].rstrip().rstrip("'")
            STARTED_WITH[reattach] = own
            try:
                yield {REATTACH: reattach}
            finally:
                process.terminate()


@pytest.fixture(scope="session")
def provider(terraform_settings: dict[str, str], api_server: Server) -> Iterator[dict[str, str]]:
    """The stand-in provider for the API of this process."""
    own = {**PROVIDER_SETTINGS, "DIGITALOCEAN_API_URL": api_server.url}
    with running_provider(terraform_settings, **own) as running:
        yield running


@pytest.fixture
def terraform(prepared: Terraform, provider: dict[str, str], api: Api, tmp_path: Path) -> Terraform:
    """Terraform pointed at an empty API, with an empty state of its own."""
    folder = tmp_path / "terraform"
    shutil.copytree(prepared.folder, folder, symlinks=True)
    settings = {
        **prepared.settings,
        **provider,
        **PROVIDER_SETTINGS,
        "DIGITALOCEAN_API_URL": api.url,
        "TF_VAR_ssh_public_key_path": "tests/fixtures/key.pub",
    }
    return Terraform(folder, settings)


def _quick_playbook() -> str:
    """A playbook that has nothing to do: no machine is behind the droplets here."""
    return "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks: []\n"


@dataclass
class Project:
    """A copy of ops/ and infra/, pointed at the local API, with a key and an ssh of its own.

    The ssh is a script that does as told, since nothing answers at the droplets'
    addresses. The copy keeps what the verbs write away from the real project.
    """

    folder: Path
    settings: dict[str, str]
    api: Api
    restore_points: Path
    stdin: int = subprocess.DEVNULL

    def run(self, *command: str | Path, **settings: str | None) -> subprocess.CompletedProcess[str]:
        """One command; a setting of None is taken away. What it prints is one text."""
        env = self._environment(settings)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=env,
            stdin=self.stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return self._read(done, env)

    def verb(
        self, name: str, *arguments: str, **settings: str | None
    ) -> subprocess.CompletedProcess[str]:
        """One verb of ops, as the Makefile runs it, but in this process."""
        env = self._environment(settings)
        return self._read(verbs.run(self.folder, [name, *arguments], env, self.stdin), env)

    def _environment(self, settings: dict[str, str | None]) -> dict[str, str]:
        given = (self.settings | settings).items()
        return with_fitting_provider({name: value for name, value in given if value is not None})

    def _read(
        self, done: subprocess.CompletedProcess[str], env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Check what holds for every command of ours."""
        print(done.stdout)
        assert "Traceback" not in done.stdout
        # Whoever rehearses must never be told the verb that costs money.
        plain = [line for line in done.stdout.splitlines() if PLAIN_VERB.search(line)]
        assert plain == [] or env.get("VERB_SUFFIX") != SUFFIX
        return done

    def command(self, name: str, script: str) -> None:
        """Put a program of this name before the machine's own."""
        self._script(self.folder / "bin" / name, script)

    def backup(self, script: str) -> None:
        """Let the droplet answer, and do this when it is asked for a backup."""
        self.ssh_says(
            f'case "$*" in\n*"digits backup"*) {script} ;;\n*"cat /"*) echo a dump ;;\nesac'
        )

    def without(self, module: str) -> None:
        """Let every function of a module of ops do nothing."""
        text = "def __getattr__(_name):\n    return lambda *_words, **_more: None\n"
        (self.folder / module).write_text(text)

    def ssh_says(self, script: str) -> None:
        """What ssh does, but for the question which keys it would try."""
        own = shutil.which("ssh")
        self.command("ssh", f'[ "$1" != -G ] || exec {own} "$@"\n{script}')

    @staticmethod
    def _script(file: Path, script: str) -> None:
        file.write_text(f"#!/bin/bash\n{script}\n")
        file.chmod(0o755)

    def terraform(self, *arguments: str) -> None:
        """Terraform in the copy; it has to succeed."""
        assert self.run("terraform", "-chdir=infra/terraform", *arguments).returncode == 0

    def deployed(self, *variables: str) -> None:
        """Have what Terraform makes: the first test applies it, the others restore it."""
        state = self.folder / "infra/terraform/terraform.tfstate"
        if (self.api.folder / "state.json").exists():  # the account is not empty
            self.terraform(*APPLY, *variables)
            return
        own = {name: value for name, value in self.settings.items() if name.startswith("TF_VAR_")}
        del own["TF_VAR_ssh_public_key_path"]
        point = self.restore_points / re.sub(r"\W+", "-", str((variables, sorted(own.items()))))
        if not point.exists():
            self.terraform(*APPLY, *variables)
            self.api.end()
            point.mkdir()
            (point / "account").write_text((self.api.folder / "state.json").read_text())
            (point / "terraform").write_text(state.read_text().replace(str(self.folder), "HERE"))
        else:
            self.api.end()
            (self.api.folder / "state.json").write_text((point / "account").read_text())
            state.write_text((point / "terraform").read_text().replace("HERE", str(self.folder)))
        self.api.start()


SUFFIX = " TARGET=rehearsal"
PYTHON = ".venv/ops/bin/python"
# A verb that means the real deployment, the paid one, in words for somebody who rehearses.
PLAIN_VERB = re.compile(
    r"\bmake (?:adopt|deploy|drift|destroy|doctor|release|releases|rollback|status|pipeline|backup"
    r"|restore|url|look|logs|ssh|psql|patch|upgrade-database)\b"
    r"(?! needs|.*(?:TARGET=rehearsal|VERB_SUFFIX))"
)
NO_ANSWER = "echo 'ssh: connect to host 203.0.113.1 port 22: Connection timed out' >&2; exit 255"


@pytest.fixture(scope="session")
def restore_points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an SSH key, and with what Terraform has made for each set of variables."""
    folder = tmp_path_factory.mktemp("restore-points")
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    return folder


@pytest.fixture
def project(
    prepared: Terraform, provider: dict[str, str], api: Api, tmp_path: Path, restore_points: Path
) -> Project:
    environment("ops")
    folder = tmp_path / "project"
    left_out = shutil.ignore_patterns("known_hosts*", "deploy_key*", "roles")
    for part in ("scripts", "ops", "infra/ansible", "infra/postgres"):
        shutil.copytree(ROOT / part, folder / part, ignore=left_out)
    shutil.copy(ROOT / "docker-compose.yml", folder)
    (folder / "infra/ansible/site.yml").write_text(_quick_playbook())
    shutil.copytree(prepared.folder, folder / "infra/terraform", symlinks=True)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / "bin").mkdir()
    (folder / "tmp").mkdir()
    key = folder / "key"
    for half in ("key", "key.pub"):
        shutil.copy(restore_points / half, folder)
    others = (
        "ANSIBLE_", "SSH_", "IMAGE", "CONFIRM", "BACKUP", "REPLACE", "RESTORE", "COPIES_", "DROP",
        "BRING_BACKUP", "NO_COLOR",
    )  # fmt: skip
    kept = {k: v for k, v in prepared.settings.items() if not k.startswith(others)}
    made = Project(
        folder,
        {
            **kept,
            **provider,
            **PROVIDER_SETTINGS,
            "PATH": f"{folder / 'bin'}:{kept['PATH']}",
            "TMPDIR": str(folder / "tmp"),
            "DIGITALOCEAN_API_URL": api.url,
            "TF_VAR_ssh_public_key_path": f"{key}.pub",
            "ANSIBLE_PRIVATE_KEY_FILE": str(key),
            "SSH_KNOWN_HOSTS": str(folder / "known_hosts"),
            "IMAGE": "registry.invalid/digits:1",
            "VERB_SUFFIX": SUFFIX,
        },
        api,
        restore_points,
    )
    made.ssh_says(NO_ANSWER)
    made.without("ops/page/smoke_test.py")  # nobody answers there
    return made


@pytest.fixture
def whole(project: Project) -> Project:
    """The project with every module as it is."""
    shutil.copy(ROOT / "ops/page/smoke_test.py", project.folder / "ops/page/smoke_test.py")
    return project
