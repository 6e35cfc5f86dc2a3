"""How well are digits recognised that people draw with a pen? `make evaluate STROKES=file.json`.

The file is a list of {"label": 3, "strokes": [[[x, y], ...], ...], "box": 500}, y down.
`box` is the side of the square the writer drew in; with it the digit is also drawn where
it was written. Every digit is drawn as the page's canvas would, with several pens, and
given to the recogniser's front door. Nothing is learnt from these drawings. Last come
scribbles and printed letters: how often is the network sure of what is no digit?
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from digits import recogniser, strokes
from digits.model import WEIGHTS
from digits.preprocessing import Unreadable
from training import scribbles

Canvas = NDArray[np.uint8]
Drawing = dict[str, Any]
Answer = tuple[int, float]  # digit and confidence; (-1, 0) where the recogniser sees no digit

PLACED_PENS = (12, 18)
FITTED_PENS = (10, 14, 18, 22, 26)
SHARE = 0.6
WORST = 60  # pictured
PICTURE = Path("evaluation.png")
SURE = 0.9
BINS = 15
SCRIBBLES = 500
# Those of the alphabet that are not shaped like a digit.
LETTERS = "AEFHKMNPRTUVWXYacdefhkmnprtuvwxy"


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
    return as_placed | {
        f"fitted to {SHARE:.0%}, pen {pen} px": partial(fitted, pen=pen) for pen in FITTED_PENS
    }


def read(path: Path) -> list[Drawing]:
    """Return the drawings in a file; $BOX is the box of those that name none."""
    try:
        drawings: list[Drawing] = json.loads(path.read_text())
        known = all(drawing["label"] in range(10) and drawing["strokes"] for drawing in drawings)
    except OSError as error:
        sys.exit(f"The strokes could not be read: {error}\nName a file: make evaluate STROKES=...")
    except (ValueError, KeyError, TypeError):
        known = False
    if not known or not drawings:
        sys.exit(
            f"{path} holds no strokes that can be used.\n"
            'It must be a list like [{"label": 3, "strokes": [[[x, y], ...]], "box": 500}, ...]'
        )
    if box := os.environ.get("BOX"):
        for drawing in drawings:
            drawing.setdefault("box", float(box))
    return drawings


def _begin(weights: Path) -> None:
    """In each process: one thread, as there is a process for each core; and these weights."""
    torch.set_num_threads(1)
    recogniser.load(weights)


def _answer(draw: Callable[[Any], Canvas], thing: object) -> Answer:
    answer = recogniser.recognise(draw(thing))
    return (-1, 0.0) if isinstance(answer, Unreadable) else (answer.digit, answer.confidence)


def answers(
    draw: Callable[[Any], Canvas], things: Iterable[object], weights: Path = WEIGHTS
) -> list[Answer]:
    """Return what the front door makes of each thing, drawn on a canvas."""
    with ProcessPoolExecutor(os.cpu_count(), initializer=partial(_begin, weights)) as pool:
        return list(pool.map(partial(_answer, draw), things, chunksize=64))


def judged(answers: Sequence[Answer], labels: Sequence[int] | NDArray[Any]) -> tuple[float, float]:
    """Return the share of right answers, where none is wrong, and the calibration error."""
    found, confidence = (np.array(column) for column in zip(*answers, strict=True))
    right = found == np.asarray(labels)
    return float(right.mean()), calibration_error(confidence, right)


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over BINS bins of equal width, 0 to 1.

    The mean distance between what was claimed and what held, weighted by how many
    fall in each bin (Naeini et al., 2015; Guo et al., 2017).
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).sum()
        for b in np.unique(bins)
    ]
    return float(sum(gaps) / len(right))


def as_canvas(grey: NDArray[np.uint8]) -> Canvas:
    """Return grey levels (H, W) as the canvas gives its picture: (H, W, 4)."""
    return np.dstack([grey, grey, grey, np.full_like(grey, 255)])


def enlarged(digit: NDArray[np.uint8]) -> Canvas:
    """Return one of MNIST's digits (28, 28) as large as the canvas."""
    size = (strokes.CANVAS, strokes.CANVAS)
    return as_canvas(np.asarray(Image.fromarray(digit).resize(size, Image.Resampling.BICUBIC)))


