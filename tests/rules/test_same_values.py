"""Values that have to stand at two places, since one cannot read the other, are the same."""

from __future__ import annotations

import yaml

from digits import prediction_log
from droplet import postgres, release, site
from gate import PAGES
from ops.deployment import processes
from tests.project import ROOT

ROLES = ROOT / "infra/ansible/roles"


def test_one_address_may_have_a_quarter_of_the_pages_that_the_app_takes() -> None:
    defaults = yaml.safe_load((ROLES / "web/defaults/main.yml").read_text())
    assert defaults["web_pages_of_address"] == PAGES / 4


def test_the_droplet_makes_the_table_as_the_app_does() -> None:
    def plain(sql: str) -> str:
        return " ".join(sql.replace("public.", "").replace(";", "; ").split()).rstrip("; ")

    assert plain(postgres.TABLE) == plain(prediction_log._CREATE)  # noqa: SLF001


def test_the_droplet_holds_the_lock_under_which_the_app_makes_the_table() -> None:
    assert postgres.TABLE_LOCK == prediction_log._CREATION_LOCK  # noqa: SLF001


def test_the_app_its_compose_file_and_the_droplet_agree_on_connections() -> None:
    most = prediction_log.CONNECTIONS
    compose = (ROOT / "docker-compose.yml").read_text()
    assert f"DATABASE_CONNECTIONS: ${{DATABASE_CONNECTIONS:-{most}}}" in compose
    assert most == site.MOST_CONNECTIONS


def test_a_process_needs_as_much_memory_for_the_laptop_as_for_the_droplet() -> None:
    assert release.PROCESS_MB == processes.PROCESS_MB
