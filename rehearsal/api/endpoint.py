"""What every endpoint needs: the request's body and query, a list in pages, the cloud."""

from __future__ import annotations

import math
from typing import Any, cast
from urllib.parse import urlencode

from flask import current_app, request

from .cloud import Cloud
from .errors import unprocessable

#: What an endpoint returns: a JSON body and a status.
Answer = tuple[dict[str, Any] | str, int]

NO_CONTENT: Answer = ("", 204)


def cloud() -> Cloud:
    """The cloud that this server stands for."""
    return cast("Cloud", current_app.extensions["cloud"])


def query(name: str) -> str | None:
    """One parameter of the request's query string."""
    return request.args.get(name)


def body() -> dict[str, Any]:
    """The request's body, which has to be a JSON object."""
    value = request.get_json(force=True, silent=True)
    if not isinstance(value, dict):
        raise unprocessable("The request body is not a JSON object.")
    return value


def text(values: dict[str, Any], name: str) -> str:
    """A field of a body that has to be a string with something in it."""
    value = values.get(name)
    if not isinstance(value, str) or not value.strip():
        raise unprocessable(f"{name.capitalize()} can't be blank")
    return value


def strings(values: dict[str, Any], name: str) -> list[str]:
    """A field of a body that has to be a list of strings; nothing is an empty list."""
    value = values.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise unprocessable(f"{name.capitalize()} must be a list of strings")
    return value


def _number(name: str, default: int, largest: int) -> int:
    try:
        return min(max(int(query(name) or default), 1), largest)
    except ValueError:
        return default


def page_of(key: str, items: list[dict[str, Any]], **more: Any) -> Answer:
    """One page of a list, with the links to the others."""
    per_page = _number("per_page", 20, 200)
    page = _number("page", 1, 10**6)
    last = max(math.ceil(len(items) / per_page), 1)

    def link(number: int) -> str:
        values = request.args.to_dict() | {"page": str(number), "per_page": str(per_page)}
        return f"{request.base_url}?{urlencode(values)}"

    pages: dict[str, str] = {}
    if page > 1:
        pages |= {"first": link(1), "prev": link(min(page - 1, last))}
    if page < last:
        pages |= {"next": link(page + 1), "last": link(last)}
    return {
        key: items[(page - 1) * per_page : page * per_page],
        "links": {"pages": pages} if pages else {},
        "meta": {"total": len(items)},
        **more,
    }, 200
