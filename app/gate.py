"""What a visitor may send, looked at before Streamlit sees it.

Streamlit parses whatever a page sends and keeps it while the page is open. This page sends
little: a picture, a short text, two presses. Anything else is left out here, so that neither
its size nor its shape reaches the app. Streamlit is also kept from looking up its own
addresses on the internet, which it would do for every foreign page that tries to connect.
"""

from __future__ import annotations

import asyncio
import html
import ipaddress
import logging
import os
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import streamlit
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from streamlit.proto.WidgetStates_pb2 import WidgetState
    from websockets.frames import Frame

PAGES = 400  # open at once; each takes about 0.1 MB, and 0.5 MB in bad hands
FIRST_MESSAGE_SECONDS = 10  # a browser asks for the page at once; what does not is closed
CLOSE_SECONDS = 1  # to take the message that the page is closed
MESSAGE_BYTES = 1_000_000  # minutes of scribbling without a pause
# A canvas full of scribbles has about 32,000; with the noise that some browsers add, 200,000.
PICTURE_CHARS = 250_000
LABEL_CHARS = 100
WIDGETS = 8  # the page has five
WAITING = 20  # messages of one page; a canvas sends five a second at most
RUN_SECONDS = 30  # for which a page's next message waits for the one before, at most
# Frames that are no message: pings, pongs, pieces. A browser sends two a minute.
EXTRA_FRAMES = 1_000  # at once
EXTRA_FRAMES_PER_SECOND = 10

# The one name that leads here beside the address, if there is one.
DOMAIN = os.environ.get("SITE_DOMAIN", "")

# In a GitHub codespace `make run` is reached by a name of GitHub's: NAME-PORT.DOMAIN. GitHub sets
# these variables; a container of ours has none of them.
CODESPACE = tuple(
    os.environ.get(name, "").lower()
    for name in ("CODESPACE_NAME", "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN")
)

TITLE = "Draw a digit"
ABOUT = "Draw a digit with your mouse or finger, and see whether a neural network recognises it."
# What a shared link shows. ORIGIN is where the visitor has the page from.
HEAD = f"""<title>{TITLE}</title>
    <meta name="description" content="{ABOUT}">
    <meta property="og:title" content="{TITLE}">
    <meta property="og:description" content="{ABOUT}">
    <meta property="og:type" content="website">
    <meta property="og:url" content="ORIGIN/">
    <meta property="og:image" content="ORIGIN/preview.png">
    <meta name="twitter:card" content="summary_large_image">
    <meta name="color-scheme" content="light dark">"""
# What is seen until Streamlit's scripts have come; page.css hides it then.
FIRST = f'<div class="first" aria-hidden="true"><h1>{TITLE}</h1><div></div></div>'

STREAM = "/_stcore/stream"
# All that a browser asks for, and the two health checks; the rest of Streamlit is shut.
PATHS = re.compile(
    r"/(|favicon\.png|preview\.png|static/.*"
    r"|_stcore/(health|script-health-check|host-config|bidi-components/.*))"
)

# A component's script, whose name changes with its content. Streamlit lets no browser keep it.
HASHED = re.compile(r"/_stcore/bidi-components/.*-\w{8}\.js")

# The page's widgets, each with the kind of value it sends: the group's name.
WIDGET = re.compile(
    r"\$\$ID-[0-9a-f]{32}-"
    r"(?:(?P<json_value>canvas-\d{1,9})|(?P<string_value>label-\d{1,9}|shown)"
    r"|(?P<trigger_value>correct|FormSubmitter:correction-Submit Correction))"
)
# Any widget, by the name that it has in the page: a word of its `key`.
NAMED = re.compile(r"\$\$ID-[0-9a-f]{32}-([A-Za-z][\w: -]{0,40})", re.ASCII)
NAMES = 10  # of unknown widgets that are written down, at most: anybody can invent some
# What the page keeps in the browser (shown.Shown).
SHOWN = re.compile(r"[0-9a-f-]{1,60}")
# In the canvas's JSON, which is not parsed: beside the picture it has every point drawn.
PICTURE = re.compile(
    r'"data":\s?"data:image/png;base64,'
    r'((?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)"'
)


