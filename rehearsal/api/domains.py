"""DigitalOcean's DNS: zones and the records in them. Nobody is answered from here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, query, text
from .errors import conflict, not_found, unprocessable
from .store import next_id

if TYPE_CHECKING:
    from .store import State

routes = Blueprint("domains", __name__)

_TTL = 1800
_TYPES = ("A", "AAAA", "CNAME", "TXT")
_RECORDS = "/v2/domains/<zone>/records"
_NAME = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+")


def _records(state: State, zone: str) -> dict[str, Any]:
    if zone not in state["domains"]:
        raise not_found()
    records: dict[str, Any] = state["domains"][zone]
    return records


def _zone(name: str) -> dict[str, Any]:
    return {"name": name, "ttl": _TTL, "zone_file": f"$ORIGIN {name}.\n$TTL {_TTL}\n"}


def _record(state: State, zone: str, number: int) -> dict[str, Any]:
    record: dict[str, Any] | None = _records(state, zone).get(str(number))
    if record is None:
        raise not_found()
    return record


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """What a request says of a record."""
    unset = dict.fromkeys(("priority", "port", "weight", "flags", "tag"))
    ttl = int(values.get("ttl") or _TTL)
    return {"name": text(values, "name"), "data": text(values, "data"), "ttl": ttl, **unset}


@routes.get("/v2/domains")
def list_domains() -> Answer:
    with cloud().store.read() as state:
        return page_of("domains", [_zone(name) for name in state["domains"]])


@routes.post("/v2/domains")
def create_domain() -> Answer:
    name = text(body(), "name")
    if not _NAME.fullmatch(name):
        raise unprocessable("Domain name is invalid")
    with cloud().store.change() as state:
        if name in state["domains"]:
            raise conflict("Domain name already exists")
        state["domains"][name] = {}
    return {"domain": _zone(name)}, 201


@routes.get("/v2/domains/<zone>")
def get_domain(zone: str) -> Answer:
    with cloud().store.read() as state:
        _records(state, zone)
    return {"domain": _zone(zone)}, 200


@routes.delete("/v2/domains/<zone>")
def delete_domain(zone: str) -> Answer:
    with cloud().store.change() as state:
        _records(state, zone)
        del state["domains"][zone]
    return NO_CONTENT


@routes.get(_RECORDS)
def list_records(zone: str) -> Answer:
    kind = query("type")
    with cloud().store.read() as state:
        listed = _records(state, zone).values()
        return page_of("domain_records", [one for one in listed if kind in (None, one["type"])])


@routes.post(_RECORDS)
def create_record(zone: str) -> Answer:
    values = body()
    if values.get("type") not in _TYPES:
        raise unprocessable(f"Only records of {', '.join(_TYPES)} are rehearsed.")
    with cloud().store.change() as state:
        records = _records(state, zone)
        record = {"id": next_id(state), "type": values["type"], **_given(values)}
        records[str(record["id"])] = record
        return {"domain_record": record}, 201


@routes.get(f"{_RECORDS}/<int:number>")
def get_record(zone: str, number: int) -> Answer:
    with cloud().store.read() as state:
        return {"domain_record": _record(state, zone, number)}, 200


@routes.route(f"{_RECORDS}/<int:number>", methods=["PUT", "PATCH"])
def update_record(zone: str, number: int) -> Answer:
    values = body()
    with cloud().store.change() as state:
        record = _record(state, zone, number)
        record |= _given(record | values)
        return {"domain_record": record}, 200


@routes.delete(f"{_RECORDS}/<int:number>")
def delete_record(zone: str, number: int) -> Answer:
    with cloud().store.change() as state:
        _record(state, zone, number)
        del state["domains"][zone][str(number)]
    return NO_CONTENT
