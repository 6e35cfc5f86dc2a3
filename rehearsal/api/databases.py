"""Managed databases: clusters of PostgreSQL, their users, databases and trusted sources."""

from __future__ import annotations

import base64
import secrets
import uuid
from typing import Any

from rehearsal.engines import DockerEngines

from .account import named_droplets
from .catalog import REGIONS, vpc_of
from .fields import Field, Item, not_found, read, refused
from .resource import NO_CONTENT, Answer, Call, Resource, route
from .store import State, next_id, now

PORT = 25060
ADMIN = "doadmin"
FIRST_DATABASE = "defaultdb"
_VERSIONS = ("14", "15", "16", "17")
_LARGER = ("db-s-1vcpu-2gb", "db-s-2vcpu-4gb", "db-s-4vcpu-8gb")
# By the number of nodes.
_SIZES = {1: ("db-s-1vcpu-1gb", *_LARGER), 2: _LARGER, 3: _LARGER}
_LAYOUT = {
    "num_nodes": Field(type="integer", required=True, one_of=tuple(_SIZES)),
    "size": Field(required=True, one_of=_SIZES[1]),
}
_REGION = Field(required=True, one_of=tuple(REGIONS), message="invalid region")
_RULE = Field(
    type="object",
    many=True,
    fields={
        "type": Field(required=True, one_of=("droplet", "ip_addr", "tag")),
        "value": Field(required=True),
    },
)
# What the cluster behind it needs to know.
_SETTINGS = ("version", "region", *_LAYOUT, "users", "dbs")


class Databases(Resource):
    path, one, many = "databases", "database", "databases"
    verbs = ("list", "create", "get", "delete")
    in_project = True
    runs = True
    taken = (422, "cluster name is not available")
    hidden = ("gone", "host", "dbs", "ca")
    fields = {
        "name": Field(
            required=True,
            pattern="[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
            message="invalid cluster name",
        ),
        "engine": Field(required=True, one_of=("pg",)),
        "version": Field(default="17", one_of=_VERSIONS),
        "region": _REGION,
        "private_network_uuid": Field(),
        "tags": Field(many=True),
        "rules": _RULE,
        **_LAYOUT,
    }

    def complete(self, call: Call, item: Item) -> None:
        network = vpc_of(call.state, item["region"], item["private_network_uuid"])
        item |= {
            "private_network_uuid": network,
            "status": "creating",
            "created_at": now(),
            "host": f"{item['name']}-do-user-{next_id(call.state)}-0.d.db.ondigitalocean.com",
            "users": {ADMIN: {"name": ADMIN, "role": "primary", "password": _password()}},
            "dbs": {FIRST_DATABASE: {"name": FIRST_DATABASE}},
            "ca": "",
        }

    def check(self, state: State, item: Item) -> None:
        if item["size"] not in _SIZES[item["num_nodes"]]:
            raise refused(f"invalid size {item['size']} for {item['num_nodes']} nodes")

    def view(self, state: State, item: Item) -> Item:
        return super().view(state, item) | {
            "semantic_version": f"{item['version']}.6",
            "users": list(item["users"].values()),
            "db_names": list(item["dbs"]),
            "storage_size_mib": 10240,
            "connection": _connection(item, item["host"]),
            "private_connection": _connection(item, f"private-{item['host']}"),
        }

    @route("GET", "options")
    def options(self, _call: Call) -> Answer:
        layouts = [{"num_nodes": nodes, "sizes": list(sizes)} for nodes, sizes in _SIZES.items()]
        offered = {"regions": list(REGIONS), "versions": list(_VERSIONS), "layouts": layouts}
        return {"options": {"pg": offered}}, 200

    @route("GET", "<key>/ca")
    def ca(self, call: Call, key: str) -> Answer:
        pem = self.find(call.state, key)["ca"]
        if not pem:
            raise not_found()
        return {"ca": {"certificate": base64.b64encode(pem.encode()).decode()}}, 200

    @route("PUT", "<key>/resize")
    def resize(self, call: Call, key: str) -> Answer:
        item = self._online(call, key)
        item |= read(_LAYOUT, call.values, call.state) | {"status": "resizing"}
        self.check(call.state, item)
        return {}, 202

    @route("PUT", "<key>/migrate")
    def migrate(self, call: Call, key: str) -> Answer:
        item = self._online(call, key)
        item |= read({"region": _REGION}, call.values, call.state) | {"status": "migrating"}
        item["private_network_uuid"] = vpc_of(call.state, item["region"], None)
        return {}, 202

    @route("GET", "<key>/firewall")
    def rules(self, call: Call, key: str) -> Answer:
        return {"rules": self.find(call.state, key)["rules"]}, 200

    @route("PUT", "<key>/firewall")
    def put_rules(self, call: Call, key: str) -> Answer:
        item, given = self.find(call.state, key), read({"rules": _RULE}, call.values, call.state)
        for rule in given["rules"]:
            if rule["type"] == "tag" and rule["value"] not in call.state["tags"]:
                raise refused(f"there is no tag {rule['value']!r}")
            rule |= {"uuid": str(uuid.uuid4()), "cluster_uuid": key, "created_at": now()}
        item |= given
        return NO_CONTENT

    def _online(self, call: Call, key: str) -> Item:
        item = self.find(call.state, key)
        if item["status"] != "online":
            raise refused("cluster is not online")
        return item

    # What runs behind it

    def wanted(self, state: State, item: Item) -> Any:
        """All that what runs behind it has to know."""
        return {name: item[name] for name in _SETTINGS}, _trusted(state, item)

    def run(self, engines: DockerEngines, item: Item, addresses: list[str] | None) -> Item:
        """Make it so; what changes in the object."""
        whole = item | {"users": list(item["users"].values()), "dbs": list(item["dbs"])}
        authority = engines.serve(whole)
        engines.guard(item["id"], addresses)
        return {"status": "online", "ca": authority}

    def stop(self, engines: DockerEngines, item: Item) -> None:
        engines.remove(item["id"])


