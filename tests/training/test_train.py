"""The training command, on a few digits, in its own environment."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
import torch

from digits import model
from tests.needs import ROOT, need_mnist

# The training environment takes minutes to make and some space: it is made where MNIST is.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture
def mnist() -> Path:
    """The folder that has MNIST, and an environment to train in."""
    folder = need_mnist()
    subprocess.run([ROOT / "scripts/venv", "training"], check=True)
    return folder


def train(out: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    options = ["--epochs", "1", "--limit", "2000", "--seed", "5", "--out", str(out)]
    return subprocess.run(
        [ROOT / ".venv/training/bin/python", "-m", "training", *options],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def test_it_learns_and_its_weights_load_in_the_app(mnist: Path, tmp_path: Path) -> None:
    before = hashlib.sha256(model.WEIGHTS.read_bytes()).hexdigest()
    result = train(tmp_path, MNIST_ROOT=str(mnist))
    assert result.returncode == 0, result.stderr
    assert "epoch 1/1" in result.stdout

    metrics = json.loads((tmp_path / model.METRICS.name).read_text())
    assert metrics["seed"] == 5
    assert metrics["images"] == 2000 + 672 + 181  # drawn digits, scribbles
    assert metrics["test_accuracy"] > 0.3  # sixteen steps; guessing gets 0.1
    weights = tmp_path / model.WEIGHTS.name
    assert metrics["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    with torch.inference_mode():
        assert model.load(weights)(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
    assert hashlib.sha256(model.WEIGHTS.read_bytes()).hexdigest() == before


@pytest.mark.usefixtures("mnist")
def test_a_folder_without_mnist_is_an_error(tmp_path: Path) -> None:
    result = train(tmp_path / "out", MNIST_ROOT=str(tmp_path))
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert "MNIST/raw" in result.stderr
