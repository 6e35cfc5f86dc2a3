"""Values that have to stand at two places, since one cannot read the other, are the same."""

from __future__ import annotations

import re

import yaml

from digits import prediction_log
from gate import PAGES
from tests.infra.conftest import ROOT

ROLES = ROOT / "infra/ansible/roles"


def test_nginx_lets_in_as_many_pages_as_the_app_takes() -> None:
    defaults = yaml.safe_load((ROLES / "web/defaults/main.yml").read_text())
    assert defaults["web_pages"] == PAGES


def test_a_restore_makes_the_table_as_the_app_does() -> None:
    restore = (ROLES / "app/files/bin/digits-restore").read_text()
    table = re.search(r'^table="(.*?)"$', restore, re.MULTILINE | re.DOTALL)
    assert table
    lock, _, create = table[1].partition("\n")
    assert lock == f"SELECT pg_advisory_xact_lock({prediction_log._CREATION_LOCK});"  # noqa: SLF001
    assert create.strip() == prediction_log._CREATE.strip()  # noqa: SLF001
