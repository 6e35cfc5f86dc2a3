"""On a terminal, each phase shows how long it took the last time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ops.console import phase_times, terminal


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phase_times, "FILE", tmp_path / "times")
    monkeypatch.setattr(sys, "argv", ["ops", "deploy"])
    monkeypatch.setattr(terminal, "on_terminal", lambda: True)


def clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr("time.monotonic", lambda: seconds)


def test_the_last_time_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock(monkeypatch, 0)
    terminal.phase("Ansible: the server")
    clock(monkeypatch, 16)
    terminal.phase("Release 127.0.0.1:5050/digits@sha256:0d4c")
    clock(monkeypatch, 26)
    phase_times.end()
    assert "last time" not in capsys.readouterr().out
    terminal.phase("Ansible: the server")
    assert " s; the last time it took 16 s)" in capsys.readouterr().out
    terminal.phase("Release 127.0.0.1:5050/digits@sha256:83ff")
    assert " s; the last time it took 10 s)" in capsys.readouterr().out
    phase_times.end()


def test_another_verb_has_other_times(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock(monkeypatch, 0)
    terminal.phase("Smoke test")
    clock(monkeypatch, 5)
    phase_times.end()
    monkeypatch.setattr(sys, "argv", ["ops", "release"])
    terminal.phase("Smoke test")
    assert "last time" not in capsys.readouterr().out
    phase_times.end()


@pytest.mark.parametrize("content", ["", "{", "nothing"])
def test_a_damaged_file_has_no_times(content: str, capsys: pytest.CaptureFixture[str]) -> None:
    phase_times.FILE.write_text(content)
    terminal.phase("Smoke test")
    assert "last time" not in capsys.readouterr().out
    phase_times.end()


def test_elsewhere_nothing_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "on_terminal", lambda: False)
    terminal.phase("Smoke test")
    phase_times.end()
    assert not phase_times.FILE.exists()
