"""Take the pictures of the page that the README shows: `make pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from digits import strokes
from tests.browser.page import DigitsPage, Stroke
from tests.conftest import chromium
from tests.postgres import Database
from tests.served import served
from training import handwriting

ROOT = Path(__file__).resolve().parents[2]
LOOKS = {
    "docs/page.png": {"viewport": {"width": 640, "height": 800}, "device_scale_factor": 2},
    "docs/page-dark.png": {
        "viewport": {"width": 640, "height": 800},
        "device_scale_factor": 2,
        "color_scheme": "dark",
    },
    # What a shared link shows: 1200 x 630 pixels.
    "app/preview.png": {"viewport": {"width": 750, "height": 394}, "device_scale_factor": 1.6},
    "docs/page-phone.png": {
        "viewport": {"width": 390, "height": 750},
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
}


def seven() -> list[Stroke]:
    """A 7 with a bar, canvas units."""
    random = np.random.default_rng(9)
    lines = [handwriting.by_hand(line, random).tolist() for line in handwriting.seven(random)]
    return [(line / strokes.CANVAS).tolist() for line in strokes.fitted(lines, 0.65)]


def icon() -> None:
    """Write the page's icon, a small canvas."""
    picture = Image.fromarray(strokes.draw(strokes.fitted(seven(), 0.7), pen=34))
    corners = Image.new("L", picture.size)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, *picture.size), radius=60, fill=255)
    picture.putalpha(corners)
    picture.resize((64, 64), Image.Resampling.LANCZOS).save(ROOT / "app/favicon.png", optimize=True)
    print("Wrote app/favicon.png")


def main() -> None:
    """Draw on the real page, and write one picture of it for each of LOOKS."""
    icon()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "data")
        try:
            with served(database.url) as app, chromium() as browser:
                for name, look in LOOKS.items():
                    context = browser.new_context(**look)  # type: ignore[arg-type]
                    page = DigitsPage(context.new_page())
                    page.open(app.url)
                    page.draw(seven())
                    page.prediction()
                    page.page.mouse.move(0, 0)
                    page.page.wait_for_timeout(500)
                    page.page.screenshot(path=ROOT / name)
                    context.close()
                    print(f"Wrote {name}")
        finally:
            database.remove()


if __name__ == "__main__":
    main()
