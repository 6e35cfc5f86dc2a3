"""DigitalOcean's DNS, which answers nobody here, and the certificates for its names."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta

from .fields import ApiError, Field, Item, refused
from .resource import Call, Resource
from .store import State, now

_TTL = 1800
_DAYS = 90
# A certificate is pending for so long.
SECONDS_TO_VERIFY = 1.0


class Domains(Resource):
    path, one, many = "domains", "domain", "domains"
    key = "name"
    verbs = ("list", "create", "get", "delete")
    taken = (409, "Domain name already exists")
    hidden = ("domain_records",)
    fields = {
        "name": Field(
            required=True,
            pattern=r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+",
            message="Domain name is invalid",
        ),
    }

    def complete(self, call: Call, item: Item) -> None:
        zone_file = f"$ORIGIN {item['name']}.\n$TTL {_TTL}\n"
        item |= {"ttl": _TTL, "zone_file": zone_file, "domain_records": {}}


class Records(Resource):
    path, one, many = "domains/<parent>/records", "domain_record", "domain_records"
    parent = Domains()
    numbered = True
    filters = ("type",)
    fields = {
        "type": Field(required=True, one_of=("A", "AAAA", "CNAME", "TXT"), fixed=True),
        "name": Field(required=True),
        "data": Field(required=True),
        "ttl": Field(type="integer", default=_TTL),
    }

    def view(self, state: State, item: Item) -> Item:
        return item | dict.fromkeys(("priority", "port", "weight", "flags", "tag"))


class Certificates(Resource):
    path, one, many = "certificates", "certificate", "certificates"
    verbs = ("list", "create", "get", "delete")
    taken = (422, "certificate name must be unique")
    filters = ("name",)
    hidden = ("verified_at",)
    fields = {
        "name": Field(required=True),
        "type": Field(
            required=True,
            one_of=("lets_encrypt",),
            message="Custom certificates are not rehearsed.",
        ),
        "dns_names": Field(many=True, required=True),
    }

    def complete(self, call: Call, item: Item) -> None:
        for name in item["dns_names"]:
            if not any(f".{name}".endswith(f".{zone}") for zone in call.state["domains"]):
                raise refused(f"{name} is not managed by DigitalOcean's DNS")
        digest = hashlib.sha1(item["id"].encode(), usedforsecurity=False)
        until = datetime.now(UTC) + timedelta(days=_DAYS)
        item |= {
            "not_after": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "sha1_fingerprint": digest.hexdigest(),
            "created_at": now(),
            "verified_at": time.time() + SECONDS_TO_VERIFY,
        }

    def view(self, state: State, item: Item) -> Item:
        verified = time.time() >= item["verified_at"]
        return super().view(state, item) | {"state": "verified" if verified else "pending"}

    def removed(self, call: Call, item: Item) -> None:
        for balancer in call.state["load_balancers"].values():
            used = (rule["certificate_id"] for rule in balancer["forwarding_rules"])
            if item["id"] in used and not balancer.get("gone"):
                raise ApiError(403, "Make sure the certificate is not in use before deleting it")
