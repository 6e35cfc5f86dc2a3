"""What every resource does in the same way: a table of fields becomes requests, answers state."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from .client import SECONDS_BETWEEN_LOOKS, ApiError, Client
from .schema import Fields, State, body, computed, kept, same, state_of

_SECONDS = 3600
_UNPROCESSABLE = 422


@dataclass(frozen=True)
class Wait:
    """The states of a resource that is not ready at once."""

    pending: tuple[Any, ...]
    target: Any
    field: str = "status"


_DONE = Wait(pending=("new", "in-progress"), target="completed")


class Resource:
    """A kind of resource: a subclass with a name. It is a table, and what it does differently."""

    kinds: ClassVar[list[type[Resource]]] = []

    def __init_subclass__(cls) -> None:
        if "name" in vars(cls):
            more = {"urn": computed(read="")} if cls.urn else {}
            cls.fields = {"id": kept(computed=True), **more, **cls.fields}
            cls.kinds.append(cls)

    name: str
    #: Of the real provider's messages: "Error creating TITLE".
    title: str
    fields: Fields
    version = 0
    #: Whether it is a data source, which is only read.
    data = False
    #: Under /v2, with the fields that it depends on in braces: all of them, and one of them, which
    #: is PATH/ID if empty. The key in an answer; if empty, the answer has nothing else.
    path: str
    item = ""
    one = ""
    #: The field of an answer that names it, and its id in Terraform.
    key = "id"
    id_format = "{key}"
    #: The parts of an import's id, with commas between them.
    imported: tuple[str, ...] = ("id",)
    #: Its word in a URN.
    urn = ""
    update_method = "PUT"
    #: What the real provider sends beside the fields.
    sent: ClassVar[State] = {}
    #: What it goes through until it is made.
    made: Wait | None = None

    def __init__(self, client: Client, config: State | None = None) -> None:
        """With the configuration: what is kept of a value may be its hash."""
        self.client = client
        self.config = config or {}

    # What a kind may do differently

    def body(self, state: State) -> State:
        """What a request says of it."""
        return body(self.fields, state) | self.sent

    def changed(self, state: State) -> State:
        """What an update says of it: not what would need a new one."""
        fields = {name: field for name, field in self.fields.items() if not field.force_new}
        return body(fields, state) | self.sent

    def create(self, planned: State) -> State:
        """Make it. Sets planned["id"] as soon as there is something to lose."""
        answer = self.client.request("POST", self.path.format(**planned), self.body(planned))
        made = answer[self.one]
        planned["id"] = self.id_format.format(**planned | {"key": made[self.key]})
        # A secret is shown this once.
        planned |= state_of({n: f for n, f in self.fields.items() if f.shown_once}, made)
        if self.made:
            self.wait(planned, self.made)
        return self.read(planned)

    def read(self, state: State) -> State:
        """Ask for it; a 404 means that it is gone."""
        return self.found(state, self.get(state))

    def get(self, state: State) -> State:
        answer: State = self.client.get(self.at(state))
        return answer[self.one] if self.one else answer

    def found(self, state: State, answer: State) -> State:
        """The state that an answer comes to."""
        urn = {"urn": f"do:{self.urn}:{state['id']}"} if self.urn else {}
        fields = {name: field for name, field in self.fields.items() if not field.shown_once}
        return state | state_of(fields, answer) | urn

    def update(self, current: State, planned: State) -> State:
        """Change it in place."""
        self.client.request(self.update_method, self.at(current), self.changed(planned))
        return self.read(planned)

    def delete(self, state: State) -> None:
        """Remove it."""
        self.client.request("DELETE", self.at(state))

    def import_(self, state: State) -> State:
        """Ask for what has only an id so far."""
        if not self.imported:
            raise ApiError(0, f"resource digitalocean_{self.name} doesn't support import")
        parts = state["id"].split(",", len(self.imported) - 1)
        if len(parts) != len(self.imported):
            raise ApiError(0, f"must be imported as: {','.join(self.imported)}")
        state |= dict(zip(self.imported, parts, strict=True))
        return self.read(state | {"id": self.id_format.format(**state | {"key": parts[-1]})})

    # What they use

    def at(self, state: State) -> str:
        """The path of one."""
        return (self.item or f"{self.path}/{{id}}").format(**state)

    def wait(self, state: State, wait: Wait) -> None:
        """Look at it until it is as it should be. Raises ApiError."""
        until(lambda: self.get(state), wait, f"{self.title} ({state['id']})")

    def act(self, state: State, kind: str, **more: Any) -> None:
        """Ask for an action, and wait until the API notes that it is done."""
        path = f"{self.at(state)}/actions"
        action = self.client.request("POST", path, {"type": kind, **more})["action"]
        note = f"{path}/{action['id']}"
        until(lambda: dict(self.client.get(note)["action"]), _DONE, f"{kind} at {path}")

    def act_if_needed(self, state: State, kind: str) -> None:
        """The same, where the API may refuse because there is nothing to do."""
        try:
            self.act(state, kind)
        except ApiError as error:
            if error.status != _UNPROCESSABLE:
                raise


def until(look: Callable[[], State], wait: Wait, title: str) -> None:
    """Ask again and again, until the answer's field has the target. Raises ApiError."""
    deadline = time.monotonic() + _SECONDS
    while True:
        now = look()
        value = now[wait.field]
        locked = now.get("locked") and wait.field != "locked"
        if value == wait.target and not locked:
            return
        if (value not in wait.pending and not locked) or time.monotonic() > deadline:
            raise ApiError(
                409,
                f"Error waiting for {title} to become ready: {wait.field} is {value!r}, wanted "
                f"target {wait.target!r}. What went wrong is in the log of the rehearsal's API.",
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)


def settled(fields: Fields, expected: State, found: State) -> State:
    """What was found, in the form in which the same was expected."""
    return {
        name: expected[name] if same(fields[name], expected.get(name), value) else value
        for name, value in found.items()
    }
