"""Pen strokes drawn as the page's canvas draws them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

CANVAS = 280  # side of the page's canvas, pixels

# Width of the page's pen, pixels. A thicker one closes the loops of small digits, and makes no
# difference to large ones.
PEN = 12

# Drawn this many times larger, then averaged: the soft edges a browser gives a line.
FINER = 3

Stroke = Sequence[Sequence[float]]  # [[x, y], ...], y down
Points = list[NDArray[np.float64]]


def placed(strokes: Sequence[Stroke], box: float) -> Points:
    """Return strokes from a square of side `box` (0, 0 its top left), in canvas pixels."""
    return [np.asarray(stroke, dtype=float).reshape(-1, 2) * (CANVAS / box) for stroke in strokes]


def fitted(strokes: Sequence[Stroke], share: float) -> Points:
    """Return strokes moved to the middle, their longer side `share` of the canvas's."""
    arrays = [np.asarray(stroke, dtype=float).reshape(-1, 2) for stroke in strokes]
    everything = np.concatenate(arrays)
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = share * CANVAS / max(float((high - low).max()), 1e-9)
    return [(stroke - (low + high) / 2) * scale + CANVAS / 2 for stroke in arrays]


def draw(strokes: Points, pen: float) -> NDArray[np.uint8]:
    """Return the canvas, (CANVAS, CANVAS, 4), with strokes of a round white pen on black.

    `pen` is the pen's width in canvas pixels. What lies outside is cut off.
    """
    page = Image.new("L", (CANVAS * FINER, CANVAS * FINER))
    ink = ImageDraw.Draw(page)
    radius = pen * FINER / 2
    for stroke in strokes:
        points = [(x * FINER, y * FINER) for x, y in stroke]
        if len(points) > 1:
            ink.line(points, fill=255, width=round(pen * FINER))
        for x, y in points:  # round ends and joins
            ink.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    grey = np.asarray(page.reduce(FINER))
    canvas = np.repeat(grey[:, :, None], 4, axis=2)
    canvas[:, :, 3] = 255
    return canvas
