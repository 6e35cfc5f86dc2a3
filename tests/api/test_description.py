"""The tables of the local API's fields, compared with DigitalOcean's own description."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from rehearsal.api.fields import Field, Fields
from rehearsal.api.resource import Resource
from rehearsal.api.server import make_app  # noqa: F401 - it adds all kinds
from tests import needs
from tests.api import openapi

# What the live service takes that its description does not have, or asks for less than it.
LAXER = {
    "uptime/checks method": "The description names it as required and has no such property.",
    "uptime/checks regions": "Terraform's provider sends null where none are named.",
    "uptime/checks/{}/alerts notifications email": "As above.",
    "uptime/checks/{}/alerts notifications slack": "As above.",
    "monitoring/alerts alerts email": "As above.",
    "monitoring/alerts alerts slack": "As above.",
    "monitoring/alerts entities": "Terraform's provider sends none as an empty list.",
    "monitoring/alerts tags": "As above.",
    "firewalls inbound_rules ports": "Terraform's provider leaves them out for icmp.",
    "firewalls outbound_rules ports": "As above.",
}
KINDS = [kind for kind in Resource.kinds if "create" in kind.verbs and kind.fields]


@cache
def description() -> dict[str, Any]:
    file = openapi.description()
    needs.need(file, *openapi.NEEDED)
    assert file is not None
    return dict(json.loads(file.read_text()))


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A part of the description, in place of a reference to it."""
    while "$ref" in schema:
        found: Any = description()
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    # A list may be described as something that has no more to it than being one.
    lists = [part for part in map(resolved, schema.get("allOf", ())) if "items" in part]
    return lists[0] if lists else schema


def properties(schema: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The properties of an object; those of them that are required, whichever form it has."""
    schema = resolved(schema)
    found = dict(schema.get("properties", {}))
    required = set(schema.get("required", ()))
    for word in ("allOf", "oneOf", "anyOf"):
        parts = [properties(part) for part in schema.get(word, ())]
        for more, _ in parts:
            found = more | found
        names = [also for _, also in parts]
        if names:
            required |= set.union(*names) if word == "allOf" else set.intersection(*names)
    return found, required


def request_body(kind: type[Resource]) -> dict[str, Any]:
    """The description of the request that makes one."""
    wanted = f"/v2/{kind.path}".replace("<parent>", "{}")
    for path, operations in description()["paths"].items():
        plain = "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
        if plain == wanted and "post" in operations:
            body = resolved(operations["post"]["requestBody"])
            return dict(body["content"]["application/json"]["schema"])
    raise AssertionError(wanted)


def differences(fields: Fields, schema: dict[str, Any], place: str) -> list[str]:
    """Where a table says something else than the description."""
    described, required = properties(schema)
    found = [f"{place} {name}: not in the table" for name in required - set(fields)]
    for name, field in fields.items():
        if name not in described:
            found.append(f"{place} {name}: not in the description")
            continue
        if name in required and not field.required and field.default is None and not field.fields:
            found.append(f"{place} {name}: required")
        printed, here = resolved(described[name]), f"{place} {name}"
        found += [f"{here}: {what}" for what in unlike(field, printed)]
        if field.fields:
            inner = resolved(printed["items"]) if field.many else printed
            found += differences(field.fields, inner, here)
    return found


def unlike(field: Field, printed: dict[str, Any]) -> list[str]:
    """What a field has otherwise than its description."""
    found = []
    if field.many != (printed.get("type") == "array"):
        return [f"a list: {field.many}"]
    one = resolved(printed["items"]) if field.many else printed
    if field.type and one.get("type", field.type) != field.type:
        found.append(f"type {field.type}, not {one['type']}")
    if "enum" in one and not set(field.one_of) <= set(one["enum"]):
        found.append(f"{field.one_of} are not all in {one['enum']}")
    limits = one.get("minimum"), one.get("maximum")
    if field.limits and limits not in ((None, None), field.limits):
        found.append(f"limits {field.limits}, not {limits}")
    given = printed.get("default")
    if given is not None and field.default is not None and given != field.default:
        found.append(f"default {field.default!r}, not {given!r}")
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_a_table_says_what_the_description_says(kind: type[Resource]) -> None:
    place = kind.path.replace("<parent>", "{}")
    found = differences(kind.fields, request_body(kind), place)
    assert [line for line in found if line.partition(":")[0] not in LAXER] == []


def test_a_difference_is_found() -> None:
    schema = {
        "type": "object",
        "required": ["name", "size"],
        "properties": {
            "name": {"type": "string"},
            "size": {"type": "integer", "minimum": 1, "maximum": 9, "default": 2},
        },
    }
    good = {"name": Field(required=True), "size": Field(type="integer", default=2, limits=(1, 9))}
    assert differences(good, schema, "thing") == []
    wrong = {"size": Field(default="3", limits=(1, 10)), "colour": Field()}
    assert len(differences(wrong, schema, "thing")) == 5
