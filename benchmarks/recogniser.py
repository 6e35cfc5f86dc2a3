"""How right is the network, and how well does it know? On MNIST, and on $STROKES, pen strokes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.report import Line
from digits.model import METRICS
from tests.rehearsal.deployment import ROOT

AIMS = {("as placed", "12"): 97.0, ("as placed", "18"): 95.5}
FITTED_AIM = 98.0
RESULT = r"^  (as placed|fitted to \d+%) +pen +(\d+) px +([\d.]+)% +ECE +([\d.]+)%$"
NO_DIGITS = r"^  (\d+ (?:scribbles|printed letters)) +([\d.]+)%$"


def from_training() -> Iterator[Line]:
    """What `make train` measured and wrote beside the weights."""
    metrics = json.loads(METRICS.read_text())
    right = metrics["test_accuracy"] * 100
    error = metrics["test_calibration_error"] * 100
    seconds, cores = metrics["training_seconds"], metrics["cores"]
    kilobytes = metrics["weights_bytes"] / 1000
    yield Line(
        "MNIST's 10,000 test digits: right", f"{right:.2f} %", "at least 99.5 %", right >= 99.5
    )
    yield Line("and their expected calibration error", f"{error:.2f} %", "at most 2 %", error <= 2)
    yield Line("training", f"{seconds} s on {cores} cores", "< 900 s", seconds < 900)
    yield Line("weights", f"{kilobytes:.0f} kB", "< 2,000 kB", kilobytes < 2000)


def on_strokes(file: str) -> Iterator[Line]:
    """What `make evaluate` says of pen strokes, and of what is no digit."""
    box = os.environ.get("BOX")
    done = subprocess.run(
        [sys.executable, "-m", "training.evaluate", file, *(["--box", box] if box else [])],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    count = done.stdout.split(maxsplit=1)[0]
    for place, pen, right, error in re.findall(RESULT, done.stdout, re.MULTILINE):
        aim = AIMS.get((place, pen), FITTED_AIM)
        yield Line(
            f"{count} pen strokes {place}, pen {pen} px",
            f"{right} % right, calibration error {error} %",
            f"at least {aim:g} %", float(right) >= aim,
        )  # fmt: skip
    for what, share in re.findall(NO_DIGITS, done.stdout, re.MULTILINE):
        yield Line(f"{what}, which are no digits: over 90 % confidence", f"{share} %", "rarely")


def measure() -> Iterator[Line]:
    """Yield every line of this part as it is measured."""
    yield from from_training()
    if file := os.environ.get("STROKES"):
        yield from on_strokes(file)
