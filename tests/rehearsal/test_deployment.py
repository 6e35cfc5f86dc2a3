"""The whole road: make deploy, a browser, the row in PostgreSQL, make destroy.

The tests of this file share one rehearsed deployment and run in their order:
deploying takes minutes, and what comes later needs what came before.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.page import DigitsPage
from tests.conftest import need
from tests.infra import conformance

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".rehearsal"
STROKES = ROOT.parent / "shared" / "data" / "pen-digits" / "pendigits_train.json"

pytestmark = pytest.mark.timeout(1500)


def run(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project; its two outputs come back as one."""
    # Neither a real account's settings nor those of the make that runs the tests.
    others = ("DIGITALOCEAN_", "TF_VAR_", "MAKE", "MFLAGS")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(others)}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=clean | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)
    return done


def rehearsed(*command: str) -> subprocess.CompletedProcess[str]:
    """Run one of the tools itself, with nothing but the rehearsal's few settings."""
    script = 'settings=$(rehearsal/env) && eval "$settings" && PATH=$PWD/.venv/ops/bin:$PATH "$@"'
    return run("bash", "-c", script, "bash", *command)


def leftovers() -> dict[str, str]:
    """What a rehearsal makes, by kind, as this machine has it now."""

    def ask(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    label = "label=digits.rehearsal"
    processes = subprocess.run(
        ["pgrep", "--list-full", "--full", r"rehearsal\.api|\.rehearsal/"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return {
        "containers": ask("docker", "ps", "--all", "--quiet", "--filter", label),
        "registry": ask("docker", "ps", "--all", "--quiet", "--filter", "name=digits-registry"),
        "networks": ask("docker", "network", "ls", "--quiet", "--filter", label),
        "volumes": ask("docker", "volume", "ls", "--quiet"),
        "processes": processes.strip(),
        "state": "\n".join(
            str(p) for p in (STATE, ROOT / "infra/terraform/terraform.tfstate.d") if p.exists()
        ),
    }


@dataclass(frozen=True)
class Deployment:
    """A finished `make deploy`: what it printed and where the page is."""

    output: str
    url: str

    @property
    def ip(self) -> str:
        return self.url.removeprefix("http://")

    def ssh(self, command: str) -> str:
        """Run a command on the droplet as root and return what it prints."""
        return subprocess.run(
            [
                "ssh",
                "-i",
                str(STATE / "ssh_key"),
                "-o",
                f"UserKnownHostsFile={STATE / 'known_hosts'}",
                "-o",
                "StrictHostKeyChecking=yes",
                f"root@{self.ip}",
                command,
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def rows(self) -> list[tuple[datetime, int, int]]:
        """Every row of the prediction log, oldest first."""
        printed = self.ssh(
            "docker exec digits-db-1 psql --username digits --no-align --tuples-only"
            " --command \"SELECT to_char(predicted_at AT TIME ZONE 'UTC',"
            " 'YYYY-MM-DD HH24:MI:SS.US'), predicted_digit, true_label"
            ' FROM predictions ORDER BY predicted_at"'
        )
        rows = [line.split("|") for line in printed.splitlines() if line]
        return [
            (datetime.fromisoformat(at).replace(tzinfo=UTC), int(d), int(t)) for at, d, t in rows
        ]


@pytest.fixture(scope="module")
def volumes_before() -> str:
    """The machine's volumes before the rehearsal; refuses to run over somebody's own rehearsal."""
    need(
        subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0,
        "no Docker engine answers",
        "start it: sudo systemctl start docker",
    )
    need(not STATE.exists(), "a rehearsal is standing", "make destroy TARGET=rehearsal")
    return leftovers()["volumes"]


@pytest.fixture(scope="module")
def deployment(volumes_before: str) -> Iterator[Deployment]:
    """One `make deploy TARGET=rehearsal` from nothing; what is left of it is cleared away."""
    del volumes_before
    try:
        done = run("make", "deploy", "TARGET=rehearsal")
        assert done.returncode == 0, done.stdout[-3000:]
        address = re.search(r"on (http://[0-9.]+)\s*$", done.stdout)
        assert address, "make deploy does not end with the URL"
        yield Deployment(done.stdout, address[1])
    finally:
        if STATE.exists():
            run("rehearsal/down")


def pen_strokes(label: int, nth: int) -> list[list[tuple[float, float]]]:
    """The nth drawing of a digit by the pen writers, fitted to 60 % of the canvas, in 0..1."""
    need(STROKES.exists(), f"{STROKES.name} is not beside the project", f"put it at {STROKES}")
    drawings = [d["strokes"] for d in json.loads(STROKES.read_text()) if d["label"] == label]
    strokes = drawings[nth]
    xs = [x for stroke in strokes for x, _ in stroke]
    ys = [y for stroke in strokes for _, y in stroke]
    side = max(max(xs) - min(xs), max(ys) - min(ys))
    left, top = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    return [
        [((x - left) / side * 0.6 + 0.5, (y - top) / side * 0.6 + 0.5) for x, y in stroke]
        for stroke in strokes
    ]


def test_deploy_shows_what_it_does_and_ends_with_the_url(deployment: Deployment) -> None:
    for phase in ("Terraform", "Docker: build", "Ansible", "from outside"):
        assert f"==> {phase}" in deployment.output or phase in deployment.output
    assert "Apply complete! Resources: 5 added" in deployment.output
    # Ansible sees the droplet as a server like any other.
    assert "Debian" in deployment.ssh("cat /etc/os-release")
    assert deployment.ssh("hostname").strip() == "digits"


def test_a_visitor_draws_answers_and_is_logged(deployment: Deployment, page: Page) -> None:
    visitor = DigitsPage(page)
    visitor.open(deployment.url)
    before = datetime.now(UTC)
    visitor.draw(pen_strokes(3, 0))
    digit, confidence = visitor.prediction()
    assert digit == 3
    assert 0.1 < confidence <= 1
    visitor.press_correct()
    visitor.wait_until_cleared()
    assert [(d, t) for _, d, t in deployment.rows()] == [(3, 3)]
    assert before <= deployment.rows()[0][0] <= datetime.now(UTC)

    visitor.draw(pen_strokes(8, 0))
    digit, _ = visitor.prediction()
    assert digit == 8
    visitor.submit_correction("6")
    visitor.wait_until_cleared()
    assert [(d, t) for _, d, t in deployment.rows()] == [(3, 3), (8, 6)]


def test_the_log_has_three_columns_and_no_other(deployment: Deployment) -> None:
    columns = deployment.ssh(
        "docker exec digits-db-1 psql --username digits --no-align --tuples-only --command "
        "\"SELECT column_name FROM information_schema.columns WHERE table_name = 'predictions'"
        ' ORDER BY ordinal_position"'
    )
    assert columns.split() == ["predicted_at", "predicted_digit", "true_label"]


def test_nothing_but_22_and_80_answers_from_outside(deployment: Deployment) -> None:
    need(shutil.which("nmap") is not None, "nmap is not installed", "apt-get install nmap")
    # What must not answer is there: the test would notice if it did.
    assert "127.0.0.1:8501" in deployment.ssh("ss --listening --tcp --numeric")
    scan = run("nmap", *("-Pn", "-n", "-p-", "--min-rate", "2000", "--open"), deployment.ip)
    assert re.findall(r"^(\d+)/tcp +open ", scan.stdout, re.MULTILINE) == ["22", "80"]


def test_the_database_password_is_known_to_the_droplet_only(deployment: Deployment) -> None:
    mode, owner = deployment.ssh("stat --format '%a %U' /opt/digits/secrets.env").split()
    assert (mode, owner) == ("600", "root")
    password = deployment.ssh("cat /opt/digits/secrets.env").strip().partition("=")[2]
    assert len(password) == 48
    assert password not in deployment.output


def test_a_second_deploy_changes_nothing_and_says_so(deployment: Deployment) -> None:
    done = run("make", "deploy", "TARGET=rehearsal")
    assert done.returncode == 0
    assert "No changes. Your infrastructure matches the configuration." in done.stdout
    recap = re.findall(r"changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", done.stdout)
    assert recap
    assert set(recap) == {("0", "0", "0")}
    assert done.stdout.rstrip().endswith(deployment.url)


def test_the_tools_work_without_make(deployment: Deployment) -> None:
    plan = rehearsed("terraform", "-chdir=infra/terraform", "plan", "-detailed-exitcode")
    assert plan.returncode == 0, "terraform plan sees changes"
    play = rehearsed("ansible-playbook", "infra/ansible/site.yml")
    assert play.returncode == 0
    assert re.search(r"digits\s+: ok=\d+\s+changed=0\s+unreachable=0\s+failed=0", play.stdout)
    assert deployment.rows(), "the rows are still there"


def test_deploy_without_a_token_says_what_to_do(deployment: Deployment) -> None:
    del deployment  # only so that its environment is made
    done = run("make", "deploy")
    assert done.returncode != 0
    assert "DIGITALOCEAN_TOKEN is not set" in done.stdout
    assert "cloud.digitalocean.com/account/api/tokens" in done.stdout
    assert "make deploy TARGET=rehearsal" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_wrong_token_is_called_a_wrong_token(deployment: Deployment) -> None:
    def posts() -> int:
        return (STATE / "api" / "requests.jsonl").read_text().count('"POST"')

    before = posts()
    url = (STATE / "api-url").read_text().strip()
    done = run(
        "make",
        "deploy",
        DIGITALOCEAN_TOKEN="wrong",
        DIGITALOCEAN_API_URL=url,
        DIGITALOCEAN_END_POINT=f"{url}/v2/",
    )
    assert done.returncode != 0
    assert "does not know this token (401)" in done.stdout
    assert "Traceback" not in done.stdout
    assert posts() == before, "something was created"
    assert deployment.rows()


def test_destroy_leaves_nothing(
    deployment: Deployment, volumes_before: str, tmp_path: Path
) -> None:
    journal = tmp_path / "requests.jsonl"
    shutil.copy(STATE / "api" / "requests.jsonl", journal)
    done = run("make", "destroy", "TARGET=rehearsal", "CONFIRM=digits")
    assert done.returncode == 0
    assert "Nothing that costs money is left of digits." in done.stdout
    assert "Destroy complete! Resources: 5 destroyed." in done.stdout
    found = leftovers()
    assert found.pop("volumes") == volumes_before
    assert not any(found.values()), found
    # The rehearsal only counts if it spoke DigitalOcean's language all the way.
    assert conformance.check(journal) == []
    assert deployment.url
