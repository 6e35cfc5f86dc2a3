"""Requests to the API, and errors in the words of the real provider."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, Retry
from urllib3.exceptions import HTTPError

# Between two questions whether the API has done what it was asked.
SECONDS_BETWEEN_LOOKS = 0.2
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_AGAIN = (429, *range(500, 600))


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
        if urlsplit(self.endpoint).hostname not in _LOOPBACK:
            raise ApiError(
                0,
                "This is the rehearsal's stand-in for Terraform's DigitalOcean provider. It only "
                "talks to the rehearsal on this machine, but DIGITALOCEAN_API_URL is "
                f"{self.endpoint or 'not set'}. To deploy to DigitalOcean itself, open a new "
                "shell, so that TF_CLI_CONFIG_FILE is not set, and run make deploy there.",
            )
        tries = int(os.environ.get("DIGITALOCEAN_HTTP_RETRY_MAX") or 4)
        self._pool = PoolManager(
            headers={"Authorization": f"Bearer {os.environ.get('DIGITALOCEAN_TOKEN', '')}"},
            timeout=600,
            retries=Retry(
                tries,
                backoff_factor=1,
                status_forcelist=_AGAIN,
                allowed_methods=None,
                raise_on_status=False,
            ),
        )

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer to a request, which is repeated where the real provider repeats it."""
        url = f"{self.endpoint}/v2/{path}"
        try:
            answer = self._pool.request(method, url, json=body)
        except HTTPError as error:
            reason = str(getattr(error, "reason", error)).rpartition(": ")[2]
            raise ApiError(
                0,
                f"{method} {url}: {reason}. The rehearsal's DigitalOcean does not answer there: "
                "start it again: scripts/in rehearsal -m rehearsal up",
            ) from None
        if answer.status >= 400:
            raise ApiError(answer.status, f"{method} {url}: {_reason(answer)}")
        return answer.json() if answer.data else None


def _reason(answer: BaseHTTPResponse) -> str:
    try:
        said = answer.json()
        return f'{answer.status} (request "{said.get("request_id", "")}") {said["message"]}'
    except (ValueError, KeyError):
        return f"{answer.status} {answer.reason}"