def _page() -> str:
    """Return Streamlit's HTML with page.css in it: it counts even if no connection comes."""
    text = (Path(streamlit.__file__).parent / "static" / "index.html").read_text()
    style = Path(__file__).with_name("page.css").read_text()
    changes = {
        "<title>Streamlit</title>": HEAD,
        # Fonts and styles that this page does not use: 570 kB.
        r'<link\s+rel="preload"[^>]+as="font"[^>]*>': "",
        r'<link rel="stylesheet"[^>]*>': "",
        "<body>": f"<body>{FIRST}",
        # At the end of the body: of two rules that fit as well, the later one counts.
        "</body>": f"<style>{style}</style></body>",
    }
    for before, after in changes.items():
        text, found = re.subn(before, lambda _, after=after: after, text)  # type: ignore[misc]
        if found != 1:
            raise RuntimeError(f"Streamlit's index.html has no {before}: see app/gate.py")
    return text


PAGE = _page()
PICTURES = {
    f"/{name}": Path(__file__).with_name(name).read_bytes()
    for name in ("favicon.png", "preview.png")
}


class Gate:
    """ASGI middleware: passes on what the page needs, in the amount it needs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._pages: dict[_Inlet, str] = {}  # the open ones, with the visitor's address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at one request or one websocket."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_own_name(_host(scope)):
            refusal = PlainTextResponse("This site answers by its own address only.\n", 421)
            await refusal(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD") or not PATHS.fullmatch(scope["path"]):
            await PlainTextResponse("There is nothing here.\n", 404)(scope, receive, send)
        elif scope["path"] == "/":
            page = HTMLResponse(PAGE.replace("ORIGIN", _origin(scope)))
            page.headers["Cache-Control"] = "no-cache"
            await page(scope, receive, send)
        elif scope["path"] in PICTURES:
            picture = Response(PICTURES[scope["path"]], media_type="image/png")
            picture.headers["Cache-Control"] = "max-age=86400"
            await picture(scope, receive, send)
        elif HASHED.fullmatch(scope["path"]):
            await self._app(scope, receive, _for_good(send))
        else:
            await self._app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = _host(scope)
        origin = Headers(scope=scope).get("origin")  # only browsers send one
        # Compared without their ports: nginx leaves the port out of Host.
        came_from = _hostname(origin) if origin is not None else host
        foreign = came_from != host and not _is_forwarded(came_from)
        address = _address(scope)
        refused = foreign or not _is_own_name(host) or scope["path"] != STREAM
        if refused or not self._has_room(address):
            await send({"type": "websocket.close"})  # before it is open: status 403
            return
        # Without an Origin Streamlit has nothing left to check.
        headers = [(name, value) for name, value in scope["headers"] if name != b"origin"]
        inlet = _Inlet(receive, send)
        reading = asyncio.create_task(inlet.read())
        self._pages[inlet] = address
        try:
            await self._app({**scope, "headers": headers}, inlet.receive, inlet.send)
        finally:
            self._pages.pop(inlet, None)
            reading.cancel()

    def _has_room(self, address: str) -> bool:
        """Return whether one more page of this address may be open.

        When all places are taken, the address that has the most gives up its idlest page,
        unless the new page's address would then have more than that one.
        """
        if len(self._pages) < PAGES:
            return True
        counts = Counter(self._pages.values())
        greedy, most = counts.most_common(1)[0]
        if most < counts[address] + 2:
            return False
        own = [inlet for inlet, owner in self._pages.items() if owner == greedy]
        idlest = min(own, key=lambda inlet: inlet.asked_at)
        del self._pages[idlest]
        idlest.drop()
        return True


class Socket(WebSocketsSansIOProtocol):
    """uvicorn's websocket, cut off when it is sent nothing but pings or pieces.

    uvicorn keeps every piece until the message is whole, and every pong until it is read.
    """

    _extra = 0.0
    _counted_at = 0.0

    def handle_ping(self) -> None:
        """Answer, if the one before was taken."""
        if self._count() and self.writable.is_set():
            super().handle_ping()
        else:
            self.transport.abort()

    def handle_pong(self, event: Frame) -> None:
        """Take note."""
        if self._count():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        """Keep one more piece of a message."""
        if self._count():
            super().handle_cont(event)

    def _count(self) -> bool:
        """Note one extra frame; return whether that is within the limit, or cut off."""
        now = self.loop.time()
        earned = (now - self._counted_at) * EXTRA_FRAMES_PER_SECOND
        self._extra = max(0.0, self._extra - earned) + 1
        self._counted_at = now
        if self._extra > EXTRA_FRAMES:
            self.transport.abort()
        return self._extra <= EXTRA_FRAMES


class _Inlet:
    """One page's `receive` and `send`: it is run for one message at a time.

    Streamlit would begin a new run with every message, and the runs that it abandons would
    keep other pages waiting.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._waiting: asyncio.Queue[Message] = asyncio.Queue()
        self._idle = asyncio.Event()
        self._idle.set()
        self._left = False
        self.asked_at = asyncio.get_running_loop().time()  # or when it was opened
        self._patience = asyncio.timeout(FIRST_MESSAGE_SECONDS)

    async def receive(self) -> Message:
        """Return the page's next message, once the one before is done with."""
        message = await self._waiting.get()
        if message["type"] == "websocket.receive" and not self._left:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), RUN_SECONDS)
            self._idle.clear()
        return message

    async def send(self, message: Message) -> None:
        """Send, if the page is still there; Streamlit hears of its end by `receive`."""
        if self._left:
            return
        with suppress(OSError):  # for which Streamlit would write a stack trace
            await self._send(message)
        sent = message.get("bytes")
        if sent and _is_end_of_run(ForwardMsg.FromString(sent)):
            self._idle.set()

    async def read(self) -> None:
        """Take messages as they come until the page leaves, or sends what no page does.

        It reads all the time, so that a page that leaves is noticed at once. A page that asks for
        nothing at first, or is dropped, is closed.
        """
        try:
            async with self._patience:
                message = await self._read()
        except TimeoutError:
            message = await self._refuse(1008)
        self._waiting.put_nowait(message)
        self._left = True
        self._idle.set()

    def drop(self) -> None:
        """Close the page: another one needs its place."""
        if not self._left:
            self._left = True
            self._patience.reschedule(0)

    async def _read(self) -> Message:
        """Take messages as they come; return the one that is the last."""
        while (message := await self._receive())["type"] != "websocket.disconnect":
            if message["type"] == "websocket.receive":
                try:
                    frame = cleaned(message.get("bytes") or b"")
                except DecodeError:
                    return await self._refuse(1002)
                if not frame:
                    continue
                if self._waiting.qsize() >= WAITING:
                    return await self._refuse(1008)
                message = {"type": "websocket.receive", "bytes": frame}
                self.asked_at = asyncio.get_running_loop().time()
                if not self._left:
                    self._patience.reschedule(None)
            self._waiting.put_nowait(message)
        return message

    async def _refuse(self, code: int) -> Message:
        self._left = True
        with suppress(OSError):  # a TimeoutError is one
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send({"type": "websocket.close", "code": code})
        return {"type": "websocket.disconnect", "code": code}


