"""A record of every request and its answer, one JSON object a line."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

from flask import Request, Response, g

from .clock import now

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """Appends to one file. The token never reaches it."""

    def __init__(self, file: Path) -> None:
        self._out = file.open("a")
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Note when a request came in."""
        g.began = time.monotonic()

    def record(self, request: Request, response: Response) -> Response:
        """Note a request and what it was answered."""
        entry: dict[str, Any] = {
            "time": now(),
            "method": request.method,
            "path": request.path,
            "query": request.args.to_dict(flat=False),
            "user_agent": request.headers.get("User-Agent", ""),
            "request_content_type": request.headers.get("Content-Type"),
            "request_body": _json_or_text(request.get_data(as_text=True)),
            # No rule of ours matched this path and method.
            "known": request.url_rule is not None,
            "status": response.status_code,
            "response_body": _json_or_text(response.get_data(as_text=True)),
            "milliseconds": round((time.monotonic() - g.began) * 1000, 1),
        }
        with self._lock:
            self._out.write(json.dumps(entry) + "\n")
            self._out.flush()
        return response


def _json_or_text(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
