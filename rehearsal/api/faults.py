"""What goes wrong at DigitalOcean now and then: any request answered with an error, or slowly."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from .errors import ApiError, refused
from .fields import Field, Item, read

FIELDS = {
    "method": Field(required=True),
    # As it begins.
    "path": Field(required=True),
    # Without a status, the request is answered as it should be.
    "status": Field(type="integer", one_of=(403, 404, 429, 500, 503)),
    "message": Field(default="a fault that a test asked for"),
    # So many such requests are answered before, and so many get the fault; 0 is all of them.
    "after": Field(type="integer", default=0),
    "times": Field(type="integer", default=1),
    "seconds": Field(type="number", default=0),
}


@dataclass
class Faults:
    """The faults that tests have asked for."""

    _waiting: list[Item] = field(default_factory=list)

    def add(self, values: Item) -> None:
        """Let the next such request fail. Raises ApiError."""
        fault = read(FIELDS, values, {})
        if not (fault["status"] or fault["seconds"]):
            raise refused("A fault has a status, or takes some seconds.")
        self._waiting.append(fault)

    def clear(self) -> None:
        """Let all requests be answered as they should be."""
        self._waiting.clear()

    def meet(self, method: str, path: str) -> None:
        """What a request meets. Raises ApiError."""
        for fault in self._waiting:
            if method != fault["method"] or not path.startswith(fault["path"]):
                continue
            if fault["after"]:
                fault["after"] -= 1
                return
            if fault["times"] == 1:
                self._waiting.remove(fault)
            fault["times"] = max(fault["times"] - 1, 0)
            time.sleep(fault["seconds"])
            if fault["status"]:
                raise ApiError(fault["status"], fault["message"])
            return