def cleaned(frame: bytes) -> bytes:
    """Return the message with only what this page sends in it; nothing if that is nothing.

    Raises DecodeError if it is no message of Streamlit's.
    """
    sent, kept = BackMsg(), BackMsg()
    sent.ParseFromString(frame)
    if sent.WhichOneof("type") != "rerun_script":
        return b""
    kept.rerun_script.SetInParent()
    query: dict[str, str] = {}
    for widget in sent.rerun_script.widget_states.widgets[:WIDGETS]:
        kind = widget.WhichOneof("value")
        known = WIDGET.fullmatch(widget.id)
        if known is None or known.lastgroup != kind:
            if named := NAMED.fullmatch(widget.id):
                _note_unknown(named[1])
            continue
        if widget.id.endswith("-shown"):
            # The page needs it before it knows the names of its widgets.
            if SHOWN.fullmatch(widget.string_value):
                query["shown"] = widget.string_value
        elif _bounded(widget):
            kept.rerun_script.widget_states.widgets.append(widget)
        if kind == "trigger_value":
            query["pressed"] = "yes"
    kept.rerun_script.query_string = urlencode(query)
    result: bytes = kept.SerializeToString()
    return result


def _bounded(widget: WidgetState) -> bool:
    """Cut the value of a widget down to what the page may get; return whether it has any."""
    if widget.WhichOneof("value") == "string_value":
        widget.string_value = widget.string_value[:LABEL_CHARS]
    elif widget.WhichOneof("value") == "json_value":
        picture = PICTURE.search(widget.json_value)
        if picture is None:  # nothing drawn
            return False
        # Too large a picture becomes one that cannot be read, and the page says so.
        data = picture[1] if len(picture[1]) <= PICTURE_CHARS else ""
        widget.json_value = f'{{"drawing": {{"data": "data:image/png;base64,{data}"}}}}'
    return True