class _Parts(Resource):
    """What is in a cluster and has a name. PostgreSQL keeps what is removed, as long as it runs."""

    parent: Resource | None = Databases()
    key = "name"
    verbs = ("list", "create", "get", "delete")
    taken = (422, "this name already exists")
    fields = {"name": Field(required=True, pattern=r"[a-zA-Z_][\w-]{0,62}", message="invalid name")}

    def removed(self, call: Call, item: Item) -> None:
        if item["name"] in (ADMIN, FIRST_DATABASE):
            raise refused(f"{item['name']} cannot be removed")


class Users(_Parts):
    path, one, many = "databases/<parent>/users", "user", "users"

    def complete(self, call: Call, item: Item) -> None:
        item |= {"role": "normal", "password": _password()}

    @route("POST", "<key>/reset_auth")
    def reset_password(self, call: Call, key: str, parent: str) -> Answer:
        user = self.find(call.state, key, parent)
        user["password"] = _password()
        return {"user": user}, 200


class Dbs(_Parts):
    path, one, many = "databases/<parent>/dbs", "db", "dbs"


def _password() -> str:
    """One that nobody has chosen."""
    return f"AVNS_{secrets.token_urlsafe(15)}"


def _connection(cluster: Item, host: str) -> Item:
    password = cluster["users"][ADMIN]["password"]
    return {
        "uri": f"postgresql://{ADMIN}:{password}@{host}:{PORT}/{FIRST_DATABASE}?sslmode=require",
        "database": FIRST_DATABASE,
        "host": host,
        "port": PORT,
        "user": ADMIN,
        "password": password,
        "ssl": True,
    }


def _trusted(state: State, cluster: Item) -> list[str] | None:
    """The addresses that may come to a cluster; None, without a rule, means everybody."""
    if not cluster["rules"]:
        return None
    named: dict[str, list[str]] = {"ip_addr": [], "droplet": [], "tag": []}
    for rule in cluster["rules"]:
        named[rule["type"]].append(rule["value"])
    droplets = named_droplets(state, [*map(int, named["droplet"])], named["tag"])
    return sorted({*named["ip_addr"], *(one["address"] for one in droplets if one["address"])})
