"""Every verb with the wrong thing: it says what is wrong and what to do, and changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests import web
from tests.api import conformance
from tests.project import PLAIN_VERB, ROOT, Api, Project

# Those that look for the droplet first. Each with what it needs besides.
VERBS: dict[str, dict[str, str]] = {
    "adopt": {},
    "backup": {},
    "deploy": {},
    "destroy": {"CONFIRM": "digits"},
    "doctor": {},
    "drift": {},
    "logs": {},
    "look": {},
    "patch": {},
    "pipeline": {},
    "psql": {},
    "release": {},
    "releases": {},
    "restore": {"FILE": "key.pub", "CONFIRM": "yes"},
    "rollback": {},
    "ssh": {},
    "status": {},
    "upgrade-database": {},
    "url": {},
}
FORBIDDEN = "You are not authorized to perform this operation"  # as DigitalOcean says it
NOT_WITHOUT_A_DROPLET = sorted(set(VERBS) - {"adopt", "deploy", "destroy", "doctor", "drift"})


def printed(project: Project, verb: str, **settings: str | None) -> str:
    """What a verb prints that must fail."""
    done = project.verb(verb, **(VERBS[verb] | settings))
    assert done.returncode != 0, verb
    return done.stdout


def test_no_token(whole: Project) -> None:
    for verb in VERBS:
        text = printed(whole, verb, DIGITALOCEAN_TOKEN=None, GITHUB_ACTIONS=None)
        assert "DIGITALOCEAN_TOKEN is not set" in text, verb
        assert "https://cloud.digitalocean.com/account/api/tokens" in text, verb


def test_a_wrong_token(whole: Project, api: Api) -> None:
    for verb in VERBS:
        text = printed(whole, verb, DIGITALOCEAN_TOKEN="wrong")
        assert "DigitalOcean does not know this token (401)" in text, verb
        assert "Terraform: the droplet" not in text, verb
    assert {e["method"] for e in conformance.journal(api.journal)} == {"GET"}


def test_no_droplet_yet(whole: Project) -> None:
    for verb in NOT_WITHOUT_A_DROPLET:
        text = printed(whole, verb, VERB_SUFFIX=" TARGET=rehearsal")
        assert "No droplet carries the deployment's tag." in text, verb
        assert "Make one: make deploy TARGET=rehearsal" in text, verb


@contextmanager
def answering(status: int) -> Iterator[str]:
    """An API that gives every question the same answer; its address."""
    body = json.dumps({"id": "forbidden", "message": FORBIDDEN}).encode()
    with web.serving(lambda _path: (status, body), {"Content-Type": "application/json"}) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("verb", ["status", "release"])
def test_a_token_with_too_few_scopes(whole: Project, verb: str) -> None:
    with answering(403) as address:
        text = printed(whole, verb, DIGITALOCEAN_API_URL=address)
    assert "The token may not do this (403)" in text
    assert "droplet, firewall, project, reserved_ip, ssh_key and tag" in text


@pytest.mark.parametrize("verb", ["status", "deploy", "destroy"])
def test_no_network(whole: Project, api: Api, verb: str) -> None:
    api.stop()
    text = printed(whole, verb)
    assert "The DigitalOcean API does not answer: no network, or it is down." in text


def test_docker_is_there_and_its_engine_is_not(whole: Project) -> None:
    whole.command("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    for verb in ("up", "down", "deploy"):
        done = whole.verb(verb, IMAGE=None)
        assert done.returncode != 0
        assert "Docker is installed, but its engine does not answer." in done.stdout
        fixes = ("docker context use default", "start docker", "docker start")
        assert any(fix in done.stdout for fix in fixes)


def test_the_pipeline_without_a_secret(whole: Project) -> None:
    done = whole.verb("in-pipeline", "ssh", "true", DEPLOY_KEY=None, DROPLET_HOST_KEY="x")
    assert done.returncode != 0
    assert "This run has no DEPLOY_KEY: " in done.stdout
    assert "make pipeline" in done.stdout


def test_a_run_on_github_that_gets_no_secrets(whole: Project) -> None:
    """As in the job that asks for the droplet: its log says why, and names no shell's command."""
    on_github = {"GITHUB_ACTIONS": "true", "DIGITALOCEAN_TOKEN": ""}
    text = printed(whole, "url", **on_github, GITHUB_ACTOR="dependabot[bot]")
    assert "GitHub gives the repository's secrets to no run that Dependabot starts" in text
    assert "Run workflow" in text
    text = printed(whole, "url", **on_github, GITHUB_ACTOR="octocat")
    assert "a fork gets none" in text
    assert "make pipeline" in text
    assert "export DIGITALOCEAN_TOKEN" not in text


def test_an_option_in_place_of_a_release(whole: Project) -> None:
    done = whole.verb("rollback", RELEASE="--help")
    assert done.returncode == 1
    assert "RELEASE=--help begins with a dash" in done.stdout


@pytest.mark.parametrize("file", ["", "nowhere.dump"])
def test_nothing_to_restore(whole: Project, file: str) -> None:
    text = printed(whole, "restore", FILE=file)
    assert ("this makes one: make backup" if not file else "ls backups/") in text


def test_the_runs_page_on_github_says_what_was_done_and_how_long_it_took(whole: Project) -> None:
    page = whole.folder / "summary.md"
    settings = {"GITHUB_STEP_SUMMARY": str(page), "IMAGE": "digits@sha256:1"}
    assert whole.verb("in-pipeline", "release", **settings).returncode != 0
    whole.without("ops/page/smoke_test.py")
    settings = {"GITHUB_STEP_SUMMARY": str(page), "URL": "http://203.0.113.7"}
    assert whole.verb("in-pipeline", "look", IMAGE=None, **settings).returncode == 0
    assert [re.sub(r"\d+ s\b", "0 s", line) for line in page.read_text().splitlines()] == [
        "- `make release` of `digits@sha256:1`: **failed**; its log names the live version, 0 s",
        "- `make look`: done, 0 s. The page: http://203.0.113.7",
    ]


def test_every_message_that_names_a_verb_gives_it_the_rehearsals_ending() -> None:
    """In a rehearsal plain `make deploy` is the real one, which costs money."""
    found = []
    for file in (ROOT / "ops").rglob("*.py"):
        if file.name == "run.py":
            continue
        text = file.read_text()
        if file.suffix == ".py":
            text = re.sub(r'"""(.|\n)*?"""', "", text)
        code = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
        found += [f"{file.name}: {line.strip()}" for line in code if PLAIN_VERB.search(line)]
    assert found == []
