"""make deploy REPLACE=yes: another droplet, the same URL."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from tests.browser.page import DigitsPage
from tests.rehearsal.deployment import Deployment, rehearsed, run, url_in

pytestmark = pytest.mark.timeout(900)


@pytest.mark.long
def test_a_droplet_that_is_replaced_leaves_the_page_its_url(
    deployment: Deployment, page: Page
) -> None:
    own, rows = deployment.ip, deployment.rows()
    terraform = ("terraform", "-chdir=.rehearsal/terraform")
    assert rehearsed(*terraform, "taint", "digitalocean_droplet.app").returncode == 0
    refused = run("make", "deploy", "TARGET=rehearsal")
    assert refused.returncode != 0
    assert "its own IP address changes; the page keeps its URL" in refused.stdout
    assert deployment.ip == own

    done = run("make", "deploy", "TARGET=rehearsal", "REPLACE=yes")
    assert done.returncode == 0
    assert url_in(done.stdout) == deployment.url
    assert f"Droplet  {deployment.ip} " in done.stdout
    assert deployment.ip != own
    backup = re.search(r"Backed up to (backups/\S+)", done.stdout)
    assert backup
    # It came back by itself.
    assert f"{len(rows)} answers restored." in done.stdout
    assert deployment.rows() == rows
    DigitsPage(page).open(deployment.url)
