"""Take the pictures of the page and record it, for README and shared links: `make pictures`."""

from __future__ import annotations

import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from playwright.sync_api import Browser

from digits import strokes
from tests.browser.page import DigitsPage, Stroke
from tests.conftest import chromium
from tests.postgres import Database
from tests.served import served
from training import handwriting

ROOT = Path(__file__).resolve().parents[2]
WINDOW = {"viewport": {"width": 750, "height": 394}, "device_scale_factor": 1.6}
RECORDINGS = {
    "docs/page.webp": WINDOW,
    "docs/page-dark.webp": {**WINDOW, "color_scheme": "dark"},
}
LOOKS = {
    # What a shared link shows: 1200 x 630 pixels.
    "app/preview.png": WINDOW,
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


def record(browser: Browser, url: str, name: str) -> None:
    """Write ten seconds of a visit: draw, read, answer, be thanked."""
    context = browser.new_context(**RECORDINGS[name])  # type: ignore[arg-type]
    page = DigitsPage(context.new_page())
    frames: list[Image.Image] = []
    durations: list[int] = []  # milliseconds

    def show(duration: int) -> None:
        frames.append(Image.open(BytesIO(page.page.screenshot())))
        durations.append(duration)

    page.open(url)
    show(1_000)
    box = page.canvas.bounding_box()
    assert box is not None
    mouse = page.page.mouse
    for stroke in seven():
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        mouse.move(*places[0])
        mouse.down()
        for place in places:
            mouse.move(*place)
            show(2_500 // len(places))
        mouse.up()
    page.prediction()
    show(3_000)
    page.correct.hover()
    page.page.wait_for_timeout(300)
    show(1_000)
    page.press_correct()
    page.wait_until_cleared()
    mouse.move(0, 0)
    page.page.wait_for_timeout(300)
    show(2_500)
    frames[0].save(
        ROOT / name, save_all=True, append_images=frames[1:], duration=durations, loop=0,
        quality=80, method=6,
    )  # fmt: skip
    context.close()
    print(f"Wrote {name}")


def main() -> None:
    """Draw on the real page; write one picture for each of LOOKS, and the recordings."""
    icon()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "data")
        try:
            with served(database.url) as app, chromium() as browser:
                for name in RECORDINGS:
                    record(browser, app.url, name)
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