_unknown: set[str] = set()


def _note_unknown(name: str) -> None:
    """Write down a widget that the page shows and this file does not know, once."""
    if name in _unknown or len(_unknown) >= NAMES:
        return
    _unknown.add(name)
    logging.getLogger("digits").warning(
        "The page sent a value for the widget %r, which app/gate.py does not know. The value was"
        " dropped. If you added this widget, add its key to WIDGET in app/gate.py.",
        name,
    )


def _is_end_of_run(message: ForwardMsg) -> bool:
    """Whether the page has been run to its end; after st.rerun another run follows."""
    return (
        message.WhichOneof("type") == "script_finished"
        and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
    )


def _for_good(send: Send) -> Send:
    """Send, and let browsers keep what is sent."""

    async def kept(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            MutableHeaders(scope=message)["Cache-Control"] = "public, max-age=31536000, immutable"
        await send(message)

    return kept


def _origin(scope: Scope) -> str:
    """Where the visitor has the page from, for HTML; nginx tells whether that is by HTTPS."""
    headers = Headers(scope=scope)
    scheme = "https" if headers.get("x-forwarded-proto") == "https" else scope["scheme"]
    return html.escape(f"{scheme}://{headers['host']}")


def _host(scope: Scope) -> str | None:
    return _hostname("//" + Headers(scope=scope).get("host", ""))


def _address(scope: Scope) -> str:
    """Where a visitor comes from, as nginx says; of IPv6 a visitor has a whole network."""
    text = Headers(scope=scope).get("x-forwarded-for") or (scope["client"] or [""])[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if address.version == 6:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return text


def _hostname(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises if it is no number, and then the name is none either
        return parts.hostname
    except ValueError:
        return None


def _is_forwarded(host: str | None) -> bool:
    """Whether GitHub forwards this name to this codespace, on whatever port."""
    name, domain = CODESPACE
    pattern = rf"{re.escape(name)}-\d{{1,5}}\.{re.escape(domain)}"
    return bool(name and domain and re.fullmatch(pattern, host or ""))


def _is_own_name(host: str | None) -> bool:
    """An address, localhost or the domain: a page whose name was made to point here is foreign."""
    if host == "localhost" or (DOMAIN and host == DOMAIN) or _is_forwarded(host):
        return True
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True
