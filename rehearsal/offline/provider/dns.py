"""Names and certificates: digitalocean_record, digitalocean_certificate, digitalocean_domains."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tf.iface import DataSource
from tf.schema import Schema

from .client import SECONDS_BETWEEN_LOOKS, ApiError
from .fields import (
    Field,
    ObjectType,
    State,
    computed,
    list_of,
    not_empty,
    one_of,
    optional,
    required,
)
from .resource import SdkResource

if TYPE_CHECKING:
    from tf.iface import ReadDataContext

_LONGEST_WAIT = 10 * 60.0
_UNSET = {"priority": 0, "port": 0, "weight": 0, "flags": 0}


class Certificate(SdkResource):
    """One that DigitalOcean gets. Its id is its name: its number changes with each renewal."""

    name = "certificate"
    version = 1
    errors = {
        "create": "Error creating Certificate",
        "read": "Error retrieving Certificate",
        "delete": "Error deleting Certificate",
    }
    fields = {
        "name": required("string", force_new=True, refuse=not_empty),
        "type": optional("string", default="custom", force_new=True, refuse=one_of("lets_encrypt")),
        "domains": optional("strings", computed=True, force_new=True),
        "uuid": computed("string"),
        "state": computed("string"),
        "not_after": computed("string"),
        "sha1_fingerprint": computed("string"),
    }

    def do_create(self, planned: State, given: State) -> State:
        values = {"name": planned["name"], "type": planned["type"]}
        made = self.client.post("certificates", values | {"dns_names": planned["domains"]})
        planned["id"] = planned["name"]
        number, deadline = made["certificate"]["id"], time.monotonic() + _LONGEST_WAIT
        while True:
            found = self.client.get(f"certificates/{number}")["certificate"]
            if found["state"] == "verified":
                return self.do_read(planned)
            if found["state"] != "pending" or time.monotonic() > deadline:
                raise ApiError(409, f"waiting for certificate ({number}): {found['state']}")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def do_read(self, state: State) -> State:
        found = self._listed(state["id"])
        keys = ("name", "type", "state", "not_after", "sha1_fingerprint")
        return {
            "id": state["id"],
            **{key: found[key] for key in keys},
            "uuid": found["id"],
            "domains": found["dns_names"],
        }

    def do_update(self, current: State, planned: State) -> State:
        return self.do_read(planned)  # all its attributes make a new one

    def do_delete(self, state: State) -> None:
        self.client.delete(f"certificates/{self._listed(state['id'])['id']}")

    def _listed(self, name: str) -> dict[str, Any]:
        found = self.client.get(f"certificates?name={name}")["certificates"]
        if not found:
            raise ApiError(404, f"there is no certificate {name}")
        first: dict[str, Any] = found[0]
        return first


class Record(SdkResource):
    name = "record"
    errors = {
        "create": "Failed to create record",
        "update": "Failed to update record",
        "delete": "Error deleting record",
    }
    fields = {
        "domain": required("string", force_new=True, refuse=not_empty),
        "type": required("string", force_new=True, refuse=one_of("a", "aaaa", "cname", "txt")),
        "name": required("string", refuse=not_empty),
        "value": required("string"),
        "ttl": optional("number", computed=True),
        "fqdn": computed("string"),
    }

    def do_create(self, planned: State, given: State) -> State:
        body = {"type": planned["type"], **self._body(planned)}
        made = self.client.post(f"domains/{planned['domain']}/records", body)
        planned["id"] = str(made["domain_record"]["id"])
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        domain = state["domain"]
        found = self.client.get(f"domains/{domain}/records/{state['id']}")["domain_record"]
        name = found["name"]
        return {
            "id": state["id"],
            "domain": domain,
            **{key: found[key] for key in ("type", "name", "ttl")},
            "value": found["data"],
            "fqdn": domain if name == "@" else f"{name}.{domain}",
        }

    def do_update(self, current: State, planned: State) -> State:
        path = f"domains/{planned['domain']}/records/{current['id']}"
        self.client.put(path, self._body(planned))
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        self.client.delete(f"domains/{state['domain']}/records/{state['id']}")

    def do_import(self, state: State) -> State:
        domain, _, number = str(state["id"]).partition(",")
        if not number:
            raise ApiError(0, "must use the ID of the domain and the record joined with a comma")
        return self.do_read(state | {"id": number, "domain": domain})

    @staticmethod
    def _body(state: State) -> dict[str, Any]:
        ttl = {"ttl": int(state["ttl"])} if state["ttl"] else {}
        return {"name": state["name"], "data": state["value"], **ttl, **_UNSET}


class Domains(DataSource):  # type: ignore[misc]
    """The zones at DigitalOcean's DNS."""

    fields = {
        "id": Field("string", optional=True, computed=True),
        "domains": computed(list_of(ObjectType(name="string", urn="string", ttl="number"))),
    }

    def __init__(self, provider: Any) -> None:
        self._provider = provider

    @classmethod
    def get_name(cls) -> str:
        return "domains"

    @classmethod
    def get_schema(cls) -> Schema:
        return Schema(attributes=[field.attribute(name) for name, field in cls.fields.items()])

    def read(self, ctx: ReadDataContext, config: State) -> State | None:
        try:
            found = self._provider.client.get("domains?page=1&per_page=200")["domains"]
        except ApiError as error:
            ctx.diagnostics.add_error(f"Unable to load resource records: {error}")
            return None
        zones = [
            {"name": one["name"], "urn": f"do:domain:{one['name']}", "ttl": one["ttl"]}
            for one in found
        ]
        return {"id": "domains", "domains": zones}
