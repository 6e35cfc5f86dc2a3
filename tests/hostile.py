"""A hostile visitor: one function an attack, for any URL, each bounded in count and time.

Every function does its worst and returns what it saw; what is right to see is the caller's
to judge, since a proxy in front of the app may refuse earlier than the app does.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import socket
import ssl
import struct
import time
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache, partial
from io import BytesIO
from typing import TypeVar
from urllib.parse import urlsplit

import numpy as np
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from digits.strokes import CANVAS
from tests.visitor import Visitor

Seen = TypeVar("Seen")

PATIENCE = 60  # seconds for one answer
LOST = (ConnectionClosed, OSError, TimeoutError)

# What a browser with this page never asks for.
UNUSED = (
    ("GET", "/_stcore/metrics"),
    ("GET", "/_stcore/agent/openapi.json"),
    ("POST", "/_stcore/agent/interact"),
    ("POST", "/_stcore/agent/mcp"),
    ("PUT", "/_stcore/upload_file/session/file"),
    ("DELETE", "/_stcore/upload_file/session/file"),
    ("GET", "/media/file"),
    ("GET", "/component/name/file"),
    ("GET", "/app/static/file"),
    ("GET", "/auth/login"),
    ("GET", "/auth/logout"),
    ("GET", "/oauth2callback"),
    ("POST", "/"),
)


def _run(attack: Coroutine[object, object, Seen]) -> Seen:
    """Run it to its end, in a thread: a browser's tests have a loop of their own in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, attack).result()


def _png(width: int, height: int, *more: bytes, depth: int = 8, colour: int = 6) -> bytes:
    """A black PNG of any size, written row by row; `more`: chunks before the pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = b"\0" * (1 + (width * samples * depth + 7) // 8)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    extra = b"".join(chunk(kind[:4], kind[4:]) for kind in more)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
        + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )  # fmt: skip


def _saved(kind: str, size: tuple[int, int] = (CANVAS, CANVAS), **options: object) -> bytes:
    file = BytesIO()
    mode = "RGB" if kind in ("JPEG", "EPS", "PPM") else "RGBA"
    if kind == "GIF":
        frames = [Image.new("L", size, n) for n in range(50)]
        frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    else:
        Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


@cache
def pictures() -> dict[str, bytes]:
    """Files that are not what the canvas sends, by what is wrong with them."""
    zeros = zlib.compress(b"\0" * 1_000_000, 9)  # 1 kB that unpacks to a megabyte
    noise = np.random.default_rng(0).integers(0, 256, (CANVAS, CANVAS, 4), dtype=np.uint8)
    noisy = BytesIO()
    Image.fromarray(noise).save(noisy, "PNG")
    whole = _png(CANVAS, CANVAS)
    lying = bytearray(whole)
    lying[16:24] = struct.pack(">II", 2**31 - 1, 2**31 - 1)
    return {
        "10,000 x 10,000 pixels": _png(10_000, 10_000, colour=0),
        "one row of 4,000,000 pixels": _png(4_000_000, 1),
        "16 bit, 3,000 x 3,000": _png(3_000, 3_000, depth=16),
        "a palette, 20,000 x 20,000": _png(20_000, 20_000, b"PLTE\0\0\0", depth=1, colour=3),
        "1 x 1": _png(1, 1),
        "a header that lies": bytes(lying),
        "60 texts of a megabyte": _png(CANVAS, CANVAS, *[b"zTXtkey\0\0" + zeros] * 60),
        "a profile of a megabyte": _png(CANVAS, CANVAS, b"iCCPname\0\0" + zeros),
        "pixels that never end": whole[:33] + struct.pack(">I", 2**31 - 1) + b"IDAT" + zeros,
        "no pixels": whole[:33],
        "half": whole[: len(whole) // 2],
        "nothing": b"",
        "no picture": b"x" * 1000,
        "too much noise": noisy.getvalue(),
        "GIF of 50 frames": _saved("GIF"),
        "TIFF": _saved("TIFF"),
        "TIFF bomb": _saved("TIFF", (4_000, 4_000), compression="tiff_lzw"),
        "WebP bomb": _saved("WEBP", (16_000, 1_000)),
        "ICO": _saved("ICO"),
        "BMP": _saved("BMP"),
        "JPEG": _saved("JPEG"),
        "EPS": _saved("EPS"),
    }


def picture_bomb(url: str) -> dict[str, str]:
    """Send each of `pictures` as the canvas would; return what the page said to each."""

    async def attack() -> dict[str, str]:
        printed = {}
        for name, file in pictures().items():
            data = "data:image/png;base64," + base64.b64encode(file).decode()
            printed[name] = await _said(url, partial(Visitor.send_picture, data=data))
        return printed

    return _run(attack())


async def _said(url: str, act: Callable[[Visitor], Awaitable[None]]) -> str:
    """Open a page, do one thing, and return the page's words or why it ended."""
    try:
        async with asyncio.timeout(PATIENCE), Visitor(url) as visitor:
            await act(visitor)
            return visitor.message or visitor.hint or f"digit {visitor.digit}"
    except LOST as error:
        return _ending(error)


