"""The training command, on a few digits, in its own environment."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import torch

from digits import model
from tests.app.conftest import ROOT, mnist_root
from tests.conftest import need

PYTHON = ROOT / ".venv" / "training" / "bin" / "python"


def train(out: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    need(PYTHON.exists(), "the training environment is not made", "scripts/venv training")
    options = ["--epochs", "1", "--limit", "2000", "--seed", "5", "--out", str(out)]
    return subprocess.run(
        [str(PYTHON), "-m", "training", *options],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def test_it_learns_and_its_weights_load_in_the_app(tmp_path: Path) -> None:
    before = hashlib.sha256(model.WEIGHTS.read_bytes()).hexdigest()
    result = train(tmp_path, MNIST_ROOT=str(mnist_root()))
    assert result.returncode == 0, result.stderr
    assert "epoch 1/1" in result.stdout

    metrics = json.loads((tmp_path / model.METRICS.name).read_text())
    assert metrics["seed"] == 5
    assert metrics["mnist_digits"] == 2000
    assert metrics["test_accuracy"] > 0.3  # sixteen steps; guessing gets 0.1
    weights = tmp_path / model.WEIGHTS.name
    assert metrics["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    with torch.inference_mode():
        assert model.load(weights)(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
    assert hashlib.sha256(model.WEIGHTS.read_bytes()).hexdigest() == before


def test_a_folder_without_mnist_is_said(tmp_path: Path) -> None:
    result = train(tmp_path / "out", MNIST_ROOT=str(tmp_path))
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert "MNIST/raw" in result.stderr
