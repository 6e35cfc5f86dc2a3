"""What is in a managed database: digitalocean_database_db, _user, _firewall and _ca."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING, Any

from tf.iface import DataSource
from tf.schema import Schema

from .client import ApiError
from .fields import Field, State, computed, not_empty, one_of, required
from .resource import SdkResource

if TYPE_CHECKING:
    from tf.iface import ReadDataContext

_CLUSTER = required("string", force_new=True, refuse=not_empty)
_NAME = required("string", force_new=True, refuse=not_empty)


class _Named(SdkResource):
    """A thing in a cluster that has a name and cannot be changed."""

    part: str  # of the path
    key: str  # of the answer
    word: str  # in the id

    def _path(self, state: State) -> str:
        return f"databases/{state['cluster_id']}/{self.part}"

    def do_create(self, planned: State, given: State) -> State:
        made = self.client.post(self._path(planned), {"name": planned["name"]})[self.key]
        planned["id"] = f"{planned['cluster_id']}/{self.word}/{made['name']}"
        return self._filled(planned, made)

    def do_read(self, state: State) -> State:
        found = self.client.get(f"{self._path(state)}/{state['name']}")[self.key]
        return self._filled(state, found)

    def _filled(self, state: State, found: dict[str, Any]) -> State:
        return {**state, "name": found["name"]}

    def do_update(self, current: State, planned: State) -> State:
        return self.do_read(planned)  # all its attributes make a new one

    def do_delete(self, state: State) -> None:
        self.client.delete(f"{self._path(state)}/{state['name']}")

    def do_import(self, state: State) -> State:
        cluster, _, name = str(state["id"]).partition(",")
        if not name:
            raise ApiError(
                0, "must use the ID of the source database cluster and the name joined with a comma"
            )
        state |= {"id": f"{cluster}/{self.word}/{name}", "cluster_id": cluster, "name": name}
        return self.do_read(state)


class DatabaseDb(_Named):
    name = "database_db"
    part, key, word = "dbs", "db", "database"
    fields = {"cluster_id": _CLUSTER, "name": _NAME}


class DatabaseUser(_Named):
    name = "database_user"
    part, key, word = "users", "user", "user"
    fields = {
        "cluster_id": _CLUSTER,
        "name": _NAME,
        "role": computed("string"),
        "password": computed("string", sensitive=True),
    }

    def _filled(self, state: State, found: dict[str, Any]) -> State:
        # A token that may not see passwords gets an empty one: what is known is kept.
        password = found.get("password") or state["password"]
        return {**state, "name": found["name"], "role": found["role"], "password": password}


class DatabaseFirewall(SdkResource):
    name = "database_firewall"
    errors = {
        "create": "Error creating DatabaseFirewall",
        "read": "Error retrieving DatabaseFirewall",
        "update": "Error updating DatabaseFirewall",
        "delete": "Error deleting DatabaseFirewall",
    }
    fields = {"cluster_id": _CLUSTER}
    # The real one's rules have a uuid and a time, too, which nothing here reads.
    blocks = {
        "rule": {
            "type": required("string", refuse=one_of("ip_addr", "droplet", "k8s", "tag", "app")),
            "value": required("string", refuse=not_empty),
        }
    }

    def do_create(self, planned: State, given: State) -> State:
        self._put(planned, planned["rule"])
        planned["id"] = f"{planned['cluster_id']}-{uuid.uuid4().hex}"
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        found = self.client.get(f"databases/{state['cluster_id']}/firewall")["rules"]
        if not found:
            raise ApiError(404, "it has no rules")
        rules = [{key: rule[key] for key in ("type", "value")} for rule in found]
        return {"id": state["id"], "cluster_id": state["cluster_id"], "rule": rules}

    def do_update(self, current: State, planned: State) -> State:
        self._put(planned, planned["rule"])
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        # Nobody is kept out from then on.
        self._put(state, [])

    def do_import(self, state: State) -> State:
        cluster = state["id"]
        return self.do_read({**state, "id": f"{cluster}-{uuid.uuid4().hex}", "cluster_id": cluster})

    def _put(self, state: State, rules: list[State]) -> None:
        body = {"rules": [{"type": rule["type"], "value": rule["value"]} for rule in rules]}
        self.client.put(f"databases/{state['cluster_id']}/firewall", body)


class DatabaseCa(DataSource):  # type: ignore[misc]
    """What a client checks that it talks to the database by."""

    fields = {
        "id": Field("string", optional=True, computed=True),
        "cluster_id": required("string", refuse=not_empty),
        "certificate": computed("string"),
    }

    def __init__(self, provider: Any) -> None:
        self._provider = provider

    @classmethod
    def get_name(cls) -> str:
        return "database_ca"

    @classmethod
    def get_schema(cls) -> Schema:
        return Schema(attributes=[field.attribute(name) for name, field in cls.fields.items()])

    def read(self, ctx: ReadDataContext, config: State) -> State | None:
        cluster = config["cluster_id"]
        try:
            found = self._provider.client.get(f"databases/{cluster}/ca")["ca"]["certificate"]
        except ApiError as error:
            ctx.diagnostics.add_error(f"Error retrieving database CA certificate: {error}")
            return None
        return {
            "id": cluster,
            "cluster_id": cluster,
            "certificate": base64.b64decode(found).decode(),
        }
