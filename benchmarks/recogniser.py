"""How right is the network, and how well does it know? On MNIST, and on $STROKES, pen strokes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks import barred_zeros
from benchmarks.report import Line
from digits import recogniser, strokes
from digits.model import METRICS, WEIGHTS
from digits.preprocessing import Unreadable
from tests.app.conftest import mnist_test_images
from training import evaluate, scribbles
from training.evaluate import Answer, Drawing

AIM = 98.8  # percent of the pen strokes
SMALL = (20, 27, 40)  # pixels of the canvas, for a digit's longer side, without the pen's width
SOME = 7  # every seventh drawing does for what takes long
TURNED = 30  # degrees to either side
SURE = 0.9
SCRIBBLES = 500
# Those of the alphabet that are not shaped like a digit.
LETTERS = "AEFHKMNPRTUVWXYacdefhkmnprtuvwxy"
MNIST = "MNIST's 10,000 test digits, put on the canvas: right"
ZEROS = (
    "1,000 zeros, drawn by a program that the training does not use, with a bar or two that reach"
    " up to twice the ring's size beyond it: right"
)


def from_training(file: Path = METRICS) -> Iterator[Line]:
    """What `make train` measured and wrote beside the weights."""
    metrics = json.loads(file.read_text())
    right = metrics["test_accuracy"] * 100
    error = metrics["test_calibration_error"] * 100
    seconds, computing = metrics["training_seconds"], metrics["training_core_seconds"]
    kilobytes = metrics["weights_bytes"] / 1000
    yield Line(MNIST, f"{right:.2f} %", "at least 99.4 %", right >= 99.4)
    yield Line("and their expected calibration error", f"{error:.2f} %", "at most 2 %", error <= 2)
    yield Line(
        "training",
        f"{computing:,} s of one core's time, {seconds:,} s by the clock", "< 900 s of both",
        computing < 900 and seconds < 900,
    )  # fmt: skip
    yield Line("weights", f"{kilobytes:.0f} kB", "< 2,000 kB", kilobytes < 2000)


def letter(character: str) -> NDArray[np.uint8]:
    """Return a printed letter on a canvas: white on black."""
    page, middle = Image.new("L", (strokes.CANVAS, strokes.CANVAS)), strokes.CANVAS // 2
    font = ImageFont.load_default(200)
    ImageDraw.Draw(page).text((middle, middle), character, 255, font, anchor="mm")
    return evaluate.as_canvas(np.asarray(page))


def scribble(seed: int) -> NDArray[np.uint8]:
    """Return a canvas with a drawing that is no digit."""
    drawing = scribbles.drawing(np.random.default_rng(seed))
    return strokes.draw(strokes.fitted([line.tolist() for line in drawing], evaluate.SHARE), 18)


def sure(answers: list[Answer]) -> float:
    """Return the share of answers whose confidence is over SURE."""
    return sum(confidence > SURE for _, confidence in answers) / len(answers)


def on_no_digits(weights: Path) -> Iterator[tuple[str, float]]:
    """Yield how often the network is sure of scribbles it has not seen, and of letters."""
    seeds = range(10**6, 10**6 + SCRIBBLES)
    yield f"{SCRIBBLES} scribbles", sure(evaluate.answers(scribble, seeds, weights))
    yield f"{len(LETTERS)} printed letters", sure(evaluate.answers(letter, LETTERS, weights))


def on_strokes(drawings: list[Drawing], weights: Path = WEIGHTS) -> Iterator[Line]:
    """Pen strokes, with several pens; and what is no digit."""
    labels = [drawing["label"] for drawing in drawings]
    for way, draw in evaluate.ways(drawings).items():
        right, error = evaluate.judged(evaluate.answers(draw, drawings, weights), labels)
        yield Line(
            f"{len(drawings):,} pen strokes {way}",
            f"{right:.2%} right, calibration error {error:.2%}".replace("%", " %"),
            f"at least {AIM:g} %", right * 100 >= AIM,
        )  # fmt: skip
    for what, share in on_no_digits(weights):
        yield Line(f"{what}, which are no digits: over 90 % confidence", _percent(share), "rarely")


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def turned(drawing: Drawing, degrees: float) -> NDArray[np.uint8]:
    """Return the drawing on the canvas, turned clockwise."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    points = [(np.array(stroke) @ [[cos, sin], [-sin, cos]]) for stroke in drawing["strokes"]]
    lines = [stroke.tolist() for stroke in points]
    return strokes.draw(strokes.fitted(lines, evaluate.SHARE), strokes.PEN)


