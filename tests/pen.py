"""A digit of each kind, as strokes for the page's canvas."""

from __future__ import annotations

import json
import math
import os
from functools import cache
from itertools import pairwise
from pathlib import Path

Strokes = list[list[tuple[float, float]]]

# A file of what people drew on a tablet; where none is given, OWN takes its place.
PEN_DIGITS = os.environ.get("PEN_DIGITS")


def _arc(x: float, y: float, w: float, h: float, start: float, end: float) -> Strokes:
    """Part of an ellipse around (x, y), from one angle to another, in degrees, y down."""
    angles = [math.radians(start + (end - start) * n / 24) for n in range(25)]
    return [[(x + w * math.cos(a), y + h * math.sin(a)) for a in angles]]


def _joined(*parts: Strokes) -> Strokes:
    return [[point for part in parts for stroke in part for point in stroke]]


OWN: dict[int, Strokes] = {
    0: _arc(5, 7, 4, 6, -90, 270),
    1: [[(5, 0), (5, 13)]],
    2: _joined(_arc(4, 3.5, 3.5, 3.5, 200, 390), [[(0, 13), (8, 13)]]),
    3: _joined(_arc(4, 3.5, 3.5, 3.3, 210, 430), _arc(4, 9.8, 3.8, 3.5, 290, 510)),
    4: [[(2, 0), (0, 7), (7, 7)], [(6, 1), (6, 13)]],
    5: _joined([[(7, 0), (1, 0), (1, 5.5)]], _arc(3.5, 9, 3.8, 4, 230, 500)),
    6: _joined([[(6, 0), (2, 5), (0.3, 9)]], _arc(3.5, 9.5, 3.2, 3.4, 180, 540)),
    7: [[(0, 0), (7, 0), (3, 13)]],
    8: _joined(_arc(4, 3, 3, 3, 90, 450), _arc(4, 9.5, 3.6, 3.5, -90, 270)),
    9: _joined(_arc(4, 3.5, 3.4, 3.5, 0, -360), [[(7.2, 6), (6.5, 13)]]),
}


@cache
def _people() -> dict[int, Strokes]:
    """The first drawing of each label by the pen writers, if they are given."""
    if not PEN_DIGITS:
        return {}
    samples = json.loads(Path(PEN_DIGITS).read_text())
    return {n: next(s["strokes"] for s in samples if s["label"] == n) for n in range(10)}


def drawing(label: int, share: float = 0.6) -> Strokes:
    """Strokes of this digit in the middle of the canvas, in 0..1 of its side.

    `share`: of the canvas's side, for the digit's longer side.
    """
    return fitted(_people().get(label) or _in_small_steps(OWN[label]), share)


def _in_small_steps(strokes: Strokes) -> Strokes:
    """Return the same lines with many points: the canvas rounds the corner between distant ones."""

    finer: Strokes = []
    for stroke in strokes:
        finer.append([])
        for (x, y), (to_x, to_y) in pairwise(stroke):
            count = math.ceil(2 * math.dist((x, y), (to_x, to_y)))
            finer[-1] += [
                (x + (to_x - x) * n / count, y + (to_y - y) * n / count) for n in range(count)
            ]
        finer[-1].append(stroke[-1])
    return finer


def fitted(strokes: Strokes, share: float) -> Strokes:
    """Return strokes moved to the middle of the canvas and scaled to this share of it."""
    xs = [x for stroke in strokes for x, _ in stroke]
    ys = [y for stroke in strokes for _, y in stroke]
    scale = share / max(max(xs) - min(xs), max(ys) - min(ys))
    middle_x, middle_y = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    return [
        [(0.5 + (x - middle_x) * scale, 0.5 + (y - middle_y) * scale) for x, y in stroke]
        for stroke in strokes
    ]
