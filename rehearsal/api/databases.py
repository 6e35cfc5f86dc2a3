"""Managed databases: clusters of PostgreSQL. What runs behind them is the keeper's business."""

from __future__ import annotations

import base64
import re
import uuid
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from .catalog import REGIONS
from .clock import now
from .database_parts import new_user
from .database_state import ADMIN, FIRST_DATABASE, PORT, known, there, urn
from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, text
from .errors import not_found, unprocessable
from .project_state import default_project, project_of
from .store import next_id
from .vpcs import default_vpc

if TYPE_CHECKING:
    from .store import State

routes = Blueprint("databases", __name__)

_VERSIONS = ("14", "15", "16", "17")
#: By the number of nodes.
_SIZES = {
    1: ("db-s-1vcpu-1gb", "db-s-1vcpu-2gb", "db-s-2vcpu-4gb", "db-s-4vcpu-8gb"),
    2: ("db-s-1vcpu-2gb", "db-s-2vcpu-4gb", "db-s-4vcpu-8gb"),
    3: ("db-s-1vcpu-2gb", "db-s-2vcpu-4gb", "db-s-4vcpu-8gb"),
}
_RULES = ("droplet", "k8s", "ip_addr", "tag", "app")


def _connection(cluster: dict[str, Any], host: str) -> dict[str, Any]:
    password = next(one["password"] for one in cluster["users"] if one["name"] == ADMIN)
    return {
        "uri": f"postgresql://{ADMIN}:{password}@{host}:{PORT}/{FIRST_DATABASE}?sslmode=require",
        "database": FIRST_DATABASE,
        "host": host,
        "port": PORT,
        "user": ADMIN,
        "password": password,
        "ssl": True,
    }


def _view(state: State, cluster: dict[str, Any]) -> dict[str, Any]:
    kept = ("id", "name", "version", "status", "size", "num_nodes", "created_at", "users", "tags")
    return {key: cluster[key] for key in kept} | {
        "engine": "pg",
        "semantic_version": f"{cluster['version']}.6",
        "region": cluster["region_slug"],
        "db_names": cluster["dbs"],
        "private_network_uuid": cluster["vpc_uuid"],
        "project_id": project_of(state, urn(cluster["id"]))["id"],
        "storage_size_mib": 10240,
        "connection": _connection(cluster, cluster["host"]),
        "private_connection": _connection(cluster, f"private-{cluster['host']}"),
        "rules": cluster["rules"],
    }


def _layout(values: dict[str, Any]) -> dict[str, Any]:
    """The size and number of nodes that a request asks for."""
    nodes, size = values.get("num_nodes"), values.get("size")
    if nodes not in _SIZES:
        raise unprocessable("invalid number of nodes")
    if size not in _SIZES[nodes]:
        raise unprocessable(f"invalid size {size} for {nodes} nodes")
    return {"num_nodes": nodes, "size": size}


def _wanted(state: State, values: dict[str, Any]) -> dict[str, Any]:
    """The cluster that a request asks for."""
    name, region, version = text(values, "name"), values.get("region"), values.get("version", "17")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", name):
        raise unprocessable("invalid cluster name")
    if any(one["name"] == name for one in there(state)):
        raise unprocessable("cluster name is not available")
    if values.get("engine") != "pg":
        raise unprocessable("Only PostgreSQL (pg) is rehearsed.")
    if region not in REGIONS:
        raise unprocessable("invalid region")
    if version not in _VERSIONS:
        raise unprocessable("invalid version")
    vpc = default_vpc(state, region)["id"]
    if values.get("private_network_uuid") not in (None, "", vpc):
        raise unprocessable("invalid private network")
    return {
        "name": name,
        "version": version,
        "region_slug": region,
        "vpc_uuid": vpc,
        "tags": values.get("tags") or [],
        **_layout(values),
    }


