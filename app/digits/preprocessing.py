"""From a drawing on a canvas to an image as MNIST's are made.

The steps and their numbers are those by which the authors of MNIST made it from
NIST's scans: "size normalized to fit in a 20x20 pixel box while preserving their
aspect ratio", with "grey levels as a result of the anti-aliasing technique used",
then "centered in a 28x28 image by computing the center of mass of the pixels, and
translating the image so as to position this point at the center of the 28x28 field"
(Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits,
yann.lecun.com/exdb/mnist). A network trained on MNIST expects nothing else.
"""

from __future__ import annotations

from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FIELD = 28  # side of an MNIST image, pixels
BOX = 20  # side of the box its digit fits in

# Fainter than this (of 255) is not ink: what lossy or antialiased edges leave behind.
FAINTEST_INK = 32

# A blot: ink that fills a box which is about square. No digit of MNIST's test set does.
BLOT_FILL = 0.75  # a round dot fills 0.79 of its box
BLOT_ASPECT = 1.5

# Ink whose longer side is less than this share of the canvas is too small to be read: the page's
# pen fills the loops of such digits.
SMALL_SHARE = 0.16

# A flat line: it rises by less than FLAT_SLOPE, and its ink is spread less than FLAT_SPREAD
# times as far across it as along it. Digits that rise so little are spread by 0.34 at least
# (70,000 of MNIST, and 7,494 that people drew on a tablet).
FLAT_SLOPE = 0.35
FLAT_SPREAD = 0.3

# Two parts with an empty column between them, each about as high as the whole, are two digits.
# The parts of one digit, a 4 whose stem stands apart, are not: one of them is short.
TALL_SHARE = 2 / 3  # of the drawing's height


class Unreadable(Enum):
    """Why there is no digit to recognise."""

    EMPTY = auto()
    SMALL = auto()
    COVERED = auto()
    SEVERAL = auto()  # digits side by side
    LINE = auto()  # flat, as no digit is
    NO_PICTURE = auto()  # what was sent is none that the canvas draws
    PROTECTED = auto()  # the browser does not let the page read its canvas


