"""Zeros with a slash or a bar, for measuring: drawn by other means than the training's.

The ring is a wobbling curve (a sum of a few waves), closed or open. One bar or two go through it,
a little bent, at every angle, and reach beyond it by a tenth of its size to twice its size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digits import strokes

PENS = (8, 12, 16)  # pixels; the page's own is 12
WAVES = (2, 3, 4)  # a turn
NEAREST, FARTHEST = 0.1, 2.0  # how far a bar reaches beyond the ring, of the ring's size


def ring(random: np.random.Generator) -> NDArray[np.float64]:
    """Return a hand's ellipse around 0, 2 high, a third of them open: (N, 2), y down."""
    begin = random.normal(-np.pi / 2, 0.5)
    missing = random.uniform(0.1, 0.9) if random.random() < 1 / 3 else random.normal(-0.1, 0.1)
    angle = begin + np.linspace(0, 2 * np.pi - missing, 70)
    radius = 1 + sum(random.normal(0, 0.02) * np.sin(n * angle + n * begin) for n in WAVES)
    # Drifting in or out on the way, so that the ends do not quite meet.
    radius = radius + random.normal(0, 0.03) * (angle - begin)
    wide = random.uniform(0.5, 1.0)
    return np.stack([wide * radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def bar(random: np.random.Generator, around: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what goes through the ring, from beyond it to beyond it: (9, 2)."""
    angle = random.uniform(0, np.pi)
    towards = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-towards[1], towards[0]])
    along = around[np.abs(around @ across) < 0.2] @ towards  # of the ring, where the bar crosses
    size = along.max() - along.min()
    before, after = size * np.exp(random.uniform(np.log(NEAREST), np.log(FARTHEST), 2))
    way = np.linspace(along.min() - before, along.max() + after, 9)[:, None]
    bent = random.normal(0, 0.05) * np.sin(np.linspace(0, np.pi, 9))[:, None]
    points: NDArray[np.float64] = way * towards + bent * across + random.normal(0, 0.08, 2)
    return points


def zero(random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a canvas with a slashed or barred zero somewhere on it."""
    around = ring(random)
    drawn = [around, *(bar(random, around) for _ in range(random.choice([1, 1, 1, 2])))]
    slant = random.normal(0.1, 0.12)
    for points in drawn:
        points[:, 0] -= slant * points[:, 1]
    share = random.uniform(0.6, 0.9)
    room = max(0, (1 - share) * strokes.CANVAS / 2 - max(PENS))
    moved = strokes.fitted([points.tolist() for points in drawn], share)
    place = random.uniform(-room, room, 2)
    return strokes.draw([points + place for points in moved], random.choice(PENS))


def sheet(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Return `count` canvases, each with another zero."""
    random = np.random.default_rng(seed)
    return [zero(random) for _ in range(count)]
