"""Requests to the API, and errors in the words of the real provider."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

# Between two questions whether the API has done what it was asked.
SECONDS_BETWEEN_LOOKS = 0.2
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ApiError(Exception):
    """The API answered with an error, or not at all (status 0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """Talks to the API named in the environment, which must be on this machine."""

    def __init__(self, spaces: Any) -> None:
        """With the Spaces of spaces.py."""
        self.spaces = spaces
        self.endpoint = os.environ.get("DIGITALOCEAN_API_URL", "").rstrip("/")
        self.token = os.environ.get("DIGITALOCEAN_TOKEN", "")
        self.retries = int(os.environ.get("DIGITALOCEAN_HTTP_RETRY_MAX") or 4)
        if urlsplit(self.endpoint).hostname not in _LOOPBACK:
            raise ApiError(
                0,
                "This is the rehearsal's stand-in for Terraform's DigitalOcean provider. It only "
                "talks to the rehearsal on this machine, but DIGITALOCEAN_API_URL is "
                f"{self.endpoint or 'not set'}. To deploy to DigitalOcean itself, open a new "
                "shell, so that TF_CLI_CONFIG_FILE is not set, and run make deploy there.",
            )
        # A proxy has no business between two programs of one machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer to a request, which is repeated where the real provider repeats it."""
        attempt = 0
        while True:
            try:
                return self._attempt(method, path, body)
            except ApiError as error:
                again = error.status in (0, 429) or error.status >= 500
                if not again or attempt >= self.retries:
                    raise
            time.sleep(min(2**attempt, 30))
            attempt += 1

    def _attempt(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        url = f"{self.endpoint}/v2/{path}"
        request = urllib.request.Request(  # noqa: S310 - an address of this machine
            url,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "User-Agent": "rehearsal-terraform-provider",
            },
        )
        try:
            with self._opener.open(request, timeout=600) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, f"{method} {url}: {_reason(error)}") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ApiError(
                0,
                f"{method} {url}: {reason}. The rehearsal's DigitalOcean does not answer there: "
                "start it again: scripts/in rehearsal -m rehearsal up",
            ) from None
        return json.loads(text) if text else None


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        answer = json.loads(error.read())
        return f'{error.code} (request "{answer.get("request_id", "")}") {answer["message"]}'
    except (ValueError, KeyError):
        return f"{error.code} {error.reason}"
