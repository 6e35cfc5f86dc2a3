"""How well are digits recognised that people draw with a pen? `make evaluate STROKES=file.json`.

The file is a list of {"label": 3, "strokes": [[[x, y], ...], ...], "box": 500}, y down. `box` is
the side of the square the writer drew in: with it the digit is also drawn where it was written.
Every digit is drawn as the page's canvas would, with several pens, and given to the recogniser's
front door. Nothing is learnt from these drawings.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits import recogniser, strokes
from digits.model import WEIGHTS
from digits.preprocessing import Unreadable

Canvas = NDArray[np.uint8]
Drawing = dict[str, Any]
Answer = tuple[int, float]  # digit and confidence; (-1, 0) where the recogniser sees no digit

PLACED_PENS = (12, 18)
FITTED_PENS = (10, 14, 18, 22, 26)
SHARE = 0.6
BINS = 15  # of the calibration error


def placed(drawing: Drawing, pen: float) -> Canvas:
    """Return the drawing on the canvas, where it was written."""
    return strokes.draw(strokes.placed(drawing["strokes"], drawing["box"]), pen)


def fitted(drawing: Drawing, pen: float, share: float = SHARE) -> Canvas:
    """Return the drawing in the middle of the canvas, its longer side `share` of the canvas's."""
    return strokes.draw(strokes.fitted(drawing["strokes"], share), pen)


def ways(drawings: Sequence[Drawing]) -> Mapping[str, Callable[[Any], Canvas]]:
    """Return the ways to draw them; where a box is not known, every digit is fitted."""
    pens = PLACED_PENS if all("box" in drawing for drawing in drawings) else ()
    as_placed = {f"as placed, pen {pen} px": partial(placed, pen=pen) for pen in pens}
    name = f"fitted to {SHARE:.0%}, pen"
    return as_placed | {f"{name} {pen} px": partial(fitted, pen=pen) for pen in FITTED_PENS}


def read(path: Path) -> list[Drawing]:
    """Return the drawings in a file; $BOX is the box of those that name none."""
    try:
        drawings: list[Drawing] = json.loads(path.read_text())
        known = all(drawing["label"] in range(10) and drawing["strokes"] for drawing in drawings)
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known or not drawings:
        sys.exit(
            f"{path} cannot be read, or holds no strokes that can be used.\n"
            'It must be a list like [{"label": 3, "strokes": [[[x, y], ...]], "box": 500}, ...]'
        )
    if box := os.environ.get("BOX"):
        for drawing in drawings:
            drawing.setdefault("box", float(box))
    return drawings


def _answer(draw: Callable[[Any], Canvas], thing: object) -> Answer:
    answer = recogniser.recognise(draw(thing))
    return (-1, 0.0) if isinstance(answer, Unreadable) else (answer.digit, answer.confidence)


def answers(
    draw: Callable[[Any], Canvas], things: Iterable[object], weights: Path = WEIGHTS
) -> list[Answer]:
    """Return what the front door makes of each thing, drawn on a canvas."""
    with ProcessPoolExecutor(os.cpu_count(), initializer=partial(recogniser.load, weights)) as pool:
        return list(pool.map(partial(_answer, draw), things, chunksize=64))


def judged(answers: Sequence[Answer], labels: Sequence[int] | NDArray[Any]) -> tuple[float, float]:
    """Return the share of right answers, where none is wrong, and the calibration error."""
    found, confidence = (np.array(column) for column in zip(*answers, strict=True))
    right = found == np.asarray(labels)
    return float(right.mean()), calibration_error(confidence, right)


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over BINS bins of equal width, 0 to 1.

    The mean distance between what was claimed and what held, weighted by how many fall in each
    bin (Naeini et al., 2015; Guo et al., 2017).
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right)
    return float(np.abs(gaps).sum() / len(right))


def as_canvas(grey: NDArray[np.uint8]) -> Canvas:
    """Return grey levels (H, W) as the canvas gives its picture: (H, W, 4)."""
    return np.dstack([grey, grey, grey, np.full_like(grey, 255)])


def enlarged(digit: NDArray[np.uint8]) -> Canvas:
    """Return one of MNIST's digits (28, 28) as large as the canvas."""
    large = Image.fromarray(digit).resize((strokes.CANVAS,) * 2, Image.Resampling.BICUBIC)
    return as_canvas(np.asarray(large))


def main() -> None:
    """Draw, recognise, report."""
    parser = argparse.ArgumentParser(prog="make evaluate", description=__doc__)
    parser.add_argument("strokes", type=Path, nargs="?", default=os.environ.get("STROKES") or None)
    options = parser.parse_args()
    if options.strokes is None:
        sys.exit(
            "make evaluate needs strokes to draw.\n"
            "Name a file: make evaluate STROKES=file.json   (its format: training/evaluate.py)"
        )
    drawings = read(options.strokes)
    labels = [drawing["label"] for drawing in drawings]
    print(f"{len(drawings):,} drawings. Accuracy, expected calibration error:")
    for way, draw in ways(drawings).items():
        right, error = judged(answers(draw, drawings), labels)
        print(f"  {way:26} {right:7.2%}   ECE {error:6.2%}", flush=True)


if __name__ == "__main__":
    main()
