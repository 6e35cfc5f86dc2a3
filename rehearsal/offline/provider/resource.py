"""The habits of providers made with Terraform's older SDK, which the real one has.

The library behind this stand-in plans as newer providers do. Three differences
matter, since without them a second plan would not be empty:

* an attribute left out of the configuration takes its default, or keeps what it
  has if the API chooses it;
* null, an empty string, zero, false and an empty set all mean "not set", so
  going from one to another is no change;
* some attributes compare by a rule of their own (spaces at the end of a key, ...).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from tf.blocks import SetNestedBlock
from tf.iface import Resource
from tf.schema import Block, Schema
from tf.types import Unknown

from .client import ApiError, Client
from .fields import Field, Fields, State, same

if TYPE_CHECKING:
    from tf.iface import CreateContext, DeleteContext, ImportContext, ReadContext, UpdateContext
    from tf.utils import Diagnostics


class SdkResource(Resource):  # type: ignore[misc]
    """A resource described by its fields, which says only what to ask of the API."""

    name: str
    fields: dict[str, Field]
    #: Nested blocks that form a set: their attributes, and the blocks in them.
    blocks: dict[str, Fields] = {}
    version = 0

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self.config: State = {}

    @property
    def client(self) -> Client:
        client: Client = self._provider.client
        return client

    @classmethod
    def get_name(cls) -> str:
        return cls.name

    @classmethod
    def get_schema(cls) -> Schema:
        everything = {"id": Field("string", optional=True, computed=True), **cls.fields}
        return Schema(
            version=cls.version,
            attributes=[field.attribute(name) for name, field in everything.items()],
            block_types=[_block(name, fields) for name, fields in cls.blocks.items()],
        )

    # What a resource says of itself

    @abstractmethod
    def do_create(self, planned: State, given: State) -> State:
        """Make it. Sets planned["id"] as soon as there is something to lose.

        Given is what the configuration says, planned what it comes to.
        """

    @abstractmethod
    def do_read(self, state: State) -> State:
        """Ask for it; a 404 means that it is gone."""

    @abstractmethod
    def do_update(self, current: State, planned: State) -> State:
        """Change it in place."""

    @abstractmethod
    def do_delete(self, state: State) -> None:
        """Remove it."""

    def do_import(self, state: State) -> State:
        """Ask for what has only an id so far."""
        return self.do_read(state)

    def check(self, planned: State) -> str | None:
        """What is wrong with the plan as a whole."""
        return None

    #: How the real provider begins its messages.
    errors: dict[str, str] = {}

    # What Terraform asks

    def validate(self, diags: Diagnostics, type_name: str, config: State) -> None:
        super().validate(diags, type_name, config)
        _refuse(diags, self.fields, config, [])
        for block, fields in self.blocks.items():
            given = config.get(block)
            # How many there are may not be known yet.
            for values in given if isinstance(given, list) else []:
                if isinstance(values, dict):
                    _refuse(diags, fields, values, [block])

    def create(self, ctx: CreateContext, planned: State) -> State | None:
        planned = {k: None if v is Unknown else v for k, v in planned.items()}
        # What is kept of a value may be its hash; the API gets the value itself.
        given = {k: v for k, v in self.config.items() if k in self.fields and v is not None}
        try:
            return self._settle(planned, self.do_create(planned, given))
        except ApiError as error:
            self._report(ctx.diagnostics, "create", error)
            # What has an id is kept, as tainted, so that the next apply removes it.
            return planned if planned.get("id") else None

    def read(self, ctx: ReadContext, current: State) -> State | None:
        try:
            return self._settle(current, self.do_read(dict(current)))
        except ApiError as error:
            if error.status == 404:
                return None
            self._report(ctx.diagnostics, "read", error)
            return current

    def update(self, ctx: UpdateContext, current: State, planned: State) -> State | None:
        planned = {k: current.get(k) if v is Unknown else v for k, v in planned.items()}
        try:
            return self._settle(planned, self.do_update(current, planned))
        except ApiError as error:
            self._report(ctx.diagnostics, "update", error)
            return current

    def delete(self, ctx: DeleteContext, current: State) -> State | None:
        try:
            self.do_delete(current)
        except ApiError as error:
            if error.status != 404:
                self._report(ctx.diagnostics, "delete", error)
                return current
        return None

    def import_(self, ctx: ImportContext, id: str) -> State | None:  # noqa: A002
        empty = {a.name: None for a in self.get_schema().attributes}
        blocks: State = {block: [] for block in self.blocks}
        try:
            return self.do_import({**empty, **blocks, "id": id})
        except ApiError as error:
            self._report(ctx.diagnostics, "read", error)
            return None

    def _settle(self, expected: State, found: State) -> State:
        """What was found, in the form in which the same was expected."""
        return {
            name: expected[name] if same(expected.get(name), value) else value
            for name, value in found.items()
        }

    def _report(self, diags: Diagnostics, what: str, error: ApiError) -> None:
        diags.add_error(f"{self.errors.get(what, f'Error: {what}')}: {error}")

    # Planning

    def plan_change(self, prior: State | None, config: State, proposed: State) -> State:
        """What the resource will be, as the older SDK works it out."""
        planned = dict(proposed)
        for name, field in self.fields.items():
            planned[name] = self._plan_field(field, prior, config[name], name)
        if prior is None:
            planned["id"] = Unknown
        for block, fields in self.blocks.items():
            given = proposed.get(block)
            if isinstance(given, list):
                given = [_plan_block(fields, values) for values in given]
            planned[block] = prior[block] if prior and same(prior[block], given) else given
        return planned

    @staticmethod
    def _plan_field(field: Field, prior: State | None, given: Any, name: str) -> Any:
        old = prior[name] if prior else None
        if given is None:
            if field.computed:
                # Left to the API: it keeps what it has, or is known afterwards.
                return old if prior else Unknown
            given = field.default
        elif field.state and given is not Unknown:
            given = field.state(given)
        if prior and given is not Unknown and old is not Unknown:
            unchanged = field.same(old, given) if field.same and old and given else False
            if unchanged or same(old, given):
                return old
        return given

    def replaced_by(self, prior: State, planned: State) -> list[str]:
        """The attributes whose change needs a new resource."""
        return [
            name
            for name, field in self.fields.items()
            if field.force_new and not same(prior[name], planned[name])
        ]


def _block(name: str, fields: Fields) -> SetNestedBlock:
    attributes = [one.attribute(key) for key, one in fields.items() if isinstance(one, Field)]
    inner = [_block(key, one) for key, one in fields.items() if not isinstance(one, Field)]
    return SetNestedBlock(name, Block(attributes=attributes, block_types=inner))


def _plan_block(fields: Fields, values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {name: _planned(field, values[name]) for name, field in fields.items()}


def _planned(field: Field | Fields, value: Any) -> Any:
    if not isinstance(field, Field):
        return [_plan_block(field, one) for one in value]
    return [] if value is None and field.type in ("strings", "numbers") else value


def _refuse(diags: Diagnostics, fields: Fields, values: State, path: list[Any]) -> None:
    for name, field in fields.items():
        value = values.get(name)
        if not isinstance(field, Field) or field.refuse is None:
            continue
        if value is None or value is Unknown:
            continue
        if problem := field.refuse(value):
            diags.add_error(f'"{name}" {problem}', path=path or [name])
