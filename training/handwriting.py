"""Digits as many people write them and MNIST's writers hardly did, drawn for the training.

Much of the world puts a slash through a 0, a flag on a 1 and a bar through a 7, draws a 4 that is
open at the top and a 9 with a hook. A network that never saw them takes these for 8, 7, 2, 6 and 3.
So the training draws some, with a pen as the canvas does. The unit is a digit's height, y down.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from digits.preprocessing import FIELD, to_mnist
from digits.strokes import Points, draw, fitted

Random = np.random.Generator
Line = NDArray[np.float64]
SHARE = 0.6  # of the canvas; the preprocessing takes it out again
PENS = (7.0, 40.0)  # pixels: thinner and thicker than the page's own pen


def some(random: Random, *ranges: tuple[float, float]) -> list[float]:
    """Return a random number of each range."""
    return [random.uniform(low, high) for low, high in ranges]


def _arc(middle: tuple[float, float], wide: float, high: float, start: float, end: float) -> Line:
    """Points on an ellipse, from one angle to another, in degrees: 0 is right, 90 is up."""
    angles = np.radians(np.linspace(start, end, 4 + int(abs(end - start)) // 30))
    return np.stack([middle[0] + wide * np.cos(angles), middle[1] - high * np.sin(angles)], axis=1)


def _leaning(lines: Points, lean: float) -> Points:
    """Return the lines with their top moved to the right of their foot by `lean`."""
    return [line + np.outer(0.5 - line[:, 1], [lean, 0]) for line in lines]


def zero(random: Random) -> Points:
    """A 0, mostly with a slash or a bar through it, or two; some rings stay open or run on."""
    wide, start, over, lean = some(random, (0.2, 0.55), (60, 130), (-60, 45), (-0.1, 0.35))
    ring = _arc((0, 0.5), wide, 0.5, start, start + 360 + over)
    # Where it passes its beginning, it runs inside or outside of it.
    ring[-2:, 0] *= 1 + random.uniform(-0.35, 0.15) * (over > 0)
    drawn = [ring]
    for _ in range(random.choice(3, p=[0.15, 0.68, 0.17])):
        # Near the ring it is mostly a slash; what reaches far outside runs at any angle.
        far = random.random() < 0.6
        angle = np.radians(random.uniform(0, 180) if far else random.uniform(-12, 75))
        towards = np.array([np.cos(angle), -np.sin(angle)])
        edge = 1 / np.hypot(towards[0] / wide, towards[1] / 0.5)  # of the ring, this way
        middle = np.array([0, 0.5]) + random.uniform(-0.12, 0.12, 2)
        reach = 1 + 2 * 10 ** random.uniform(-1.2, 0.35, 2) if far else random.uniform(0.45, 1.6, 2)
        drawn.append(middle + np.outer([-reach[0] * edge, reach[1] * edge], towards))
    return _leaning(drawn, lean)


def one(random: Random) -> Points:
    """A 1 with a flag, and now and then a foot or a tail to the left."""
    # The flag climbs to the top; a seven's bar lies flat. Some climb as long as the stem.
    lean, length, angle = some(random, (-0.05, 0.7), (0.15, 0.75), (22, 80))
    if random.random() < 0.25:
        length, angle = some(random, (0.55, 1.1), (26, 60))
    top, bottom = np.array([lean, 0.0]), np.array([0.0, 1.0])
    flag = top + length * np.array([-np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    bow = random.uniform(-0.08, 0.03)
    line = [flag, (flag + top) / 2 + [0, bow], top, (top + bottom) / 2, bottom]
    if random.random() < 0.3:  # the flag begins with a hook
        line.insert(0, flag + random.uniform(-0.1, 0.1, 2) - [0.0, 0.05])
    kind, half = random.random(), random.uniform(0.12, 0.45)
    if kind < 0.35:
        return [np.array(line), np.array([[-half, 1], [half, random.uniform(0.92, 1.04)]])]
    if kind < 0.43:
        line.append((-half * 0.68, 1.02))
    return [np.array(line)]


def two(random: Random) -> Points:
    """A 2, narrow and leaning, with a small head and a short or a curved foot."""
    wide, head, start = some(random, (0.1, 0.25), (0.12, 0.25), (130, 200))
    corner = np.array(some(random, (-0.15, 0), (0.9, 1.0)))
    foot, dip, rise, lean = some(random, (0.15, 0.5), (-0.08, 0.04), (-0.08, 0.06), (0, 0.45))
    top = _arc((wide, head), wide, head, start, -30)
    neck = (top[-1] + corner) / 2 + [0.03, 0]
    steps = np.array([[0, 0], [foot / 2, dip], [foot, rise]])
    return _leaning([np.array([*top, neck, *(corner + steps)])], lean)


def three(random: Random) -> Points:
    """A 3 with a flat or pointed head, hardly a waist, and a tail that goes far left."""
    head, waist, deep, belly = some(random, (0.25, 0.55), (0.32, 0.5), (0.4, 0.8), (0.9, 1.3))
    left, high, tail, low = some(random, (0, 0.15), (-0.06, 0.03), (-0.3, 0.05), (0.85, 1.0))
    top = [[0, left], [head / 2, high], [head, 0.06], [head * deep, waist]]
    belly *= head
    foot = [[belly, (waist + 1) / 2], [belly * 0.75, 0.94], [head * 0.3, 1], [tail, low]]
    return [np.array(top + foot)]


def four(random: Random) -> Points:
    """A 4, open at the top: an L, and a stem through or at the end of its foot, often short."""
    width, corner, stem, lean = some(random, (0.25, 0.75), (0.45, 0.8), (0.5, 0.9), (-0.18, 0.05))
    start, bow = np.array(some(random, (-0.02, 0.3), (0, 0.15))), random.uniform(-0.06, 0.06)
    foot, end = np.array([0, corner]), np.array([width, corner + random.uniform(-0.18, 0.06)])
    high, low = random.uniform(0.0, corner - 0.1), 1.0
    if random.random() < 0.5:  # set at the end of the foot, or drawn on without lifting the pen
        stem, high, low = some(random, (0.85, 1.1), (-0.25, 0.03), (0.85, 1.1))
        high += end[1]
    line = [start, (start + foot) / 2 + [bow, 0], foot, (foot + end) / 2, end]
    stem *= width
    return [np.array(line), np.array([[stem - lean / 2, high], [stem + lean / 2, low]])]


def five(random: Random) -> Points:
    """A 5 whose top bar is a stroke of its own, and may stand apart or lie across the neck."""
    neck, belly, turned = some(random, (0.3, 0.48), (0.2, 0.4), (-105, -45))
    left = np.array(some(random, (-0.05, 0.35), (0, 0.12)))
    shoulder = np.array([random.uniform(-0.05, 0.1), neck])
    bowl = _arc((shoulder[0] + belly * 0.6, (1 + neck) / 2), belly, (1 - neck) / 2, 110, turned)
    tail = [bowl[-1][0] - random.uniform(0.1, 0.55), random.uniform(0.88, 1.02)]  # straight
    begin = left + some(random, (-0.25, 0.15), (-0.1, 0.02))
    bar = np.array([begin, begin + some(random, (0.25, 0.85), (-0.1, 0.06))])
    if random.random() < 0.2:  # it begins with a hook
        bar = np.array([begin + some(random, (-0.04, 0.06), (0.05, 0.15)), *bar])
    return [np.array([left, (left + shoulder) / 2, shoulder, *bowl, tail]), bar]


def six(random: Random) -> Points:
    """A 6 with a long leaning stem and a tiny loop at its foot."""
    wide, high, turn = some(random, (0.06, 0.2), (0.07, 0.2), (480, 600))
    top, bow = some(random, (0.05, 0.55), (0.0, 0.1))
    loop = _arc((wide, 1 - high), wide, high, 180, turn)
    return [np.array([[top, 0], [top / 2 - bow, (1 - high) / 2], *loop])]


def seven(random: Random) -> Points:
    """A 7, mostly with a bar through its stem, some with a hook at the left or a round head."""
    width, tilt = some(random, (0.3, 0.75), (-0.1, 0.12))
    left, right = np.array([0.0, tilt]), np.array([width, 0.0])
    bottom = np.array([random.uniform(-0.05, 0.8) * width, 1.0])
    bend = (right + bottom) / 2 + [random.uniform(-0.12, 0.03), 0]
    head, kind = [left, (left + right) / 2, right], random.random()
    if kind < 0.45:  # up from a hook, over a bow and down, as a 2 begins
        high, start, out = some(random, (0.08, 0.22), (130, 215), (0.0, 0.15))
        head = [*_arc((width / 2, high), width / 2, high, start, -5)]
        bend[0] += out
    elif kind < 0.7:
        head.insert(0, left + some(random, (-0.06, 0.05), (0.06, 0.3)))
    line = [*head, bend, bottom]
    if random.random() < 0.15:
        return [np.array(line)]
    # The bar goes through the middle of its stem or low down; it may begin with a hook.
    height, out_left, out_right = some(random, (0.38, 0.82), (0.1, 0.36), (0.12, 0.55))
    stem, rise = bend + (bottom - bend) * max(0, height * 2 - 1), random.uniform(-0.1, 0.1)
    middle = np.array([stem[0], height])
    bar = middle + np.array([[-out_left, -rise], [out_right, rise]])
    if random.random() < 0.4:  # up from below, then to the right
        hook, turn = some(random, (-0.06, 0.12), (0.05, 0.2)), [random.uniform(-0.02, 0.06), 0]
        bar = np.array([bar[0] + hook, bar[0] + turn, middle, bar[1]])
    if random.random() < 0.1:  # the foot is curled to either side
        line.append(bottom - (random.uniform(0.06, 0.2) * random.choice([-1, 1]), 0.05))
    return [np.array(line), bar]


def eight(random: Random) -> Points:
    """An 8 that is slender and leans, stays open, or begins with a stroke at its waist."""
    wide, waist, lean, start = some(random, (0.08, 0.25), (0.6, 1.5), (-0.15, 0.6), (-0.9, 0.5))
    at_waist = random.random() < 0.3
    start = -np.pi / 2 if at_waist else start
    turn = start + 2 * np.pi * np.linspace(0, random.uniform(0.93, 1.04), 17)
    line = np.stack([wide * np.sin(2 * turn), ((1 - np.cos(turn)) / 2) ** waist], axis=1)
    if at_waist:
        line = np.array([line[0] + some(random, (0.1, 0.35), (-0.04, 0.04)), *line])
    if at_waist or random.random() < 0.5:
        line[:, 0] *= -1
    return _leaning([line], lean)


def nine(random: Random) -> Points:
    """A 9 with a small or flat loop, a stem, and mostly a hook to the left at its end."""
    wide, high, start = some(random, (0.08, 0.28), (0.07, 0.24), (-60, 30))
    turns, kind = 380.0, random.random()  # a little further than the loop's beginning
    if kind < 0.15:  # the loop stays open at the right, as a 3's head
        start, turns = some(random, (10, 75), (300, 345))
    elif kind < 0.25:
        turns = 740  # twice round
    loop = _arc((0, high), wide, high, start, turns)
    lean, low, bow = some(random, (-0.45, 0.12), (0.85, 1.0), (0.0, 0.2))
    bottom = np.array([wide + lean, low])
    line = [*loop, (loop[-1] + bottom) / 2 + [bow, 0], bottom]
    if random.random() < 0.7:
        reach, rise = some(random, (0.15, 0.65), (-0.02, 0.15))
        line[-1:] = [bottom - [0, 0.1], bottom - [reach / 2, 0], bottom - [reach, rise]]
    return [np.array(line)]


# The digits, their shapes, and each one's share.
SHAPES: list[tuple[int, Callable[[Random], Points], float]] = [
    (0, zero, 0.24), (1, one, 0.147), (2, two, 0.043), (3, three, 0.052), (4, four, 0.112),
    (5, five, 0.078), (6, six, 0.043), (7, seven, 0.147), (8, eight, 0.052), (9, nine, 0.086),
]  # fmt: skip


def by_hand(points: Line, random: Random) -> Line:
    """Return a line with a shaky hand's corners: moved a little, then cut twice (Chaikin, 1974)."""
    line = points + random.normal(0, 0.018, points.shape)
    for _ in range(2 if random.random() < 0.7 else 0):
        cut = [line[:-1] * part + line[1:] * (1 - part) for part in (0.75, 0.25)]
        line = np.concatenate([line[:1], np.stack(cut, axis=1).reshape(-1, 2), line[-1:]])
    return line


def image(lines: Points, random: Random) -> NDArray[np.float32]:
    """Return lines drawn by hand with some pen, as the network sees them: (28, 28), 0 to 1."""
    shaky = [by_hand(line, random).tolist() for line in lines]
    # Where the first line is a small part of the drawing, a 0's ring, a thick pen would fill it.
    first, whole = (np.ptp(part, axis=0).max() for part in (lines[0], np.concatenate(lines)))
    pen = PENS[0] + (PENS[1] - PENS[0]) * random.uniform(0, min(1, 2 * first / whole))
    drawn = to_mnist(draw(fitted(shaky, SHARE), pen))
    assert drawn is not None  # noqa: S101 - a pen always leaves ink
    return drawn


def digits(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images (count, 28, 28) in 0..1 and their labels (count,)."""
    random = np.random.default_rng(seed)
    kinds = random.choice(len(SHAPES), count, p=[share for *_, share in SHAPES])
    images = np.zeros((count, FIELD, FIELD), dtype=np.float32)
    for image_, kind in zip(images, kinds, strict=True):
        image_[:] = image(SHAPES[kind][1](random), random)
    return images, kinds.astype(np.int64)
