"""A test that cannot run says what it needs, once for each reason; where CI is set it fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs
from tests.needs import ROOT

TESTS = """
import pytest
from tests import needs

@pytest.mark.parametrize("number", range(3))
def test_skipped(number):
    needs.need(False, "an engine", "get one")

def test_that_runs():
    needs.leave_out("a description", "fetch it")
    needs.leave_out("a description", "fetch it")

def test_that_fails_without_a_part():
    needs.leave_out("a description", "fetch it")
    raise AssertionError

def test_bare():
    pytest.skip("no reason")
"""


def run(folder: Path, *arguments: str, **settings: str) -> str:
    """What pytest prints for these tests, without colours."""
    (folder / "test_these.py").write_text(TESTS)
    command = (sys.executable, "-m", "pytest", "-p", "tests.conftest", "-rfE", *arguments)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    # In the folder of this run it would take permissions away that other tests' PostgreSQL needs.
    settings["PYTEST_DEBUG_TEMPROOT"] = str(folder)
    done = subprocess.run(
        [*command, "--rootdir", folder, folder / "test_these.py"],
        cwd=ROOT, env={**kept, "CI": "", **settings}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout


def test_the_summary_has_one_line_for_each_reason(tmp_path: Path) -> None:
    printed = run(tmp_path, "--numprocesses", "2")
    assert "1 failed, 1 passed, 4 skipped" in printed
    [listed] = re.findall(r"what could not run =+\n(.*?)\n=", printed, re.DOTALL)
    assert listed.splitlines() == [
        "3 tests need an engine: get one",
        "1 test was skipped: no reason",
        "2 tests ran without a part, which needs a description: fetch it",
    ]


def test_in_ci_what_cannot_run_fails(tmp_path: Path) -> None:
    printed = run(tmp_path, CI="true")
    assert "5 failed, 1 skipped" in printed
    assert "needs an engine: get one" in printed


def test_what_can_be_fetched_is_fetched_once_in_a_run(tmp_path: Path) -> None:
    log = tmp_path / "log"
    fetch = ("sh", "-c", f"echo tried >>'{log}'")
    needs.fetched.cache_clear()
    for _ in range(2):  # as two processes of one run do
        assert not needs.fetched(tmp_path / "file", *fetch)
        needs.fetched.cache_clear()
    assert log.read_text() == "tried\n"
    (tmp_path / "file").touch()
    assert needs.fetched(tmp_path / "file", *fetch)


def test_a_browser_whose_driver_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("CHROMIUM", "/bin/true")
    needs.driver_starts.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", "/bin/false")
            with pytest.raises(pytest.skip.Exception, match="install chromium libatomic1"):
                needs.need_chromium()
    finally:
        needs.driver_starts.cache_clear()


@pytest.mark.parametrize(
    ("printed", "fix"),
    [
        ("permission denied while trying to connect", "sudo usermod"),
        ("Cannot connect to the Docker daemon", "sudo (systemctl start docker|apt-get install)"),
        (None, ""),
    ],
)
def test_an_engine_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str | None, fix: str
) -> None:
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\n{f'echo {printed} >&2; exit 1' if printed else ''}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CI", raising=False)
    needs.docker_error.cache_clear()
    try:
        if printed:
            with pytest.raises(pytest.skip.Exception, match=f"needs a Docker engine: {fix}"):
                needs.need_docker()
        else:
            needs.need_docker()
    finally:
        needs.docker_error.cache_clear()
