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
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from digits import recogniser, strokes
from digits.model import WEIGHTS
from digits.preprocessing import Unreadable
from training import scribbles
from training.calibration import calibration_error

Drawing = dict[str, Any]

PLACED_PENS = (12, 18)
FITTED_PENS = (10, 14, 18, 22, 26)
SHARE = 0.6
WORST = 60  # pictured
SURE = 0.9
SCRIBBLES = 500
# Those of the alphabet that are not shaped like a digit.
LETTERS = "AEFHKMNPRTUVWXYacdefhkmnprtuvwxy"


def read(path: Path, box: float | None) -> list[Drawing]:
    """Return the drawings in a file; `box` is for those that name none of their own."""
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
    if box is not None:
        for drawing in drawings:
            drawing.setdefault("box", box)
    return drawings


def canvas(drawing: Drawing, pen: float, as_placed: bool) -> NDArray[np.uint8]:
    """Return the drawing on the canvas, where it was written or fitted to SHARE of it."""
    if as_placed:
        points = strokes.placed(drawing["strokes"], drawing["box"])
    else:
        points = strokes.fitted(drawing["strokes"], SHARE)
    return strokes.draw(points, pen)


def recognised(drawing: Drawing, pen: float, as_placed: bool) -> tuple[int, float]:
    """Return digit and confidence, or (-1, 0) where the recogniser sees no digit."""
    answer = recogniser.recognise(canvas(drawing, pen, as_placed))
    return (-1, 0.0) if isinstance(answer, Unreadable) else (answer.digit, answer.confidence)


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
    worst: Sequence[tuple[Drawing, int, float]], draw: Callable[[Drawing], NDArray[np.uint8]]
) -> Image.Image:
    """Return the worst cases side by side, each with what it is and what was read."""
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


def letters() -> list[NDArray[np.uint8]]:
    """Return printed LETTERS, each on a canvas: white on black."""
    font = ImageFont.load_default(200)
    canvases = []
    for letter in LETTERS:
        page = Image.new("RGBA", (strokes.CANVAS, strokes.CANVAS), "black")
        middle = strokes.CANVAS // 2
        ImageDraw.Draw(page).text((middle, middle), letter, "white", font, anchor="mm")
        canvases.append(np.asarray(page))
    return canvases


def scribbled() -> list[NDArray[np.uint8]]:
    """Return SCRIBBLES canvases with scribbles that the training has not seen."""
    random = np.random.default_rng(123_456)
    return [
        strokes.draw(strokes.fitted([s.tolist() for s in scribbles.drawing(random)], SHARE), 18)
        for _ in range(SCRIBBLES)
    ]


def sure(canvases: Sequence[NDArray[np.uint8]]) -> float:
    """Return the share of canvases for which the confidence is over SURE."""
    answers = [recogniser.recognise(canvas) for canvas in canvases]
    recognised = [answer for answer in answers if not isinstance(answer, Unreadable)]
    return sum(answer.confidence > SURE for answer in recognised) / len(answers)


def _begin(weights: Path) -> None:
    """In each process: one thread, as there is a process for each core; and these weights."""
    import torch

    torch.set_num_threads(1)
    recogniser.load(weights)


def _options() -> argparse.Namespace:
    """What was asked for, on the command line or in the environment."""
    parser = argparse.ArgumentParser(prog="make evaluate", description=__doc__)
    parser.add_argument("strokes", type=Path, nargs="?", default=os.environ.get("STROKES") or None)
    parser.add_argument(
        "--box",
        type=float,
        default=os.environ.get("BOX") or None,
        help="side of the square for drawings without one",
    )
    parser.add_argument("--every", type=int, default=1, help="take only every nth drawing")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="those of another network")
    parser.add_argument("--picture", type=Path, default=Path("evaluation.png"))
    options = parser.parse_args()
    if options.strokes is None:
        sys.exit(
            "make evaluate needs strokes to draw.\n"
            "Name a file: make evaluate STROKES=file.json   (its format: training/evaluate.py)"
        )
    return options


def _in_detail(
    drawings: list[Drawing], answers: Sequence[tuple[int, float]], pen: float, as_placed: bool
) -> tuple[str, Image.Image]:
    """Return the table of what was taken for what, and the surest mistakes as a picture."""
    labels = np.array([drawing["label"] for drawing in drawings])
    found = np.array([digit for digit, _ in answers])
    wrong = np.flatnonzero(found != labels).tolist()
    surest = sorted(wrong, key=lambda n: -answers[n][1])[:WORST]
    worst = [(drawings[n], *answers[n]) for n in surest]
    sheet = picture(worst, partial(canvas, pen=pen, as_placed=as_placed))
    return confusion(labels, found), sheet


def main() -> None:
    """Draw, recognise, report."""
    options = _options()
    drawings = read(options.strokes, options.box)[:: options.every]
    labels = np.array([drawing["label"] for drawing in drawings])
    where = [(pen, True) for pen in PLACED_PENS] if all("box" in d for d in drawings) else []
    where += [(pen, False) for pen in FITTED_PENS]
    print(f"{len(drawings):,} drawings. Accuracy, expected calibration error:")
    recogniser.load(options.weights)
    begin = partial(_begin, options.weights)
    with ProcessPoolExecutor(os.cpu_count(), initializer=begin) as pool:
        for pen, as_placed in where:
            look = partial(recognised, pen=pen, as_placed=as_placed)
            answers = list(pool.map(look, drawings, chunksize=64))
            right = np.array([digit for digit, _ in answers]) == labels
            confidence = np.array([confidence for _, confidence in answers])
            place = "as placed" if as_placed else f"fitted to {SHARE:.0%}"
            print(
                f"  {place:14} pen {pen:2} px   {right.mean():7.2%}"
                f"   ECE {calibration_error(confidence, right):6.2%}",
                flush=True,
            )
            if (pen, as_placed) == where[0]:
                table, worst = _in_detail(drawings, answers, pen, as_placed)
                worst.save(options.picture)
    print(f"No digits, and yet over {SURE:.0%} confidence:")
    print(f"  {SCRIBBLES} scribbles        {sure(scribbled()):7.2%}")
    print(f"  {len(LETTERS)} printed letters   {sure(letters()):7.2%}")
    print(f"\nThe first line in detail:\n{table}\nIts worst cases are in {options.picture}.")


if __name__ == "__main__":
    main()
