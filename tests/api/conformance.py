"""Checks a journal of requests and answers against DigitalOcean's own description.

    failures = conformance.check(Path("requests.jsonl"))

Every line is validated both ways. Where the live service is known to take more
than its description, the exception is named in EXCEPTIONS with its reason.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.validation.schemas.exceptions import InvalidSchemaValue
from werkzeug.datastructures import Headers, ImmutableMultiDict

from tests import needs
from tests.api import openapi

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HOST = "https://api.digitalocean.com"


@dataclass(frozen=True)
class KnownException:
    """One way in which a request may differ from the description."""

    methods: tuple[str, ...]
    path: str  # as it begins
    message: str  # what the validator says of it, in part
    reason: str


EXCEPTIONS = [
    KnownException(
        ("POST", "PUT"),
        "/v2/firewalls",
        "'ports' is a required property",
        "Terraform's provider leaves ports out for icmp, which has none; the service accepts it.",
    ),
    KnownException(
        ("POST", "PUT"),
        "/v2/uptime/checks",
        "'method' is a required property",
        "The description has no such property, and names it as required.",
    ),
    KnownException(
        ("POST", "PUT"),
        "/v2/uptime/checks",
        "slack",
        "Terraform's provider sends null where there is no Slack channel; the service accepts it.",
    ),
    KnownException(
        ("POST", "PUT"),
        "/v2/uptime/checks",
        "comparison: '' is not one of",
        "As above: an alert that compares nothing (down) sends an empty text.",
    ),
    KnownException(
        ("POST", "PUT"),
        "/v2/monitoring/alerts",
        "slack",
        "As for uptime checks.",
    ),
    KnownException(
        ("POST",),
        "/v2/droplets/",
        "'change_backup_policy' is not one of",
        "Terraform's provider sends it, and the description has it among the actions; its list of "
        "types lacks it.",
    ),
    KnownException(
        ("POST",),
        "/v2/droplets/",
        "backup_policy/weekday: '' is not one of",
        "Terraform's provider names no day for backups of every day, with an empty text.",
    ),
    KnownException(
        ("POST",),
        "/v2/databases",
        "project_id: '' is not",
        "Terraform's provider sends what is not set, too: an empty text and null.",
    ),
    KnownException(
        ("POST",),
        "/v2/databases",
        "rules: None",
        "As above.",
    ),
    KnownException(
        ("PUT",),
        "/v2/databases/",
        "cluster_uuid: Tried to write read-only property",
        "Terraform's provider sends it in each rule of a database's firewall, empty.",
    ),
    KnownException(
        ("PUT",),
        "/v2/databases/",
        "created_at: Tried to write read-only property with 0001-01-01T00:00:00Z",
        "As above: a time that is not set.",
    ),
    KnownException(
        ("PUT",),
        "/v2/domains/",
        "'type' is a required property",
        "Terraform's provider leaves out what cannot be changed; the service accepts it.",
    ),
    KnownException(
        ("GET", "PUT", "DELETE"),
        "/v2/account/keys/",
        "is not valid under any of the given schemas",
        "The key in the path is a number or a fingerprint; openapi-core tries it as text only.",
    ),
]


@dataclass(frozen=True)
class Failure:
    """A request or an answer that does not fit the description."""

    method: str
    path: str
    part: str
    message: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}: the {self.part}: {self.message}"


def journal(file: Path) -> list[dict[str, Any]]:
    """The entries of a journal."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def check(file: Path) -> list[Failure]:
    """What does not fit, in the order in which it happened, each once.

    Without the description, only requests to endpoints that the stand-in does not have. The test
    then reports that it left the rest out.
    """
    if not openapi.description():
        needs.leave_out(*openapi.NEEDED)
    failures = [failure for entry in journal(file) for failure in _check_entry(entry)]
    return list(dict.fromkeys(failures))


@cache
def _api() -> OpenAPI | None:
    """The description; None if it is not here."""
    file = openapi.description()
    return OpenAPI.from_dict(json.loads(file.read_text())) if file else None


class _Request:
    """A journal's request in the form that openapi-core reads."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.host_url = HOST
        # python-digitalocean writes droplets/ where the description has droplets.
        self.path = entry["path"].rstrip("/")
        self.method = entry["method"].lower()
        has_body = entry["request_body"] is not None
        self.content_type = "application/json" if has_body else ""
        self.body = json.dumps(entry["request_body"]).encode() if has_body else None
        query = [(key, value) for key, values in entry["query"].items() for value in values]
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(query),
            # The journal never holds a token; all but a 401 had one.
            header=Headers({"Authorization": "Bearer left-out"}),
        )


class _Answer:
    """A journal's answer in the form that openapi-core reads."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.status_code = entry["status"]
        has_body = entry["response_body"] is not None
        self.content_type = "application/json" if has_body else ""
        self.data = json.dumps(entry["response_body"]).encode() if has_body else None
        self.headers = Headers()


def _check_entry(entry: dict[str, Any]) -> Iterator[Failure]:
    method, path = entry["method"], entry["path"]
    if not entry["known"]:
        yield Failure(method, path, "request", "the stand-in has no such endpoint")
        return
    api = _api()
    if not api:
        return
    request = _Request(entry)
    # What the service refused need not be right; the refusal has to be.
    if entry["status"] < 400:
        for message in _messages(api.iter_request_errors(request)):
            if not _excepted(method, path, message):
                yield Failure(method, path, "request", message)
    answer = _Answer(entry)
    for message in _messages(api.iter_response_errors(request, answer)):
        yield Failure(method, path, "answer", f"{answer.status_code}: {message}")


def _messages(errors: Iterable[Exception]) -> Iterator[str]:
    """Every single thing that is wrong, said by itself."""
    for error in errors:
        cause = error.__cause__
        found = list(cause.schema_errors) if isinstance(cause, InvalidSchemaValue) else []
        for wrong in found:
            where = "/".join(map(str, getattr(wrong, "absolute_path", ())))
            yield f"{where}: {getattr(wrong, 'message', wrong)}"[:500]
        if not found:
            yield f"{error} {cause or ''}".strip()


def _excepted(method: str, path: str, message: str) -> bool:
    return any(
        method in known.methods and path.startswith(known.path) and known.message in message
        for known in EXCEPTIONS
    )
