"""The provider: what Terraform asks, answered from the tables as the older SDK does."""

from __future__ import annotations

import json
from typing import Any

from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc
from tf.types import Unknown
from tf.utils import read_dynamic_value, to_dynamic_value

from . import account, databases, droplets, network, spaces  # noqa: F401 - they add their kinds
from .client import ApiError, Client
from .resource import Resource, settled
from .schema import Fields, State, filled, optional, planned, same, schema

_KINDS = {f"digitalocean_{kind.name}": kind for kind in Resource.kinds}
_CONFIGURATION: Fields = {
    "spaces_access_id": optional(sensitive=True),
    "spaces_secret_key": optional(sensitive=True),
}


def _schemas(*, data: bool) -> dict[str, pb.Schema]:
    return {
        name: schema(kind.fields, kind.version)
        for name, kind in _KINDS.items()
        if kind.data == data
    }


def _wrong(summary: str) -> pb.Diagnostic:
    return pb.Diagnostic(severity=pb.Diagnostic.ERROR, summary=summary)


def _error(doing: str, kind: type[Resource], error: ApiError) -> pb.Diagnostic:
    return _wrong(f"Error {doing} {kind.title}: {error}")


class Servicer(rpc.ProviderServicer):  # type: ignore[misc]
    """Terraform's provider protocol; its names and its messages are Terraform's."""

    client: Client

    def __init__(self, _provider: Any) -> None:
        """As the library makes it."""

    def GetProviderSchema(self, _request: Any, _context: Any) -> Any:
        return pb.GetProviderSchema.Response(
            provider=schema(_CONFIGURATION),
            resource_schemas=_schemas(data=False),
            data_source_schemas=_schemas(data=True),
            # Terraform then asks once a command, not once for every time it starts us.
            server_capabilities=pb.ServerCapabilities(get_provider_schema_optional=True),
        )

    def ValidateProviderConfig(self, _request: Any, _context: Any) -> Any:
        return pb.ValidateProviderConfig.Response()

    def ValidateDataResourceConfig(self, _request: Any, _context: Any) -> Any:
        return pb.ValidateDataResourceConfig.Response()

    def ValidateResourceConfig(self, _request: Any, _context: Any) -> Any:
        return pb.ValidateResourceConfig.Response()

    def ConfigureProvider(self, request: Any, _context: Any) -> Any:
        try:
            self.client = Client(spaces.Spaces(read_dynamic_value(request.config)))
        except ApiError as error:
            return pb.ConfigureProvider.Response(diagnostics=[_wrong(str(error))])
        return pb.ConfigureProvider.Response()

    def StopProvider(self, _request: Any, _context: Any) -> Any:
        return pb.StopProvider.Response()

    def UpgradeResourceState(self, request: Any, _context: Any) -> Any:
        kept = json.loads(request.raw_state.json)
        state = filled(_KINDS[request.type_name].fields, kept)
        return pb.UpgradeResourceState.Response(upgraded_state=to_dynamic_value(state))

    def ReadDataSource(self, request: Any, _context: Any) -> Any:
        kind, answer = _KINDS[request.type_name], pb.ReadDataSource.Response
        config = read_dynamic_value(request.config) | {"id": request.type_name}
        try:
            return answer(state=to_dynamic_value(kind(self.client).read(config)))
        except ApiError as error:
            return answer(diagnostics=[_error("retrieving", kind, error)])

    def ReadResource(self, request: Any, _context: Any) -> Any:
        kind, answer = _KINDS[request.type_name], pb.ReadResource.Response
        current = read_dynamic_value(request.current_state)
        try:
            found = kind(self.client).read(dict(current))
        except ApiError as error:
            if error.status == 404:
                return answer()
            return answer(
                new_state=request.current_state, diagnostics=[_error("retrieving", kind, error)]
            )
        return answer(new_state=to_dynamic_value(settled(kind.fields, current, found)))

    def ImportResourceState(self, request: Any, _context: Any) -> Any:
        kind, answer = _KINDS[request.type_name], pb.ImportResourceState
        try:
            found = kind(self.client).import_(filled(kind.fields, {"id": request.id}))
        except ApiError as error:
            return answer.Response(diagnostics=[_error("retrieving", kind, error)])
        made = answer.ImportedResource(type_name=request.type_name, state=to_dynamic_value(found))
        return answer.Response(imported_resources=[made])

    def PlanResourceChange(self, request: Any, _context: Any) -> Any:
        kind, answer = _KINDS[request.type_name], pb.PlanResourceChange.Response
        prior = read_dynamic_value(request.prior_state)
        proposed = read_dynamic_value(request.proposed_new_state)
        if proposed is None:  # a destroy
            return answer(planned_state=request.proposed_new_state)
        config = read_dynamic_value(request.config)
        plan = proposed | {
            name: planned(field, prior and prior[name], config[name], exists=prior is not None)
            for name, field in kind.fields.items()
        }
        replaced = [
            pb.AttributePath(steps=[pb.AttributePath.Step(attribute_name=name)])
            for name, field in kind.fields.items()
            if prior and field.force_new and not same(field, prior[name], plan[name])
        ]
        return answer(
            planned_state=to_dynamic_value(plan),
            requires_replace=replaced,
            legacy_type_system=True,
        )

    def ApplyResourceChange(self, request: Any, _context: Any) -> Any:
        kind = _KINDS[request.type_name]
        prior = read_dynamic_value(request.prior_state)
        plan = read_dynamic_value(request.planned_state)
        config = read_dynamic_value(request.config)
        new, problem = _applied(kind(self.client, config), prior, plan)
        return pb.ApplyResourceChange.Response(
            new_state=to_dynamic_value(new),
            diagnostics=[problem] if problem else [],
            legacy_type_system=True,
        )


def _applied(
    resource: Resource, prior: State | None, plan: State | None
) -> tuple[State | None, pb.Diagnostic | None]:
    """The state after a plan, and what went wrong."""
    kind = type(resource)
    if plan is None:
        try:
            resource.delete(prior or {})
        except ApiError as error:
            return (None, None) if error.status == 404 else (prior, _error("deleting", kind, error))
        return None, None
    if prior is None:
        plan = {name: None if value is Unknown else value for name, value in plan.items()}
        try:
            return settled(kind.fields, plan, resource.create(plan)), None
        except ApiError as error:
            # What has an id is kept, as tainted, so that the next apply removes it.
            return plan if plan.get("id") else None, _error("creating", kind, error)
    plan = {name: prior.get(name) if value is Unknown else value for name, value in plan.items()}
    try:
        return settled(kind.fields, plan, resource.update(prior, plan)), None
    except ApiError as error:
        return prior, _error("updating", kind, error)
