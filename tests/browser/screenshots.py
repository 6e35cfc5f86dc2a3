"""Take the pictures of the page that the README shows: `make pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from digits import strokes
from tests.browser.page import DigitsPage, Stroke
from tests.conftest import chromium
from tests.postgres import Database
from tests.served import served
from training import handwriting

DOCS = Path(__file__).resolve().parents[2] / "docs"
LOOKS = {
    "page.png": {"viewport": {"width": 640, "height": 640}, "device_scale_factor": 2},
    "page-dark.png": {
        "viewport": {"width": 640, "height": 640},
        "device_scale_factor": 2,
        "color_scheme": "dark",
    },
    "page-phone.png": {
        "viewport": {"width": 390, "height": 640},
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


def main() -> None:
    """Draw on the real page, and write one picture of it for each of LOOKS."""
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
                    page.page.screenshot(path=DOCS / name)
                    context.close()
                    print(f"Wrote docs/{name}")
        finally:
            database.remove()


if __name__ == "__main__":
    main()