def ink(rgba: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how bright each pixel looks on a black page: (H, W), 0 to 255.

    A canvas may keep its black background in the picture, opaque, or leave the
    background out, transparent. Laying the picture on black makes both the same:
    the brightest of red, green and blue, times alpha. Black ink on a transparent
    background is therefore no ink, as it would be to the eye.

    `rgba` is uint8, (H, W, 4), alpha not premultiplied. Raises TypeError if it is
    no array or has another dtype, ValueError if it has another shape or no pixels.
    """
    if not isinstance(rgba, np.ndarray):
        raise TypeError(f"the drawing must be a NumPy array, not {type(rgba).__name__}")
    if rgba.dtype != np.uint8:
        raise TypeError(f"the drawing must have dtype uint8, not {rgba.dtype}")
    if rgba.ndim != 3 or rgba.shape[2] != 4:
        raise ValueError(f"the drawing must have shape (height, width, 4), not {rgba.shape}")
    if rgba.size == 0:
        raise ValueError(f"the drawing has no pixels: its shape is {rgba.shape}")
    red, green, blue, alpha = (rgba[:, :, channel] for channel in range(4))
    brightest = np.maximum(np.maximum(red, green), blue)  # 20 times as fast as max(axis=2)
    brightness = np.multiply(brightest, alpha, dtype=np.float32)
    brightness /= 255
    return brightness


def unreadable(rgba: NDArray[np.uint8]) -> Unreadable | None:
    """Return why this drawing cannot be a digit, or None if it may be one.

    Errors are those of `ink`.
    """
    return _why_unreadable(ink(rgba))


def to_mnist(rgba: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Return the drawing as an MNIST image, (28, 28) in 0..1, or None if there is no ink.

    Where on the canvas the digit stands, and how large, makes no difference.
    Errors are those of `ink`.
    """
    page = ink(rgba)
    return None if page.max() < FAINTEST_INK else _image(page)


def read(rgba: NDArray[np.uint8]) -> NDArray[np.float32] | Unreadable:
    """Return the drawing as `to_mnist` does, or why it cannot be a digit.

    Errors are those of `ink`.
    """
    page = ink(rgba)
    return _why_unreadable(page) or _image(page)


def _why_unreadable(page: NDArray[np.float32]) -> Unreadable | None:
    """Return why the page, brightness (H, W), cannot be a digit, or None if it may be one."""
    if page.max() < FAINTEST_INK:
        return Unreadable.EMPTY
    # The edge of a stroke is where it is half as bright.
    box = _cropped(page, page.max() / 2)
    height, width = box.shape
    if max(height, width) < SMALL_SHARE * max(page.shape):
        return Unreadable.SMALL
    blot = box.mean() >= BLOT_FILL * box.max()
    if blot and max(height, width) <= BLOT_ASPECT * min(height, width):
        return Unreadable.COVERED
    if _side_by_side(_cropped(page, FAINTEST_INK)):
        return Unreadable.SEVERAL
    return Unreadable.LINE if _is_flat_line(box) else None


def _is_flat_line(box: NDArray[np.float32]) -> bool:
    """Return whether the ink of the box, brightness (H, W), is one line that hardly rises."""
    rows, columns = np.nonzero(box >= box.max() / 2)
    along, across = columns - columns.mean(), rows - rows.mean()
    if not along.any():
        return False  # it stands upright
    # Of the line with the least squares. `@` would wake a thread on every core for it.
    slope = (along * across).sum() / (along * along).sum()
    off = across - slope * along
    return bool(abs(slope) <= FLAT_SLOPE and off.std() <= FLAT_SPREAD * along.std())


def _side_by_side(page: NDArray[np.float32]) -> bool:
    """Return whether empty columns part two pieces that are both as high as digits are."""
    inked = page >= FAINTEST_INK
    edges = np.flatnonzero(np.diff(inked.any(axis=0))) + 1
    pieces = np.split(inked, edges, axis=1) if len(edges) else []
    rows = [np.flatnonzero(piece.any(axis=1)) for piece in pieces]
    heights = [lines[-1] - lines[0] + 1 for lines in rows if lines.size]
    tall = [height for height in heights if height >= TALL_SHARE * len(page)]
    return len(tall) >= 2


def _image(page: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the page, brightness (H, W) with ink on it, as an MNIST image."""
    page = _cropped(page, FAINTEST_INK)
    page *= 255 / page.max()  # faint ink counts as much as bright

    image: NDArray[np.float32] = _centred(_fitted(page)) / np.float32(255)
    return image


def _cropped(page: NDArray[np.float32], faintest: float) -> NDArray[np.float32]:
    """Return the smallest box that holds every pixel as bright as `faintest`."""
    inked = page >= faintest
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    return page[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _fitted(page: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the picture with its longer side BOX pixels, its aspect ratio kept."""
    height, width = page.shape
    scale = BOX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # When it shrinks, Pillow's filters average over all pixels that become one.
    small = Image.fromarray(page).resize(size, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(small, dtype=np.float32), 0, 255)


def _centred(digit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a field with the digit's centre of mass in the middle, to the nearest pixel."""
    field = np.zeros((FIELD, FIELD), dtype=np.float32)
    height, width = digit.shape
    mass = digit.sum()
    middle_row = (digit.sum(axis=1) @ np.arange(height)) / mass
    middle_column = (digit.sum(axis=0) @ np.arange(width)) / mass
    # Very lopsided ink could push the digit over the edge: stop there instead.
    top = int(np.clip(round(FIELD / 2 - middle_row), 0, FIELD - height))
    left = int(np.clip(round(FIELD / 2 - middle_column), 0, FIELD - width))
    field[top : top + height, left : left + width] = digit
    return field