def on_turned(drawings: list[Drawing]) -> Iterator[Line]:
    """Pen strokes, turned to either side."""
    labels = [drawing["label"] for drawing in drawings]
    for degrees in (-TURNED, TURNED):
        found = evaluate.answers(partial(turned, degrees=degrees), drawings)
        right, _ = evaluate.judged(found, labels)
        yield Line(
            f"{len(drawings):,} pen strokes turned by {degrees} degrees: right", _percent(right)
        )


def on_small_digits(drawings: list[Drawing]) -> Iterator[Line]:
    """Pen strokes so small that the page's pen nearly fills them."""
    labels = np.array([drawing["label"] for drawing in drawings])
    for side in SMALL:
        draw = partial(evaluate.fitted, pen=strokes.PEN, share=side / strokes.CANVAS)
        found = np.array([digit for digit, _ in evaluate.answers(draw, drawings)])
        right, refused = float((found == labels).mean()), float((found == -1).mean())
        wrong = 1 - right - refused
        yield Line(
            f"{len(drawings):,} pen strokes' digits {side} px high, the page's pen of"
            f" {strokes.PEN} px: right, asked to draw it larger, wrong",
            f"{_percent(right)}, {_percent(refused)}, {_percent(wrong)}",
            "at most 3 % wrong", wrong <= 0.03,
        )  # fmt: skip


def on_barred_zeros(weights: Path = WEIGHTS) -> Iterator[Line]:
    """Zeros with lines through them, of another hand than the training's."""
    canvases = barred_zeros.sheet(1000)
    right, _ = evaluate.judged(evaluate.answers(np.asarray, canvases, weights), [0] * 1000)
    yield Line(ZEROS, _percent(right), "at least 97 %", right >= 0.97)


def on_pairs() -> Iterator[Line]:
    """Two of MNIST's test digits side by side, and each alone: what is refused as several?"""
    images = mnist_test_images()
    pairs = images[np.random.default_rng(0).integers(0, len(images), (1000, 2))]
    refused = sum(_is_several(np.hstack(list(pair))) for pair in pairs)
    yield Line(
        "1,000 pairs of MNIST's test digits side by side: asked to draw one at a time",
        _percent(refused / len(pairs)), "at least 90 %", refused >= 0.9 * len(pairs),
    )  # fmt: skip
    refused = sum(_is_several(image) for image in images)
    yield Line(
        "MNIST's single test digits: asked so, wrongly",
        f"{refused} of {len(images):,}", "at most 1 in 500", refused <= len(images) / 500,
    )  # fmt: skip


def _is_several(grey: NDArray[np.uint8]) -> bool:
    """Whether the recogniser takes grey levels (H, W) for several digits."""
    return recogniser.recognise(evaluate.as_canvas(grey)) is Unreadable.SEVERAL


def _drawings() -> list[Drawing]:
    file = os.environ.get("STROKES")
    if not file:
        raise SystemExit(
            "The recogniser is measured on pen strokes too, and no file with some is named.\n"
            "Name one: make bench PART=recogniser STROKES=file.json   (its format:"
            " training/evaluate.py)"
        )
    return evaluate.read(Path(file))


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
    weights = Path(folder, WEIGHTS.name)
    yield from on_strokes(_drawings(), weights)
    yield from on_barred_zeros(weights)


def measure() -> Iterator[Line]:
    """Yield every line of this part as it is measured."""
    drawings = _drawings()
    yield from from_training()
    yield from on_strokes(drawings)
    yield from on_turned(drawings[::SOME])
    yield from on_small_digits(drawings[::SOME])
    yield from on_barred_zeros()
    yield from on_pairs()
