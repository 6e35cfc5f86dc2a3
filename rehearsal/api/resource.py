"""What every kind of resource does in the same way: list, create, get, update, delete.

A kind is a subclass: its path, its fields, and what it does differently.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

from .fields import ApiError, Fields, Item, not_found, read
from .store import State, next_id

#: What an endpoint returns: a JSON body and a status.
Answer = tuple[dict[str, Any] | str, int]
NO_CONTENT: Answer = ("", 204)
Handler = TypeVar("Handler", bound=Callable[..., Answer])


@dataclass
class Call:
    """One request: what it says, the state, which all but a GET may change, and what follows."""

    #: The Cloud, which knows the kinds of resources, and so is not imported here.
    cloud: Any
    method: str
    url: str
    query: Mapping[str, str]
    values: Item
    state: State
    #: Done once the changed state is kept: before the request is answered, and in the background.
    first: list[Callable[[], object]] = field(default_factory=list)
    later: list[Callable[[], object]] = field(default_factory=list)


def route(method: str, rule: str) -> Callable[[Handler], Handler]:
    """An endpoint under the path of a kind."""

    def marked(handler: Handler) -> Handler:
        handler.route = (method, rule)  # type: ignore[attr-defined]
        return handler

    return marked


class Resource:
    """A kind of resource: a subclass that has a path."""

    kinds: ClassVar[list[type[Resource]]] = []

    def __init_subclass__(cls) -> None:
        if "path" in vars(cls):
            cls.kinds.append(cls)

    #: Under /v2. The path of what is in another resource has that one's key as <parent>.
    path: str
    #: The keys of one and of a list in an answer.
    one: str
    many: str
    fields: Fields = {}
    #: Where the state, or the parent, holds them; as `many` if empty.
    kind = ""
    parent: Resource | None = None
    #: Those that DigitalOcean offers everybody, which are in no state.
    offered: dict[str, Item] | None = None
    #: The field that the path names one by, and whether it is a number of ours.
    key = "id"
    numbered = False
    verbs: tuple[str, ...] = ("list", "create", "get", "update", "delete")
    #: The status that answers a creation.
    created = 201
    #: The status and the message that refuse a second one of the same name.
    taken: tuple[int, str] | None = None
    #: What the state knows and no answer shows.
    hidden: tuple[str, ...] = ()
    #: The parameters of a list that choose by the field of the same name.
    filters: tuple[str, ...] = ()
    #: Whether it is in one of the account's projects.
    in_project = False
    #: Whether what runs behind it is removed in the background, and it from the state with that.
    runs = False

    # What a kind adds

    def complete(self, call: Call, item: Item) -> None:
        """Add what the service gives a new one."""

    def check(self, state: State, item: Item) -> None:
        """Refuse what no field shows by itself, at creation and after an update."""

    def changed(self, call: Call, before: Item, item: Item) -> None:
        """Note what an update entails."""

    def removed(self, call: Call, item: Item) -> None:
        """Refuse to remove it, or remove what hangs on it."""

    def chosen(self, item: Item, query: Mapping[str, str]) -> bool:
        """Whether a list with these parameters has it."""
        return all(item[name] == query[name] for name in self.filters if name in query)

    def view(self, state: State, item: Item) -> Item:
        """What an answer shows of it."""
        return {name: value for name, value in item.items() if name not in self.hidden}

    # The state

    def items(self, state: State, parent: str = "") -> dict[str, Item]:
        """All there are, by their keys."""
        if self.offered is not None:
            return self.offered
        holder = self.parent.find(state, parent) if self.parent else state
        found: dict[str, Item] = holder[self.kind or self.many]
        return found

    def there(self, state: State, parent: str = "") -> list[Item]:
        """All but those that are being removed."""
        return [item for item in self.items(state, parent).values() if not item.get("gone")]

    def find(self, state: State, key: object, parent: str = "") -> Item:
        """The one with this key. Raises ApiError if there is none."""
        item = self.items(state, parent).get(str(key))
        if item is None or item.get("gone"):
            raise not_found()
        return item

    def add(self, call: Call, parent: str = "") -> Item:
        """The new one that a request asks for, in the state already."""
        item = read(self.fields, call.values, call.state)
        self._refuse_taken(call.state, item, parent)
        if self.key not in self.fields:
            item[self.key] = next_id(call.state) if self.numbered else str(uuid.uuid4())
        if self.in_project:
            item["project_id"] = default_project(call.state)["id"]
        self.complete(call, item)
        self.check(call.state, item)
        self.items(call.state, parent)[str(item[self.key])] = item
        return item

    def _refuse_taken(self, state: State, item: Item, parent: str) -> None:
        if self.taken is None:
            return
        for other in self.there(state, parent):
            if other["name"] == item["name"] and other is not item:
                raise ApiError(*self.taken)

    # The endpoints

    @route("GET", "")
    def list(self, call: Call, parent: str = "") -> Answer:
        found = [one for one in self.there(call.state, parent) if self.chosen(one, call.query)]
        return page(call, self.many, (self.view(call.state, item) for item in found))

    @route("POST", "")
    def create(self, call: Call, parent: str = "") -> Answer:
        item = self.add(call, parent)
        return {self.one: self.view(call.state, item), "links": {}}, self.created

    @route("GET", "<key>")
    def get(self, call: Call, key: str, parent: str = "") -> Answer:
        return {self.one: self.view(call.state, self.find(call.state, key, parent))}, 200

    @route("PUT", "<key>")
    def update(self, call: Call, key: str, parent: str = "") -> Answer:
        item = self.find(call.state, key, parent)
        before = dict(item)
        # PUT says all of it, PATCH only what changes.
        kept = {n: item[n] for n, f in self.fields.items() if f.fixed or call.method == "PATCH"}
        fixed = {name: value for name, value in kept.items() if self.fields[name].fixed}
        item |= read(self.fields, kept | call.values | fixed, call.state)
        self._refuse_taken(call.state, item, parent)
        self.check(call.state, item)
        self.changed(call, before, item)
        return {self.one: self.view(call.state, item)}, 200

    @route("DELETE", "<key>")
    def delete(self, call: Call, key: str, parent: str = "") -> Answer:
        item = self.find(call.state, key, parent)
        self.removed(call, item)
        if self.runs:
            item["gone"] = True
        else:
            del self.items(call.state, parent)[str(item[self.key])]
        return NO_CONTENT


def page(call: Call, key: str, found: Iterable[Item]) -> Answer:
    """One page of a list, with the links to the others."""
    items = list(found)
    per_page = _number(call, "per_page", 20, 200)
    number = _number(call, "page", 1, 10**6)
    last = max(math.ceil(len(items) / per_page), 1)
    pages: dict[str, int] = {}
    if number > 1:
        pages |= {"first": 1, "prev": min(number - 1, last)}
    if number < last:
        pages |= {"next": number + 1, "last": last}
    links = {
        name: f"{call.url}?{urlencode({**call.query, 'page': other, 'per_page': per_page})}"
        for name, other in pages.items()
    }
    return {
        key: items[(number - 1) * per_page : number * per_page],
        "links": {"pages": links} if links else {},
        "meta": {"total": len(items)},
    }, 200


def _number(call: Call, name: str, default: int, largest: int) -> int:
    given = call.query.get(name, "")
    return min(max(int(given), 1), largest) if given.isdecimal() else default


def default_project(state: State) -> Item:
    """The project that holds what is in no other."""
    return next(project for project in state["projects"].values() if project["is_default"])
