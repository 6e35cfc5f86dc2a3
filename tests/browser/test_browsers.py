"""The main road in Firefox and WebKit: draw, read, answer, go on after a lost connection."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests import pen
from tests.browser.conftest import rows
from tests.browser.remote import Remote, firefox, webkit
from tests.browser.test_reconnect import FORGETS, port_of
from tests.browser.wire import wire
from tests.postgres import Database
from tests.served import served

Drawings = list[tuple[int, pen.Strokes]]
PATIENCE = 30  # seconds

# The page, which may be in a frame; and what can be named in it.
FIND = """
const page = document.querySelector("iframe")?.contentDocument ?? document;
const roots = [...page.querySelectorAll(".st-key-canvas *")].map(e => e.shadowRoot).filter(e => e);
const named = {
  canvas: roots[0]?.querySelector(".upper-canvas"),
  clear: roots[0]?.querySelector("[aria-label=Clear]"),
  label: page.querySelector("input[aria-label='True digit']"),
};
for (const button of page.querySelectorAll("button")) named[button.innerText.trim()] = button;
const app = page.querySelector("[data-testid=stApp]");
"""
# Streamlit shows one element after another: the page is complete once these are there.
COMPLETE = "named.canvas && named.Correct && named.label && named['Submit Correction']"


class RemotePage:
    """The page in a browser, by the place of what is on it."""

    def __init__(self, browser: Remote) -> None:
        self._browser = browser

    def run(self, script: str, *arguments: object) -> Any:
        """Run JavaScript that may use what FIND has; return what it returns."""
        return self._browser.command("ExecuteScript", script=FIND + script, args=arguments)

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + PATIENCE
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < deadline, condition
            time.sleep(0.1)

    def open(self, url: str) -> None:
        """Open the page and wait until it can be drawn on."""
        self._browser.command("Navigate", url=url)
        self.wait(f"page.querySelector('[role=status]')?.innerText.includes('Draw') && {COMPLETE}")

    def framed(self, url: str, width: int) -> None:
        """Open the page in a frame: no window is as narrow as a phone."""
        self._browser.command("Navigate", url=f"{url}/_stcore/health")
        frame = f'<iframe src="/" style="border:0; width:{width}px; height:800px"></iframe>'
        self.run("document.body.innerHTML = arguments[0]", frame)
        self.wait(f"roots[0]?.querySelector('#tools') && {COMPLETE}")

    def box(self, name: str) -> tuple[float, float, float, float]:
        """Where something is, and its width and height."""
        script = "const r = named[arguments[0]].getBoundingClientRect();"
        x, y, width, height = self.run(f"{script} return [r.x, r.y, r.width, r.height]", name)
        return x, y, width, height

    def draw(self, strokes: pen.Strokes) -> int:
        """Draw with the mouse; return the digit that is predicted."""
        x, y, width, height = self.box("canvas")
        actions: list[dict[str, object]] = []
        for stroke in strokes:
            places = [(round(x + u * width), round(y + v * height)) for u, v in stroke]
            actions.append(move(*places[0]))
            actions.append({"type": "pointerDown", "button": 0})
            actions += [move(*place) for place in places]
            actions.append({"type": "pointerUp", "button": 0})
        self._act("pointer", actions)
        self.wait("page.querySelector('[data-testid=digit]')")
        time.sleep(0.5)  # with its last stroke
        self.wait("app.dataset.testScriptState === 'notRunning'")
        return int(self.run("return page.querySelector('[data-testid=digit]').innerText"))

    def click(self, name: str) -> None:
        """Click something."""
        x, y, width, height = self.box(name)
        actions = [move(round(x + width / 2), round(y + height / 2))]
        actions += [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self._act("pointer", actions)

    def type(self, text: str) -> None:
        """Press keys, one after another."""
        kinds = ("keyDown", "keyUp")
        self._act("key", [{"type": kind, "value": key} for key in text for kind in kinds])

    def wait_until_saved(self) -> None:
        """Wait until the page thanks, and its new canvas is there and has the focus."""
        self.wait(
            "page.querySelector('[role=status]')?.innerText.includes('Saved, thank you.')"
            " && named.Correct?.disabled && named.label?.value === ''"
            " && page.activeElement?.shadowRoot?.activeElement === named.canvas"
        )

    def _act(self, kind: str, actions: list[dict[str, object]]) -> None:
        source: dict[str, object] = {"type": kind, "id": kind, "actions": actions}
        if kind == "pointer":
            source["parameters"] = {"pointerType": "mouse"}
        self._browser.command("PerformActions", actions=[source])


def move(x: int, y: int) -> dict[str, object]:
    """Move the pointer there."""
    return {"type": "pointerMove", "x": x, "y": y, "origin": "viewport", "duration": 10}


@pytest.fixture(params=[firefox, webkit])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RemotePage]:
    """The page in each browser, not opened yet."""
    started: Callable[[Path], AbstractContextManager[Remote]] = request.param
    with started(tmp_path) as browser:
        browser.command("SetWindowRect", width=1280, height=1000)
        yield RemotePage(browser)


def test_the_main_road(page: RemotePage, empty_log: Database, pen_digits: Drawings) -> None:
    command = (sys.executable, "-c", FORGETS)
    with served(empty_log.url, command=command) as app, wire(port_of(app.url)) as line:
        page.open(line.url)
        assert fits(page, 1280)
        digit = page.draw(pen_digits[7][1])
        page.click("Correct")
        page.wait_until_saved()
        page.draw(pen_digits[3][1])
        page.click("label")
        page.type("5\ue007")  # Enter
        page.wait_until_saved()
        assert [row[:2] for row in rows(empty_log)] == [(digit, digit), (3, 5)]

        page.draw(pen_digits[2][1])
        line.cut()  # and the session is gone
        page.wait("app.dataset.testConnectionState !== 'CONNECTED'")
        page.wait("app.dataset.testConnectionState === 'CONNECTED'")
        page.wait("app.dataset.testScriptState === 'notRunning'")
        page.click("Correct")
        page.wait_until_saved()
        assert (2, 2) in [row[:2] for row in rows(empty_log)]
        assert len(rows(empty_log)) == 3

        page.framed(line.url, 390)
        assert fits(page, 390)
        assert page.draw(pen_digits[4][1]) == 4


def fits(page: RemotePage, width: int) -> bool:
    """The three elements are in one row, as wide as the canvas, which the window holds."""
    canvas = page.box("canvas")
    elements = [page.box(name) for name in ("Correct", "label", "Submit Correction")]
    row = [canvas[0], *(edge for box in elements for edge in (box[0], box[0] + box[2]))]
    middles = [box[1] + box[3] / 2 for box in elements]
    inner, scrolled = page.run("const e = page.documentElement; return [innerWidth, e.scrollWidth]")
    assert row == sorted(row)
    assert row[-1] == pytest.approx(canvas[0] + canvas[2], abs=1)
    assert max(middles) - min(middles) < 8
    assert canvas[2] == min(368, width - 24)
    assert inner >= width >= scrolled
    return True
