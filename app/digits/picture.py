"""The canvas's picture, as it came from a visitor: a PNG of one size, or nothing.

A small file may unpack to gigabytes. Pillow opens no other format, the size is
looked at before any pixel is unpacked, and the texts a PNG may carry are bounded too.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

# A canvas writes no text; a colour profile, which Pillow counts as one, has a few kilobytes.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 65_536


def read(png: bytes, side: int) -> NDArray[np.uint8] | None:
    """Return the picture, (side, side, 4), or None if it is no PNG of this size."""
    try:
        with Image.open(BytesIO(png), formats=("PNG",)) as image:
            if image.size != (side, side):
                return None
            return np.asarray(image.convert("RGBA"))
    except Exception:  # noqa: BLE001 - decoders raise whatever they stumble over
        return None
