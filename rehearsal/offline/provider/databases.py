"""Managed databases: digitalocean_database_cluster and what is in one."""

from __future__ import annotations

import base64

from .client import ApiError
from .resource import Resource, Wait
from .schema import STRINGS, State, block, body, computed, optional, required

_ONLINE = Wait(("creating", "resizing", "migrating"), "online")
_CLUSTER = required(api="", read="", force_new=True)


class DatabaseCluster(Resource):
    name, title = "database_cluster", "database cluster"
    path, one = "databases", "database"
    urn = "dbaas"
    made = _ONLINE
    sent = {"rules": None}
    fields = {
        "name": required(force_new=True),
        "engine": required(force_new=True),
        "version": optional(),
        "size": required(),
        "region": required(state=str.lower),
        "node_count": required("number", api="num_nodes"),
        "tags": optional(STRINGS, unset=[]),
        "private_network_uuid": optional(computed=True, force_new=True),
        "project_id": optional(computed=True, force_new=True, unset=""),
        "private_host": computed(read="private_connection.host"),
        "port": computed("number", read="connection.port"),
        "password": computed(read="connection.password", sensitive=True),
        "user": computed(read="connection.user"),
    }

    def create(self, planned: State) -> State:
        try:
            return super().create(planned)
        except ApiError:
            # As the real one: what is not found at once is forgotten, and costs on.
            planned["id"] = None
            raise

    def update(self, current: State, planned: State) -> State:
        for verb, names in (("resize", ("size", "node_count")), ("migrate", ("region",))):
            if any(planned[name] != current[name] for name in names):
                wanted = body({name: self.fields[name] for name in names}, planned)
                self.client.request("PUT", f"{self.at(current)}/{verb}", wanted)
                self.wait(current, _ONLINE)
        return self.read(planned)


class DatabaseDb(Resource):
    name, title = "database_db", "Database DB"
    path, item, one = "databases/{cluster_id}/dbs", "databases/{cluster_id}/dbs/{name}", "db"
    key, id_format = "name", "{cluster_id}/database/{key}"
    imported = ("cluster_id", "name")
    fields = {"cluster_id": _CLUSTER, "name": required(force_new=True)}


class DatabaseUser(Resource):
    name, title = "database_user", "Database User"
    path, item, one = "databases/{cluster_id}/users", "databases/{cluster_id}/users/{name}", "user"
    key, id_format = "name", "{cluster_id}/user/{key}"
    imported = ("cluster_id", "name")
    fields = {
        "cluster_id": _CLUSTER,
        "name": required(force_new=True),
        "role": computed(),
        "password": computed(sensitive=True),
    }

    def found(self, state: State, answer: State) -> State:
        # A token that may not see passwords gets an empty one: what is known is kept.
        found = super().found(state, answer)
        return found | {"password": found["password"] or state["password"]}


class DatabaseFirewall(Resource):
    name, title = "database_firewall", "DatabaseFirewall"
    item = "databases/{cluster_id}/firewall"
    id_format = "{cluster_id}-firewall"
    imported = ("cluster_id",)
    fields = {
        "cluster_id": _CLUSTER,
        # The real one's rules have a uuid and a time, too, which nothing here reads.
        "rule": block({"type": required(), "value": required()}, api="rules", unset=[]),
    }

    def body(self, state: State) -> State:
        # As the real one, which sends fields that it has not set.
        unset = {"cluster_uuid": "", "created_at": "0001-01-01T00:00:00Z"}
        return {"rules": [unset | rule for rule in super().body(state)["rules"]]}

    changed = body

    def create(self, planned: State) -> State:
        planned["id"] = self.id_format.format(**planned)
        return self.update(planned, planned)

    def get(self, state: State) -> State:
        answer = super().get(state)
        if not answer["rules"]:
            raise ApiError(404, "it has no rules")
        return answer

    def delete(self, state: State) -> None:
        # Nobody is kept out from then on.
        self.client.request("PUT", self.at(state), {"rules": []})


class DatabaseCa(Resource):
    """What a client checks that it talks to the database by."""

    name, title, data = "database_ca", "database CA certificate", True
    item, one = "databases/{cluster_id}/ca", "ca"
    fields = {
        "cluster_id": required(api="", read=""),
        "certificate": computed(from_api=lambda text: base64.b64decode(text).decode()),
    }
