"""PostgreSQL's version: what make upgrade-database asks for, and the stand-ins of two versions."""

from __future__ import annotations

import re

import pytest
import yaml

from droplet import upgrade
from rehearsal.offline import base_images
from tests.project import ROOT, Api, Project, another

# What was sent to the droplet, but for the question whether Ansible has to run.
SSH = """
case "$*" in
*fingerprint*) cat "$FINGERPRINT" ;;
*) printf '%s\\n' "${@: -1}" >>sent ;;
esac
"""


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"VERSION": "eighteen"}, "VERSION=eighteen is no version of PostgreSQL."),
        ({"VERSION": "18; reboot"}, "VERSION=18; reboot is no version of PostgreSQL."),
        ({"VERSION": "0"}, "VERSION=0 is no version of PostgreSQL."),
        ({"DROP": "maybe"}, "DROP=maybe is not understood."),
        ({"DROP": "yes", "VERSION": "18"}, "are two steps."),
    ],
)
def test_what_is_not_understood_is_not_sent(
    whole: Project, settings: dict[str, str], what: str
) -> None:
    whole.ssh_says("echo sent >sent")
    done = whole.verb("upgrade-database", **settings)
    assert done.returncode != 0
    assert what in done.stdout
    assert "make upgrade-database" in done.stdout
    assert not (whole.folder / "sent").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "env WAIT=0 digits upgrade-database me"),
        ({"VERSION": "18"}, "env WAIT=0 digits upgrade-database me 18"),
        ({"VERSION": "18.1", "WAIT": "60"}, "env WAIT=60 digits upgrade-database me 18.1"),
        ({"DROP": "yes"}, "env WAIT=0 digits upgrade-database me drop"),
    ],
)
def test_the_command_that_the_droplet_gets(
    whole: Project, api: Api, settings: dict[str, str], words: str
) -> None:
    another(api)
    now = "from ops.provision import ansible; print(ansible.fingerprint())"
    fingerprint = whole.folder / "fingerprint"
    fingerprint.write_text(whole.run(".venv/ops/bin/python", "-c", now).stdout)
    whole.ssh_says(SSH)
    done = whole.verb(
        "upgrade-database", RELEASED_BY="me", FINGERPRINT=str(fingerprint), **settings
    )
    assert done.returncode == 0, done.stdout
    sent = (whole.folder / "sent").read_text().splitlines()
    assert any(line.endswith(f" {words}") for line in sent)


def test_the_compose_file_reads_what_an_upgrade_writes() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    read = set(re.findall(r"\$\{(POSTGRES_\w+):-", text))
    written = set(upgrade.settings("image", "volume", "path", ())) - {"POSTGRES_KEPT"}
    assert read == written == {"POSTGRES_IMAGE", "POSTGRES_PATH", "POSTGRES_VOLUME"}
    # Without an upgrade everything is as it always was.
    compose = yaml.safe_load(re.sub(r"\$\{POSTGRES_\w+:-(.*)\}", r"\1", text))
    assert compose["services"]["db"]["image"] == base_images.postgres() == "postgres:17-trixie"
    assert compose["services"]["db"]["volumes"][0] == "postgres:/var/lib/postgresql/data"
    assert compose["volumes"]["postgres"]["name"] == "${COMPOSE_PROJECT_NAME}_postgres"
