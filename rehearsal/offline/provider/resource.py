"""What every resource does in the same way: a table of fields becomes requests, answers state."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from .client import SECONDS_BETWEEN_LOOKS, ApiError, Client
from .schema import Fields, State, body, optional, same, state_of


@dataclass(frozen=True)
class Wait:
    """The states of a resource that is not ready at once."""

    pending: tuple[Any, ...]
    target: Any
    field: str = "status"


class Provider:
    """What the library starts, and what the resources ask."""

    client: Client
    #: The Spaces of spaces.py.
    spaces: Any

    def full_name(self) -> str:
        return "registry.terraform.io/digitalocean/digitalocean"


_SECONDS = 3600
_DONE = Wait(pending=("new", "in-progress"), target="completed")


class Resource:
    """A kind of resource: a subclass with a name. It is a table, and what it does differently."""

    kinds: ClassVar[list[type[Resource]]] = []

    def __init_subclass__(cls) -> None:
        if "name" in vars(cls):
            cls.kinds.append(cls)

    name: str
    #: Of the real provider's messages: "Error creating TITLE".
    title: str
    fields: Fields
    version = 0
    #: Under /v2, with the fields that it depends on in braces; and the key of an answer.
    path: str
    one: str
    #: The field of an answer that is the id.
    key = "id"
    urn = ""
    update_method = "PUT"
    #: The fields that an import names before the key, with commas.
    imported: tuple[str, ...] = ()
    #: What it goes through until it is made.
    made: Wait | None = None

    def __init__(self, provider: Provider, config: State | None = None) -> None:
        """With the configuration: what is kept of a value may be its hash."""
        self.provider = provider
        self.config = config or {}
        self.client = provider.client

    @classmethod
    def attributes(cls) -> Fields:
        """All its fields."""
        return {"id": optional(computed=True), **cls.fields}

    # What a kind may do differently

    def body(self, state: State) -> State:
        """What a request says of it."""
        return body(self.fields, state)

    def changed(self, state: State) -> State:
        """What an update says of it: not what would need a new one."""
        sent = {name: field for name, field in self.fields.items() if not field.force_new}
        return body(sent, state)

    def create(self, planned: State) -> State:
        """Make it. Sets planned["id"] as soon as there is something to lose."""
        answer = self.client.request("POST", self.at(planned), self.body(planned))
        planned["id"] = str(answer[self.one][self.key])
        if self.made:
            self.wait(planned, self.made)
        return self.read(planned)

    def read(self, state: State) -> State:
        """Ask for it; a 404 means that it is gone."""
        return self.found(state, self.get(state))

    def get(self, state: State) -> State:
        answer: State = self.client.get(f"{self.at(state)}/{state['id']}")[self.one]
        return answer

    def found(self, state: State, answer: State) -> State:
        """The state that an answer comes to."""
        urn = {"urn": f"do:{self.urn}:{state['id']}"} if self.urn else {}
        return state | state_of(self.fields, answer) | urn

    def update(self, current: State, planned: State) -> State:
        """Change it in place."""
        path = f"{self.at(planned)}/{current['id']}"
        self.client.request(self.update_method, path, self.changed(planned))
        return self.read(planned)

    def delete(self, state: State) -> None:
        """Remove it."""
        self.client.request("DELETE", f"{self.at(state)}/{state['id']}")

    def import_(self, state: State) -> State:
        """Ask for what has only an id so far."""
        *before, key = str(state["id"]).split(",", len(self.imported))
        if len(before) != len(self.imported):
            raise ApiError(0, f"must be imported as: {','.join((*self.imported, 'id'))}")
        return self.read(state | dict(zip(self.imported, before, strict=True)) | {"id": key})

    # What they use

    def at(self, state: State) -> str:
        return self.path.format(**state)

    def wait(self, state: State, wait: Wait) -> None:
        """Look at it until it is as it should be. Raises ApiError."""
        until(lambda: self.get(state), wait, f"{self.title} ({state['id']})")

    def act(self, path: str, values: State, notes: str = "") -> None:
        """Ask for an action, and wait until the API notes that it is done."""
        action = self.client.request("POST", path, values)["action"]
        note = f"{notes or path}/{action['id']}"
        until(lambda: dict(self.client.get(note)["action"]), _DONE, f"{values['type']} at {path}")


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
        name: expected[name]
        if name in fields and same(fields[name], expected.get(name), value)
        else value
        for name, value in found.items()
    }
