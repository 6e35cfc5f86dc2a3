"""What goes wrong at DigitalOcean now and then: any request answered with an error, or slowly."""

from __future__ import annotations

import time

from .fields import ApiError, Field, Item, refused
from .resource import NO_CONTENT, Answer, Call, Resource, route
from .store import State, Store


class Faults(Resource):
    """Those that tests have asked for, which meet the next such requests."""

    path, one, many = "rehearsal/faults", "fault", "faults"
    verbs = ("create",)
    fields = {
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

    def check(self, state: State, item: Item) -> None:
        if not (item["status"] or item["seconds"]):
            raise refused("A fault has a status, or takes some seconds.")

    @route("DELETE", "")
    def clear(self, call: Call) -> Answer:
        call.state["faults"].clear()
        return NO_CONTENT


def meet(store: Store, method: str, path: str) -> None:
    """What a request meets. Raises ApiError."""
    for key, found in store.state["faults"].items():
        if method != found["method"] or not path.startswith(found["path"]):
            continue
        with store.change() as state:
            fault = state["faults"][key]
            counted = "after" if fault["after"] else "times"
            if counted == "times" and fault["times"] == 1:
                del state["faults"][key]
            fault[counted] = max(fault[counted] - 1, 0)
        if counted == "times":
            time.sleep(found["seconds"])
            if found["status"]:
                raise ApiError(found["status"], found["message"])
        return
