"""Managed databases: digitalocean_database_cluster and what is in one."""

from __future__ import annotations

import base64
import uuid

from .client import ApiError, Client
from .resource import Resource, Wait
from .schema import STRINGS, State, block, body, computed, optional, required

_ONLINE = Wait(("creating", "resizing", "migrating"), "online")


class DatabaseCluster(Resource):
    name, title = "database_cluster", "database cluster"
    path, one = "databases", "database"
    urn = "dbaas"
    made = _ONLINE
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
        **{name: computed(read=f"connection.{name}") for name in ("host", "database", "user")},
        "urn": computed(read=""),
    }

    def body(self, state: State) -> State:
        # As the real one.
        return super().body(state) | {"rules": None}

    def create(self, planned: State) -> State:
        try:
            return super().create(planned)
        except ApiError:
            # As the real one: what is not found at once is forgotten, and costs on.
            planned["id"] = None
            raise

    def update(self, current: State, planned: State) -> State:
        path = f"databases/{current['id']}"

        def differs(*names: str) -> bool:
            return any(planned[name] != current[name] for name in names)

        if differs("size", "node_count"):
            wanted = {"size": planned["size"], "num_nodes": int(planned["node_count"])}
            self.client.request("PUT", f"{path}/resize", wanted)
            self.wait(current, _ONLINE)
        if differs("region"):
            self.client.request("PUT", f"{path}/migrate", {"region": planned["region"]})
            self.wait(current, _ONLINE)
        if differs("version"):
            self.client.request("PUT", f"{path}/upgrade", {"version": planned["version"]})
        return self.read(planned)


class _Named(Resource):
    """What is in a cluster, has a name and cannot be changed."""

    #: In the id.
    word: str
    key = "name"

    def create(self, planned: State) -> State:
        answer = self.client.request("POST", self.at(planned), self.body(planned))[self.one]
        planned["id"] = f"{planned['cluster_id']}/{self.word}/{answer['name']}"
        return self.found(planned, answer)

    def get(self, state: State) -> State:
        answer: State = self.client.get(f"{self.at(state)}/{state['name']}")[self.one]
        return answer

    def delete(self, state: State) -> None:
        self.client.request("DELETE", f"{self.at(state)}/{state['name']}")

    def import_(self, state: State) -> State:
        cluster, _, name = str(state["id"]).partition(",")
        if not name:
            raise ApiError(
                0, "must use the ID of the source database cluster and the name joined with a comma"
            )
        key = f"{cluster}/{self.word}/{name}"
        return self.read(state | {"id": key, "cluster_id": cluster, "name": name})


_CLUSTER = required(force_new=True, api="", read="")
_NAME = required(force_new=True)


class DatabaseDb(_Named):
    name, title = "database_db", "Database DB"
    path, one, word = "databases/{cluster_id}/dbs", "db", "database"
    fields = {"cluster_id": _CLUSTER, "name": _NAME}


class DatabaseUser(_Named):
    name, title = "database_user", "Database User"
    path, one, word = "databases/{cluster_id}/users", "user", "user"
    fields = {
        "cluster_id": _CLUSTER,
        "name": _NAME,
        "role": computed(),
        "password": computed(sensitive=True),
    }

    def found(self, state: State, answer: State) -> State:
        # A token that may not see passwords gets an empty one: what is known is kept.
        found = super().found(state, answer)
        return found | {"password": found["password"] or state["password"]}


class DatabaseFirewall(Resource):
    name, title = "database_firewall", "DatabaseFirewall"
    path = "databases/{cluster_id}/firewall"
    fields = {
        "cluster_id": _CLUSTER,
        # The real one's rules have a uuid and a time, too, which nothing here reads.
        "rule": block(
            {
                "type": required(),
                "value": required(),
            },
            api="rules",
        ),
    }

    def create(self, planned: State) -> State:
        self._put(planned, body(self.fields, planned)["rules"])
        planned["id"] = f"{planned['cluster_id']}-{uuid.uuid4().hex}"
        return self.read(planned)

    def get(self, state: State) -> State:
        answer: State = self.client.get(self.at(state))
        if not answer["rules"]:
            raise ApiError(404, "it has no rules")
        return answer

    def update(self, current: State, planned: State) -> State:
        self._put(planned, body(self.fields, planned)["rules"])
        return self.read(planned)

    def delete(self, state: State) -> None:
        # Nobody is kept out from then on.
        self._put(state, [])

    def import_(self, state: State) -> State:
        cluster = state["id"]
        return self.read({**state, "id": f"{cluster}-{uuid.uuid4().hex}", "cluster_id": cluster})

    def _put(self, state: State, rules: list[State]) -> None:
        # As the real one, which sends fields that it has not set.
        unset = {"cluster_uuid": "", "created_at": "0001-01-01T00:00:00Z"}
        self.client.request("PUT", self.at(state), {"rules": [unset | rule for rule in rules]})


class DatabaseCa:
    """What a client checks that it talks to the database by."""

    name, title = "database_ca", "database CA certificate"
    fields = {
        "id": optional(computed=True),
        "cluster_id": required(),
        "certificate": computed(),
    }

    @staticmethod
    def read(client: Client, config: State) -> State:
        cluster = config["cluster_id"]
        found = client.get(f"databases/{cluster}/ca")["ca"]["certificate"]
        pem = base64.b64decode(found).decode()
        return {"id": cluster, "cluster_id": cluster, "certificate": pem}
