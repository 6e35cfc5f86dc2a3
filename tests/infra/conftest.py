"""A local DigitalOcean for the infrastructure tests, and Terraform to point at it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.conftest import need

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "infra/terraform"
TOKEN = "a-word-that-opens-the-rehearsal"


def environment(name: str, requirements: str) -> Path:
    """The Python of one of the project's environments, made if it is not there."""
    subprocess.run([ROOT / "scripts/venv", name, requirements], cwd=ROOT, check=True)
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
    return environment("rehearsal", "rehearsal/requirements.txt")


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
    need(
        shutil.which("terraform"),
        "Terraform is not installed",
        "see https://developer.hashicorp.com/terraform/install",
    )
    folder = tmp_path_factory.mktemp("provider")
    subprocess.run([ROOT / "rehearsal/provider/install", folder], check=True)
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
