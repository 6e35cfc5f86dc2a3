"""The commands of the docs, run as they are there: nobody types what does not work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.rehearsal.deployment import ROOT, Deployment, run
from tests.rehearsal.releases import image_that_serves

pytestmark = pytest.mark.timeout(900)

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

LOOK_AFTER_IT = (ROOT / "docs/commands.md").read_text().split("\n## Look after it\n")[1]
LOOK_AFTER_IT = LOOK_AFTER_IT.split("\n## ")[0]

# Blocks that cannot run here, by their first line; tests of their own run what they say.
ELSEWHERE = {
    "git clone https://github.com/you/digits",  # tests/app/test_run.py
    "make up",  # tests/docker/test_compose.py
    "make deploy TARGET=rehearsal",  # test_deploy.py
    "make destroy",  # test_destroy.py
    "make pipeline",  # test_pipeline.py
    "make upgrade-database VERSION=18",  # test_postgresql.py
    "make release",  # test_release.py, test_rollback.py
    "make adopt",  # test_adopt.py
    "make drift",  # a row of the table that begins with make url
    "scripts/in ops -m ops drift",  # test_adopt.py
    "export TF_VAR_alert_email=you@example.org",  # tests/alerts/test_alerts.py
    "export TF_VAR_size=s-2vcpu-4gb",  # test_processes.py
    "export TF_VAR_managed_database=true",  # test_managed_database.py
    "export TF_VAR_managed_database=false",
    "export TF_VAR_droplets=3 TF_VAR_managed_database=true",  # test_fleet.py, with two
    "export TF_VAR_droplets=1",
    "export TF_VAR_domain=digits.example.org",  # test_https.py
    "make upgrade-database",  # test_postgresql.py
    # These need a Space at DigitalOcean, and a host of the reader's own.
    "export RCLONE_S3_PROVIDER=DigitalOcean RCLONE_S3_ENDPOINT=fra1.digitaloceanspaces.com",
    (
        'rsync --archive --link-dest="/srv/kept/$(date --date yesterday +%F)" /srv/copies/ '
        '"/srv/kept/$(date +%F)"'
    ),
}
# The rows of the table that begins with make url; test_https.py, test_server.py, test_data.py and
# test_postgresql.py have the others.
ROWS = {"make drift", "make patch"}
# What a reader puts in place of the examples.
EXAMPLES = (
    (r"\bIP\b", "{ip}"),
    (r"ghcr\.io/you/digits:1", "{image}"),
    (r"COMMIT YOUR-NAME", "abc1234 reader"),
    (r"docker compose up --build$", "docker compose config --quiet"),
    # The rehearsal has a Terraform root of its own.
    (r"-chdir=infra/terraform\b", "-chdir=$TERRAFORM_DIR"),
    # Nothing is to be changed: Terraform's status says so, too.
    (r" plan$", " plan -detailed-exitcode"),
)
# A reader has a key that ssh tries by itself. make takes TARGET and CONFIRM from the
# environment; FOLLOW: make logs would never end.
READER = """\
set -euo pipefail
exec </dev/null
eval "$(scripts/in rehearsal -m rehearsal env)"
export TARGET=rehearsal CONFIRM=yes FOLLOW=
ssh() {{ command ssh -i .rehearsal/ssh_key -o UserKnownHostsFile=.rehearsal/known_hosts "$@"; }}
{block}
"""


def blocks() -> dict[str, str]:
    """Every block of shell commands, by its first line; and the commands of one table."""
    rows = re.findall(r"^\| `(make [^`]+)`", LOOK_AFTER_IT, re.MULTILINE)
    found = {rows[0]: "\n".join(rows)}
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            found[block.splitlines()[0]] = block
    return found


def test_no_block_is_left_out_that_is_not_there() -> None:
    assert set(blocks()) >= ELSEWHERE
    assert set(blocks()["make url"].splitlines()) >= ROWS


@pytest.mark.parametrize("first", sorted(set(blocks()) - ELSEWHERE))
def test_a_block_of_commands_works(deployment: Deployment, first: str, tmp_path: Path) -> None:
    text = blocks()[first]
    if first == "make url":
        text = "\n".join(line for line in text.splitlines() if line in ROWS)
    # The image by its id, which needs no registry: whatever the tests before have released.
    values = {"ip": deployment.ip, "image": image_that_serves(deployment)}
    for example, value in EXAMPLES:
        text = re.sub(example, value.format(**values), text, flags=re.MULTILINE)
    if first.startswith("eval"):  # the block that begins with scripts/venv runs it as well
        text = text.replace("ansible-playbook ", "ansible-playbook --list-tasks ")
    if first.startswith("mkdir"):  # not where a person may have such a folder already
        text = f"cp docker-compose.yml {tmp_path}\ncd {tmp_path}\n{text}"
    done = run("bash", "-c", READER.format(block=text))
    assert done.returncode == 0, done.stdout[-3000:]
    if "ansible-playbook infra" in text:  # finds the droplet as make deploy has left it
        recaps = re.findall(r"changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", done.stdout)
        assert set(recaps) == {("0", "0", "0")}
