"""The canvas's picture: what any browser's canvas writes is read, and only at its size."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from digits import picture, strokes
from digits.preprocessing import ink

SEVEN = strokes.draw([np.array([[80.0, 60.0], [200.0, 60.0], [130.0, 220.0]])], pen=18)
SIDE = len(SEVEN)


@pytest.mark.parametrize("mode", ["RGBA", "RGB", "L", "LA", "P"])
def test_every_kind_of_png_a_browser_writes_is_read(mode: str) -> None:
    file = BytesIO()
    Image.fromarray(SEVEN).convert(mode).save(file, "PNG", icc_profile=b"profile" * 400)
    rgba = picture.read(file.getvalue(), SIDE)
    assert rgba is not None
    assert np.abs(ink(rgba) - ink(SEVEN)).max() <= 1


@pytest.mark.parametrize("size", [(SIDE, SIDE + 1), (SIDE - 1, SIDE), (2 * SIDE, 2 * SIDE)])
def test_no_other_size_is(size: tuple[int, int]) -> None:
    file = BytesIO()
    Image.fromarray(SEVEN).resize(size).save(file, "PNG")
    assert picture.read(file.getvalue(), SIDE) is None
