"""A visitor without a browser: speaks to the page as its own JavaScript does.

Fifty browsers would measure themselves; fifty of these measure the app. What is sent
and read was taken from a browser's session with this page: protocol buffers of
Streamlit's over one websocket, each press a `rerun_script` with the widgets' states.
"""

from __future__ import annotations

import base64
import json
import re
from io import BytesIO
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

# A widget, by the name that the page gives it: some have a number behind it.
WIDGET = re.compile(r"\$\$ID-[0-9a-f]{32}-(?:FormSubmitter:correction-)?([\w ]+)(?:-\d+)?")


def encoded(canvas: NDArray[np.uint8]) -> str:
    """A drawing, (H, W, 4), as the canvas sends it."""
    png = BytesIO()
    Image.fromarray(canvas).save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


class Visitor:
    """One open page. `async with Visitor(url) as visitor: ...`"""

    def __init__(self, url: str) -> None:
        self.url = url
        self.page: ClientConnection
        self.widgets: dict[str, str] = {}  # by their last part: canvas, label, ...
        self.digit: int | None = None
        self.hint = ""
        self.message = ""
        self._drawn = BackMsg()
        self.shown = ""  # what a browser keeps for the page, in a hidden input

    async def __aenter__(self) -> Self:
        """Open the page and wait until it is complete."""
        await self.connect()
        await self.run(BackMsg())
        return self

    async def connect(self) -> None:
        """Connect, and ask for nothing yet."""
        self.page = await connect(
            self.url.replace("http", "ws", 1) + "/_stcore/stream",
            origin=Origin(self.url),
            subprotocols=[Subprotocol("streamlit")],
            max_size=None,
            close_timeout=1,  # it may leave with much of the page unread
        )

    def take_over(self, page: Visitor, shown: str) -> None:
        """Go on with an open page whose session is gone; it remembers `shown`."""
        self.widgets = {**page.widgets}
        self.digit, self.shown, self._drawn = page.digit, shown, page._drawn

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the page."""
        await self.page.close()

    async def draw(self, canvas: NDArray[np.uint8]) -> None:
        """Send a drawing, (H, W, 4), and wait for the page with its prediction."""
        await self.send_picture(encoded(canvas))

    async def send_picture(self, data: object) -> None:
        """Send what the canvas would put in its `data`, and wait for the page."""
        drawing = {"drawing": {"raw": {"version": "7.4.0", "objects": []}, "data": data}}
        back = BackMsg()
        back.rerun_script.widget_states.widgets.add(
            id=self.widgets["canvas"], json_value=json.dumps(drawing)
        )
        self._drawn = back
        await self.run(back)

    async def answer(self, digit: int) -> None:
        """Press Correct if that is what was predicted, else submit the correction."""
        back = BackMsg()
        back.CopyFrom(self._drawn)
        widgets = back.rerun_script.widget_states.widgets
        widgets.add(id=self.widgets["shown"], string_value=self.shown)
        if digit == self.digit:
            widgets.add(id=self.widgets["correct"], trigger_value=True)
        else:
            widgets.add(id=self.widgets["label"], string_value=str(digit))
            widgets.add(id=self.widgets["Submit Correction"], trigger_value=True)
        await self.run(back)

    async def run(self, back: BackMsg) -> None:
        """Send, and read the page that comes back to its end."""
        back.rerun_script.SetInParent()
        await self.page.send(back.SerializeToString())
        self.digit, self.hint = None, ""
        while True:
            forward = ForwardMsg()
            frame = await self.page.recv(decode=False)
            forward.ParseFromString(frame)
            if forward.WhichOneof("type") == "script_finished":
                # A run that a newer one overtook ends early; the newer one follows.
                if forward.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    return
            elif forward.WhichOneof("type") == "delta":
                self._read(forward)

    def _read(self, forward: ForwardMsg) -> None:
        element = forward.delta.new_element
        kind = element.WhichOneof("type")
        if kind in ("bidi_component", "button", "text_input"):
            identity = getattr(element, kind).id
            named = WIDGET.fullmatch(identity)
            assert named, identity
            name = named[1]
            self.widgets[name] = identity
            if name == "shown":
                self.shown = element.text_input.value
        elif kind == "html":
            body = element.html.body
            if 'data-testid="digit"' in body:
                self.digit = int(body.split('data-testid="digit">')[1][0])
                self.hint = ""
            elif 'class="hint"' in body:
                self.digit, self.hint = None, body.split('class="hint">')[1].split("<")[0]
            elif 'role="alert"' in body:
                self.message = body.split(">", 1)[1].split("<")[0]
