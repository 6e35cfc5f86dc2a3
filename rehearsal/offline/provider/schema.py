"""The table of a resource's fields: what Terraform may write, and where the API has it.

They compare and plan as Terraform's older SDK does, which the real provider is made with: null,
an empty text, zero, false and an empty list all mean "not set"; what is left out takes its
default, or keeps what the API chose.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tf.gen import tfplugin_pb2 as pb
from tf.types import Unknown

State = dict[str, Any]

STRINGS = ["set", "string"]
NUMBERS = ["set", "number"]
LIST = ["list", "string"]
#: Left out of a request.
OMIT = object()


@dataclass(frozen=True, kw_only=True)
class Field:
    """One attribute, or one kind of nested block."""

    #: In Terraform's own notation: "string", ["set", "string"], ...
    type: Any = "string"
    required: bool = False
    optional: bool = False
    computed: bool = False
    force_new: bool = False
    default: Any = None
    sensitive: bool = False
    #: What is kept of a configured value (a hash, small letters).
    state: Callable[[Any], Any] | None = None
    #: Whether an old and a new value mean the same.
    same: Callable[[Any, Any], bool] | None = None
    #: The fields of a nested block; whether the blocks have an order; whether there is one at most.
    fields: Mapping[str, Field] | None = None
    ordered: bool = False
    single: bool = False
    #: Its place in a request, with dots between objects; its own name if None, "" if it has none.
    api: str | None = None
    #: Its place in an answer; as in a request if None, "" if it is not read back.
    read: str | None = None
    #: Whether only the answer to a creation has it.
    shown_once: bool = False
    #: What a request says if it is not set.
    unset: Any = OMIT
    #: What a request says of a value, and what is kept of an answer's.
    to_api: Callable[[Any], Any] | None = None
    from_api: Callable[[Any], Any] | None = None


Fields = Mapping[str, Field]


def required(type: Any = "string", **more: Any) -> Field:  # noqa: A002 - Terraform's word
    return Field(type=type, required=True, **more)


def optional(type: Any = "string", **more: Any) -> Field:  # noqa: A002
    return Field(type=type, optional=True, **more)


def computed(type: Any = "string", **more: Any) -> Field:  # noqa: A002
    return Field(type=type, computed=True, api="", **{"read": None, **more})


def kept(type: Any = "string", **more: Any) -> Field:  # noqa: A002
    """What the API neither gets nor answers: Terraform keeps it in its state."""
    return Field(type=type, optional=True, api="", read="", **more)


def block(fields: Fields, **more: Any) -> Field:
    """A nested block that forms a set, or, with `ordered`, a list."""
    return Field(fields=fields, **more)


def is_set(value: Any) -> bool:
    """Whether the older SDK would call this value set."""
    return value not in (None, "", 0, False, [], {})


# For Terraform


def schema(fields: Fields, version: int = 0) -> pb.Schema:
    """The schema of a resource, or of the provider itself."""
    return pb.Schema(version=version, block=_block(fields))


def _block(fields: Fields) -> pb.Schema.Block:
    mode = pb.Schema.NestedBlock.NestingMode
    return pb.Schema.Block(
        attributes=[
            pb.Schema.Attribute(
                name=name,
                type=json.dumps(field.type).encode(),
                required=field.required,
                optional=field.optional,
                computed=field.computed,
                sensitive=field.sensitive,
            )
            for name, field in fields.items()
            if field.fields is None
        ],
        block_types=[
            pb.Schema.NestedBlock(
                type_name=name,
                block=_block(field.fields),
                nesting=mode.LIST if field.ordered else mode.SET,
                max_items=1 if field.single else 0,
            )
            for name, field in fields.items()
            if field.fields is not None
        ],
    )


def filled(fields: Fields, values: Mapping[str, Any]) -> State:
    """A state with all its fields; what an older version did not have is not set."""
    return {
        name: values.get(name)
        if field.fields is None
        else [filled(field.fields, one) for one in values.get(name) or []]
        for name, field in fields.items()
    }


def same(field: Field, old: Any, new: Any) -> bool:
    """Whether going from one value to the other is no change."""
    if old is Unknown or new is Unknown:
        return False
    if not is_set(old) and not is_set(new):
        return True
    if field.same and is_set(old) and is_set(new) and field.same(old, new):
        return True
    if isinstance(old, list) and isinstance(new, list):
        ordered = field.ordered or field.type[0] == "list"
        texts = [[_canonical(item) for item in items] for items in (old, new)]
        return texts[0] == texts[1] if ordered else sorted(texts[0]) == sorted(texts[1])
    return bool(old == new)


def _canonical(value: Any) -> str:
    """The same text for values that mean the same."""
    if isinstance(value, dict):
        items = {key: item for key, item in value.items() if item is Unknown or is_set(item)}
        return repr(sorted((key, _canonical(item)) for key, item in items.items()))
    if isinstance(value, list):
        return repr(sorted(map(_canonical, value)))
    return repr(float(value) if isinstance(value, int) else value)


def planned(field: Field, prior: Any, given: Any, *, exists: bool) -> Any:
    """What a field will be, as the older SDK works it out."""
    if field.fields is not None:
        given = _planned_blocks(field.fields, given)
    elif given is None:
        if field.computed:
            # Left to the API: it keeps what it has, or is known afterwards.
            return prior if exists else Unknown
        given = field.default
    elif field.state and given is not Unknown:
        given = field.state(given)
    return prior if exists and same(field, prior, given) else given


def _planned_blocks(fields: Fields, given: Any) -> Any:
    if not isinstance(given, list):
        return given
    return [
        {name: _in_block(field, values[name]) for name, field in fields.items()}
        if isinstance(values, dict)
        else values
        for values in given
    ]


def _in_block(field: Field, value: Any) -> Any:
    if field.fields is not None:
        return _planned_blocks(field.fields, value)
    return [] if value is None and isinstance(field.type, list) else value


# For the API


def body(fields: Fields, state: State) -> dict[str, Any]:
    """What a request says of a resource."""
    found: dict[str, Any] = {}
    for name, field in fields.items():
        value = _to_api(field, state.get(name))
        if field.api != "" and value is not OMIT:
            *objects, last = (field.api or name).split(".")
            place = found
            for one in objects:
                place = place.setdefault(one, {})
            place[last] = value
    return found


def _to_api(field: Field, value: Any) -> Any:
    if not is_set(value):
        return field.unset
    if field.fields is not None:
        made = [body(field.fields, one) for one in value]
        value = made[0] if field.single else made
    elif isinstance(value, list):
        value = [whole(one) for one in value]
    else:
        value = whole(value)
    return field.to_api(value) if field.to_api else value


def whole(value: Any) -> Any:
    """A number as JSON has it: Terraform's may be fractions."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def state_of(fields: Fields, found: Mapping[str, Any]) -> State:
    """What an answer says of a resource."""
    state: State = {}
    for name, field in fields.items():
        if field.read == "":
            continue
        value: Any = found
        for one in (field.read or field.api or name).split("."):
            value = (value or {}).get(one)
        if field.fields is not None:
            items = ([value] if value else []) if field.single else value or []
            value = [state_of(field.fields, item) for item in items]
        state[name] = field.from_api(value) if field.from_api else value
    return state
