"""Digits as many people write them and MNIST's writers hardly did, drawn for the training.

MNIST's zeros are empty, its ones bare strokes, its sevens have no bar, its fours are mostly
closed and its nines have a large loop and a straight stem. Much of the world puts a slash
through a 0, a flag on a 1 and a bar, often a hooked one, through a 7, draws a 4 that is open
at the top and a 9 with a small loop and a hook; a network that never saw them takes these for
8, 7, 2, 6 and 3.
So the training draws some, each different, with a pen as the canvas does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from digits.preprocessing import FIELD, to_mnist
from digits.strokes import Points, draw, fitted

Random = np.random.Generator
SHARE = 0.6  # of the canvas; the preprocessing takes it out again
PENS = (7.0, 40.0)  # pixels: thinner and thicker than the page's own pen


def _arc(
    middle: tuple[float, float], wide: float, high: float, start: float, end: float
) -> NDArray[np.float64]:
    """Points on an ellipse, from one angle to another, in degrees: 0 is right, 90 is up."""
    angles = np.radians(np.linspace(start, end, 4 + int(abs(end - start)) // 30))
    return np.stack([middle[0] + wide * np.cos(angles), middle[1] - high * np.sin(angles)], axis=1)


def zero(random: Random) -> Points:
    """A 0, mostly with a slash or a bar through it, some with ends that pass each other."""
    wide, lean = random.uniform(0.24, 0.55), random.uniform(-0.1, 0.35)
    start, over = random.uniform(60, 130), random.uniform(-15, 45)
    ring = _arc((0, 0.5), wide, 0.5, start, start + 360 + over)
    # Where it passes its beginning, it runs inside or outside of it.
    ring[-2:, 0] *= 1 + random.uniform(-0.35, 0.15) * (over > 0)
    ring[:, 0] += lean * (0.5 - ring[:, 1])
    drawn = [ring]
    if random.random() < 0.8:
        kinds = [(25, 75), (-75, -25), (-12, 25), (75, 105)]
        low, high = kinds[random.choice(len(kinds), p=[0.68, 0.1, 0.18, 0.04])]
        angle = np.radians(random.uniform(low, high))
        towards = np.array([np.cos(angle), -np.sin(angle)])
        edge = 1 / np.hypot(towards[0] / wide, towards[1] / 0.5)  # of the ring, this way
        middle = np.array([0, 0.5]) + random.uniform(-0.12, 0.12, 2)
        one_way, other = random.uniform(0.45, 1.6, 2) * edge
        drawn.append(middle + np.array([-other * towards, one_way * towards]))
    return drawn


def one(random: Random) -> Points:
    """A 1 with a flag, and now and then a foot. The unit is its height; y goes down."""
    lean = random.uniform(-0.05, 0.7)  # how far the top stands to the right of the bottom
    top, bottom = np.array([lean, 0.0]), np.array([0.0, 1.0])
    # The flag climbs to the top; a seven's bar lies flat. Some climb as long as the stem.
    length, angle = random.uniform(0.15, 0.75), np.radians(random.uniform(22, 80))
    if random.random() < 0.25:
        length, angle = random.uniform(0.55, 1.1), np.radians(random.uniform(26, 60))
    flag = top + length * np.array([-np.cos(angle), np.sin(angle)])
    bow = np.array([0.0, random.uniform(-0.08, 0.03)])
    line = [flag, (flag + top) / 2 + bow, top, (top + bottom) / 2, bottom]
    if random.random() < 0.3:  # the flag begins with a hook
        line.insert(0, flag + random.uniform(-0.1, 0.1, 2) - [0.0, 0.05])
    drawn = [np.array(line)]
    if random.random() < 0.35:
        half = random.uniform(0.12, 0.45)
        drawn.append(bottom + np.array([[-half, 0], [half, random.uniform(-0.08, 0.04)]]))
    elif random.random() < 0.12:  # a tail to the left instead
        drawn[0] = np.concatenate([drawn[0], [[-random.uniform(0.08, 0.3), 1.02]]])
    return drawn


def two(random: Random) -> Points:
    """A 2, narrow and leaning, with a small head and a short or a curved foot."""
    wide, head = random.uniform(0.1, 0.25), random.uniform(0.12, 0.25)
    lean = random.uniform(0.0, 0.45)
    top = _arc((wide, head), wide, head, random.uniform(130, 200), -30)
    corner = np.array([-random.uniform(0, 0.15), random.uniform(0.9, 1.0)])
    foot = random.uniform(0.15, 0.5)
    dip = corner + np.array([foot / 2, random.uniform(-0.08, 0.04)])
    end = corner + np.array([foot, random.uniform(-0.08, 0.06)])
    line = np.array([*top, (top[-1] + corner) / 2 + [0.03, 0], corner, dip, end])
    line[:, 0] += lean * (1 - line[:, 1])
    return [line]


def three(random: Random) -> Points:
    """A 3 with a flat or pointed head, hardly a waist, and a tail that goes far left."""
    head, waist = random.uniform(0.25, 0.55), random.uniform(0.32, 0.5)
    start = np.array([0.0, random.uniform(0.0, 0.15)])
    top, corner = np.array([head / 2, random.uniform(-0.06, 0.03)]), np.array([head, 0.06])
    inner = np.array([head * random.uniform(0.4, 0.8), waist])
    belly = head * random.uniform(0.9, 1.3)
    tail = np.array([-random.uniform(-0.05, 0.3), random.uniform(0.85, 1.0)])
    line = [start, top, corner, inner, [belly, (waist + 1) / 2], [belly * 0.75, 0.94]]
    return [np.array([*line, [head * 0.3, 1.0], tail])]


def four(random: Random) -> Points:
    """A 4, open at the top: an L, and a stem through or at the end of its foot, often short."""
    width, corner = random.uniform(0.25, 0.75), random.uniform(0.45, 0.8)
    start = np.array([random.uniform(-0.02, 0.3), random.uniform(0.0, 0.15)])
    foot = np.array([0.0, corner])
    end = np.array([width, corner + random.uniform(-0.18, 0.06)])
    stem, lean = random.uniform(0.5, 0.9) * width, random.uniform(-0.18, 0.05)
    high, low = random.uniform(0.0, corner - 0.1), 1.0
    if random.random() < 0.5:
        # Set at the end of the foot, or drawn on from it without lifting the pen.
        stem = random.uniform(0.85, 1.1) * width
        high, low = end[1] - random.uniform(-0.03, 0.25), random.uniform(0.85, 1.1)
    bend = (start + foot) / 2 + [random.uniform(-0.06, 0.06), 0]
    return [
        np.array([start, bend, foot, (foot + end) / 2, end]),
        np.array([[stem - lean / 2, high], [stem + lean / 2, low]]),
    ]


def five(random: Random) -> Points:
    """A 5 whose top bar is a stroke of its own, and may stand apart or lie across the neck."""
    neck, belly = random.uniform(0.3, 0.48), random.uniform(0.2, 0.4)
    left = np.array([random.uniform(-0.05, 0.35), random.uniform(0.0, 0.12)])
    shoulder = np.array([random.uniform(-0.05, 0.1), neck])
    turned = random.uniform(-105, -45)  # from there the tail runs straight
    bowl = _arc((shoulder[0] + belly * 0.6, (1 + neck) / 2), belly, (1 - neck) / 2, 110, turned)
    tail = np.array([bowl[-1][0] - random.uniform(0.1, 0.55), random.uniform(0.88, 1.02)])
    reach = random.uniform(0.25, 0.85)
    gap = np.array([random.uniform(-0.25, 0.15), random.uniform(-0.1, 0.02)])
    bar = left + gap + np.array([[0, 0], [reach, random.uniform(-0.1, 0.06)]])
    if random.random() < 0.2:  # it begins with a hook
        hook = bar[0] + np.array([random.uniform(-0.04, 0.06), random.uniform(0.05, 0.15)])
        bar = np.concatenate([[hook], bar])
    return [np.array([left, (left + shoulder) / 2, shoulder, *bowl, tail]), bar]


def six(random: Random) -> Points:
    """A 6 with a long leaning stem and a tiny loop at its foot."""
    wide, high = random.uniform(0.06, 0.2), random.uniform(0.07, 0.2)
    lean = random.uniform(0.05, 0.55)
    loop = _arc((wide, 1 - high), wide, high, 180, 180 + random.uniform(300, 420))
    top = np.array([lean, 0.0])
    bow = (top + loop[0]) / 2 - [random.uniform(0.0, 0.1), 0]
    return [np.array([top, bow, *loop])]


def seven(random: Random) -> Points:
    """A 7, mostly with a bar through its stem, some with a hook at the left or a round head."""
    width, tilt = random.uniform(0.3, 0.75), random.uniform(-0.1, 0.12)
    left, right = np.array([0.0, tilt]), np.array([width, 0.0])
    bottom = np.array([random.uniform(-0.05, 0.8) * width, 1.0])
    bend = (right + bottom) / 2 + np.array([random.uniform(-0.12, 0.03), 0.0])
    head, kind = [left, (left + right) / 2, right], random.random()
    if kind < 0.45:  # up from a hook, over a bow and down, as a 2 begins
        high = random.uniform(0.08, 0.22)
        head = [*_arc((width / 2, high), width / 2, high, random.uniform(130, 215), -5)]
        bend += np.array([random.uniform(0.0, 0.15), 0.0])
    elif kind < 0.7:
        head.insert(0, left + np.array([random.uniform(-0.06, 0.05), random.uniform(0.06, 0.3)]))
    line = [*head, bend, bottom]
    barred = random.random() < 0.85
    if barred and random.random() < 0.1:  # the foot is curled to either side
        curl = random.uniform(0.06, 0.2) * random.choice([-1, 1])
        line.append(bottom + np.array([curl, random.uniform(-0.1, 0.0)]))
    return [np.array(line), _bar(bend, bottom, random)] if barred else [np.array(line)]


def _bar(
    bend: NDArray[np.float64], bottom: NDArray[np.float64], random: Random
) -> NDArray[np.float64]:
    """The bar of a 7, through the middle of its stem or low down; it may begin with a hook."""
    height = random.uniform(0.38, 0.82)
    stem = bend if height < 0.5 else bend + (bottom - bend) * (height * 2 - 1)
    middle = np.array([stem[0], height])
    out_left, out_right = random.uniform(0.1, 0.36), random.uniform(0.12, 0.55)
    rise = random.uniform(-0.1, 0.1)
    bar: NDArray[np.float64] = middle + np.array([[-out_left, -rise], [out_right, rise]])
    if random.random() < 0.4:  # up from below, then to the right
        hook = bar[0] + np.array([random.uniform(-0.06, 0.12), random.uniform(0.05, 0.2)])
        turn = bar[0] + np.array([random.uniform(-0.02, 0.06), 0.0])
        bar = np.array([hook, turn, middle, bar[1]])
    return bar


def eight(random: Random) -> Points:
    """An 8 that is slender and leans, stays open, or begins with a stroke at its waist."""
    wide, waist = random.uniform(0.08, 0.25), random.uniform(0.6, 1.5)
    lean = random.uniform(-0.15, 0.6)
    at_waist = random.random() < 0.3
    start = -np.pi / 2 if at_waist else random.uniform(-0.9, 0.5)
    turn = np.linspace(start, start + 2 * np.pi * random.uniform(0.93, 1.04), 17)
    y = ((1 - np.cos(turn)) / 2) ** waist
    line = np.stack([wide * np.sin(2 * turn), y], axis=1)
    if at_waist:
        reach = np.array([random.uniform(0.1, 0.35), random.uniform(-0.04, 0.04)])
        line = np.concatenate([[line[0] + reach], line])
    if at_waist or random.random() < 0.5:
        line[:, 0] *= -1
    line[:, 0] += lean * (0.5 - line[:, 1])
    return [line]


def nine(random: Random) -> Points:
    """A 9 with a small or flat loop, a stem, and mostly a hook to the left at its end."""
    wide, high = random.uniform(0.08, 0.28), random.uniform(0.07, 0.24)
    # From the right, over the top and round, a little further or much further than its beginning.
    start, turns = random.uniform(-60, 30), 740.0 if random.random() < 0.12 else 380.0
    if random.random() < 0.15:  # the loop stays open at the right, as a 3's head
        start, turns = random.uniform(10, 75), random.uniform(300, 345)
    loop = _arc((0, high), wide, high, start, turns)
    lean = random.uniform(-0.45, 0.12)  # how far the stem's end stands to the right of its top
    bottom = np.array([wide + lean, random.uniform(0.85, 1.0)])
    line = [*loop, (loop[-1] + bottom) / 2 + np.array([random.uniform(0.0, 0.2), 0.0]), bottom]
    if random.random() < 0.7:
        reach = random.uniform(0.15, 0.65)
        line[-1] = bottom - np.array([0.0, 0.1])
        line.append(bottom - np.array([reach / 2, 0.0]))
        line.append(bottom - np.array([reach, random.uniform(-0.02, 0.15)]))
    return [np.array(line)]


SHAPES: list[tuple[int, Callable[[Random], Points], float]] = [
    (0, zero, 0.12),
    (1, one, 0.17),
    (2, two, 0.05),
    (3, three, 0.06),
    (4, four, 0.13),
    (5, five, 0.09),
    (6, six, 0.05),
    (7, seven, 0.17),
    (8, eight, 0.06),
    (9, nine, 0.10),
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