def letter(character: str) -> Canvas:
    """Return a printed letter on a canvas: white on black."""
    page, middle = Image.new("L", (strokes.CANVAS, strokes.CANVAS)), strokes.CANVAS // 2
    font = ImageFont.load_default(200)
    ImageDraw.Draw(page).text((middle, middle), character, 255, font, anchor="mm")
    return as_canvas(np.asarray(page))


def scribble(seed: int) -> Canvas:
    """Return a canvas with a drawing that is no digit."""
    drawing = scribbles.drawing(np.random.default_rng(seed))
    return strokes.draw(strokes.fitted([line.tolist() for line in drawing], SHARE), 18)


def sure(answers: Sequence[Answer]) -> float:
    """Return the share of answers whose confidence is over SURE."""
    return sum(confidence > SURE for _, confidence in answers) / len(answers)


def on_no_digits(weights: Path) -> Iterator[tuple[str, float]]:
    """Yield how often the network is sure of scribbles it has not seen, and of letters."""
    seeds = range(10**6, 10**6 + SCRIBBLES)
    yield f"{SCRIBBLES} scribbles", sure(answers(scribble, seeds, weights))
    yield f"{len(LETTERS)} printed letters", sure(answers(letter, LETTERS, weights))


def confusion(labels: NDArray[np.int64], found: NDArray[np.int64]) -> str:
    """Return a table of how often each digit was taken for which."""
    lines = ["drawn \\ read  " + "".join(f"{digit:6}" for digit in range(10)) + "  none"]
    for label in range(10):
        counts = [int(((labels == label) & (found == digit)).sum()) for digit in (*range(10), -1)]
        lines.append(
            f"{label:12} " + "".join(f"{count:6}" if count else "     ." for count in counts)
        )
    return "\n".join(lines)


def picture(
    drawings: Sequence[Drawing], answers: Sequence[Answer], draw: Callable[[Any], Canvas]
) -> Image.Image:
    """Return the surest mistakes side by side, each with what it is and what was read."""
    both = zip(drawings, answers, strict=True)
    wrong = [(drawing, *answer) for drawing, answer in both if drawing["label"] != answer[0]]
    worst = sorted(wrong, key=lambda mistake: -mistake[2])[:WORST]
    across, side, caption = 10, 84, 16
    rows = max(1, -(-len(worst) // across))
    sheet = Image.new("L", (across * side, rows * (side + caption)), 255)
    words = ImageDraw.Draw(sheet)
    for place, (drawing, digit, confidence) in enumerate(worst):
        left, top = place % across * side, place // across * (side + caption)
        small = Image.fromarray(draw(drawing)[:, :, 0]).resize((side - 4, side - 4))
        sheet.paste(small, (left + 2, top + 2))
        words.text((left + 4, top + side - 2), f"{drawing['label']}: {digit} {confidence:.0%}", 0)
    return sheet


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make evaluate", description=__doc__)
    parser.add_argument("strokes", type=Path, nargs="?", default=os.environ.get("STROKES") or None)
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="those of another network")
    options = parser.parse_args()
    if options.strokes is None:
        sys.exit(
            "make evaluate needs strokes to draw.\n"
            "Name a file: make evaluate STROKES=file.json   (its format: training/evaluate.py)"
        )
    return options


def main() -> None:
    """Draw, recognise, report."""
    options = _options()
    drawings = read(options.strokes)
    labels = np.array([drawing["label"] for drawing in drawings])
    print(f"{len(drawings):,} drawings. Accuracy, expected calibration error:")
    detail = ""
    for way, draw in ways(drawings).items():
        found = answers(draw, drawings, options.weights)
        right, error = judged(found, labels)
        print(f"  {way:26} {right:7.2%}   ECE {error:6.2%}", flush=True)
        if not detail:
            detail = confusion(labels, np.array([digit for digit, _ in found]))
            picture(drawings, found, draw).save(PICTURE)
    print(f"No digits, and yet over {SURE:.0%} confidence:")
    for what, share in on_no_digits(options.weights):
        print(f"  {what:26} {share:7.2%}")
    print(f"\nThe first line in detail:\n{detail}\nIts worst cases are in {PICTURE}.")


if __name__ == "__main__":
    main()
