"""What Terraform asks of a provider, answered as the older SDK does."""

from __future__ import annotations

from typing import Any

import tf.provider
from tf.gen import tfplugin_pb2 as pb
from tf.iface import CreateContext, DeleteContext, UpdateContext
from tf.utils import Diagnostics, _to_attribute_path, read_dynamic_value, to_dynamic_value


class SdkServicer(tf.provider.ProviderServicer):  # type: ignore[misc]
    """Answers Terraform, planning as the older SDK does."""

    def GetProviderSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = super().GetProviderSchema(request, context)
        # Terraform then asks once a command, not once for every time it starts us.
        answer.server_capabilities.get_provider_schema_optional = True
        return answer

    def PlanResourceChange(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = pb.PlanResourceChange.Response
        prior = read_dynamic_value(request.prior_state)
        proposed = read_dynamic_value(request.proposed_new_state)
        if proposed is None:  # a destroy
            return answer(planned_state=request.proposed_new_state)
        resource = self.app.new_resource(self._get_res_cls(request.type_name))
        config = read_dynamic_value(request.config)
        planned = resource.plan_change(prior, config, proposed)
        diags = Diagnostics()
        if problem := resource.check(planned):
            diags.add_error(problem)
        replaced = resource.replaced_by(prior, planned) if prior else []
        return answer(
            planned_state=to_dynamic_value(planned),
            requires_replace=[_to_attribute_path([name]) for name in replaced],
            diagnostics=diags.to_pb(),
            legacy_type_system=True,
        )

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:  # noqa: N802
        prior = read_dynamic_value(request.prior_state)
        planned = read_dynamic_value(request.planned_state)
        diags = Diagnostics()
        resource = self.app.new_resource(self._get_res_cls(request.type_name))
        resource.config = read_dynamic_value(request.config) or {}
        if planned is None:
            state = resource.delete(DeleteContext(diags, request.type_name), prior)
        elif prior is None:
            state = resource.create(CreateContext(diags, request.type_name), planned)
        else:
            state = resource.update(UpdateContext(diags, request.type_name), prior, planned)
        return pb.ApplyResourceChange.Response(
            new_state=to_dynamic_value(state),
            diagnostics=diags.to_pb(),
            legacy_type_system=True,
        )