@routes.get("/v2/databases/options")
def list_options() -> Answer:
    layouts = [{"num_nodes": nodes, "sizes": list(sizes)} for nodes, sizes in _SIZES.items()]
    offered = {"regions": list(REGIONS), "versions": list(_VERSIONS), "layouts": layouts}
    return {"options": {"pg": offered}}, 200


@routes.get("/v2/databases")
def list_clusters() -> Answer:
    with cloud().store.read() as state:
        return page_of("databases", [_view(state, one) for one in there(state)])


@routes.post("/v2/databases")
def create_cluster() -> Answer:
    values = body()
    with cloud().store.change() as state:
        wanted = _wanted(state, values)
        cluster: dict[str, Any] = wanted | {
            "id": str(uuid.uuid4()),
            "status": "creating",
            "created_at": now(),
            "host": f"{wanted['name']}-do-user-{next_id(state)}-0.d.db.ondigitalocean.com",
            "users": [new_user(ADMIN, "primary")],
            "dbs": [FIRST_DATABASE],
            "rules": [],
            "removed": {"users": [], "dbs": []},
            "ca": "",
            "gone": False,
        }
        state["databases"][cluster["id"]] = cluster
        default_project(state)["resources"][urn(cluster["id"])] = now()
        return {"database": _view(state, cluster)}, 201


@routes.get("/v2/databases/<cluster_id>")
def get_cluster(cluster_id: str) -> Answer:
    with cloud().store.read() as state:
        return {"database": _view(state, known(state, cluster_id))}, 200


@routes.delete("/v2/databases/<cluster_id>")
def delete_cluster(cluster_id: str) -> Answer:
    with cloud().store.change() as state:
        known(state, cluster_id)["gone"] = True
        project_of(state, urn(cluster_id))["resources"].pop(urn(cluster_id))
    return NO_CONTENT


@routes.get("/v2/databases/<cluster_id>/ca")
def get_ca(cluster_id: str) -> Answer:
    with cloud().store.read() as state:
        pem = known(state, cluster_id)["ca"]
    if not pem:
        raise not_found()
    return {"ca": {"certificate": base64.b64encode(pem.encode()).decode()}}, 200


@routes.put("/v2/databases/<cluster_id>/resize")
def resize_cluster(cluster_id: str) -> Answer:
    values = body()
    with cloud().store.change() as state:
        cluster = known(state, cluster_id)
        _must_be_online(cluster)
        # The keeper makes it so, and then says that it is online again.
        cluster |= _layout(values) | {"status": "resizing"}
    return {}, 202


@routes.put("/v2/databases/<cluster_id>/upgrade")
def upgrade_cluster(cluster_id: str) -> Answer:
    version = text(body(), "version")
    with cloud().store.read() as state:
        cluster = known(state, cluster_id)
        if version not in _VERSIONS or int(version) <= int(cluster["version"]):
            raise unprocessable("invalid version for an upgrade")
    raise unprocessable("Another major version of a managed database is not rehearsed.")


@routes.get("/v2/databases/<cluster_id>/firewall")
def get_firewall(cluster_id: str) -> Answer:
    with cloud().store.read() as state:
        return {"rules": known(state, cluster_id)["rules"]}, 200


@routes.put("/v2/databases/<cluster_id>/firewall")
def put_firewall(cluster_id: str) -> Answer:
    given = body().get("rules") or []
    with cloud().store.change() as state:
        cluster = known(state, cluster_id)
        for rule in given:
            if rule.get("type") not in _RULES or not rule.get("value"):
                raise unprocessable("a rule needs a type and a value")
            if rule["type"] == "tag" and rule["value"] not in state["tags"]:
                raise unprocessable(f"there is no tag {rule['value']!r}")
        cluster["rules"] = [
            {
                "uuid": str(uuid.uuid4()),
                "cluster_uuid": cluster_id,
                "type": rule["type"],
                "value": rule["value"],
                "created_at": now(),
            }
            for rule in given
        ]
    return NO_CONTENT


def _must_be_online(cluster: dict[str, Any]) -> None:
    if cluster["status"] != "online":
        raise unprocessable("cluster is not online")
