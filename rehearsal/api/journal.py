"""A record of every request and its answer, one JSON object a line."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from flask import Request, Response

from .clock import now

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """Appends to one file. The token never reaches it."""

    def __init__(self, file: Path) -> None:
        self._out = file.open("a")
        self._lock = threading.Lock()

    def record(self, request: Request, response: Response) -> Response:
        """Note a request and what it was answered."""
        entry: dict[str, Any] = {
            "time": now(),
            "method": request.method,
            "path": request.path,
            "query": request.args.to_dict(flat=False),
            "user_agent": request.headers.get("User-Agent", ""),
            "request_body": request.get_json(force=True, silent=True),
            # No rule of ours matched this path and method.
            "known": request.url_rule is not None,
            "status": response.status_code,
            "response_body": response.get_json(silent=True),
        }
        with self._lock:
            self._out.write(json.dumps(entry) + "\n")
            self._out.flush()
        return response
