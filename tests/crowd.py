"""Ordinary visitors who draw and answer, to see what somebody else's doings cost them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from digits import strokes
from tests.visitor import Visitor
from training import handwriting

PAUSE = 0.2  # seconds before each draw and each answer
PATIENCE = 30  # seconds for one of them
SHAPES = (handwriting.one, handwriting.four, handwriting.seven)


@dataclass
class Crowd:
    """What the visitors have seen so far."""

    answers: int = 0  # that were acknowledged
    again: int = 0  # presses that were answered with "press again", by patient visitors
    failed: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)  # seconds, of each draw and each answer


async def _answer(visitor: Visitor, digit: int, crowd: Crowd, patient: bool) -> None:
    """Answer; a patient visitor presses again, as the page asks, until it is taken."""
    deadline = time.monotonic() + 2 * PATIENCE
    await asyncio.wait_for(visitor.answer(digit), PATIENCE)
    while patient and visitor.message and time.monotonic() < deadline:
        crowd.again += 1
        await asyncio.sleep(PAUSE)
        await asyncio.wait_for(visitor.answer(digit), PATIENCE)


async def _visit(
    url: str, number: int, pause: float, crowd: Crowd, over: threading.Event, patient: bool
) -> None:
    random = np.random.default_rng(number)
    while not over.is_set():
        try:
            async with Visitor(url) as visitor:
                while not over.is_set():
                    shape = SHAPES[int(random.integers(3))]
                    lines = [line.tolist() for line in shape(random)]
                    drawing = strokes.draw(strokes.fitted(lines, 0.6), pen=18)
                    await asyncio.sleep(pause)
                    started = time.monotonic()
                    await asyncio.wait_for(visitor.draw(drawing), PATIENCE)
                    crowd.waits.append(time.monotonic() - started)
                    if visitor.digit is None:
                        crowd.failed.append(f"not recognised: {visitor.hint!r}")
                        continue
                    await asyncio.sleep(pause)
                    started = time.monotonic()
                    await _answer(visitor, int(random.integers(10)), crowd, patient)
                    crowd.waits.append(time.monotonic() - started)
                    if visitor.message or visitor.digit is not None:
                        crowd.failed.append(f"not taken: {visitor.message!r}")
                    else:
                        crowd.answers += 1
        except Exception as error:  # noqa: BLE001 - whatever ends a visit is a failure to count
            crowd.failed.append(repr(error))
            await asyncio.sleep(0.1)


@contextmanager
def visiting(
    url: str, visitors: int = 4, pause: float = PAUSE, *, patient: bool = False
) -> Iterator[Crowd]:
    """Let visitors draw and answer for as long as the block lasts; then see what they noted.

    An answer that could not be stored is a failure, unless they are patient and press again.
    """
    crowd, over = Crowd(), threading.Event()

    async def all_of_them() -> None:
        numbers = range(visitors)
        visits = (_visit(url, number, pause, crowd, over, patient) for number in numbers)
        await asyncio.gather(*visits)

    thread = threading.Thread(target=lambda: asyncio.run(all_of_them()))
    thread.start()
    try:
        yield crowd
    finally:
        over.set()
        thread.join(2 * PATIENCE)
        if thread.is_alive():
            crowd.failed.append("a visitor still waits for an answer")
