"""A local DigitalOcean for the infrastructure tests, and Terraform to point at it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.needs import need_terraform

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "infra/terraform"
TOKEN = "a-word-that-opens-the-rehearsal"


def environment(name: str) -> Path:
    """The Python of one of the project's environments, made if it is not there."""
    subprocess.run([ROOT / "scripts/venv", name], cwd=ROOT, check=True)
    return ROOT / ".venv" / name / "bin/python"


@dataclass
class Api:
    """A running stand-in for the DigitalOcean API, with no machines behind it."""

    folder: Path
    python: Path
    url: str = ""
    process: subprocess.Popen[str] | None = None
    started: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Start it, on a free port, and wait until it is ready."""
        (self.folder / "token").write_text(TOKEN)
        self.process = subprocess.Popen(
            [
                self.python, "-m", "rehearsal.api", "--driver", "fake",
                "--state-dir", self.folder, "--token-file", self.folder / "token",
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "log").open("a"),
            text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        assert "stand-in" in ready, (self.folder / "log").read_text()
        self.started.append(ready)
        self.url = ready.split("ready: ")[1].strip()

    def stop(self) -> int:
        """End it as a service manager would; its exit status."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.process = None
        return status

    @property
    def journal(self) -> Path:
        """Where it writes down what it was asked."""
        return self.folder / "requests.jsonl"

    def call(self, method: str, path: str, body: Any = None, token: str = TOKEN) -> Any:
        """One request; the answer as requests has it."""
        return requests.request(
            method,
            f"{self.url}/v2/{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )


@pytest.fixture(scope="session")
def api_python() -> Path:
    return environment("rehearsal")


@pytest.fixture
def api(tmp_path: Path, api_python: Path) -> Iterator[Api]:
    folder = tmp_path / "api"
    folder.mkdir()
    server = Api(folder, api_python)
    server.start()
    yield server
    if server.process is not None:
        server.stop()


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
            env={**self.settings, **settings},
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


@pytest.fixture
def terraform(prepared: Terraform, api: Api, tmp_path: Path) -> Terraform:
    """Terraform pointed at an empty API, with an empty state of its own."""
    folder = tmp_path / "terraform"
    shutil.copytree(prepared.folder, folder, symlinks=True)
    settings = {
        **prepared.settings,
        "DIGITALOCEAN_API_URL": api.url,
        "DIGITALOCEAN_TOKEN": TOKEN,
        "DIGITALOCEAN_HTTP_RETRY_MAX": "0",
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
    stdin: int = subprocess.DEVNULL

    def run(self, *command: str | Path, **settings: str | None) -> subprocess.CompletedProcess[str]:
        """One command; a setting of None is taken away. What it prints is one text."""
        env = {
            name: value for name, value in (self.settings | settings).items() if value is not None
        }
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
        print(done.stdout)
        assert "Traceback" not in done.stdout
        # Whoever rehearses must never be told the verb that costs money.
        plain = [line for line in done.stdout.splitlines() if PLAIN_VERB.search(line)]
        assert plain == [] or env.get("VERB_SUFFIX") != SUFFIX
        return done

    def verb(
        self, name: str, *arguments: str, **settings: str | None
    ) -> subprocess.CompletedProcess[str]:
        """One verb of ops, as the Makefile runs it."""
        return self.run(PYTHON, "-m", "ops", name, *arguments, **settings)

    def command(self, name: str, script: str) -> None:
        """Put a program of this name before the machine's own."""
        self._script(self.folder / "bin" / name, script)

    def backup(self, script: str) -> None:
        """Let the droplet answer, and do this when it is asked for a backup."""
        self.ssh_says(
            f'case "$*" in\n*digits-backup*) {script} ;;\n*"cat /"*) echo a dump ;;\nesac'
        )

    def without(self, module: str) -> None:
        """Let a module of ops do nothing, whatever it is told to."""
        (self.folder / module).write_text("def run(*_words):\n    pass\n\nlook = run\n")

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


SUFFIX = " TARGET=rehearsal"
PYTHON = ".venv/ops/bin/python"
# A verb that means the real deployment, the paid one, in words for somebody who rehearses.
PLAIN_VERB = re.compile(
    r"\bmake (?:adopt|deploy|drift|destroy|doctor|release|releases|rollback|status|pipeline|backup"
    r"|restore|url|look|logs|ssh|psql|patch|upgrade-database)\b"
    r"(?! needs|.*(?:TARGET=rehearsal|VERB_SUFFIX))"
)
NO_ANSWER = "echo 'ssh: connect to host 203.0.113.1 port 22: Connection timed out' >&2; exit 255"


@pytest.fixture
def project(prepared: Terraform, api: Api, tmp_path: Path) -> Project:
    environment("ops")
    folder = tmp_path / "project"
    left_out = shutil.ignore_patterns("known_hosts*", "deploy_key*", "roles")
    for part in ("scripts", "ops", "infra/ansible"):
        shutil.copytree(ROOT / part, folder / part, ignore=left_out)
    shutil.copy(ROOT / "docker-compose.yml", folder)
    (folder / "infra/ansible/site.yml").write_text(_quick_playbook())
    shutil.copytree(prepared.folder, folder / "infra/terraform", symlinks=True)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / "bin").mkdir()
    (folder / "tmp").mkdir()
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    others = (
        "ANSIBLE_", "SSH_", "IMAGE", "CONFIRM", "BACKUP", "REPLACE", "RESTORE", "COPIES_", "DROP",
        "BRING_BACKUP", "NO_COLOR",
    )  # fmt: skip
    kept = {k: v for k, v in prepared.settings.items() if not k.startswith(others)}
    made = Project(
        folder,
        {
            **kept,
            "PATH": f"{folder / 'bin'}:{kept['PATH']}",
            "TMPDIR": str(folder / "tmp"),
            "DIGITALOCEAN_API_URL": api.url,
            "DIGITALOCEAN_TOKEN": TOKEN,
            "DIGITALOCEAN_HTTP_RETRY_MAX": "0",
            "TF_VAR_ssh_public_key_path": f"{key}.pub",
            "ANSIBLE_PRIVATE_KEY_FILE": str(key),
            "SSH_KNOWN_HOSTS": str(folder / "known_hosts"),
            "IMAGE": "registry.invalid/digits:1",
            "VERB_SUFFIX": SUFFIX,
        },
    )
    made.ssh_says(NO_ANSWER)
    made.without("ops/page.py")  # nobody answers there
    return made


@pytest.fixture
def whole(project: Project) -> Project:
    """The project with every module as it is."""
    shutil.copy(ROOT / "ops/page.py", project.folder / "ops/page.py")
    return project
