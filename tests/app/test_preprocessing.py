"""Drawings become images as MNIST's are, wherever and however large they are drawn."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from digits import strokes
from digits.preprocessing import to_mnist, unreadable


def blank(height: int, width: int, alpha: int = 255) -> NDArray[np.uint8]:
    canvas = np.zeros((height, width, 4), dtype=np.uint8)
    canvas[:, :, 3] = alpha
    return canvas


def bar(side: int, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
    canvas = blank(side, side)
    canvas[top : top + height, left : left + width] = 255
    return canvas


@pytest.mark.parametrize("alpha", [0, 255])
def test_an_empty_canvas_has_no_image(alpha: int) -> None:
    assert to_mnist(blank(280, 280, alpha)) is None


def test_the_longer_side_becomes_twenty_pixels_and_the_aspect_ratio_stays() -> None:
    image = to_mnist(bar(280, top=30, left=200, height=200, width=40))
    assert image is not None
    assert image.shape == (28, 28)
    rows, columns = np.nonzero(image > 0.5)
    assert np.ptp(rows) + 1 == 20
    assert np.ptp(columns) + 1 == 4


def test_the_centre_of_mass_is_in_the_middle() -> None:
    canvas = bar(280, top=20, left=20, height=200, width=30)
    canvas[190:220, 20:150] = 255  # an L
    image = to_mnist(canvas)
    assert image is not None
    for axis in (0, 1):
        centre = (image.sum(axis=1 - axis) @ np.arange(28)) / image.sum()
        assert abs(centre - 14) <= 0.51


def test_ink_in_the_alpha_channel_and_ink_on_black_are_the_same() -> None:
    on_black = bar(280, 50, 50, 150, 30)
    on_nothing = on_black.copy()
    on_nothing[:, :, 3] = on_black[:, :, 0]
    first, second = to_mnist(on_black), to_mnist(on_nothing)
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first, second)


def test_shrinking_is_antialiased() -> None:
    canvas = blank(1000, 1000)
    for row in range(600):  # a diagonal, 100 wide: every row shifts it by one pixel
        canvas[200 + row, 200 + row // 2 : 300 + row // 2] = 255
    image = to_mnist(canvas)
    assert image is not None
    grey = (image > 0.1) & (image < 0.9)
    assert grey.sum() > 20  # both edges, all the way down


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (None, TypeError),
        ([[1, 2], [3, 4]], TypeError),
        (np.zeros((28, 28, 4)), TypeError),
        (np.zeros((28, 28), dtype=np.uint8), ValueError),
        (np.zeros((28, 28, 3), dtype=np.uint8), ValueError),
        (np.zeros((0, 28, 4), dtype=np.uint8), ValueError),
    ],
)
def test_anything_else_is_a_clear_error(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="the drawing"):
        to_mnist(wrong)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 120),
    width=st.integers(1, 120),
    density=st.floats(0, 1),
    seed=st.integers(0, 2**31),
)
def test_any_ink_on_any_size_gives_an_image_or_nothing(
    height: int, width: int, density: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    canvas = blank(height, width)
    canvas[random.random((height, width)) < density] = 255
    image = to_mnist(canvas)
    assert (image is None) == (not canvas[:, :, 0].any())
    if image is not None:
        assert image.shape == (28, 28)
        assert image.dtype == np.float32
        assert 0 <= image.min() <= image.max() <= 1


@settings(max_examples=40, deadline=None)
@given(top=st.integers(0, 100), left=st.integers(0, 100), factor=st.integers(1, 3))
def test_moving_and_enlarging_changes_nothing(top: int, left: int, factor: int) -> None:
    shape = bar(60, 0, 0, 60, 12)[:, :60]
    shape[48:60, :40] = 255
    large = shape.repeat(factor, axis=0).repeat(factor, axis=1)
    canvas = blank(300, 300)
    canvas[top : top + 60 * factor, left : left + 60 * factor] = large
    here, there = to_mnist(shape), to_mnist(canvas)
    assert here is not None
    assert there is not None
    assert np.abs(here - there).max() < 0.15


def test_a_drawing_takes_the_time_of_one_core() -> None:
    """Visitors share the cores: another thread would only take the core of somebody else."""
    long_lines = np.array([[40.0, 60], [300, 90], [80, 200], [300, 330], [60, 300]])
    drawing = strokes.draw([long_lines], pen=60)
    process, thread = time.process_time(), time.thread_time()
    for _ in range(200):
        assert unreadable(drawing) is None
    process, thread = time.process_time() - process, time.thread_time() - thread
    assert process < 1.3 * thread
