"""What this account never has, and its networks.

Answered with empty lists, so that a check that nothing billable remains can ask
for everything.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from .catalog import REGIONS
from .errors import not_found
from .web import Answer, cloud, now, page_of

if TYPE_CHECKING:
    from .store import State

routes = Blueprint("others", __name__)

# path: the name of its list in the answer
_EMPTY = {
    "/v2/volumes": "volumes",
    "/v2/reserved_ips": "reserved_ips",
    "/v2/load_balancers": "load_balancers",
    "/v2/databases": "databases",
    "/v2/certificates": "certificates",
    "/v2/monitoring/alerts": "policies",
    "/v2/uptime/checks": "checks",
}


def _empty(path: str, key: str) -> None:
    def endpoint() -> Answer:
        return page_of(key, [])

    routes.add_url_rule(path, f"list_{key}", endpoint)


for _path, _key in _EMPTY.items():
    _empty(_path, _key)


def default_vpc(state: State, region: str) -> dict[str, Any]:
    """The network that every account has in a region from its first droplet there."""
    if region not in state["vpcs"]:
        vpc_id = str(uuid.uuid4())
        state["vpcs"][region] = {
            "id": vpc_id,
            "urn": f"do:vpc:{vpc_id}",
            "name": f"default-{region}",
            "description": "",
            "region": region,
            "ip_range": f"10.{100 + list(REGIONS).index(region)}.0.0/20",
            "default": True,
            "created_at": now(),
        }
    vpc: dict[str, Any] = state["vpcs"][region]
    return vpc


@routes.get("/v2/vpcs")
def list_vpcs() -> Answer:
    with cloud().store.read() as state:
        return page_of("vpcs", list(state["vpcs"].values()))


@routes.get("/v2/vpcs/<vpc_id>")
def get_vpc(vpc_id: str) -> Answer:
    with cloud().store.read() as state:
        for vpc in state["vpcs"].values():
            if vpc["id"] == vpc_id:
                return {"vpc": vpc}, 200
    raise not_found()
