"""A test that cannot run says what it needs, once for each reason; where CI is set it fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

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
