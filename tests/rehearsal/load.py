"""Visitors who never stop asking, to see whether one of them ever goes unanswered."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from tests.hostile import RERUN

PATHS = ("/", "/_stcore/health")
PAUSE = 0.05  # seconds between one visitor's requests: all four ask about sixty times a second


@dataclass
class Load:
    """What the visitors have seen so far."""

    requests: int = 0
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0  # seconds: the longest that somebody waited for an answer
    dropped: list[str] = field(default_factory=list)  # open websockets that were closed, and why
    away: float = 0.0  # seconds: the longest that one of them was without one
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, problem: str | None = None, seconds: float = 0.0) -> None:
        """Note one request, how long it took, and what went wrong with it if anything did."""
        with self._lock:
            self.requests += 1
            self.slowest = max(self.slowest, seconds)
            if problem:
                self.failed.append(f"{time.strftime('%T')} {problem}")

    def note_away(self, why: str, seconds: float) -> None:
        """Note why a websocket was closed; it was open again, or the end came, after so long."""
        with self._lock:
            self.dropped.append(f"{time.strftime('%T')} {why}")
            self.away = max(self.away, seconds)


def _asks(url: str, keep_alive: bool, pause: float, load: Load, over: threading.Event) -> None:
    kinds: dict[str, type[http.client.HTTPConnection]] = {
        "http": http.client.HTTPConnection,
        "https": http.client.HTTPSConnection,
    }
    connection = kinds[urlsplit(url).scheme](urlsplit(url).netloc, timeout=10)
    number = 0
    while not over.is_set():
        path = PATHS[number % len(PATHS)]
        number += 1
        # A server may close an idle connection at any time; a browser then asks again on
        # a new one (RFC 9112, 9.5), and so does this one. The new one must be answered.
        attempts = 2 if connection.sock is not None else 1
        problem, asked = None, time.monotonic()
        for _ in range(attempts):
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                problem = f"{path}: {error!r}"
                connection.close()
                if isinstance(error, TimeoutError):  # not closed: nobody answered
                    break
                continue
            problem = None if answer.status == 200 else f"{path}: status {answer.status}"
            break
        load.count(problem, time.monotonic() - asked)
        if not keep_alive:
            connection.close()
        # nftables lets one address open only so many connections in a second (roles/web).
        time.sleep(pause if keep_alive else 3 * pause)
    connection.close()


async def _stays(url: str, load: Load, over: threading.Event) -> None:
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    why, closed = "", 0.0
    while not over.is_set():
        try:
            async with connect(address, subprotocols=[Subprotocol("streamlit")]) as page:
                await page.send(RERUN)  # as a browser does at once
                if why:
                    load.note_away(why, time.monotonic() - closed)
                    why = ""
                while not over.is_set():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(page.recv(), 0.2)
        except (OSError, WebSocketException) as error:
            if not why:
                why, closed = repr(error), time.monotonic()
            await asyncio.sleep(0.2)
    if why:
        load.note_away(why, time.monotonic() - closed)


def _stay(url: str, pages: int, load: Load, over: threading.Event) -> None:
    """Keep pages open; of one thread, as two that read and write one TLS connection spoil it."""

    async def all_of_them() -> None:
        await asyncio.gather(*(_stays(url, load, over) for _ in range(pages)))

    try:
        asyncio.run(all_of_them())
    except Exception as error:  # noqa: BLE001 - pages that nobody keeps open would not be missed
        load.count(repr(error))


@contextmanager
def under_load(url: str, askers: int = 4, stayers: int = 4, pause: float = PAUSE) -> Iterator[Load]:
    """Let visitors ask and stay for as long as the block lasts; then see what they noted."""
    load, over = Load(), threading.Event()
    visitors = [
        threading.Thread(target=_asks, args=(url, n % 2 == 0, pause, load, over))
        for n in range(askers)
    ]
    visitors.append(threading.Thread(target=_stay, args=(url, stayers, load, over)))
    for visitor in visitors:
        visitor.start()
    try:
        yield load
    finally:
        over.set()
        for visitor in visitors:
            visitor.join(30)
            if visitor.is_alive():
                load.count("a visitor still waits for an answer")
