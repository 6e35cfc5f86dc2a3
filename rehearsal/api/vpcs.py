"""The account's private networks: one in each region, made with the first droplet there."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from .catalog import REGIONS
from .clock import now
from .endpoint import Answer, cloud, page_of
from .errors import not_found

if TYPE_CHECKING:
    from .store import State

routes = Blueprint("vpcs", __name__)


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
