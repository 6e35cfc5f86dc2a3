"""What README, docs/benchmarks.md and metrics.json say is the same."""

from __future__ import annotations

import re

import pytest

from benchmarks import growing, readme, recogniser, report


def test_readme_says_what_was_measured() -> None:
    found = readme.TABLE.search(readme.README.read_text())
    assert found is not None
    assert found[0] == readme.table(report.numbers())


def test_growing_says_what_was_measured() -> None:
    found = growing.TABLE.search(growing.PAGE.read_text())
    assert found is not None
    assert found[0] == growing.table(report.numbers())


def test_the_report_says_what_the_training_measured() -> None:
    numbers = report.numbers()
    for line in recogniser.from_training():
        assert numbers[line.what] == line.measured


def test_no_other_text_has_accuracies_of_its_own() -> None:
    """A percentage with decimals is only where a command writes it."""
    root = report.FILE.parents[1]
    text = readme.TABLE.sub("", readme.README.read_text())
    texts = [text, (root / "CHANGELOG.md").read_text()]
    assert [found for some in texts for found in re.findall(r"\d+\.\d+ %", some)] == []


def test_without_strokes_the_report_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STROKES", raising=False)
    with pytest.raises(SystemExit, match="make bench PART=recogniser STROKES="):
        next(recogniser.measure())
