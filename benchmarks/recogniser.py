"""How right is the network, and how well does it know? On MNIST, and on $STROKES, pen strokes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import barred_zeros
from benchmarks.report import Line
from digits import recogniser, strokes
from digits.model import METRICS, WEIGHTS
from digits.preprocessing import Unreadable
from digits.recogniser import Recognition
from tests.app.conftest import mnist_test_images
from tests.rehearsal.deployment import ROOT
from training import evaluate

AIMS = {("as placed", "12"): 98.8, ("as placed", "18"): 98.5}
FITTED_AIM = 98.8
SMALL = 27  # pixels of the canvas, for a digit's longer side, without the pen's width
RESULT = r"^  (as placed|fitted to \d+%) +pen +(\d+) px +([\d.]+)% +ECE +([\d.]+)%$"
NO_DIGITS = r"^  (\d+ (?:scribbles|printed letters)) +([\d.]+)%$"


def from_training(file: Path = METRICS) -> Iterator[Line]:
    """What `make train` measured and wrote beside the weights."""
    metrics = json.loads(file.read_text())
    right = metrics["test_accuracy"] * 100
    error = metrics["test_calibration_error"] * 100
    seconds, computing = metrics["training_seconds"], metrics["training_core_seconds"]
    cores = metrics["threads"]
    kilobytes = metrics["weights_bytes"] / 1000
    yield Line(
        "MNIST's 10,000 test digits: right", f"{right:.2f} %", "at least 99.5 %", right >= 99.5
    )
    yield Line("and their expected calibration error", f"{error:.2f} %", "at most 2 %", error <= 2)
    on = "1 core" if cores == 1 else f"{cores} cores"
    # Where others share the cores, the clock says nothing.
    yield Line(
        "training",
        f"{computing:,} s of one core's time, {seconds:,} s by the clock on {on}",
        "< 900 s on 2 cores", computing < 900 or (cores == 2 and seconds < 900),
    )  # fmt: skip
    yield Line("weights", f"{kilobytes:.0f} kB", "< 2,000 kB", kilobytes < 2000)


def on_strokes(file: str, weights: Path = WEIGHTS) -> Iterator[Line]:
    """What `make evaluate` says of pen strokes, and of what is no digit."""
    box = os.environ.get("BOX")
    more = ["--weights", str(weights), *(["--box", box] if box else [])]
    done = subprocess.run(
        [sys.executable, "-m", "training.evaluate", file, *more],
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


def on_barred_zeros() -> Iterator[Line]:
    """Zeros with a line through them, of another hand than the training's."""
    answers = [recogniser.recognise(canvas) for canvas in barred_zeros.sheet(1000)]
    right = sum(isinstance(answer, Recognition) and answer.digit == 0 for answer in answers)
    share = right / len(answers)
    yield Line(
        f"{len(answers):,} drawn zeros with a slash or a bar: right",
        f"{share:.1%}".replace("%", " %"), "at least 97 %", share >= 0.97,
    )  # fmt: skip


def on_pairs() -> Iterator[Line]:
    """Two of MNIST's test digits side by side, and each alone: what is said to be several?"""
    images = mnist_test_images()
    pairs = images[np.random.default_rng(0).integers(0, len(images), (1000, 2))]
    told = sum(_is_several(np.hstack(list(pair))) for pair in pairs)
    yield Line(
        "1,000 pairs of MNIST's test digits side by side: told to draw one at a time",
        f"{told / len(pairs):.1%}".replace("%", " %"), "at least 90 %", told >= 0.9 * len(pairs),
    )  # fmt: skip
    told = sum(_is_several(image) for image in images)
    yield Line(
        "MNIST's single test digits: told so, wrongly",
        f"{told} of {len(images):,}", "at most 1 in 500", told <= len(images) / 500,
    )  # fmt: skip


def _is_several(grey: NDArray[np.uint8]) -> bool:
    """Whether the recogniser takes grey levels (H, W) for several digits."""
    canvas = np.repeat(grey[:, :, None], 4, axis=2)
    canvas[:, :, 3] = 255
    return recogniser.recognise(canvas) is Unreadable.SEVERAL


def on_small_digits(file: str) -> Iterator[Line]:
    """Pen strokes so small that the page's pen nearly fills them; nothing is aimed at."""
    box = os.environ.get("BOX")
    drawings = evaluate.read(Path(file), float(box) if box else None)[::7]
    right = 0
    for drawing in drawings:
        points = strokes.fitted(drawing["strokes"], SMALL / strokes.CANVAS)
        answer = recogniser.recognise(strokes.draw(points, strokes.PEN))
        right += isinstance(answer, Recognition) and answer.digit == drawing["label"]
    yield Line(
        f"{len(drawings):,} pen strokes' digits {SMALL} px high, the page's pen of"
        f" {strokes.PEN} px: right",
        f"{right / len(drawings):.1%}".replace("%", " %"),
    )  # fmt: skip


def _strokes() -> str:
    file = os.environ.get("STROKES")
    if not file:
        raise SystemExit(
            "The recogniser is measured on pen strokes too, and no file with some is named.\n"
            "Name one: make bench PART=recogniser STROKES=file.json   (its format:"
            " training/evaluate.py)"
        )
    return file


def other_seed() -> Iterator[Line]:
    """The same of a network in the folder $NETWORK: is it the training, or luck?"""
    folder = os.environ.get("NETWORK")
    if not folder or not Path(folder, METRICS.name).exists():
        raise SystemExit(
            "No network that was trained with another seed is named.\n"
            "Train one: scripts/in training -m training --seed 2 --out folder; then run this again"
            " with NETWORK=folder"
        )
    yield from from_training(Path(folder, METRICS.name))
    yield from on_strokes(_strokes(), Path(folder, WEIGHTS.name))


def measure() -> Iterator[Line]:
    """Yield every line of this part as it is measured."""
    file = _strokes()
    yield from from_training()
    yield from on_strokes(file)
    yield from on_small_digits(file)
    yield from on_barred_zeros()
    yield from on_pairs()