def _ending(error: BaseException) -> str:
    if isinstance(error, ConnectionClosed):
        return f"closed {error.rcvd.code if error.rcvd else 1006}"
    return type(error).__name__


RERUN = BackMsg(rerun_script=ClientState()).SerializeToString()
DEEP = "[" * 20_000 + "]" * 20_000
CANVAS_VALUES = (
    "", "null", "7", "true", '"text"', "[]", "{}", "[[[", DEEP, "9" * 100_000, "NaN",
    '{"drawing": null}', '{"drawing": 7}', '{"drawing": []}', '{"drawing": {}}',
    '{"drawing": {"data": null}}', '{"drawing": {"data": 7}}', '{"drawing": {"data": {}}}',
    '{"drawing": {"raw": 7, "data": "data:image/png;base64,QUJD"}}',
    '{"drawing": {"data": "no picture"}}', '{"drawing": {"data": "data:image/png;base64,"}}',
    '{"drawing": {"data": "data:image/png;base64,A"}}',
    '{"drawing": {"data": "data:image/png;base64,====" }}',
    '{"drawing": {"data": "data:image/png;base64,\\ud800"}}',
    '{"drawing": {"data": "file:///etc/passwd"}}', '{"backgroundFit": 7}', '{"backgroundFit": {}}',
    json.dumps({"drawing": {"raw": {"objects": [{}] * 200_000}, "data": None}}),
    '{"drawing": {"data": {"a": ' + '{"a":' * 50_000 + "1" + "}" * 50_002,
)  # fmt: skip


def _messages(widgets: dict[str, str]) -> Iterator[BackMsg]:
    """Messages that no page sends: every widget with every kind of value, and worse."""
    kinds = {
        "trigger_value": True, "bool_value": True, "double_value": 1e308, "int_value": -(2**63),
        "string_value": "x" * 50_000, "bytes_value": b"\0" * 50_000, "json_value": DEEP,
        "json_trigger_value": "[", "string_trigger_value": None, "file_uploader_state_value": None,
        "double_array_value": None, "chat_input_value": None, "arrow_value": None,
    }  # fmt: skip
    for value in CANVAS_VALUES:
        back = BackMsg()
        back.rerun_script.widget_states.widgets.add(id=widgets["canvas"], json_value=value)
        yield back
    for identity in (*widgets.values(), "", "x" * 50_000, "$$ID-0-canvas-0", "label"):
        for kind, content in kinds.items():
            back = BackMsg()
            state = back.rerun_script.widget_states.widgets.add(id=identity)
            if content is None:
                getattr(state, kind).SetInParent()
            else:
                setattr(state, kind, content)
            yield back
    crowd = BackMsg()
    for number in range(60_000):
        crowd.rerun_script.widget_states.widgets.add(id=str(number), trigger_value=True)
    yield crowd
    for field in ("query_string", "page_script_hash", "page_name", "fragment_id"):
        back = BackMsg()
        setattr(back.rerun_script, field, "x=%00&" * 100_000)
        yield back
    back = BackMsg()
    back.rerun_script.cached_message_hashes.extend(str(n) for n in range(100_000))
    yield back
    for kind in ("clear_cache", "load_git_info", "stop_script", "set_run_on_save", "app_heartbeat"):
        back = BackMsg()
        setattr(back, kind, True)
        yield back
    for kind in ("debug_disconnect_websocket", "debug_shutdown_runtime"):
        back = BackMsg()
        setattr(back, kind, True)
        yield back
    back = BackMsg()
    back.file_urls_request.file_names.extend(["x" * 1000] * 500)
    yield back


