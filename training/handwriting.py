"""Digits as many people write them and MNIST's writers hardly did, drawn for the training.

MNIST's ones are bare strokes, its sevens have no bar, its fours are mostly closed and its
nines have a large loop and a straight stem. Half the world writes a 1 with a flag, a 7 with
a bar, a 4 that is open at the top and a 9 with a small loop and a hook; a network that never
saw them takes these for 7, 2, 6 and 3. So the training draws some, each different, with a
pen as the canvas does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from digits.preprocessing import FIELD, to_mnist
from digits.strokes import Points, draw, fitted

Random = np.random.Generator
SHARE = 0.6  # of the canvas; the preprocessing takes it out again
PENS = (8.0, 34.0)  # pixels: thinner and thicker than the page's own pen


def one(random: Random) -> Points:
    """A 1 with a flag, and now and then a foot. The unit is its height; y goes down."""
    lean = random.uniform(-0.05, 0.7)  # how far the top stands to the right of the bottom
    top, bottom = np.array([lean, 0.0]), np.array([0.0, 1.0])
    # The flag climbs to the top; a seven's bar lies flat.
    length, angle = random.uniform(0.15, 0.75), np.radians(random.uniform(22, 72))
    flag = top + length * np.array([-np.cos(angle), np.sin(angle)])
    bow = np.array([0.0, random.uniform(-0.08, 0.03)])
    drawn = [np.array([flag, (flag + top) / 2 + bow, top, (top + bottom) / 2, bottom])]
    if random.random() < 0.25:
        half = random.uniform(0.12, 0.32)
        drawn.append(bottom + np.array([[-half, 0], [half, random.uniform(-0.08, 0.04)]]))
    return drawn


def seven(random: Random) -> Points:
    """A 7, mostly with a bar through its stem, some with a hook at the left."""
    width, tilt = random.uniform(0.4, 0.75), random.uniform(-0.1, 0.12)
    left, right = np.array([0.0, tilt]), np.array([width, 0.0])
    bottom = np.array([random.uniform(-0.05, 0.75) * width, 1.0])
    bend = (right + bottom) / 2 + np.array([random.uniform(-0.12, 0.03), 0.0])
    line = [left, (left + right) / 2, right, bend, bottom]
    if random.random() < 0.4:
        line.insert(0, left + np.array([random.uniform(-0.05, 0.05), random.uniform(0.06, 0.2)]))
    drawn = [np.array(line)]
    if random.random() < 0.75:
        # Through the middle of the stem or low down, and often further out at the right.
        middle = bend + np.array([0.0, random.uniform(-0.12, 0.3)])
        out_left, out_right = random.uniform(0.14, 0.36), random.uniform(0.14, 0.5)
        rise = random.uniform(-0.1, 0.1)
        drawn.append(middle + np.array([[-out_left, -rise], [out_right, rise]]))
    return drawn


def four(random: Random) -> Points:
    """A 4, open at the top: an L, and a stem through its foot, which may be short."""
    width, corner = random.uniform(0.25, 0.75), random.uniform(0.45, 0.8)
    start = np.array([random.uniform(-0.02, 0.3), random.uniform(0.0, 0.15)])
    foot = np.array([0.0, corner])
    end = np.array([width, corner + random.uniform(-0.08, 0.06)])
    stem = random.uniform(0.5, 0.9) * width
    lean = random.uniform(-0.18, 0.05)
    top = np.array([stem - lean / 2, random.uniform(0.0, corner - 0.1)])
    return [
        np.array([start, (start + foot) / 2, foot, (foot + end) / 2, end]),
        np.array([top, [stem + lean / 2, 1.0]]),
    ]


def nine(random: Random) -> Points:
    """A 9 with a small loop, a stem, and mostly a hook to the left at its end."""
    wide, high = random.uniform(0.08, 0.24), random.uniform(0.1, 0.24)
    # From the right, over the top and round, a little further than where it began.
    angles = np.radians(np.linspace(random.uniform(-60, 0), 380, 12))
    loop = np.stack([wide * np.cos(angles), high * (1 - np.sin(angles))], axis=1)
    lean = random.uniform(-0.3, 0.08)  # how far the stem's end stands to the right of its top
    bottom = np.array([wide + lean, random.uniform(0.85, 1.0)])
    line = [*loop, (loop[-1] + bottom) / 2 + np.array([random.uniform(0.0, 0.08), 0.0]), bottom]
    if random.random() < 0.7:
        reach = random.uniform(0.15, 0.5)
        line[-1] = bottom - np.array([0.0, 0.1])
        line.append(bottom - np.array([reach / 2, 0.0]))
        line.append(bottom - np.array([reach, random.uniform(0.0, 0.15)]))
    return [np.array(line)]


SHAPES: list[tuple[int, Callable[[Random], Points], float]] = [
    (1, one, 0.43),
    (7, seven, 0.28),
    (4, four, 0.15),
    (9, nine, 0.14),
]


def by_hand(points: NDArray[np.float64], random: Random) -> NDArray[np.float64]:
    """Return a line with a shaky hand's corners: moved a little, then cut twice (Chaikin, 1974)."""
    line = points + random.normal(0, 0.018, points.shape)
    for _ in range(2 if random.random() < 0.7 else 0):
        quarter = line[:-1] * 0.75 + line[1:] * 0.25
        three_quarters = line[:-1] * 0.25 + line[1:] * 0.75
        cut = np.stack([quarter, three_quarters], axis=1).reshape(-1, 2)
        line = np.concatenate([line[:1], cut, line[-1:]])
    return line


def image(lines: Points, random: Random) -> NDArray[np.float32]:
    """Return lines drawn by hand with some pen, as the network sees them: (28, 28), 0 to 1."""
    shaky = [by_hand(line, random).tolist() for line in lines]
    drawn = to_mnist(draw(fitted(shaky, SHARE), random.uniform(*PENS)))
    assert drawn is not None  # noqa: S101 - a pen always leaves ink
    return drawn


def digits(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images (count, 28, 28) in 0..1 and their labels (count,)."""
    random = np.random.default_rng(seed)
    images = np.zeros((count, FIELD, FIELD), dtype=np.float32)
    labels = np.zeros(count, dtype=np.int64)
    kinds = random.choice(len(SHAPES), count, p=[share for *_, share in SHAPES])
    for place, kind in enumerate(kinds):
        label, shape, _ = SHAPES[kind]
        images[place], labels[place] = image(shape(random), random), label
    return images, labels
