"""The pipeline, run by act on this machine: a push to main is live, or changes nothing."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from playwright.sync_api import Page, expect

from tests import gh
from tests.browser.page import DigitsPage
from tests.gh import Repository
from tests.needs import need
from tests.rehearsal.deployment import ROOT, STATE, Deployment, rehearsed, run
from tests.rehearsal.github import ACT, GitHub
from tests.rehearsal.load import under_load

pytestmark = pytest.mark.timeout(900)

REGISTRY = "127.0.0.1:5052"
TOKEN = "a-token-of-this-run"  # as GitHub makes one for each run, for its own registry only
PASSWORD = "a-password-of-this-registry"


@pytest.fixture(scope="module")
def registry(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry in place of GHCR, which asks for a password."""
    del deployment  # it brings the registry's image
    passwords = tmp_path_factory.mktemp("registry") / "htpasswd"
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    passwords.write_text(f"robot:{hashed}\n")
    passwords.chmod(0o644)
    started = subprocess.run(
        [
            *("docker", "run", "--detach", "--rm", "--publish", f"{REGISTRY}:5000"),
            *("--volume", f"{passwords}:/htpasswd:ro", "--env", "REGISTRY_AUTH=htpasswd"),
            *("--env", "REGISTRY_AUTH_HTPASSWD_REALM=rehearsal"),
            *("--env", "REGISTRY_AUTH_HTPASSWD_PATH=/htpasswd", "registry:2"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    yield REGISTRY
    subprocess.run(["docker", "stop", started.stdout.strip()], check=True, capture_output=True)


@pytest.fixture(scope="module")
def github(registry: str, tmp_path_factory: pytest.TempPathFactory) -> GitHub:
    """The project as a repository of yours, not set up for deploying yet."""
    need(ACT.exists(), "act", "scripts/venv dev")
    folder = tmp_path_factory.mktemp("github")
    settings = rehearsed("env").stdout
    kept = r"^((?:DIGITALOCEAN_API_URL|ACME_ROOT|TORCH_INDEX|PIP_CONF)=.*)$"
    env = dict(line.split("=", 1) for line in re.findall(kept, settings, re.MULTILINE))
    github = GitHub(
        folder,
        env
        | {
            "PROJECT": str(ROOT),
            "DOCKER_CONFIG": str(folder / "docker"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "ssh"),
            # GHCR is on the internet; this registry is on this machine only.
            "SSH_OPTIONS": f"-R {registry}:{registry}",
        },
    )
    github.variables |= {"REGISTRY": registry, "REGISTRY_USER": "robot"}
    github.secrets |= {"GITHUB_TOKEN": TOKEN, "REGISTRY_PASSWORD": PASSWORD}
    return github


def test_a_repository_that_is_not_set_up_stays_green(github: GitHub) -> None:
    done = github.push().finish()
    assert done.status == 0
    assert "Nothing was deployed" in done.output
    assert "make pipeline" in done.output
    assert "Release the image" not in done.output


def test_make_pipeline_sets_what_the_workflows_need(
    deployment: Deployment, github: GitHub, tmp_path: Path
) -> None:
    its = {"GH_REPO": gh.NAME, "CONFIRM": gh.NAME}
    printed = run("make", "pipeline", "TARGET=rehearsal", PATH=path_with(tmp_path, "exit 1"), **its)
    assert printed.returncode == 0
    assert f"gh secret set DEPLOY_KEY --repo {gh.NAME} --env production <" in printed.stdout
    # This gh keeps what it is told, as GitHub would.
    kept = tmp_path / "github.json"
    known = path_with(tmp_path, gh.script(kept, Repository()))
    again = run("make", "pipeline", "TARGET=rehearsal", PATH=known, **its)
    assert again.returncode == 0
    repository = Repository.read(kept)
    secrets = repository.environment or {}
    assert "is there already" in again.stdout
    assert "accepts the pipeline's key already" in again.stdout
    keys = deployment.ssh("cat /root/.ssh/authorized_keys").splitlines()
    assert len([key for key in keys if key.endswith(" digits pipeline")]) == 1
    for name, secret in secrets.items():
        github.secrets[name] = secret
        assert secret.strip() not in again.stdout
    github.variables |= repository.variables
    # Every secret and variable that deploy.yml names has been set; those that have
    # a default, or are GitHub's own, need not be.
    for workflow in ("deploy.yml", "rollback.yml"):
        text = (ROOT / ".github/workflows" / workflow).read_text()
        named = set(re.findall(r"\b(?:secrets|vars)\.(\w+)", text))
        optional = {"REGISTRY", "REGISTRY_USER", "REGISTRY_PASSWORD", "DEPLOYMENT_NAME"}
        assert named - optional == {*secrets, *repository.variables}
    assert (STATE / "deploy_key").stat().st_mode & 0o077 == 0


def path_with(folder: Path, script: str) -> str:
    """PATH with a gh that does this."""
    program = folder / "gh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    search = subprocess.run(["printenv", "PATH"], capture_output=True, text=True, check=True)
    return f"{folder}:{search.stdout.strip()}"


def retitled(title: str, folder: Path) -> None:
    page = folder / "app/streamlit_app.py"
    changed = re.sub(r'st\.title\("[^"]*"', f'st.title("{title}"', page.read_text())
    page.write_text(changed)


def test_a_push_is_live(github: GitHub, deployment: Deployment, page: Page) -> None:
    with under_load(deployment.url) as load:
        push = github.push(lambda folder: retitled("Draw one figure", folder)).finish()
    assert push.status == 0, push.output[-3000:]
    assert github.head()[:7] in deployment.live()["commit"]
    assert load.failed == []
    assert load.requests > 50
    DigitsPage(page).open(deployment.url)
    expect(page.get_by_role("heading", name="Draw one figure")).to_be_visible()
    for secret in github.secrets.values():
        assert secret.strip().splitlines()[-1] not in push.output
    # The droplet pulled with the run's token and kept nothing of it.
    assert deployment.ssh("ls /run | grep digits-login || true") == ""
    assert deployment.ssh("ls /root/.docker/config.json 2>/dev/null || true") == ""


def test_going_back_waits_for_a_release_alone_and_no_waiting_push_undoes_it(
    github: GitHub, deployment: Deployment, page: Page
) -> None:
    before = deployment.releases()[-2]["id"]
    # As if a release were under way, until the rollback waits for it. The push's release may wait,
    # too: it stands still then, so that the rollback is the first of the two.
    waits = (
        "until pgrep -f '[s]bin/digits rollback' >/dev/null; do sleep 0.2; done"
        "; for _ in 1 2 3 4 5 6 7 8 9; do pkill -STOP -f '[s]bin/digits release'; sleep 0.2; done"
    )
    deployment.ssh(f"systemd-run --quiet flock /run/lock/digits sh -c {shlex.quote(waits)}")
    # The run of this push is under way, and before its release, when the button is pressed. Had
    # the other waited for it, it would be released.
    push = github.push(lambda folder: retitled("Pushed before", folder))
    back = github.dispatch("rollback.yml").finish()
    deployment.ssh("pkill -CONT -f '[s]bin/digits release' || true")
    assert back.status == 0, back.output[-3000:]
    assert "Another command is running." in back.output
    assert "Waiting for it" in back.output
    served = deployment.live()
    assert (served["how"], served["id"]) == ("rollback", before)
    push.finish()
    assert push.status != 0
    assert re.search(r"Not released: you went back to .+, after this was pushed", push.output)
    assert deployment.live() == served
    # Whoever means it says so.
    done = github.dispatch("deploy.yml").finish()
    assert done.status == 0, done.output[-3000:]
    DigitsPage(page).open(deployment.url)
    expect(page.get_by_role("heading", name="Pushed before")).to_be_visible()


def test_another_branch_does_not_reach_production(github: GitHub, deployment: Deployment) -> None:
    before = deployment.releases()
    runs = [github.dispatch(workflow, branch="mine") for workflow in ("deploy.yml", "rollback.yml")]
    for done in runs:
        assert done.finish().status != 0
        assert re.search(r"Job 'Say that only main .+' failed", done.output)
        # act loses the lines of a step that ends at once.
        text = (ROOT / ".github/workflows" / done.workflow).read_text()
        assert "Only main reaches production." in text
    assert deployment.releases() == before