def garbage_states(url: str) -> list[str]:
    """Send every kind of wrong value; after each, return whether the page still answers."""

    async def attack() -> list[str]:
        seen = []
        async with Visitor(url) as first:
            widgets = first.widgets
        messages = list(_messages(widgets))
        for start in range(0, len(messages), 20):
            some = messages[start : start + 20]

            async def act(visitor: Visitor, some: list[BackMsg] = some) -> None:
                for message in some:
                    await visitor.page.send(message.SerializeToString())
                    await asyncio.sleep(0.05)  # not so fast as to be cut off for that
                await visitor.run(BackMsg())

            seen.append(await _said(url, act))
        return seen

    return _run(attack())


def broken_frames(url: str) -> list[str]:
    """Send what is no message of Streamlit's at all; return how each page ended."""

    async def attack(frame: bytes | str) -> str:
        async def act(visitor: Visitor) -> None:
            await visitor.page.send(frame)
            await visitor.run(BackMsg())

        return await _said(url, act)

    frames = ("text", "", b"\xff" * 100, b"\x5a\xff\xff\xff\xff\x0f", b"\x0a" * 200_000)
    return [_run(attack(frame)) for frame in frames]


def oversized_message(url: str, megabytes: int = 200) -> tuple[str, int]:
    """Send one huge message; return how it ended and how many bytes were taken by then."""
    with raw_page(url) as page:
        taken = 0
        with suppress(OSError):
            page.sendall(b"\x82\xff" + struct.pack(">Q", megabytes * 1_000_000) + b"\0\0\0\0")
            for _ in range(megabytes * 10):
                page.sendall(b"\0" * 100_000)
                taken += 100_000
        return _close_code(page), taken


def many_pieces(url: str, seconds: float = 5) -> int:
    """Send one message in pieces without content and without end; return how many were taken."""
    return _pour(url, b"\x02\x80\0\0\0\0", b"\x00\x80\0\0\0\0" * 5_000, seconds) * 5_000


def pings(url: str, seconds: float = 5) -> int:
    """Ask for pongs and never read one; return how many were taken."""
    return _pour(url, b"", (b"\x89\xfd\0\0\0\0" + b"\0" * 125) * 1_000, seconds) * 1_000


def _pour(url: str, first: bytes, more: bytes, seconds: float) -> int:
    with raw_page(url) as page:
        page.sendall(first)
        page.settimeout(2)
        taken, until = 0, time.monotonic() + seconds
        with suppress(OSError):
            while time.monotonic() < until:
                page.sendall(more)
                taken += 1
        return taken


def reruns(url: str, pages: int = 10, seconds: float = 5, pause: float = 0) -> tuple[int, int]:
    """Ask for run after run, reading each; return how many, and how many pages were cut."""

    async def drain(visitor: Visitor) -> None:
        with suppress(ConnectionClosed):
            while True:
                await visitor.page.recv()

    async def one(until: float) -> tuple[int, int]:
        asked = 0
        try:
            async with Visitor(url) as visitor:
                reader = asyncio.create_task(drain(visitor))
                while time.monotonic() < until:
                    await visitor.page.send(RERUN)
                    await asyncio.sleep(pause)
                    asked += 1
                reader.cancel()
        except LOST:
            return asked, 1
        return asked, 0

    async def attack() -> tuple[int, int]:
        until = time.monotonic() + seconds
        asked = await asyncio.gather(*(one(until) for _ in range(pages)))
        return sum(count for count, _ in asked), sum(cut for _, cut in asked)

    return _run(attack())


def comers_and_goers(url: str, count: int = 1_000, at_once: int = 20) -> int:
    """Open and leave so many pages, every tenth with a drawing; return how many were opened."""
    data = "data:image/png;base64," + base64.b64encode(_png(CANVAS, CANVAS)).decode()

    async def attack() -> int:
        left = iter(range(count))

        async def one() -> int:
            opened = 0
            for number in left:
                with suppress(InvalidHandshake, *LOST):
                    if number % 10:
                        async with connect(_stream(url), subprotocols=[Subprotocol("streamlit")]):
                            opened += 1
                    else:
                        async with asyncio.timeout(PATIENCE), Visitor(url) as visitor:
                            await visitor.send_picture(data)
                            opened += 1
            return opened

        return sum(await asyncio.gather(*(one() for _ in range(at_once))))

    return _run(attack())


