"""Drawings that are no digit, for the training.

A network that only ever saw digits is sure of everything. So here are scribbles, hatching, crossed
lines, a few signs and letters, none that looks like a digit (O, I, S, Z, B, g, q). The network is
taught that each digit is equally likely for them ("outlier exposure", Hendrycks et al., 2019).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digits.preprocessing import FIELD
from digits.strokes import Points
from training import handwriting
from training.handwriting import Random, some

# AEFHKMNRWXT, plus, star, triangle, arrow, equals, dash, heart: x,y; two spaces between strokes.
SIGNS = """
0,1 .5,0 1,1  .2,.6 .8,.6
1,0 0,0 0,1 1,1  0,.5 .8,.5
1,0 0,0 0,1  0,.5 .8,.5
0,0 0,1  1,0 1,1  0,.5 1,.5
0,0 0,1  1,0 0,.5 1,1
0,1 0,0 .5,.6 1,0 1,1
0,1 0,0 1,1 1,0
0,1 0,0 .6,0 .8,.12 .8,.38 .6,.5 0,.5  .4,.5 .9,1
0,0 .25,1 .5,.3 .75,1 1,0
0,0 1,1  1,0 0,1
0,0 1,0  .5,0 .5,1
0,.5 1,.5  .5,0 .5,1
0,.4 1,.4 .2,1 .5,0 .8,1 0,.4
0,1 .5,0 1,1 0,1
0,.5 1,.5  .7,.2 1,.5 .7,.8
0,.3 1,.3  0,.7 1,.7
0,.5 1,.52
.5,1 0,.4 .1,.1 .35,.05 .5,.3 .65,.05 .9,.1 1,.4 .5,1
"""


def sign(random: Random) -> Points:
    """One of SIGNS, wide or narrow, a little slanted."""
    text = random.choice(SIGNS.split("\n")[1:-1])
    strokes = [[point.split(",") for point in stroke.split()] for stroke in text.split("  ")]
    wide, slant = some(random, (0.5, 1.2), (-0.2, 0.2))
    return [np.array(stroke, dtype=float) @ [[wide, 0], [-slant, 1]] for stroke in strokes]


def scribble(random: Random) -> Points:
    """A pen that wanders back and forth without aim, without lifting."""
    return [random.uniform(0, 1, (random.integers(8, 26), 2)) * [random.uniform(0.6, 1), 1]]


def loops(random: Random) -> Points:
    """Coils: several turns of a circle that drifts sideways."""
    angle = np.linspace(0, 2 * np.pi * random.uniform(2.5, 6), 60)
    drift = np.linspace(0, random.uniform(1, 3), 60)
    return [np.stack([np.cos(angle) + drift, np.sin(angle) * random.uniform(0.6, 1.3)], axis=1)]


def hatching(random: Random) -> Points:
    """A zigzag that covers a square, or a wave of a few strokes."""
    turns = int(random.integers(4, 22))
    across = np.linspace(0, random.uniform(0.6, 1.6), turns)
    zigzag = np.stack([across, np.arange(turns) % 2], axis=1)
    return [zigzag[:, ::-1] if random.random() < 0.5 else zigzag]


def crossing(random: Random) -> Points:
    """A few straight lines anywhere."""
    return list(random.uniform(0, 1, (int(random.integers(3, 8)), 2, 2)))


KINDS = [(sign, 0.5), (scribble, 0.2), (loops, 0.1), (hatching, 0.1), (crossing, 0.1)]


def drawing(random: Random) -> Points:
    """Return the strokes of something that is no digit."""
    kind = random.choice(len(KINDS), p=[share for _, share in KINDS])
    return KINDS[kind][0](random)


def images(count: int, seed: int) -> NDArray[np.float32]:
    """Return `count` images as the network sees them, (count, 28, 28) in 0..1."""
    random = np.random.default_rng(seed)
    result = np.zeros((count, FIELD, FIELD), dtype=np.float32)
    for image in result:
        image[:] = handwriting.image(drawing(random), random)
    return result
