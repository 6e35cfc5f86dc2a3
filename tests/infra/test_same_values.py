"""Values that have to stand at two places, since one cannot read the other, are the same."""

from __future__ import annotations

import re

import yaml

from digits import prediction_log
from gate import PAGES
from ops import processes
from tests.infra.conftest import ROOT

ROLES = ROOT / "infra/ansible/roles"


def test_one_address_may_have_a_quarter_of_the_pages_that_the_app_takes() -> None:
    defaults = yaml.safe_load((ROLES / "web/defaults/main.yml").read_text())
    assert defaults["web_pages_of_address"] == PAGES / 4


def test_a_move_makes_the_table_as_the_app_does() -> None:
    move = (ROLES / "app/files/bin/digits-move.sh").read_text()
    table = re.search(r'"(CREATE TABLE .*?)"$', move, re.MULTILINE | re.DOTALL)
    assert table
    assert table[1].strip() == prediction_log._CREATE.strip()  # noqa: SLF001


def test_the_app_and_its_compose_file_agree_on_connections() -> None:
    most = prediction_log.CONNECTIONS
    compose = (ROOT / "docker-compose.yml").read_text()
    assert f"DATABASE_CONNECTIONS: ${{DATABASE_CONNECTIONS:-{most}}}" in compose
    text = (ROLES / "app/files/bin/digits-processes.sh").read_text()
    assert f"DATABASE_CONNECTIONS=$((each < {most} ? each : {most}))" in text


def test_a_process_needs_as_much_memory_for_the_laptop_as_for_the_droplet() -> None:
    text = (ROLES / "app/files/bin/digits-processes.sh").read_text()
    assert f"process_mb=${{PROCESS_MB:-{processes.PROCESS_MB}}}" in text
