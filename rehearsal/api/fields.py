"""What a request may say of a resource: a table of fields; and the errors that refuse the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .store import State

Item = dict[str, Any]

_IDS = {
    401: "Unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    412: "precondition_failed",
    422: "unprocessable_entity",
    429: "too_many_requests",
}


class ApiError(Exception):
    """A request that is answered with an error, in the form that DigitalOcean gives it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_id = _IDS.get(status, "server_error")
        self.message = message


def not_found() -> ApiError:
    return ApiError(404, "The resource you were accessing could not be found.")


def refused(message: str) -> ApiError:
    """The request is understood, and what it asks for is not possible."""
    return ApiError(422, message)


# By the type's name in DigitalOcean's description; any value has the type "".
_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a request. Test_description.py compares it with DigitalOcean's description."""

    type: str = "string"
    many: bool = False
    required: bool = False
    default: Any = None
    one_of: tuple[Any, ...] = ()
    #: The smallest and the largest number.
    limits: tuple[int, int] | None = None
    pattern: str = ""
    #: The kind of resource that this names one of, by its key in the account's state.
    refers: str = ""
    #: The fields of an object.
    fields: Mapping[str, Field] | None = None
    #: Set at creation, and kept by every update.
    fixed: bool = False
    #: What the refusal says, in place of "NAME is invalid".
    message: str = ""

    def read(self, name: str, given: Any, state: State) -> Any:
        """The field's value in a request. Raises ApiError if it cannot be that."""
        if given in (None, "", []):
            if self.required:
                raise refused(self.message or f"{name.capitalize()} can't be blank")
            if self.many:
                return list(self.default or [])
            if self.fields is None or self.default is not None:
                return self.default
            given = {}
        if not self.many:
            return self._value(name, given, state)
        if not isinstance(given, list):
            raise refused(f"{name} must be a list")
        return [self._value(name, value, state) for value in given]

    def _value(self, name: str, given: Any, state: State) -> Any:
        if self.type and (
            not isinstance(given, _PYTHON[self.type])
            or (isinstance(given, bool) and self.type != "boolean")
        ):
            raise refused(self.message or f"{name} must be of the type {self.type}")
        if self.fields is not None:
            return read(self.fields, given, state)
        wrong = (
            (self.one_of and given not in self.one_of)
            or (self.limits and not self.limits[0] <= given <= self.limits[1])
            or (self.pattern and not re.fullmatch(self.pattern, given))
            or (self.refers and str(given) not in state[self.refers])
        )
        if wrong:
            raise refused(self.message or f"{name} is invalid: {given!r}")
        return given


Fields = Mapping[str, Field]


def read(fields: Fields, values: Item, state: State) -> Item:
    """What a request says, field by field. Raises ApiError."""
    return {name: field.read(name, values.get(name), state) for name, field in fields.items()}
