"""Zeros with a slash or a bar, for measuring: drawn by other means than the training's.

The ring is a wobbling closed curve (a sum of a few waves), not a polygon with its corners cut;
where it begins, how far it overlaps, the slant and the line through it are chosen anew each time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digits import strokes

PENS = (8, 12, 16, 20, 24)  # pixels
WAVES = (2, 3, 4)  # a turn
LINES = {"slash": 0.6, "bar": 0.3, "backslash": 0.1}


def ring(random: np.random.Generator) -> NDArray[np.float64]:
    """Return a hand's ellipse around 0, 2 high: (N, 2), y down."""
    begin = random.normal(-np.pi / 2, 0.5)
    angle = begin + np.linspace(0, 2 * np.pi + random.normal(0.1, 0.15), 70)
    radius = 1 + sum(random.normal(0, 0.02) * np.sin(n * angle + n * begin) for n in WAVES)
    # Drifting in or out on the way, so that the ends do not quite meet.
    radius = radius + random.normal(0, 0.03) * (angle - begin)
    wide = random.uniform(0.5, 1.0)
    return np.stack([wide * radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def line(random: np.random.Generator, wide: float) -> NDArray[np.float64]:
    """Return what goes through the ring, a little bent: (9, 2)."""
    kind = random.choice(list(LINES), p=list(LINES.values()))
    if kind == "bar":
        half = wide * random.uniform(0.6, 1.5)
        ends = np.array([[-half, random.normal(0, 0.15)], [half, random.normal(0, 0.15)]])
    else:
        right, up = wide * random.uniform(0.45, 1.3), random.uniform(0.5, 1.25)
        ends = np.array([[-right, up], [right, -up]])
        if kind == "backslash":
            ends[:, 0] *= -1
    along = np.linspace(0, 1, 9)[:, None]
    bent = random.normal(0, 0.05, 2) * np.sin(np.pi * along)
    middle = random.normal(0, 0.08, 2)
    points: NDArray[np.float64] = ends[0] + (ends[1] - ends[0]) * along + bent + middle
    return points


def zero(random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a canvas with a slashed or barred zero somewhere on it."""
    around = ring(random)
    drawn = [around, line(random, float(around[:, 0].max()))]
    slant = random.normal(0.1, 0.12)
    for points in drawn:
        points[:, 0] -= slant * points[:, 1]
    share = random.uniform(0.4, 0.75)
    room = (1 - share) * strokes.CANVAS / 2 - max(PENS)
    moved = strokes.fitted([points.tolist() for points in drawn], share)
    place = random.uniform(-room, room, 2)
    return strokes.draw([points + place for points in moved], random.choice(PENS))


def sheet(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Return `count` canvases, each with another zero."""
    random = np.random.default_rng(seed)
    return [zero(random) for _ in range(count)]
