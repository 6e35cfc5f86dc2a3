"""The attributes of a resource, in the words of Terraform's older SDK, and how they compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tf.schema import Attribute
from tf.types import Bool, List, Number, Set, String, TfType, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

State = dict[str, Any]

_TYPES: dict[str, Callable[[], TfType]] = {
    "string": String,
    "number": Number,
    "bool": Bool,
    "strings": lambda: Set(String()),
    "numbers": lambda: Set(Number()),
}


class ObjectType(TfType):  # type: ignore[misc]
    """An object whose attributes have simple types; the library has none."""

    def __init__(self, **attributes: str) -> None:
        self._attributes = attributes

    def encode(self, value: Any) -> Any:
        return value

    def decode(self, value: Any) -> Any:
        return value

    def tf_type(self) -> bytes:
        return json.dumps(["object", self._attributes]).encode()


def list_of(element: TfType) -> TfType:
    return List(element)


@dataclass(frozen=True)
class Field:
    """One attribute of a resource, in the words of the older SDK."""

    type: str | TfType
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
    #: What a configured value has to be.
    refuse: Callable[[Any], str | None] | None = None

    def attribute(self, name: str) -> Attribute:
        kind = _TYPES[self.type]() if isinstance(self.type, str) else self.type
        return Attribute(
            name,
            kind,
            required=self.required,
            optional=self.optional,
            computed=self.computed,
            sensitive=self.sensitive,
        )


#: The attributes of a block by name; another block in it has some of its own.
Fields = Mapping[str, "Field | Fields"]


def required(kind: str, **more: Any) -> Field:
    return Field(kind, required=True, **more)


def optional(kind: str, **more: Any) -> Field:
    return Field(kind, optional=True, **more)


def computed(kind: str | TfType, **more: Any) -> Field:
    return Field(kind, computed=True, **more)


def not_empty(value: Any) -> str | None:
    """Refuses what the older SDK calls a zero value."""
    return "must not be empty" if value in ("", 0) else None


def one_of(*allowed: str) -> Callable[[Any], str | None]:
    """Accepts only these words, however they are capitalised."""

    def check(value: Any) -> str | None:
        good = str(value).lower() in allowed
        return None if good else f"must be one of {', '.join(allowed)}, not {value!r}"

    return check


def is_set(value: Any) -> bool:
    """Whether the older SDK would call this value set."""
    return value not in (None, "", 0, False, [], {})


def same(old: Any, new: Any) -> bool:
    """Whether going from one value to the other is no change."""
    if old is Unknown or new is Unknown:
        return False
    if not is_set(old) and not is_set(new):
        return True
    if isinstance(old, list) and isinstance(new, list):
        return sorted(map(_canonical, old)) == sorted(map(_canonical, new))
    return bool(old == new)


def _canonical(value: Any) -> str:
    """The same text for values that mean the same."""
    if isinstance(value, dict):
        items = {key: item for key, item in value.items() if item is Unknown or is_set(item)}
        return repr(sorted((key, _canonical(item)) for key, item in items.items()))
    if isinstance(value, list):
        return repr(sorted(map(_canonical, value)))
    return repr(value)