def foreign_pages(url: str, count: int = 20) -> list[tuple[int, float]]:
    """Open websockets as other sites' pages would; return status and seconds of each."""
    own = urlsplit(url).netloc
    origins = (
        "http://evil.example", "https://evil.example:8501", "null", f"http://{own}.evil.example",
        "http://8.8.8.8", f"http://evil.example/{own}", "http://[", "x", "file://", "",
    )  # fmt: skip

    async def one(origin: str) -> tuple[int, float]:
        started = time.monotonic()
        status = await _handshake(url, {"Origin": origin})
        return status, time.monotonic() - started

    async def attack() -> list[tuple[int, float]]:
        return await asyncio.gather(*(one(origins[n % len(origins)]) for n in range(count)))

    return _run(attack())


def foreign_names(url: str) -> dict[str, tuple[int, int]]:
    """Come by names that are not the site's, as DNS rebinding does: status of page and socket."""
    names = ("evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil", "")
    seen = {}
    for name in names:
        page = answer(url, "GET", "/", {"Host": name})
        stream = handshake(url, {"Host": name, "Origin": f"http://{name}"})
        seen[name] = (page, stream)
    return seen


def unused_endpoints(url: str) -> dict[str, int]:
    """Ask for what a browser with this page never asks for; return the statuses."""
    return {f"{method} {path}": answer(url, method, path) for method, path in UNUSED}


def answer(url: str, method: str, path: str, headers: dict[str, str] | None = None) -> int:
    """The status of one plain request; 0 if the connection was closed instead."""
    parts = urlsplit(url)
    kinds: dict[str, type[http.client.HTTPConnection]] = {
        "http": http.client.HTTPConnection,
        "https": http.client.HTTPSConnection,
    }
    connection = kinds[parts.scheme](parts.netloc, timeout=PATIENCE)
    try:
        connection.request(method, path, headers=headers or {})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def handshake(url: str, headers: dict[str, str]) -> int:
    """The status a websocket's handshake ends with; 0 if the connection was closed instead."""
    return _run(_handshake(url, headers))


async def _handshake(url: str, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(
        parts.hostname, _port(url), ssl=parts.scheme == "https" or None
    )
    lines = {
        "Host": parts.netloc,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
    } | headers
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"GET /_stcore/stream HTTP/1.1\r\n{text}\r\n".encode())
    try:
        status = await asyncio.wait_for(reader.readline(), PATIENCE)
        return int(status.split()[1]) if status else 0
    except (OSError, TimeoutError):
        return 0
    finally:
        writer.close()


@contextmanager
def raw_page(url: str, address: str = "") -> Iterator[socket.socket]:
    """An open page as a plain socket; `address`: the visitor's, as nginx would name it."""
    parts = urlsplit(url)
    named = f"X-Forwarded-For: {address}\r\n" if address else ""
    with _connection(url) as page:
        page.sendall(
            f"GET /_stcore/stream HTTP/1.1\r\nHost: {parts.netloc}\r\nOrigin: {url}\r\n{named}"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += page.recv(1)
        if b" 101 " not in head:
            raise ConnectionError(head.decode(errors="replace").splitlines()[0])
        yield page


def frame(kind: bytes, content: bytes) -> bytes:
    """A short frame of a websocket: of this kind, to its end, masked with zeros."""
    return kind + bytes([0x80 | len(content)]) + b"\0\0\0\0" + content


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or {"http": 80, "https": 443}[parts.scheme]


def _connection(url: str) -> socket.socket:
    """To where a page's requests go, through TLS if it is so."""
    host = urlsplit(url).hostname or ""
    plain = socket.create_connection((host, _port(url)), PATIENCE)
    if urlsplit(url).scheme == "http":
        return plain
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _close_code(page: socket.socket) -> str:
    page.settimeout(5)
    received = b""
    with suppress(OSError):
        while more := page.recv(65_536):
            received += more
    place = received.rfind(b"\x88")
    return f"closed {int.from_bytes(received[place + 2 : place + 4])}" if place >= 0 else "cut off"


def _stream(url: str) -> str:
    return url.replace("http", "ws", 1) + "/_stcore/stream"
