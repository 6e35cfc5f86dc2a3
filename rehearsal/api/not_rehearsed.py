"""What costs money at DigitalOcean and is not rehearsed.

Answered with empty lists, so that a check that nothing billable is left can ask for everything.
"""

from __future__ import annotations

from flask import Blueprint

from .endpoint import Answer, page_of

routes = Blueprint("not_rehearsed", __name__)

# path: the name of its list in the answer
_EMPTY = {
    "/v2/volumes": "volumes",
}


def _empty(path: str, key: str) -> None:
    def endpoint() -> Answer:
        return page_of(key, [])

    routes.add_url_rule(path, f"list_{key}", endpoint)


for _path, _key in _EMPTY.items():
    _empty(_path, _key)
